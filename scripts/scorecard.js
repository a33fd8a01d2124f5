'use strict';

// `npm run scorecard`: the rows of reliability and security, each a test that prints its figure. `-- --json` prints them as JSON
// and nothing else on stdout, `-- --long` runs the long forms.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setUp, SetupError, root } = require('./setup.js');

/** Every row there must be: one that nobody printed has not been tested. */
const REQUIRED = [
  ...['S1', 'S2', 'S3', 'S5', 'S7', 'S9', 'S10', 'S11', 'S12', 'S13', 'S14', 'S15', 'S16', 'S17', 'S18', 'S19', 'S20'],
  ...['S21', 'S22', 'S23', 'S26', 'S28', 'S32', 'S33', 'S34', 'S36', 'S37'],
];

const json = process.argv.includes('--json');
const long = process.argv.includes('--long');

/** @typedef {{ row: string, figure: string, limit: string, ok: boolean }} Row */

/**
 * Runs a command, its output shown on stderr, and gathers the rows it prints.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ code: number, rows: Row[] }>}
 */
function gather(command, args) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...(long ? { REMOTE_AGENT_AUTH_LONG: '1' } : {}) };
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => (output += text));
    }
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) process.stderr.write(output);
      const rows = [...output.matchAll(/^.*?SCORE (\{.*\})\s*$/gm)].map(([, line]) => JSON.parse(line));
      resolve({ code: code ?? 1, rows });
    });
  });
}

/** The jest suites that print rows. */
function suites() {
  const folder = path.join(root, '__test__');
  const prints = (/** @type {string} */ name) => /support\/score/.test(fs.readFileSync(path.join(folder, name), 'utf8'));
  return fs.readdirSync(folder).filter((name) => name.endsWith('.test.js') && prints(name));
}

/**
 * The worst of the rows of one name: a row may be printed by a Rust and a JavaScript part.
 * @param {Row[]} rows
 * @returns {Row[]}
 */
function merged(rows) {
  /** @type {Map<string, Row>} */
  const byName = new Map();
  for (const row of rows) {
    const known = byName.get(row.row);
    byName.set(
      row.row,
      known ? { ...row, figure: `${known.figure}; ${row.figure}`, ok: known.ok && row.ok } : row,
    );
  }
  for (const row of REQUIRED) {
    if (!byName.has(row)) byName.set(row, { row, figure: 'no figure', limit: 'a figure', ok: false });
  }
  return [...byName.values()].sort((a, b) => Number(a.row.slice(1)) - Number(b.row.slice(1)));
}

async function main() {
  await setUp();
  const say = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);
  say(`scorecard  Rust rows${long ? ', long forms' : ''}`);
  const rust = await gather('cargo', ['test', '--no-default-features', '--no-fail-fast', '--color=never', '--', '--nocapture']);
  const files = suites().map((name) => path.join('__test__', name));
  say(`scorecard  JavaScript rows (${files.length} suites)`);
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const javascript = await gather(process.execPath, [jest, '--ci', '--colors=false', ...files]);
  const rows = merged([...rust.rows, ...javascript.rows]);
  const ok = rust.code === 0 && javascript.code === 0 && rows.every((row) => row.ok);
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
  } else {
    for (const row of rows) {
      console.log(`${row.ok ? 'ok    ' : 'FAILED'} ${row.row.padEnd(4)} ${row.figure}\n            limit: ${row.limit}`);
    }
    console.log(`\n${rows.filter((row) => row.ok).length} of ${rows.length} rows hold`);
  }
  process.exitCode = ok ? 0 : 1;
}

main().catch((error) => {
  process.stderr.write(`${error instanceof SetupError ? `set-up failed: ${error.message}` : error.stack}\n`);
  process.exitCode = 1;
});
