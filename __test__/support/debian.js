'use strict';

// Programs from Debian's packages, for the tests that drive them: unpacked into a folder below target/, where nothing of the machine
// changes. Only CI, which is a machine of its own each time, installs the libraries they link to, and other programs.

const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

/** For apt, which waits for another one's lock, and for what may wait for a network. */
const PATIENCE_MS = 300_000;

/** @param {string} command @param {string[]} args @param {import('node:child_process').SpawnSyncOptions} [options] */
const run = (command, args, options = {}) =>
  spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE_MS, ...options });
const hasApt = () => run('apt-get', ['--version']).error === undefined;

/** @param {string[]} packages */
function install(packages) {
  return run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/**
 * @param {string} folder
 * @param {string[]} packages
 * @param {string[]} [also] packages that CI installs beside the libraries
 */
function unpack(folder, packages, also = []) {
  if (process.env.CI === 'true') {
    run('apt-get', ['update']);
    const depends = `${run('apt-cache', ['depends', ...packages]).stdout ?? ''}`;
    const libraries = [...depends.matchAll(/Depends: ((?:lib|zlib|lua-)\S+)$/gm)].map(([, name]) => name);
    install([...new Set([...also, ...libraries])]);
  }
  const downloads = fs.mkdtempSync(path.join(os.tmpdir(), 'debian-'));
  try {
    run('apt-get', ['download', ...packages], { cwd: downloads });
    for (const file of fs.readdirSync(downloads)) run('dpkg', ['-x', path.join(downloads, file), folder]);
  } finally {
    fs.rmSync(downloads, { recursive: true, force: true });
  }
}

/** For a program that cannot choose one itself: free a moment ago. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

module.exports = { freePort, hasApt, install, run, unpack };
