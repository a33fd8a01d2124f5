'use strict';

const { spawnSync } = require('node:child_process');
const { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { setVersion, versionProblems } = require('../../scripts/release/version');

const ROOT = path.join(__dirname, '..', '..');
const FILES = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'CHANGELOG.md'];
const PLATFORM = 'npm/linux-x64-gnu/package.json';
const { version } = require('../../package.json');

/** @type {string} */
let root;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'version-'));
  for (const file of FILES) cpSync(path.join(ROOT, file), path.join(root, file));
  mkdirSync(path.join(root, path.dirname(PLATFORM)), { recursive: true });
  writeFileSync(
    path.join(root, PLATFORM),
    `${JSON.stringify({ name: 'remote-agent-auth-linux-x64-gnu', version }, null, 2)}\n`,
  );
});
afterEach(() => rmSync(root, { recursive: true }));

/** @param {string} file @param {(text: string) => string} change */
function edit(file, change) {
  const before = readFileSync(path.join(root, file), 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path.join(root, file), after);
}

/** @param {string} when */
const dateChangelog = (when) => edit('CHANGELOG.md', (text) => text.replace(/^## .*$/m, `## ${version} (${when})`));

test('the repository has one version', () => {
  expect(versionProblems()).toEqual([]);
});

test('the copy the other tests change has one version too', () => {
  expect(versionProblems(root)).toEqual([]);
});

test.each([
  [
    'package-lock.json',
    'package-lock.json',
    (text) => text.replace(/^ {2}"version": "[^"]+"/m, '  "version": "9.9.9"'),
  ],
  [
    'package-lock.json (the root entry)',
    'package-lock.json',
    (text) => text.replace(/^ {6}"version": "[^"]+"/m, '      "version": "9.9.9"'),
  ],
  ['Cargo.toml', 'Cargo.toml', (text) => text.replace(/^version = "[^"]+"/m, 'version = "9.9.9"')],
  ['Cargo.lock', 'Cargo.lock', (text) => text.replace(/(name = "remote-agent-auth"\nversion = )"[^"]+"/, '$1"9.9.9"')],
  [PLATFORM, PLATFORM, (text) => text.replace(version, '9.9.9')],
])('names %s when it has another version', (name, file, change) => {
  edit(file, change);
  expect(versionProblems(root)).toEqual([`${name} has 9.9.9, package.json has ${version}`]);
});

test('names every other file when package.json alone moves on', () => {
  edit('package.json', (text) => text.replace(`"version": "${version}"`, '"version": "9.9.9"'));
  expect(versionProblems(root)).toHaveLength(6);
});

test('says so when the changelog begins with another version, or with neither a date nor "unreleased"', () => {
  edit('CHANGELOG.md', (text) => text.replace(/^## /m, '## 9.9.9 (unreleased)\n\n## '));
  expect(versionProblems(root)).toEqual([`CHANGELOG.md begins with 9.9.9, package.json has ${version}`]);
  edit('CHANGELOG.md', (text) => text.replace(/^## 9.9.9 \(unreleased\)\n\n/m, ''));
  dateChangelog('soon');
  expect(versionProblems(root)).toEqual([
    `CHANGELOG.md: after ${version} comes (unreleased) or a date like (2026-01-31)`,
  ]);
});

test('a release asks for the tag of the version and a date in the changelog', () => {
  dateChangelog('unreleased ');
  dateChangelog('unreleased');
  expect(versionProblems(root, { tag: `v${version}` })).toEqual([
    `CHANGELOG.md: ${version} has no date, so it is not released`,
  ]);
  dateChangelog('2026-12-01');
  expect(versionProblems(root, { tag: `v${version}` })).toEqual([]);
  expect(versionProblems(root, { tag: 'v9.9.9' })).toEqual([`the tag is v9.9.9, package.json has ${version}`]);
  expect(versionProblems(root, { tag: version })).toEqual([`the tag is ${version}, package.json has ${version}`]);
});

test('sets a version everywhere, and nothing else', () => {
  const before = Object.fromEntries(
    [...FILES, PLATFORM].map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
  );
  expect(setVersion('9.8.7-rc.1', root)).toEqual([
    'package.json',
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    PLATFORM,
  ]);
  expect(versionProblems(root)).toEqual([`CHANGELOG.md begins with ${version}, package.json has 9.8.7-rc.1`]);
  const lockEntry = /name = "remote-agent-auth"\nversion = "(.*)"/.exec(
    readFileSync(path.join(root, 'Cargo.lock'), 'utf8'),
  );
  expect(lockEntry?.[1]).toBe('9.8.7-rc.1');

  setVersion(version, root);
  for (const [file, text] of Object.entries(before)) expect(readFileSync(path.join(root, file), 'utf8')).toBe(text);
});

test.each(['1.2', 'v1.2.3', '1.2.3+build', '01.2.3', '1.2.3"', '', '1.2.3\n'])('refuses to set %j', (wrong) => {
  expect(() => setVersion(wrong, root)).toThrow('is not a version such as 1.2.3');
  expect(versionProblems(root)).toEqual([]);
});

test('changes no file when one lacks its place', () => {
  edit('Cargo.lock', (text) => text.replace('name = "remote-agent-auth"', 'name = "something-else"'));
  expect(() => setVersion('9.9.9', root)).toThrow('Cargo.lock: no version where one is expected');
  expect(readFileSync(path.join(root, 'package.json'), 'utf8')).toContain(`"version": "${version}"`);
});

test('the command fails, naming the cause, and knows no other use', () => {
  /** @param {string[]} args */
  const run = (...args) =>
    spawnSync(process.execPath, [path.join(ROOT, 'scripts/release/version.js'), ...args], { encoding: 'utf8' });
  expect(run('--check')).toMatchObject({ status: 0, stderr: '' });
  expect(run('--check', '--tag', 'v9.9.9')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('the tag is v9.9.9'),
  });
  expect(run('--check', '--tag')).toMatchObject({ status: 1, stderr: expect.stringContaining('the tag is ,') });
  expect(run('--set', 'latest')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('latest is not a version'),
  });
  expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('usage') });
});

test('a second lock file of Cargo, where there is one, is kept equal as well', () => {
  mkdirSync(path.join(root, 'fuzz'));
  cpSync(path.join(root, 'Cargo.lock'), path.join(root, 'fuzz/Cargo.lock'));
  expect(existsSync(path.join(root, 'fuzz/Cargo.lock'))).toBe(true);
  expect(setVersion('9.9.9', root)).toContain('fuzz/Cargo.lock');
});
