'use strict';

// A real Redis, from Debian's package: the machine's own, or unpacked into target/. The libraries it links to are Debian's; only CI
// installs those.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const os = require('node:os');
const path = require('node:path');
const { freePort, hasApt, run, unpack } = require('./debian');

const ROOT = path.join(__dirname, '..', '..', 'target', 'redis');
const UNPACKED = path.join(ROOT, 'usr', 'bin', 'redis-server');
const PACKAGES = ['redis-server', 'redis-tools'];
const runs = (binary) => run(binary, ['--version']).status === 0;
const binary = () => ['redis-server', UNPACKED].find(runs);

/** @returns {string | undefined} why it is not there */
function installRedis() {
  if (binary() !== undefined) return undefined;
  if (!hasApt()) return 'no apt-get';
  unpack(ROOT, PACKAGES);
  return binary() === undefined
    ? 'Debian’s package could not be downloaded, or its libraries are not installed'
    : undefined;
}

/**
 * What makes it a cluster of one. A node that has met no other does not know its own address and says it is the empty one; ioredis passes
 * over such a node, and finds none.
 */
const CLUSTER = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-config-file'];

/**
 * One on loopback, that keeps nothing on disk. `kill` ends it as a crash would; `start` begins anew at the same port, empty.
 * @param {{ isCluster?: boolean }} [options]
 * @returns {Promise<{ port: number, start: () => Promise<void>, kill: () => Promise<void>, pause: () => void, resume: () => void }>}
 */
async function startRedis({ isCluster = false } = {}) {
  const port = await freePort();
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let server;
  const kill = async () => {
    if (server === undefined) return;
    process.off('exit', killNow);
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
    server = undefined;
  };
  const killNow = () => server?.kill('SIGKILL');
  const start = async () => {
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
    if (isCluster) args.push(...CLUSTER, path.join(os.tmpdir(), `redis-${process.pid}-${port}-${Date.now()}.conf`));
    const begun = spawn(binary(), args, { cwd: os.tmpdir(), stdio: ['ignore', 'pipe', 'inherit'] });
    server = begun;
    process.once('exit', killNow);
    let said = '';
    await new Promise((resolve, reject) => {
      begun.once('exit', () => reject(new Error(`redis-server ended: ${said}`)));
      // Read on for as long as it runs: a full pipe would stop it.
      begun.stdout.on('data', (chunk) => {
        if (said.length < 100_000) said += chunk;
        if (said.includes('Ready to accept connections')) resolve();
      });
    });
  };
  await start();
  return { port, start, kill, pause: () => server?.kill('SIGSTOP'), resume: () => server?.kill('SIGCONT') };
}

module.exports = { installRedis, startRedis };
