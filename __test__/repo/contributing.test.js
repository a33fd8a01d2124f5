'use strict';

// CONTRIBUTING.md leads to files that are there, and to few of them for each kind of change.

const { existsSync } = require('node:fs');
const path = require('node:path');
const { ROOT, read, rowsOf } = require('../support/markdown');

const page = read('CONTRIBUTING.md');
const changes = (/^## Where a change goes$([^]*?)^## /m.exec(page)?.[1] ?? '').split(/^### /m).slice(1);

test('every path it names is there', () => {
  const named = [...page.matchAll(/`([\w.-]+(?:\/[\w.-]+)*\/?)`/g)].map(([, name]) => /** @type {string} */ (name));
  const paths = named.filter((name) => name.includes('/') || /\.(md|js|ts|json|rs)$/.test(name));
  expect(paths.length).toBeGreaterThan(30);
  // The bad example of a name.
  expect(paths.filter((name) => !existsSync(path.join(ROOT, name)))).toEqual(['utils.js', 'bearer.js']);
});

test.each([
  ['A rule on claims'],
  ['An algorithm'],
  ['A callback'],
  ['An error code'],
  ['A metric'],
  ['An adapter'],
  ['A DPoP check'],
  ['A shared store'],
])('%s has at most six files', (kind) => {
  const change = changes.find((text) => text.startsWith(kind)) ?? '';
  const files = rowsOf(change).map(([cell]) => cell ?? '');
  expect(files.length).toBeGreaterThan(2);
  expect(files.length).toBeLessThanOrEqual(6);
  for (const file of files) expect(file).toMatch(/^`[\w./-]+`/);
});

test('the inner loop is three commands', () => {
  const [, commands = ''] = /## The inner loop\n\n```sh\n([^]*?)\n```/.exec(page) ?? [];
  expect(commands.split('\n')).toHaveLength(3);
});

test('commands it names are scripts of package.json', () => {
  const called = [...page.matchAll(/`npm run ([\w:-]+)/g)].map(([, name]) => /** @type {string} */ (name));
  expect(called.length).toBeGreaterThan(5);
  expect(Object.keys(require('../../package.json').scripts)).toEqual(expect.arrayContaining(called));
});
