'use strict';

// `npm run bench`: set-up (the peers in benchmark/, a release build beside the development one), then the measurement in a process
// of its own. `npm run bench:scale` and `bench:footprint` are the same with another script of benchmark/. With `-- --built` the file that
// `npm run build:platforms` has made is measured, and nothing is compiled.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { nativeFileOf, stageMain } = require('../release/pack.js');
const { fileName, ownPlatform } = require('../platforms/table.js');
const { checkTools, compile, installDependencies, putInPlace, say, SetupError, root } = require('../build/setup.js');

const target = path.join(root, 'target');
/** The package as it would be installed: what is published, and the release build of the addon. */
const stage = path.join(target, 'bench-package');

/** Never in place of the addon at the root, which the tests use. @returns {Promise<string>} the native file */
async function buildRelease() {
  say(
    'set-up  release addon  as build:platforms makes it (about 4 minutes from nothing on 2 cores, 1 after a change in src/)',
  );
  // Without the rlib beside it, for whose sake cargo would drop link-time optimisation without a word.
  await compile('release addon', 'cargo', ['rustc', '--locked', '--release', '--lib', '--crate-type', 'cdylib']);
  const library = { linux: 'libremote_agent_auth.so', darwin: 'libremote_agent_auth.dylib' }[process.platform];
  return path.join(target, 'release', library ?? 'remote_agent_auth.dll');
}

/** @param {boolean} built whether the native file is there already */
async function stagePackage(built) {
  const name = ownPlatform();
  if (!name) throw new SetupError('this platform has no name among those of scripts/platforms/table.js');
  const file = built ? nativeFileOf(name, false) : await buildRelease();
  if (!file) throw new SetupError(`npm/${name}/ has no native file: \`npm run build:platforms -- ${name}\` makes it`);
  fs.rmSync(stage, { recursive: true, force: true });
  fs.copyFileSync(file, path.join(stageMain(stage), fileName(name)));
}

/** The crypto library's bare check and the Rust core, for the distance to the limit. */
async function buildLimit() {
  say('set-up  limit          cargo bench --no-run (about 4 minutes from nothing)');
  const args = ['bench', '--no-run', '--no-default-features', '--bench', 'limit'];
  await compile('limit', 'cargo', args);
  const { stdout } = spawnSync('cargo', [...args, '--message-format=json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  });
  const program = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .find(({ executable, target: made }) => executable && made?.name === 'limit')?.executable;
  if (!program) throw new SetupError('cargo built no program `limit`');
  putInPlace(program, path.join(target, 'bench-limit'));
  fs.chmodSync(path.join(target, 'bench-limit'), 0o755);
}

async function main() {
  const [script = 'run', ...given] = process.argv.slice(2);
  const rest = given.filter((argument) => argument !== '--built');
  checkTools();
  await installDependencies();
  // Not `npm ci`: @node-rs/jsonwebtoken names packages for platforms that were never published, which `ci` takes for a broken lock file.
  await installDependencies(path.join(root, 'benchmark'), 'peers', ['install', '--no-save']);
  await stagePackage(rest.length < given.length);
  if (script === 'run' && !rest.includes('--quick')) await buildLimit();
  say('');
  const child = spawn(process.execPath, ['--expose-gc', path.join(root, 'benchmark', `${script}.js`), ...rest], {
    cwd: root,
    stdio: 'inherit',
  });
  process.on('exit', () => child.kill('SIGTERM'));
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

main().catch((error) => {
  say(error instanceof SetupError ? `\nset-up failed: ${error.message}` : error.stack);
  process.exitCode = 1;
});
