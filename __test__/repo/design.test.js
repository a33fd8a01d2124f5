'use strict';

// What docs/design.md says of files and figures, against the tree.

const { execFileSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');
const { ROOT, read, rowsOf } = require('../support/markdown');

const page = read('docs/design.md');
const caches = rowsOf(/^### Caches on a token's way$([^]*?)^##/m.exec(page)?.[1] ?? '');

/** The value of a numeric constant in a file of Rust or JavaScript. @param {string} file @param {string} name */
function constantOf(file, name) {
  const [, value = ''] = new RegExp(`const ${name}(?:: \\w+)? = ([\\d_ *]+);`).exec(read(file)) ?? [];
  return value
    .split('*')
    .reduce((product, factor) => product * Number(factor.replaceAll('_', '').trim() || Number.NaN), 1);
}

test('the table of caches has the ones there are, each with a file that is there', () => {
  const files = caches.map(([, file = '']) => file.replaceAll('`', ''));
  expect(files.length).toBeGreaterThan(8);
  expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  // What keeps things by key in Rust does so with moka.
  const withMoka = execFileSync('git', ['grep', '-lE', 'Cache::(new|builder)\\('], { cwd: ROOT, encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(withMoka.filter((file) => file.startsWith('src/') && !files.includes(file))).toEqual([]);
});

const bounds = caches.flatMap(([, file = '', , , bound = '']) =>
  [...bound.matchAll(/([\d,]+) [\w ]+ \(`([A-Z_]+)`\)/g)].map(([, figure = '', name = '']) => ({
    file: file.replaceAll('`', ''),
    name,
    figure,
  })),
);

test('there are bounds to compare', () => expect(bounds.length).toBeGreaterThan(8));

test.each(bounds)('the bound $name of $file is $figure', ({ file, name, figure }) => {
  expect(constantOf(file, name).toLocaleString('en-US')).toBe(figure);
});

test('every file it names in a sentence is there', () => {
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' }).split(
    '\n',
  );
  const there = tracked.filter((file) => existsSync(path.join(ROOT, file)));
  const named = [...page.matchAll(/`([\w./-]+\.(?:rs|js|mjs|ts|md|toml|json))`/g)].map(
    ([, name]) => /** @type {string} */ (name),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !there.some((file) => file === name || file.endsWith(`/${name}`)))).toEqual([]);
});
