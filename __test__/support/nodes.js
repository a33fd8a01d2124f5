'use strict';

// Other Node versions, as npm packages that hold the binary and nothing else, kept in .cache/.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/**
 * The Node binary of a major version, installed when it is not there yet.
 * @param {number} major
 * @returns {{ node: string, reason?: undefined } | { node?: undefined, reason: string }}
 */
function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return { node: process.execPath };
  const parent = path.join(__dirname, '..', '..', '.cache');
  const folder = path.join(parent, `node-${major}`);
  const name = `node-${process.platform}-${process.arch}`;
  const binary = path.join('node_modules', name, 'bin', 'node');
  if (fs.existsSync(path.join(folder, binary))) return { node: path.join(folder, binary) };
  fs.mkdirSync(parent, { recursive: true });
  const fresh = fs.mkdtempSync(path.join(parent, `new-node-${major}-`));
  const args = [
    'install',
    '--prefix',
    fresh,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-save',
    `${name}@${major}`,
  ];
  const npm = spawnSync('npm', args, { cwd: fresh, encoding: 'utf8', shell: process.platform === 'win32' });
  if (npm.error || !fs.existsSync(path.join(fresh, binary))) {
    fs.rmSync(fresh, { recursive: true, force: true });
    return { reason: npm.error?.message ?? `npm could not install ${name}@${major}` };
  }
  try {
    fs.renameSync(fresh, folder);
  } catch {
    fs.rmSync(fresh, { recursive: true, force: true });
  }
  return { node: path.join(folder, binary) };
}

module.exports = { nodeOf };
