'use strict';

// Runs a test runner to its end, and ends one that does not come to it: a provider or a socket that a failed test has left open keeps jest
// alive for ever, and a check that hangs does not show which test it was.

const { spawn } = require('node:child_process');

const windows = process.platform === 'win32';
const MINUTE = 60_000;

/** What jest writes behind its last suite. */
const JEST_IS_DONE = /^Ran all test suites/m;

/**
 * @typedef {object} Limits
 * @property {number} [limit] milliseconds for the whole
 * @property {RegExp} [done] what it writes when its work is done, after which it has `grace` milliseconds to exit
 * @property {number} [grace]
 */

/** @param {import('node:child_process').ChildProcess} child */
function endAll(child) {
  try {
    // The group: what the tests have started goes with them.
    if (windows) child.kill('SIGKILL');
    else process.kill(-Number(child.pid), 'SIGKILL');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

/**
 * Runs a command with its output kept, and shown where asked for. Whatever it has started and left behind ends with it.
 * @param {string} command
 * @param {string[]} args
 * @param {Limits & { cwd?: string, env?: NodeJS.ProcessEnv, shown?: boolean }} [how]
 * @returns {Promise<{ code: number, output: string, ended?: string }>} `output`: of both streams; `ended`: why it was, where it did not
 *   exit by itself
 */
function run(command, args, { cwd, env = process.env, shown = false, limit = 25 * MINUTE, done, grace = MINUTE } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: !windows });
    /** @type {string | undefined} */
    let ended;
    /** @type {NodeJS.Timeout | undefined} */
    let afterwards;
    const end = (/** @type {string} */ why) => {
      ended ??= why;
      endAll(child);
    };
    const whole = setTimeout(() => end(`not done after ${limit / MINUTE} minutes`), limit);
    const interrupted = (/** @type {NodeJS.Signals} */ signal) => {
      end(signal);
      process.exit(1);
    };
    /** @type {NodeJS.Signals[]} */
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, interrupted);

    let output = '';
    for (const [from, to] of /** @type {const} */ ([
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ])) {
      from.setEncoding('utf8');
      let line = '';
      from.on('data', (/** @type {string} */ text) => {
        output += text;
        if (shown) to.write(text);
        if (!done || afterwards) return;
        line += text;
        if (done.test(line)) {
          afterwards = setTimeout(
            () => end(`done, but still there after ${grace / 1000} s: a test left something open`),
            grace,
          );
        }
        line = line.slice(line.lastIndexOf('\n') + 1);
      });
    }
    const over = () => {
      clearTimeout(whole);
      clearTimeout(afterwards);
      for (const signal of signals) process.off(signal, interrupted);
    };
    child.on('error', (error) => {
      over();
      reject(error);
    });
    // Before `close`, which waits for everybody who holds the other end of the pipes.
    child.on('exit', () => endAll(child));
    child.on('close', (code) => {
      over();
      resolve({ code: code ?? 1, output, ended });
    });
  });
}

module.exports = { JEST_IS_DONE, run };
