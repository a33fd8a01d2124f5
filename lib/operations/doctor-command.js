'use strict';

// npx remote-agent-auth doctor: what is wrong with a configuration, a provider or a token.

const { readFileSync } = require('node:fs');
const { CONFIGURATION_USAGE, configurationOf, parse } = require('./command-arguments');
const { diagnose } = require('./doctor');
const { UsageError } = require('./doctor-configuration');
const { tokenOf } = require('./doctor-token');

/** @typedef {import('./doctor').Line} Line */

const USAGE = `Usage: npx remote-agent-auth doctor [FILE] [options]

Looks at a configuration, the way to its provider, the provider's documents and, if you like, a token; says what is wrong and what to do.

${CONFIGURATION_USAGE}
  --token-file FILE     explain the token in FILE, check by check; - reads it from standard input. It is not printed and not sent anywhere
  --json                one JSON array of { check, status, text, code?, action?, expected?, got? }
  --help

Exit code: 0 nothing failed, 1 something failed, 2 the command could not be carried out.
`;

const COLOURS = { ok: 32, warning: 33, failed: 31, skipped: 2 };
/** Milliseconds after which a person at a terminal is shown that something is still under way. */
const PATIENCE = 1000;

/**
 * @typedef {{ write(text: string): unknown, isTTY?: boolean }} Output
 * @param {string[]} args
 * @param {{ stdout: Output, stderr: Output, env: NodeJS.ProcessEnv }} [io]
 * @returns {Promise<number>} the exit code
 */
async function doctor(args, { stdout, stderr, env } = process) {
  try {
    const given = read(args);
    if (given === 'help') {
      stdout.write(USAGE);
      return 0;
    }
    const lines = await patiently(diagnose(given), stderr);
    const { NO_COLOR } = env;
    const colours = stdout.isTTY === true && !NO_COLOR;
    stdout.write(
      given.json
        ? `${JSON.stringify(lines, null, 2)}\n`
        : `${lines.map((line) => render(line, colours)).join('\n')}\n${summary(lines)}\n`,
    );
    return lines.some(({ status }) => status === 'failed') ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    stderr.write(`doctor: ${error.message}\n`);
    return 2;
  }
}

/** @param {string[]} args */
function read(args) {
  const given = parse(args, { 'token-file': { type: 'string' }, json: { type: 'boolean' } });
  const { help, json = false, 'token-file': tokenFile } = given.values;
  if (help) return /** @type {const} */ ('help');
  const { config, policy } = configurationOf(given);
  return {
    config: config(),
    policy: policy(),
    json,
    token: tokenFile === undefined ? undefined : readToken(tokenFile),
  };
}

/** @param {string} file @returns {string} */
function readToken(file) {
  try {
    return tokenOf(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new UsageError(`the token file cannot be read (${/** @type {NodeJS.ErrnoException} */ (error).code})`);
  }
}

/** @template T @param {Promise<T>} work @param {Output} stderr @returns {Promise<T>} */
async function patiently(work, stderr) {
  const timer = setInterval(
    () => stderr.isTTY && stderr.write('doctor: still waiting for the provider...\n'),
    PATIENCE,
  );
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** @param {Line} line @param {boolean} colours */
function render({ check, status, text, code, action, expected, got }, colours) {
  const mark = colours ? `\u001b[${COLOURS[status]}m${status.padEnd(7)}\u001b[0m` : status.padEnd(7);
  const rows = [`${mark}  ${check.padEnd(13)}  ${printable(text)}${code === undefined ? '' : ` (${code})`}`];
  if (expected !== undefined && !text.includes(expected)) rows.push(`expected: ${printable(expected)}`);
  if (got !== undefined && !text.includes(got)) rows.push(`got: ${printable(got)}`);
  if (action !== undefined) rows.push(`what to do: ${action}`);
  return rows.join(`\n${' '.repeat(24)}`);
}

/** A terminal obeys control characters. @param {string} text */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}

/** @param {Line[]} lines */
function summary(lines) {
  const count = (/** @type {Line['status']} */ status) => lines.filter((line) => line.status === status).length;
  return `${count('failed')} failed, ${count('warning')} warnings`;
}

module.exports = { doctor };
