'use strict';

const { existsSync } = require('node:fs');
const path = require('node:path');
const {
  EMULATED_SUITES,
  OF_ANY_NODE,
  OF_EVERY_NODE,
  OF_THE_LOADER,
  OF_THE_REPOSITORY,
  leftOut,
} = require('../package/suites');
const { mainManifest, nativeFileOf, pack } = require('../../scripts/release/pack');
const { packageName, platforms } = require('../../scripts/platforms/table');
const manifest = require('../../package.json');

test('the packed manifest names every platform package, in exactly its own version, and nothing else to install', () => {
  const packed = mainManifest();
  expect(packed.optionalDependencies).toEqual(
    Object.fromEntries(platforms.map(({ name }) => [packageName(name), manifest.version])),
  );
  expect([
    packed.dependencies,
    Object.values(packed.peerDependenciesMeta).every(({ optional }) => optional),
    packed.devDependencies,
    packed.scripts,
  ]).toEqual([undefined, true, undefined, undefined]);
});

test('the packed manifest is else that of the repository', () => {
  const { optionalDependencies, ...packed } = mainManifest();
  const { scripts, devDependencies, napi, ...rest } = manifest;
  expect(packed).toEqual(rest);
  expect(Object.keys(optionalDependencies)).toHaveLength(platforms.length);
});

test('a checkout asks npm for no platform package', () => {
  expect(manifest).not.toHaveProperty('optionalDependencies');
});

test('a platform that has not been built is named, not left out', () => {
  const { name } = platforms.find((platform) => nativeFileOf(platform.name, false) === undefined);
  const problem = `remote-agent-auth.${name}.node is not there: build it with \`npm run build:platforms -- ${name}\``;
  expect(() => pack({ names: [name] })).toThrow(problem);
  expect(() => pack({ names: ['linux-x64'] })).toThrow(/linux-x64 is no platform of ours/);
});

test('every suite that is tried on an installed package in another way than all is there, with a reason', () => {
  const named = Object.entries({ ...OF_THE_REPOSITORY, ...OF_EVERY_NODE, ...OF_ANY_NODE, ...OF_THE_LOADER });
  const names = [...EMULATED_SUITES, ...named.map(([name]) => name)];
  expect(names.filter((name) => !existsSync(path.join(__dirname, '..', name)))).toEqual([]);
  expect(named.filter(([, reason]) => reason.length < 8)).toEqual([]);
});

test('what no Node changes, and what starts every Node itself, is tried in the oldest alone', () => {
  const [first, later, elsewhere] = [
    { otherNodes: true, oldest: true },
    { otherNodes: false, oldest: false },
    { otherNodes: false, oldest: true },
  ].map((where) => leftOut(path.join(__dirname, '..', '..'), where));
  expect(first).toEqual(
    expect.arrayContaining(['repo/pack.test.js', 'repo/architecture.test.js', 'journey/panics.test.js']),
  );
  const once = [...Object.keys(OF_EVERY_NODE), ...Object.keys(OF_ANY_NODE)];
  expect(later.filter((name) => !first.includes(name)).sort()).toEqual([...once].sort());
  expect(elsewhere.filter((name) => !first.includes(name))).toEqual(Object.keys(OF_EVERY_NODE));
  expect([...first, ...later]).not.toContain('repo/exports.test.js');
});
