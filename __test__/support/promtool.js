'use strict';

// Prometheus' own promtool, from Debian's package: the machine's own, or unpacked into target/. It is linked to nothing but libc.

const path = require('node:path');
const { hasApt, run, unpack } = require('./debian');

const ROOT = path.join(__dirname, '..', '..', 'target', 'prometheus');
const UNPACKED = path.join(ROOT, 'usr', 'bin', 'promtool');
const runs = (binary) => run(binary, ['--version']).status === 0;
const binary = () => ['promtool', UNPACKED].find(runs);

/** @returns {string | undefined} why it is not there */
function installPromtool() {
  if (binary() !== undefined) return undefined;
  if (!hasApt()) return 'no apt-get';
  unpack(ROOT, ['prometheus']);
  return binary() === undefined ? 'Debian’s package could not be downloaded' : undefined;
}

/** @param {...string} args @returns {{ status: number | null, said: string }} */
function promtool(...args) {
  const { status, stdout, stderr } = run(/** @type {string} */ (binary()), args);
  return { status, said: `${stdout}${stderr}` };
}

module.exports = { installPromtool, promtool };
