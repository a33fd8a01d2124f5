#!/usr/bin/env node
'use strict';

// `npm run test:package`: what would be published, installed by npm in an empty project and tried there.
//
//   (nothing)         packs; this machine's platform on Node 20, 22 and 24, on Linux x64 the musl package as well
//   -- NAME...        packs; these platforms
//   -- --local        takes this checkout's own build where npm/<name>/ has no file
//   -- --all          packs; on this machine's platform, in the oldest Node, also the suites that no package can change: `npm test` runs them
//   -- --arm64        packs; the linux-arm64-gnu package under emulation
//   -- --packages DIR the tarballs in DIR, on this machine's platform and in the Node that runs this
//   -- --only A,B     these checks: jest, import, workers, refusals, types, bundle, bundlers, publint, attw, runtimes, newcomer
//   -- --json         one JSON document on stdout, for machines
//
// One line for each check, with figures, and one at the end; exit code 1 when any fails. What cannot be tried is a failure, unless it
// was not asked for.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { nativeFileOf, pack } = require('../release/pack');
const { nodesOf } = require('../platforms/nodes');
const { fileName, ownPlatform, packageName, platformNamed, platforms } = require('../platforms/table');
const { installDependencies, say, root } = require('../build/setup');
const entries = require('../../__test__/package/entry-points');
const { install } = require('../../__test__/package/installation');
const { refusals } = require('../../__test__/package/refusals');
const { resolverFor } = require('../../__test__/package/resolver');
const { EMULATED_SUITES, runSuites } = require('../../__test__/package/suites');
const { versionOf, wrapped } = require('../../__test__/package/wrapped-node');

/**
 * @typedef {{ check: string, where: string, ok: boolean, figure: string, detail?: string, seconds: number }} Result
 * @typedef {import('../../__test__/package/installation').Installation} Installation
 * @typedef {{ major: number, command: string[] }} PlatformNode
 */

const TOOLS = path.join(root, '__test__', 'package');
/**
 * Emulated, everything takes many times as long: more patience, and the suites in which the native file does most. Not those with the
 * OpenID provider of the demo, which does not start in time there, nor those that assert what is answered at once, which depends on speed.
 */
const EMULATED = Object.freeze({
  timeFactor: 20,
  only: EMULATED_SUITES.map((name) => `__test__/${name.replaceAll('.', '\\.')}$`),
});

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    arm64: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    local: { type: 'boolean', default: false },
    only: { type: 'string' },
    packages: { type: 'string' },
  },
});

/** @type {Result[]} */
const results = [];
const CHECKS = [
  'jest',
  'import',
  'workers',
  'refusals',
  'types',
  'bundle',
  'bundlers',
  'publint',
  'attw',
  'runtimes',
  'newcomer',
];
const wanted = options.only?.split(',');

/**
 * @param {string} check
 * @param {string} where
 * @param {() => Promise<import('../../__test__/package/entry-points').TrialResult>} trial
 */
async function report(check, where, trial) {
  if (wanted && !wanted.includes(check) && check !== 'install') return;
  const started = Date.now();
  /** @type {import('../../__test__/package/entry-points').TrialResult} */
  let result;
  try {
    result = await trial();
  } catch (error) {
    result = { ok: false, figure: 'broke off', detail: error instanceof Error ? error.stack : String(error) };
  }
  const seconds = (Date.now() - started) / 1000;
  results.push({ check, where, seconds, ...result });
  const line = `${result.ok ? 'ok  ' : 'FAIL'}  ${check.padEnd(8)}  ${where}: ${result.figure} (${seconds.toFixed(1)} s)`;
  (options.json ? say : console.log)(line);
  if (!result.ok && result.detail) say(result.detail.replace(/^/gm, '      '));
}

/** @param {string[]} names @returns {string[]} the tarballs, the main one first */
function packages(names) {
  if (options.packages) {
    const folder = path.resolve(options.packages);
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith('.tgz'))
      .map((name) => path.join(folder, name))
      .sort();
  }
  // Whatever has been built is offered to npm, so that it has to choose; what is to be tried must have been.
  const all = platforms.map(({ name }) => name).filter((name) => names.includes(name) || nativeFileOf(name, false));
  return pack({ names: all, local: options.local }).map(({ file }) => file);
}

/** @param {string[]} tarballs */
function mainOf(tarballs) {
  const found = tarballs.find((file) => /remote-agent-auth-\d[^/\\]*\.tgz$/.test(file));
  if (!found) throw new Error(`no tarball of the main package among ${tarballs.join(', ')}`);
  return found;
}

/** The arguments by which npm installs for a platform. @param {string} name */
function flagsOf(name) {
  const { os: system, cpu, libc } = platformNamed(name);
  return [`--os=${system}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])];
}

/**
 * What npm installs, and that it is this platform alone.
 * @param {string} name
 * @param {string[]} tarballs
 * @returns {Promise<Installation | undefined>}
 */
async function installed(name, tarballs) {
  /** @type {Installation | undefined} */
  let installation;
  await report('install', name, async () => {
    // npm sees the system it runs on, whatever Node runs it: where that is another one, the command line says so.
    installation = install(tarballs, { flags: name === ownPlatform() ? [] : flagsOf(name) });
    const { main, platforms: chosen } = installation;
    const native = path.join(main, '..', packageName(name), fileName(name));
    const bytes = fs.existsSync(native) ? fs.statSync(native).size : 0;
    const figure = `npm chose ${chosen.join(', ') || 'none'} of ${tarballs.length - 1} platform packages, offline, no script, no compiler; ${(bytes / 1e6).toFixed(1)} MB native`;
    return { ok: chosen.join() === name && bytes > 0, figure };
  });
  return installation;
}

/** The native files of other platforms that there are. @param {string} name */
function foreignTo(name) {
  if (options.packages) return [];
  return platforms.flatMap((other) => {
    const file = other.name === name ? undefined : nativeFileOf(other.name, options.local);
    return file ? [{ name: other.name, file }] : [];
  });
}

/**
 * @param {string} name
 * @param {Installation} installation
 * @param {PlatformNode} node
 * @param {{ scratch: string, tarballs: string[], oldest: boolean }} given
 */
async function inNode(name, installation, { major, command }, { scratch, tarballs, oldest }) {
  const executable = wrapped(command, path.join(scratch, `${name}-${major}`));
  const where = `${name}, Node ${versionOf(executable)}`;
  await report('refusals', where, () => refusals(installation, executable, { tarballs, foreign: foreignTo(name) }));
  await report('import', where, () => entries.importsByName(installation, [executable]));
  await report('workers', where, () => entries.workerThreads(installation, [executable]));
  const own = name === ownPlatform();
  // Elsewhere the suites run in the oldest Node; what a newer one changes, the machine's own platform shows.
  if (!own && !oldest) return;
  await report('jest', where, () =>
    runSuites(installation, {
      node: executable,
      resolver: own ? undefined : resolverFor(name),
      otherNodes: own && oldest && !options.packages,
      oldest: own && oldest && (options.all || options.packages !== undefined),
      ...(command.length > 1 && EMULATED),
    }),
  );
}

/** What does not depend on the platform, once. @param {string} main tarball @param {Installation} installation @param {string} name */
async function once(main, installation, name) {
  await report('types', 'TypeScript', () => entries.types(installation));
  await report('bundle', 'rollup', () => entries.bundled(installation));
  const nativeFile = path.join(installation.main, '..', packageName(name), fileName(name));
  await report('bundlers', 'with the native file', () => entries.bundlers(installation, nativeFile));
  await report('publint', 'main package', () => entries.publint(main));
  await report('attw', 'main package', () => entries.attw(main));
}

/** @param {string[]} tarballs @param {string} name @param {Installation} installation */
async function onlyHere(tarballs, name, installation) {
  if (process.platform === 'linux' && process.arch === 'x64' && platformNamed(name).libc === 'glibc') {
    for (const { name: runtime, command } of entries.otherRuntimes()) {
      await report('runtimes', runtime, () => entries.importsByName(installation, command));
    }
  }
  if (process.platform === 'win32') return;
  await report('newcomer', 'the README alone', async () => {
    const own = tarballs.filter(
      (file) => [mainOf(tarballs)].includes(file) || path.basename(file).startsWith(`${packageName(name)}-`),
    );
    const run = spawnSync(process.execPath, [path.join(TOOLS, 'newcomer.js'), ...own], { encoding: 'utf8' });
    const answers = run.stdout.split('\n').filter((line) => line.includes('README:'));
    return {
      ok: run.status === 0,
      figure: `${answers.length} answers as the README says`,
      detail: run.stdout + run.stderr,
    };
  });
}

async function main() {
  const unknown = wanted?.find((name) => !CHECKS.includes(name));
  if (unknown !== undefined) throw new Error(`there is no check "${unknown}": ${CHECKS.join(', ')}`);
  const own = ownPlatform();
  if (!own) throw new Error(`${process.platform} on ${process.arch} is no platform of ours`);
  const both = own === 'linux-x64-gnu' && !options.packages ? [own, 'linux-x64-musl'] : [own];
  const names = options.arm64 ? ['linux-arm64-gnu'] : positionals.length > 0 ? positionals : both;
  // Not `npm ci`: the lock file was written where packages of other platforms were not to be had, which `ci` takes for a broken one.
  await installDependencies(TOOLS, 'package tools', ['install', '--no-save', '--ignore-scripts']);
  const tarballs = packages(names);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'nodes-'));
  try {
    for (const name of names) {
      const self = { major: Number(process.versions.node.split('.')[0]), command: [process.execPath] };
      const nodes = options.packages ? [self] : nodesOf(name, options.arm64 ? [20] : undefined);
      const [first] = nodes;
      if (!first) throw new Error(`${name}: this machine has no Node for it`);
      const installation = await installed(name, tarballs);
      if (!installation) continue;
      try {
        if (name === own) {
          await once(mainOf(tarballs), installation, name);
          await onlyHere(tarballs, name, installation);
        }
        for (const node of nodes) await inNode(name, installation, node, { scratch, tarballs, oldest: node === first });
      } finally {
        installation.remove();
      }
    }
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

main()
  .catch((error) => results.push({ check: 'all', where: 'here', ok: false, figure: error.message, seconds: 0 }))
  .finally(() => {
    const failed = results.filter(({ ok }) => !ok);
    process.exitCode = failed.length === 0 && results.length > 0 ? 0 : 1;
    const broken = results.find(({ check }) => check === 'all');
    if (broken) say(broken.figure);
    if (options.json)
      console.log(JSON.stringify({ passed: results.length - failed.length, failed: failed.length, results }, null, 2));
    else console.log(`\ntest:package: ${results.length - failed.length} checks passed, ${failed.length} failed`);
  });
