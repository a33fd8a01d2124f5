#!/usr/bin/env node
'use strict';

// Publishes the tarballs of a folder: platform packages first, the main one, which alone names the others, last. So a version that
// can be installed has all its platforms. May be run again after half of it: what is there already must be the same bytes.
//   node scripts/release/publish.js FOLDER [--dry-run]

const { execFileSync, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { fileName, packageName, platforms } = require('../platforms/table');

const MAIN = 'remote-agent-auth';
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** @typedef {{ file: string, name: string, version: string, optionalDependencies: Record<string, string>, native: string[] }} Tarball */

/** @param {string} file @returns {Tarball} by the manifest inside, not by the file's name */
function tarballOf(file) {
  const manifest = execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' });
  const { name, version, optionalDependencies = {} } = JSON.parse(manifest);
  const entries = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).split(/\r?\n/);
  return { file, name, version, optionalDependencies, native: entries.filter((entry) => entry.endsWith('.node')) };
}

/**
 * @param {Tarball[]} tarballs
 * @returns {Tarball[]} in the order to publish them, each with its own native file and the main one with none
 */
function inOrder(tarballs) {
  const names = [...platforms.map(({ name }) => packageName(name)), MAIN];
  const byName = new Map(tarballs.map((tarball) => [tarball.name, tarball]));
  const missing = names.filter((name) => !byName.has(name));
  if (missing.length > 0) throw new Error(`no tarball of ${missing.join(', ')}`);
  const foreign = tarballs.filter(({ name }) => !names.includes(name));
  if (foreign.length > 0 || tarballs.length !== names.length) {
    throw new Error(`more tarballs than packages: ${tarballs.map(({ file }) => path.basename(file)).join(', ')}`);
  }
  const ordered = names.map((name) => /** @type {Tarball} */ (byName.get(name)));
  for (const [index, { name, native }] of ordered.entries()) {
    const platform = platforms[index];
    const wanted = platform ? `package/${fileName(platform.name)}` : '';
    if (native.join() !== wanted)
      throw new Error(`${name} holds ${native.join(', ') || 'no native file'} where ${wanted || 'none'} is meant`);
  }
  return ordered;
}

/** @param {Tarball[]} ordered @returns {string} the version of all of them */
function oneVersion(ordered) {
  const main = /** @type {Tarball} */ (ordered.at(-1));
  const named = Object.entries(main.optionalDependencies);
  const wanted = new Map(ordered.slice(0, -1).map(({ name, version }) => [name, version]));
  const wrong = [...wanted].find(
    ([name, version]) => version !== main.version || main.optionalDependencies[name] !== version,
  );
  if (wrong)
    throw new Error(
      `${MAIN} ${main.version} asks for ${wrong[0]} ${main.optionalDependencies[wrong[0]]}, its tarball is ${wrong[1]}`,
    );
  if (named.length !== wanted.size)
    throw new Error(`${MAIN} asks for packages that are none of ours: ${named.map(([name]) => name).join(', ')}`);
  return main.version;
}

/** @param {Tarball} tarball @returns {string | undefined} what the registry says its bytes are, if it has that version */
function published({ name, version }) {
  const { status, stdout, stderr } = spawnSync(npm, ['view', `${name}@${version}`, 'dist.integrity', '--json'], {
    encoding: 'utf8',
  });
  if (status === 0) return stdout.trim() === '' ? undefined : JSON.parse(stdout);
  if (/\bE404\b/.test(stdout + stderr)) return undefined;
  throw new Error(`npm view ${name}@${version}: ${stderr.trim() || stdout.trim()}`);
}

/** @param {string} file */
const integrityOf = (file) => `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;

/** @param {string} folder @param {{ dryRun: boolean }} options */
function publish(folder, { dryRun }) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const ordered = inOrder(files.map((name) => tarballOf(path.join(folder, name))));
  const tag = oneVersion(ordered).includes('-') ? 'next' : 'latest';
  for (const tarball of ordered) {
    const there = published(tarball);
    const label = `${tarball.name}@${tarball.version}`;
    if (there !== undefined && there !== integrityOf(tarball.file))
      throw new Error(`${label} is published already, with other bytes`);
    if (there !== undefined) {
      console.log(`there already: ${label}`);
      continue;
    }
    const args = [
      'publish',
      path.resolve(tarball.file),
      '--provenance',
      '--access',
      'public',
      '--tag',
      tag,
      '--loglevel=notice',
      ...(dryRun ? ['--dry-run'] : []),
    ];
    execFileSync(npm, args, { stdio: 'inherit' });
    console.log(`published: ${label} (${tag})`);
  }
}

module.exports = { publish };

if (require.main === module) {
  const args = process.argv.slice(2);
  const folder = args.find((arg) => !arg.startsWith('--'));
  try {
    if (folder === undefined) throw new Error('usage: publish.js FOLDER [--dry-run]');
    publish(folder, { dryRun: args.includes('--dry-run') });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
