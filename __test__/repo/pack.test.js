'use strict';

const { existsSync } = require('node:fs');
const path = require('node:path');
const { OF_OTHER_NODES, OF_THE_REPOSITORY } = require('../package/suites');
const { mainManifest, nativeFileOf, pack } = require('../../scripts/release/pack');
const { packageName, platforms } = require('../../scripts/platforms/table');
const manifest = require('../../package.json');

test('the packed manifest names every platform package, in exactly its own version, and nothing else to install', () => {
  const packed = mainManifest();
  expect(packed.optionalDependencies).toEqual(Object.fromEntries(platforms.map(({ name }) => [packageName(name), manifest.version])));
  expect([packed.dependencies, packed.peerDependencies, packed.devDependencies, packed.scripts]).toEqual([undefined, undefined, undefined, undefined]);
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
  const told = `remote-agent-auth.${name}.node is not there: build it with \`npm run build:platforms -- ${name}\``;
  expect(() => pack({ names: [name] })).toThrow(told);
  expect(() => pack({ names: ['linux-x64'] })).toThrow(/linux-x64 is no platform of ours/);
});

test('every suite that is left out on an installed package is there, with a reason', () => {
  const left = Object.entries({ ...OF_THE_REPOSITORY, ...OF_OTHER_NODES });
  expect(left.filter(([name]) => !existsSync(path.join(__dirname, '..', name)))).toEqual([]);
  expect(left.filter(([, reason]) => reason.length < 8)).toEqual([]);
});
