'use strict';

// npx remote-agent-auth console: the console on this machine alone, over the same configuration as the doctor.

const { randomBytes } = require('node:crypto');
const { createServer } = require('node:http');
const { CONFIGURATION_USAGE, configurationOf, parse } = require('./command-arguments');
const { createHandler } = require('./console-handler');
const { diagnose } = require('./doctor');
const { UsageError } = require('./doctor-configuration');

/** @typedef {import('./doctor-command').Output} Output */

const USAGE = `Usage: npx remote-agent-auth console [FILE] [options]

Opens a page on this machine: the configuration, the way to the provider, its keys, and what becomes of a token that you paste. The decisions of
a running server are shown by the console that is mounted in that server (docs/console.md).

${CONFIGURATION_USAGE}
  --port N              the port on 127.0.0.1; default: one that is free
  --help
`;

const LOOPBACK = '127.0.0.1';
/** Milliseconds for which what the doctor found is shown again: reloading the page must not ask the provider each time. */
const DOCTOR_MS = 10_000;
/** Bytes of the part of the address that only those know who were shown it: other users of this machine reach the port too. */
const KEY_BYTES = 16;

/**
 * @param {string[]} args
 * @param {{ stdout: Output, stderr: Output }} [io]
 * @returns {Promise<{ code: number, close?: () => Promise<void> }>} `close` where it listens
 */
async function consoleCommand(args, { stdout, stderr } = process) {
  try {
    const given = parse(args, { port: { type: 'string' } });
    if (given.values.help) {
      stdout.write(USAGE);
      return { code: 0 };
    }
    const port = portOf(given.values.port);
    const configuration = configurationOf(given);
    // A file that is not there is said now, and not on the page.
    configuration.config();
    const key = randomBytes(KEY_BYTES).toString('base64url');
    const server = createServer(listener(configuration, configuration.policy(), `/${key}/`));
    const address = await listening(server, port);
    stdout.write(`The console is at http://${LOOPBACK}:${address}/${key}/ (end it with Ctrl+C)\n`);
    return { code: 0, close: () => closed(server) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    stderr.write(`console: ${error.message}\n`);
    return { code: 2 };
  }
}

/** @param {string | undefined} text @returns {number} */
function portOf(text = '0') {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError('--port is a number from 0 to 65535');
  return port;
}

/**
 * @param {ReturnType<typeof configurationOf>} configuration
 * @param {any} policy
 * @param {string} path where the page is; nothing is anywhere else
 * @returns {import('node:http').RequestListener}
 */
function listener({ config }, policy, path) {
  const options = { authorize: () => true, getAppConfig: async () => config(), policy };
  const handler = createHandler(options, { provider: keptFor(DOCTOR_MS, () => diagnosed(config, policy)) });
  return (req, res) => {
    if (req.url?.split('?')[0] === path) return void handler(/** @type {any} */ (req), res);
    res
      .writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' })
      .end('Not here: open the address as it was printed.');
  };
}

/** What the doctor finds beyond the configuration, which the page shows anyway. @param {() => unknown} config @param {any} policy */
async function diagnosed(config, policy) {
  try {
    const lines = await diagnose({ config: config(), policy });
    return lines.filter(({ check }) => !['configuration', 'environment', 'policy'].includes(check));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return [{ check: 'configuration', status: /** @type {const} */ ('failed'), text: error.message }];
  }
}

/** @template T @param {number} milliseconds @param {() => Promise<T>} make @returns {() => Promise<T>} */
function keptFor(milliseconds, make) {
  /** @type {{ until: number, made: Promise<T> } | undefined} */
  let last;
  return () => {
    if (last === undefined || performance.now() >= last.until)
      last = { until: performance.now() + milliseconds, made: make() };
    return last.made;
  };
}

/** @param {import('node:http').Server} server @param {number} port @returns {Promise<number>} */
function listening(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) =>
      reject(new UsageError(`port ${port} of ${LOOPBACK} cannot be listened at (${error.code})`)),
    );
    server.listen(port, LOOPBACK, () => resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port));
  });
}

/** @param {import('node:http').Server} server @returns {Promise<void>} */
function closed(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

module.exports = { consoleCommand };
