#!/usr/bin/env node
'use strict';

// One version for the crate, the package and its platform packages.
//   --check              they agree, and CHANGELOG.md begins with that version
//   --check --tag v1.2.3 ... and it is the tag's, with a date in the changelog: what a release asks
//   --set 1.2.3          writes it everywhere but CHANGELOG.md, which says what changed and is for people to write

const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
/** Semantic Versioning 2.0.0 without build metadata, which npm drops and Cargo keeps. */
const SEMVER = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

// Each pattern ends just before the version, so that writing it leaves every other byte as it was.
const MANIFEST = /^ {2}"version": "/m;
const LOCK_ENTRY = /^\[\[package\]\]\r?\nname = "remote-agent-auth"\r?\nversion = "/m;
const PLACES = [
  { file: 'package.json', before: MANIFEST },
  { file: 'package-lock.json', before: MANIFEST },
  {
    file: 'package-lock.json',
    part: 'the root entry',
    before: /^ {4}"": \{\r?\n {6}"name": "remote-agent-auth",\r?\n {6}"version": "/m,
  },
  { file: 'Cargo.toml', before: /^\[package\]\r?\nname = "remote-agent-auth"\r?\nversion = "/m },
  { file: 'Cargo.lock', before: LOCK_ENTRY },
  { file: 'fuzz/Cargo.lock', before: LOCK_ENTRY, optional: true },
];

/** @typedef {{ file: string, part?: string, before: RegExp, optional?: boolean }} Place */

/** @param {string} root @returns {Place[]} every place that holds the version, platform packages as they are found */
function placesIn(root) {
  const npm = path.join(root, 'npm');
  const platforms = existsSync(npm) ? readdirSync(npm).sort() : [];
  const manifests = platforms
    .map((name) => `npm/${name}/package.json`)
    .filter((file) => existsSync(path.join(root, file)));
  const fixed = PLACES.filter(({ file, optional }) => !optional || existsSync(path.join(root, file)));
  return [...fixed, ...manifests.map((file) => ({ file, before: MANIFEST }))];
}

/** @param {Place} place */
const nameOf = ({ file, part }) => (part ? `${file} (${part})` : file);

/**
 * Where in a text a version begins and ends.
 * @param {string} text
 * @param {Place} place
 * @returns {[number, number]}
 */
function spanIn(text, place) {
  const found = place.before.exec(text);
  if (!found) throw new Error(`${nameOf(place)}: no version where one is expected`);
  const start = found.index + found[0].length;
  return [start, text.indexOf('"', start)];
}

/** @param {string} root @returns {{ name: string, version: string }[]} */
function versionsIn(root) {
  return placesIn(root).map((place) => {
    const text = readFileSync(path.join(root, place.file), 'utf8');
    return { name: nameOf(place), version: text.slice(...spanIn(text, place)) };
  });
}

/**
 * @param {string} root
 * @param {string} version
 * @param {string | undefined} tag
 * @returns {string[]}
 */
function changelogProblems(root, version, tag) {
  const text = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
  const [, first, when] = /^## (\S+)(?: \((.*)\))?\s*$/m.exec(text) ?? [];
  if (first !== version) return [`CHANGELOG.md begins with ${first ?? 'no version'}, package.json has ${version}`];
  const dated = /^\d{4}-\d{2}-\d{2}$/.test(when ?? '');
  if (tag === undefined) {
    return dated || when === 'unreleased'
      ? []
      : [`CHANGELOG.md: after ${version} comes (unreleased) or a date like (2026-01-31)`];
  }
  return dated ? [] : [`CHANGELOG.md: ${version} has no date, so it is not released`];
}

/**
 * @param {string} [root]
 * @param {{ tag?: string }} [options]
 * @returns {string[]} what disagrees, a line each
 */
function versionProblems(root = ROOT, { tag } = {}) {
  const [first, ...others] = versionsIn(root);
  if (!first) return ['no version anywhere'];
  const { version } = first;
  const problems = SEMVER.test(version)
    ? []
    : [`package.json: ${version} is not a version such as 1.2.3 or 1.2.3-rc.1`];
  for (const other of others) {
    if (other.version !== version) problems.push(`${other.name} has ${other.version}, package.json has ${version}`);
  }
  if (tag !== undefined && tag !== `v${version}`) problems.push(`the tag is ${tag}, package.json has ${version}`);
  return [...problems, ...changelogProblems(root, version, tag)];
}

/**
 * @param {string} version
 * @param {string} [root]
 * @returns {string[]} the files that changed
 */
function setVersion(version, root = ROOT) {
  if (!SEMVER.test(version)) throw new Error(`${version} is not a version such as 1.2.3 or 1.2.3-rc.1`);
  // All are read before one is written: a file without its place leaves the rest alone.
  versionsIn(root);
  const changed = new Set();
  for (const place of placesIn(root)) {
    const file = path.join(root, place.file);
    const text = readFileSync(file, 'utf8');
    const [start, end] = spanIn(text, place);
    if (text.slice(start, end) === version) continue;
    writeFileSync(file, text.slice(0, start) + version + text.slice(end));
    changed.add(place.file);
  }
  return [...changed];
}

module.exports = { setVersion, versionProblems };

/** @param {string[]} args @param {string} flag @returns {string | undefined} the value after it */
const valueOf = (args, flag) => (args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? '') : undefined);

if (require.main === module) {
  const args = process.argv.slice(2);
  const version = valueOf(args, '--set');
  try {
    if (version !== undefined) {
      for (const file of setVersion(version)) console.log(`written: ${file}`);
    } else if (args.includes('--check')) {
      const problems = versionProblems(ROOT, { tag: valueOf(args, '--tag') });
      for (const problem of problems) console.error(problem);
      if (problems.length > 0) process.exitCode = 1;
    } else {
      console.error('usage: version.js --check [--tag vX.Y.Z] | --set X.Y.Z');
      process.exitCode = 2;
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
