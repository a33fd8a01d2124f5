'use strict';

// A server in a process group of its own, waited for by its port or an answer, and ended whatever happens to us.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: after } = require('node:timers/promises');

/** The slowest start seen: Keycloak's first, on two busy cores. */
const START_MS = 8 * 60_000;
/** For a database to be closed. */
const STOP_MS = 20_000;

/** @type {Set<number>} groups that run */
const running = new Set();

/** @param {number} group @param {NodeJS.Signals} signal */
function signalGroup(group, signal) {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

function endAll() {
  for (const group of running) signalGroup(group, 'SIGKILL');
}
process.once('exit', endAll);

/** A folder that is gone when we are: whoever writes there has been ended before. @param {string} prefix */
function scratchFolder(prefix) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** @type {NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const signal of SIGNALS) process.once(signal, () => process.exit(1));

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, log: string, ready: () => Promise<boolean> }} how `log`: file for its output
 * @returns {Promise<{ stop: () => Promise<void> }>}
 * @throws {Error} with the end of its output, when it ends or is not ready in time
 */
async function startChild(command, args, { env, cwd, log, ready }) {
  const output = fs.openSync(log, 'a');
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
    detached: true,
  });
  fs.closeSync(output);
  const gone = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const group = child.pid;
  if (group === undefined) throw new Error(`${command} cannot be started: ${await gone}`);
  running.add(group);
  let ended = false;
  void gone.then(() => (ended = true));
  const stop = async () => {
    signalGroup(group, 'SIGTERM');
    await Promise.race([gone, after(STOP_MS, undefined, { ref: false })]);
    signalGroup(group, 'SIGKILL');
    await gone;
    running.delete(group);
  };
  const limit = Date.now() + START_MS;
  while (!(await ready())) {
    if (ended || Date.now() > limit) {
      await stop();
      throw new Error(
        `${command} ${ended ? 'ended' : 'was not ready in time'}:\n${fs.readFileSync(log, 'utf8').slice(-3000)}`,
      );
    }
    await after(200);
  }
  return { stop };
}

/** A port of loopback nobody has at this moment. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether a URL answers 200 by now. @param {string} url */
async function answers(url) {
  return fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    async (response) => (await response.arrayBuffer(), response.ok),
    () => false,
  );
}

module.exports = { answers, freePort, scratchFolder, startChild };
