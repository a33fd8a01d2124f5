'use strict';

// The one table of the platforms this package has a native file for. What stands in npm/, what is built, checked, packed and
// loaded follows from it.

const { readFileSync } = require('node:fs');

/**
 * @typedef {object} Platform
 * @property {string} name as napi-rs writes it; the package is `remote-agent-auth-<name>`, its file `remote-agent-auth.<name>.node`
 * @property {string} target the Rust target of what is released
 * @property {'linux' | 'darwin' | 'win32'} os as `process.platform`
 * @property {'x64' | 'arm64'} cpu as `process.arch`
 * @property {'glibc' | 'musl'} [libc] as npm writes it; Linux only
 * @property {string} [glibc] the oldest glibc it loads on, and the highest symbol version its file may ask for
 * @property {string} [macos] the oldest macOS it loads on
 * @property {'run' | 'linked'} status how far it is proved on a Linux x64 machine with package registries alone: built and run in a Node of
 *   that platform; linked and never run on that system, so that what is released comes from the release workflow
 */

/** @type {readonly Readonly<Platform>[]} */
const platforms = [
  {
    name: 'linux-x64-gnu',
    target: 'x86_64-unknown-linux-gnu',
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    glibc: '2.17',
    status: 'run',
  },
  {
    name: 'linux-arm64-gnu',
    target: 'aarch64-unknown-linux-gnu',
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    glibc: '2.17',
    status: 'run',
  },
  { name: 'linux-x64-musl', target: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl', status: 'run' },
  {
    name: 'linux-arm64-musl',
    target: 'aarch64-unknown-linux-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    status: 'run',
  },
  { name: 'win32-x64-msvc', target: 'x86_64-pc-windows-msvc', os: 'win32', cpu: 'x64', status: 'linked' },
  { name: 'darwin-arm64', target: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64', macos: '11.0', status: 'linked' },
  { name: 'darwin-x64', target: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64', macos: '10.12', status: 'linked' },
];

/** @param {string} name @returns {string} */
const packageName = (name) => `remote-agent-auth-${name}`;

/** @param {string} name @returns {string} */
const fileName = (name) => `remote-agent-auth.${name}.node`;

/** @param {string} name @returns {Readonly<Platform>} */
function platformNamed(name) {
  const found = platforms.find((platform) => platform.name === name);
  if (!found)
    throw new Error(`${name} is no platform of ours: ${platforms.map((platform) => platform.name).join(', ')}`);
  return found;
}

/** The platform of this machine and this Node, if it is one of ours. */
function ownPlatform() {
  const linux = process.platform === 'linux';
  const libc = linux ? (/musl/.test(readFileSync('/proc/self/maps', 'latin1')) ? 'musl' : 'glibc') : undefined;
  return platforms.find((each) => each.os === process.platform && each.cpu === process.arch && each.libc === libc)
    ?.name;
}

module.exports = { fileName, ownPlatform, packageName, platformNamed, platforms };
