'use strict';

// Python packages for tests that need a server written in Python, installed once into target/, never into the system.

const { spawn, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const REQUIREMENTS = path.join(__dirname, 'requirements.txt');
const PATIENCE_MS = 60_000;

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
 * @returns {Promise<{ found: string, stop: () => Promise<void> }>}
 */
async function startPython(folder, args, ready) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONPATH: folder, PYTHONUNBUFFERED: '1' };
  const child = spawn('python3', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let output = '';
  const found = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`python3 ${args[0]} ${args[1]} is not ready:\n${output}`)), PATIENCE_MS);
    gone.then((code) => reject(new Error(`python3 ended with ${code}:\n${output}`)));
    child.once('error', reject);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        // Read on for as long as it runs: a full pipe would stop it.
        if (output.length < 100_000) output += text;
        const match = ready.exec(output);
        if (match === null) return;
        clearTimeout(timer);
        resolve(match[1]);
      });
    }
  }).catch((error) => {
    end();
    throw error;
  });
  return {
    found,
    async stop() {
      process.off('exit', end);
      end();
      await gone;
    },
  };
}

module.exports = { pythonPackages, startPython };
