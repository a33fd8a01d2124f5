'use strict';

// `npm run scorecard`: the rows of reliability and security, each a test that prints its figure. Sets up what it needs, runs
// the tests that print rows, and fails when a row is missing or not met. `-- --json` prints `[{ row, figure, limit, ok }]` and
// nothing else on stdout; `-- --long` runs the long forms.
//
// A test prints a row as a line `SCORE {"row":"S1","figure":"...","limit":"...","ok":true}`; a row may have several.

const fs = require('node:fs');
const path = require('node:path');
const { JEST_IS_DONE, run } = require('./run.js');
const { setUp, SetupError, root } = require('../build/setup.js');

/** The rows that must be there: one that nobody printed has not been tested. */
const ROWS = [
  ...['S1', 'S2', 'S3', 'S5', 'S7', 'S9', 'S10', 'S11', 'S12', 'S13', 'S14', 'S15', 'S16', 'S17', 'S18', 'S19', 'S20'],
  ...[
    'S21',
    'S22',
    'S23',
    'S26',
    'S27',
    'S28',
    'S29',
    'S32',
    'S33',
    'S34',
    'S36',
    'S37',
    'S39',
    'S41',
    'S42',
    'S43',
    'S44',
    'S45',
    'S46',
    'S47',
    'S48',
    'S49',
    'S50',
    'S52',
    'S54',
    'S55',
    'S56',
  ],
];

/** @typedef {{ row: string, figure: string, limit: string, ok: boolean }} Row */

/**
 * The rows in some output, however its runner indents it.
 * @param {string} output
 * @returns {Row[]}
 */
function rowsIn(output) {
  return [...output.matchAll(/^\s*SCORE (\{.*\})\s*$/gm)].map(([, text]) => JSON.parse(/** @type {string} */ (text)));
}

/**
 * One row each, those beyond the list too, by their number; a row of the list that nobody printed is not met.
 * @param {Row[]} printed
 * @param {string[]} [names]
 * @returns {Row[]}
 */
function scorecard(printed, names = ROWS) {
  const all = [...new Set([...names, ...printed.map(({ row }) => row)])];
  const number = (/** @type {string} */ row) => Number(row.slice(1));
  return all
    .sort((a, b) => number(a) - number(b))
    .map((row) => {
      const parts = printed.filter((part) => part.row === row);
      if (parts.length === 0) return { row, figure: 'missing: no test printed it', limit: '', ok: false };
      const joined = (/** @type {'figure' | 'limit'} */ name) =>
        [...new Set(parts.map((part) => `${part[name]}`))].join('; ');
      return { row, figure: joined('figure'), limit: joined('limit'), ok: parts.every(({ ok }) => ok === true) };
    });
}

/** LibreChat's own scenarios of role sync, machine clients, conversations and tenants, by their numbers. @param {number} number */
const isOfS54 = (number) => (number >= 151 && number <= 240) || (number >= 330 && number <= 359);

/**
 * S54: those scenarios called through the adapter as LibreChat's callers call.
 * @param {{ number: number, passed: boolean, differs?: string }[]} scenarios
 * @returns {Row}
 */
function parityRow(scenarios) {
  const its = scenarios.filter(({ number }) => isOfS54(number));
  const passed = its.filter((scenario) => scenario.passed);
  const differing = passed.filter(({ differs }) => differs !== undefined).length;
  const figure = `${passed.length} of ${its.length} pass as LibreChat calls, ${differing} of them differ as documented`;
  return { row: 'S54', figure, limit: 'all, or documented', ok: its.length > 0 && passed.length === its.length };
}

/** @param {string} folder @param {string} ending */
const printing = (folder, ending) =>
  fs
    .readdirSync(path.join(root, folder), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith(ending))
    .filter((file) => /SCORE|\bscore\(/.test(fs.readFileSync(path.join(root, folder, file), 'utf8')))
    .sort();

/**
 * What failed is shown on stderr.
 * @param {string} command
 * @param {string[]} args
 * @param {{ long: boolean, done?: RegExp }} how
 */
async function printedBy(command, args, { long, done }) {
  const env = { ...process.env, REMOTE_AGENT_AUTH_LONG: long ? '1' : '0' };
  const limit = (long ? 120 : 25) * 60_000;
  const { code, output, ended } = await run(command, args, { cwd: root, env, limit, done });
  if (code !== 0) process.stderr.write(ended === undefined ? output : `${output}\n${ended}\n`);
  return { code, output };
}

/** @param {Row[]} rows */
function table(rows) {
  const limits = Math.max(...rows.map(({ limit }) => limit.length));
  return rows
    .map(
      ({ row, figure, limit, ok }) => `${ok ? 'ok  ' : 'FAIL'}  ${row.padEnd(4)}  ${limit.padEnd(limits)}  ${figure}`,
    )
    .join('\n');
}

async function main() {
  const unknown = process.argv.slice(2).filter((argument) => !['--json', '--long'].includes(argument));
  if (unknown.length > 0) throw new SetupError(`no such argument: ${unknown.join(' ')}; there are --json and --long`);
  const long = process.argv.includes('--long');
  await setUp();
  process.stderr.write(`scorecard  Rust core (${printing('tests', '.rs').length} test files)\n`);
  const rust = await printedBy(
    'cargo',
    ['test', '--no-default-features', '--no-fail-fast', '--color=never', '--test', '*', '--', '--show-output'],
    { long },
  );
  const files = printing('__test__', '.test.js')
    .filter((file) => path.basename(file) !== 'scripts.test.js')
    .map((file) => path.join('__test__', file));
  process.stderr.write(`scorecard  addon and JavaScript (${files.length} test files)\n`);
  const bin = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const jest = await printedBy(process.execPath, [bin, '--ci', '--runTestsByPath', ...files], {
    long,
    done: JEST_IS_DONE,
  });
  process.stderr.write('scorecard  parity with LibreChat\n');
  const parity = await printedBy(process.execPath, [path.join(__dirname, 'parity.js'), '--json'], { long });
  const scenarios = /^\{"rows":.*\}$/m.exec(parity.output);
  const parityRows = scenarios === null ? [] : [parityRow(JSON.parse(scenarios[0]).rows)];
  const rows = scorecard([...rowsIn(rust.output), ...rowsIn(jest.output), ...parityRows]);
  console.log(process.argv.includes('--json') ? JSON.stringify(rows, null, 2) : table(rows));
  const missed = rows.filter(({ ok }) => !ok).length;
  process.stderr.write(
    `scorecard  ${rows.length - missed} of ${rows.length} rows met${rust.code + jest.code > 0 ? '; a test failed' : ''}\n`,
  );
  process.exitCode = missed > 0 || rust.code + jest.code > 0 ? 1 : 0;
}

module.exports = { parityRow, rowsIn, scorecard, ROWS };

if (require.main === module) {
  main().catch((error) => {
    process.stderr.write(`${error instanceof SetupError ? `scorecard failed: ${error.message}` : error.stack}\n`);
    process.exitCode = 1;
  });
}
