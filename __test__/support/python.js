'use strict';

// Python packages for tests that need a server written in Python, installed once into target/, never into the system.

const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { startServer } = require('./server-process');

const REQUIREMENTS = path.join(__dirname, 'requirements.txt');

/**
 * Where the packages are, or why there are none. Runs pip when they are missing.
 * @returns {{ folder: string, reason?: undefined } | { reason: string }}
 */
function pythonPackages() {
  const wanted = createHash('sha256').update(fs.readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const parent = path.join(__dirname, '..', '..', 'target', 'python');
  const folder = path.join(parent, wanted);
  if (fs.existsSync(folder)) return { folder };
  fs.mkdirSync(parent, { recursive: true });
  const fresh = fs.mkdtempSync(path.join(parent, 'new-'));
  const pip = spawnSync(
    'python3',
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', fresh, '-r', REQUIREMENTS],
    { encoding: 'utf8' },
  );
  if (pip.error || pip.status !== 0) {
    fs.rmSync(fresh, { recursive: true, force: true });
    return { reason: pip.error ? `python3: ${pip.error.message}` : `pip: ${pip.stderr.trim().split('\n').at(-1)}` };
  }
  try {
    fs.renameSync(fresh, folder);
  } catch {
    // Another test has put its own there in the meantime.
    fs.rmSync(fresh, { recursive: true, force: true });
  }
  return { folder };
}

/**
 * Starts a Python server and waits for the line that says where it listens.
 * @param {string} folder of the packages
 * @param {string[]} args
 * @param {RegExp} ready its first group is what the caller wants to know
 */
function startPython(folder, args, ready) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONPATH: folder, PYTHONUNBUFFERED: '1' };
  return startServer('python3', args, ready, { env });
}

module.exports = { pythonPackages, startPython };
