'use strict';

// Where each number of a native result is: declared in src/node/wire.rs, written to lib/verifier/wire-layout.js, compared at load.

const { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const binding = require('../../binding');
const layout = require('../../lib/verifier/wire-layout');
const { generateLayout } = require('../../scripts/build/generate-layout');

const FILE = path.join(__dirname, '..', '..', 'lib', 'verifier', 'wire-layout.js');
let folder;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'layout-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('the layout in JavaScript is that of Rust', () => {
  expect(JSON.parse(binding.wireLayout())).toEqual(layout);
  expect(generateLayout(binding.wireLayout(), { check: true })).toBe(false);
});

test.each(['INPUT', 'ACCEPTED', 'REFUSED'])('the numbers of %s lie side by side from 0 on', (name) => {
  const places = Object.values(layout[name]);
  expect(places).toEqual(places.map((_, place) => place));
});

test('an accepted token and a refusal are told apart by their first number', () => {
  expect([layout.ACCEPTED.claims, layout.REFUSED.mark]).toEqual([0, 0]);
});

test('the generator finds a stale file, touches none when it only checks, and writes what a check then finds fresh', () => {
  const file = path.join(folder, 'wire-layout.js');
  copyFileSync(FILE, file);
  const other = JSON.stringify({ ...layout, FLAGS: { ...layout.FLAGS, MORE: 8 } });
  expect(generateLayout(other, { check: true, file })).toBe(true);
  expect(readFileSync(file)).toEqual(readFileSync(FILE));
  expect(generateLayout(other, { check: false, file })).toBe(true);
  expect(generateLayout(other, { check: true, file })).toBe(false);
  expect(require(file).FLAGS).toEqual({ ...layout.FLAGS, MORE: 8 });
  writeFileSync(file, '');
  expect(generateLayout(other, { check: true, file })).toBe(true);
});

const { ACCEPTED, ...others } = layout;
const { claims, subject, ...rest } = ACCEPTED;

test.each([
  ['another layout', () => JSON.stringify({ ...others, ACCEPTED: { claims: subject, subject: claims, ...rest } })],
  ['none, as of an earlier build', undefined],
])('a native file with %s is refused, though its version is the same', (_what, wireLayout) => {
  jest.isolateModules(() => {
    jest.doMock('../../binding', () => ({ ...binding, wireLayout }));
    expect(() => require('../..')).toThrow(
      expect.objectContaining({ code: 'ERR_NATIVE_VERSION', message: expect.stringContaining('different builds') }),
    );
    expect(() => require('../../native')).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_VERSION' }));
    jest.dontMock('../../binding');
  });
});
