'use strict';

// docs/testing.md: its example is run as it stands, and its tables have what there is.

const fs = require('node:fs');
const path = require('node:path');
const { POISONS } = require('../../lib/testing/poisons');
const { PRESETS } = require('../../lib/testing/presets');
const { ROOT, blocksOf, read, rowsOf } = require('../support/markdown');

const page = read('docs/testing.md');

test('the example of the test kit runs as it stands', async () => {
  const block = blocksOf(page, 'docs/testing.md').find(({ marker }) => marker === 'kit');
  // Inside the repository, where `remote-agent-auth` is this very package.
  fs.mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
  const folder = fs.mkdtempSync(path.join(ROOT, '.cache', 'kit-'));
  try {
    fs.writeFileSync(path.join(folder, 'kit.js'), `module.exports = async () => {\n${block?.text}\n};`);
    await require(path.join(folder, 'kit.js'))();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});

const names = (/** @type {string | undefined} */ cell) =>
  [...`${cell}`.matchAll(/`([\w-]+)`/g)].map(([, name]) => name);
/** The rows of the table whose head begins so. @param {string} head */
const table = (head) => rowsOf(page.slice(page.indexOf(`| ${head} |`)).split('\n\n')[0] ?? '');

test('the tables have every poison, every profile and every kind', () => {
  expect(
    table('`poison`')
      .flatMap(([cell]) => names(cell))
      .sort(),
  ).toEqual(Object.keys(POISONS).sort());
  const kinds = Object.entries(PRESETS).map(([name, preset]) => [[name], Object.keys(preset.kinds)]);
  expect(table('`profile`').map((cells) => cells.map(names))).toEqual(expect.arrayContaining(kinds));
  expect(table('`profile`').length).toBe(kinds.length);
});
