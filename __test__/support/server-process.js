'use strict';

// A server in a process of its own, for as long as a test needs it. One that does not start is ended: what is left open keeps jest alive.

const { spawn } = require('node:child_process');

/** Less than the tests give it, so that the error holds what it printed. */
const PATIENCE_MS = 45_000;

/**
 * Starts a program and waits for the line that says it is ready.
 * @param {string} command
 * @param {string[]} args
 * @param {RegExp} ready its first group, if any, is what the caller wants to know
 * @param {{ env?: NodeJS.ProcessEnv, patience?: number }} [options] `patience` in milliseconds
 * @returns {Promise<{ found: string, stop: () => Promise<void> }>}
 */
async function startServer(command, args, ready, { env, patience = PATIENCE_MS } = {}) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const gone = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await gone;
  };
  let output = '';
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    const found = await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('is not ready')), patience);
      gone.then((why) => reject(new Error(`ended: ${why}`)));
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8');
        stream.on('data', (text) => {
          // Read on for as long as it runs: a full pipe would stop it.
          if (output.length < 100_000) output += text;
          const match = ready.exec(output);
          if (match !== null) resolve(match[1]);
        });
      }
    });
    return { found, stop };
  } catch (error) {
    await stop();
    throw new Error(`${[command, ...args].join(' ')} ${error instanceof Error ? error.message : error}\n${output}`);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { startServer };
