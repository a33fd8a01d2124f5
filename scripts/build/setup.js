'use strict';

// Everything a fresh clone needs before the demo or the tests can run: a Node and a Rust that are new enough, the
// dependencies of the lock file, the native addon. Uses Node alone, because nothing is installed yet.
// Progress goes to stderr, so that a caller's stdout stays its own.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const modules = path.join(root, 'node_modules');
const HEARTBEAT_MS = 20_000;
const windows = process.platform === 'win32';

/** A set-up step that failed for a reason the reader can mend; printed without a stack. */
class SetupError extends Error {}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}

/** @param {string} version @returns {number[]} */
function numbers(version) {
  return version.split('.').map(Number);
}

/** @param {string} have @param {string} need */
function olderThan(have, need) {
  const a = numbers(have);
  const b = numbers(need);
  for (let i = 0; i < b.length; i++) {
    if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) < b[i];
  }
  return false;
}

/**
 * The first line a tool prints for its version, or undefined when there is no such tool.
 * @param {string} command
 * @param {string[]} [args]
 */
function version(command, args = ['--version']) {
  const run = spawnSync(command, args, { cwd: root, encoding: 'utf8', shell: windows });
  if (run.error || run.status !== 0) return undefined;
  return run.stdout.split('\n')[0].trim();
}

function checkTools() {
  if (olderThan(process.versions.node, '20')) {
    throw new SetupError(`Node ${process.versions.node} is too old: Node 20 or newer is needed.`);
  }

  // rustup installs here and edits shell profiles, which a script started by an editor or a CI runner has not read.
  const cargoHome = path.join(process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo'), 'bin');
  if (!version('cargo') && fs.existsSync(cargoHome)) {
    process.env.PATH = `${cargoHome}${path.delimiter}${process.env.PATH}`;
  }
  const cargo = version('cargo');
  const rustc = version('rustc');
  if (!cargo || !rustc) {
    throw new SetupError(
      'No working Rust toolchain: `cargo --version` or `rustc --version` failed. Install Rust with rustup, or put cargo on the PATH.',
    );
  }
  const manifest = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  const needed = /^rust-version\s*=\s*"([^"]+)"/m.exec(manifest)?.[1] ?? '0';
  const found = /\d+\.\d+\.\d+/.exec(rustc)?.[0] ?? '0';
  if (olderThan(found, needed)) {
    throw new SetupError(`Rust ${found} is too old: ${needed} or newer is needed (\`rustup update stable\`).`);
  }

  const compilers = process.env.CC ? [process.env.CC] : windows ? ['cl', 'clang'] : ['cc', 'gcc', 'clang'];
  const compiler = compilers.find((name) => version(name, name === 'cl' ? [] : ['--version']));
  if (!compiler) {
    throw new SetupError(
      `No C compiler (looked for ${compilers.join(', ')}): the cryptography library is built from C. ` +
        'Install one, for example `apt-get install build-essential` on Debian or `xcode-select --install` on macOS.',
    );
  }
  say(`set-up  tools          node ${process.versions.node}, rust ${found}, C compiler ${compiler}`);
}

/**
 * Runs a tool quietly. Its output is kept and shown only when it fails; `onLine` sees every line as it comes, and a heartbeat
 * says what happened last, so that minutes of compiling do not look like a hang.
 * @param {string} label
 * @param {string} command
 * @param {string[]} args
 * @param {(line: string) => string | undefined} [onLine] what a line means to the reader, if anything
 * @param {string} [cwd]
 * @returns {Promise<void>}
 */
function quietly(label, command, args, onLine = () => undefined, cwd = root) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: windows,
    });
    const started = Date.now();
    /** @type {string[]} */
    const output = [];
    let news = 'started';
    const heartbeat = setInterval(() => {
      say(`set-up  ${label.padEnd(14)} ... ${Math.round((Date.now() - started) / 1000)} s, ${news}`);
    }, HEARTBEAT_MS);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (/** @type {string} */ text) => {
        const lines = (rest + text).split(/\r?\n/);
        rest = lines.pop() ?? '';
        for (const line of lines) {
          output.push(line);
          news = onLine(line) ?? news;
        }
      });
      stream.on('end', () => rest && output.push(rest));
    }
    child.on('error', (error) => {
      clearInterval(heartbeat);
      reject(new SetupError(`Could not start ${command}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearInterval(heartbeat);
      if (code === 0) {
        resolve();
        return;
      }
      say(output.join('\n'));
      reject(new SetupError(`${label} failed (${signal ?? `exit code ${code}`}): ${command} ${args.join(' ')}`));
    });
  });
}

/** @param {number} started */
function took(started) {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}

/**
 * Whether a folder's node_modules is what its lock file describes. npm leaves a record of what it installed, in the lock file's
 * own words, as the last thing it does; packages of other platforms are in the lock file only.
 * @param {string} folder
 */
function installedAsLocked(folder) {
  const record = path.join(folder, 'node_modules', '.package-lock.json');
  if (!fs.existsSync(record)) return false;
  const installed = JSON.parse(fs.readFileSync(record, 'utf8')).packages;
  const locked = JSON.parse(fs.readFileSync(path.join(folder, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(([name, { version, integrity, optional }]) => {
    const found = installed[name];
    if (name === '') return true;
    return found ? found.version === version && found.integrity === integrity : optional;
  });
}

/**
 * @param {string} [folder] with a package.json and its lock file
 * @param {string} [label]
 * @param {string[]} [how]
 */
async function installDependencies(folder = root, label = 'dependencies', how = ['ci']) {
  if (installedAsLocked(folder)) {
    say(`set-up  ${label.padEnd(14)} as the lock file says, nothing to do`);
    return;
  }
  const started = Date.now();
  say(`set-up  ${label.padEnd(14)} npm ${how.join(' ')} by the lock file (about half a minute from nothing)`);
  const args = [...how, '--no-audit', '--no-fund', '--loglevel=error'];
  // Under `npm run` the very npm in use is named; it is a script, so Node runs it on every platform alike.
  const npm = process.env.npm_execpath;
  if (npm?.endsWith('.js')) await quietly(label, process.execPath, [npm, ...args], undefined, folder);
  else await quietly(label, windows ? 'npm.cmd' : 'npm', args, undefined, folder);
  say(`set-up  ${label.padEnd(14)} done in ${took(started)}`);
}

/**
 * Puts a built file where it belongs, only if it is another one, and at once: a process that has the old file mapped
 * keeps it, instead of running on half-written code.
 * @param {string} from
 * @param {string} to
 */
function putInPlace(from, to) {
  const built = fs.readFileSync(from);
  if (fs.existsSync(to) && built.equals(fs.readFileSync(to))) return;
  fs.writeFileSync(`${to}.new`, built);
  fs.renameSync(`${to}.new`, to);
}

/**
 * @param {string} label
 * @param {string} command
 * @param {string[]} args
 */
async function compile(label, command, args) {
  const started = Date.now();
  let compiled = 0;
  await quietly(label, command, args, (line) => {
    const crate = /^\s*Compiling (\S+)/.exec(line)?.[1];
    if (!crate) return undefined;
    compiled++;
    return `${compiled} crates begun, last ${crate}`;
  });
  say(
    `set-up  ${label.padEnd(14)} done in ${took(started)}${compiled ? `, ${compiled} crates compiled` : ', already fresh'}`,
  );
}

async function buildAddon() {
  say(
    'set-up  native addon   napi build, development profile (about 5 minutes from nothing on 2 cores, seconds when warm)',
  );
  const fresh = path.join(root, 'target', 'addon');
  fs.mkdirSync(fresh, { recursive: true });
  const napi = path.join(modules, '.bin', windows ? 'napi.cmd' : 'napi');
  await compile('native addon', napi, [
    'build',
    '--platform',
    '--no-js',
    '--output-dir',
    fresh,
    '--dts',
    'binding.d.ts',
  ]);
  for (const name of fs.readdirSync(fresh)) putInPlace(path.join(fresh, name), path.join(root, name));
}

/** Brings the checkout to a state in which everything can run. Rejects with a `SetupError` that says what to mend. */
async function setUp() {
  checkTools();
  await installDependencies();
  await buildAddon();
}

module.exports = { checkTools, compile, installDependencies, putInPlace, say, setUp, SetupError, root };

if (require.main === module) {
  setUp().catch((error) => {
    say(error instanceof SetupError ? `\nset-up failed: ${error.message}` : error.stack);
    process.exitCode = 1;
  });
}
