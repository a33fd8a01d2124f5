#!/usr/bin/env node
'use strict';

// `npm run run:platform -- [names]`: each platform's file, at npm/<name>/, in every Node of that platform this machine can have.
// What it must do there is in trial.js. Without names: every platform whose file is there. Prints figures.

const { spawnSync } = require('node:child_process');
const { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { nodesOf } = require('./nodes.js');
const { fileName, platformNamed, platforms } = require('./table.js');
const { SetupError, root } = require('../build/setup.js');

const TRIAL = path.join(__dirname, 'trial.js');
/** Under emulation the whole takes ten times as long as without; a process that does not end is a failure, too. */
const TIME_LIMIT_MS = 180_000;

/** @typedef {{ node: string, arch: string, libc: string | null, version: string, probes: string[], algorithms: string[], loaded: number, fetched: number, fetchedOverTls: number, checked: number }} Figures */

/** @param {string} name @returns {string} */
const fileOf = (name) => path.join(root, 'npm', name, fileName(name));

/**
 * @param {string} file
 * @param {string[]} command
 * @returns {{ figures: Figures } | { problem: string }}
 */
function trial(file, command) {
  const [program = '', ...before] = command;
  const env = { ...process.env, REMOTE_AGENT_AUTH_BINARY: file };
  // Into files: a Windows program under Wine can make nothing of a socket, which is what Node takes for a pipe.
  const folder = mkdtempSync(path.join(os.tmpdir(), 'platform-'));
  const [printed, complaints] = ['stdout', 'stderr'].map((name) => path.join(folder, name));
  const [stdout, stderr] = [openSync(printed, 'w'), openSync(complaints, 'w')];
  try {
    const run = spawnSync(program, [...before, TRIAL], {
      stdio: ['ignore', stdout, stderr],
      timeout: TIME_LIMIT_MS,
      env,
    });
    if (run.status === 0) return { figures: JSON.parse(readFileSync(printed, 'utf8')) };
    return { problem: `${run.signal ?? run.error?.message ?? ''} ${readFileSync(complaints, 'utf8')}`.trim() };
  } finally {
    for (const descriptor of [stdout, stderr]) closeSync(descriptor);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** On what it ran. @param {string} name @param {string | null} glibc */
function systemOf(name, glibc) {
  const { os: system } = platformNamed(name);
  if (system === 'linux') return glibc ? `glibc ${glibc}` : 'musl';
  return system === process.platform ? system : 'Wine';
}

/** @param {string[]} names @returns {boolean} whether every file ran in every Node */
function runPlatforms(names) {
  let good = names.length > 0;
  if (!good) console.log('no platform has its file in npm/: `npm run build:platforms` makes them');
  for (const name of names) {
    const nodes = nodesOf(name);
    if (nodes.length === 0) console.log(`${name.padEnd(18)} not run: this machine has no Node of that platform`);
    for (const { major, command } of nodes) {
      const result = trial(fileOf(name), command);
      if ('problem' in result) {
        good = false;
        console.log(`${name.padEnd(18)} Node ${major}  FAILED\n${result.problem}`);
        continue;
      }
      const { node, libc, algorithms, loaded, fetched, fetchedOverTls, checked } = result.figures;
      console.log(
        `${name.padEnd(18)} Node ${node.padEnd(8)} ${systemOf(name, libc).padEnd(10)}  loaded in ${loaded.toFixed(0)} ms, ` +
          `${algorithms.join(' ')} good, keys fetched in ${fetched.toFixed(1)} ms, over TLS in ${fetchedOverTls.toFixed(1)} ms, ES256 in ${checked.toFixed(0)} µs, worker thread good`,
      );
    }
  }
  return good;
}

module.exports = { fileOf, trial };

if (require.main === module) {
  const named = process.argv.slice(2);
  const there = platforms.map(({ name }) => name).filter((name) => existsSync(fileOf(name)));
  try {
    process.exitCode = runPlatforms(named.length > 0 ? named : there) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`run:platform failed: ${error.message}`);
    process.exitCode = 1;
  }
}
