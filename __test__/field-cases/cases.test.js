'use strict';

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');
const cases = require('./cases');

const files = readdirSync(__dirname).filter((name) => name.endsWith('.test.js') && name !== 'cases.test.js');
/** The ids that names of tests begin with; a name may begin with several: `A1, A2 ...`. */
const shown = new Set(
  files.flatMap((name) =>
    [
      ...readFileSync(path.join(__dirname, name), 'utf8').matchAll(
        /\b(?:test|it)?(?:\.each\([^]*?\))?\(\s*['"`]((?:[A-F]\d*(?:,? |: ))+)/g,
      ),
    ].flatMap(([, ids = '']) => ids.split(/[,:\s]+/).filter(Boolean)),
  ),
);

test.each(Object.entries(cases))('%s has a test: %s', (id) => {
  expect([...shown]).toContain(id);
});

test('every file of this folder shows a case of the list', () => {
  const known = (/** @type {string} */ name) => /^[a-f]\d{0,2}-/.test(name);
  expect(files.filter((name) => !known(name))).toEqual([]);
});
