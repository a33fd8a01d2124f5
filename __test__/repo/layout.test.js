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

const ROOT = path.join(__dirname, '..', '..');

test('the bound of `maxQueued` is the one Rust enforces, in the types and in the documents as well', () => {
  const { MAX_QUEUED } = layout.LIMITS;
  const written = MAX_QUEUED.toLocaleString('en-US');
  for (const [file, text] of [
    ['index.d.ts', `0 to ${MAX_QUEUED}, the default`],
    ['native.d.ts', `(0 to ${MAX_QUEUED}, the default)`],
    ['docs/options.md', `| \`maxQueued\` | \`${MAX_QUEUED}\` |`],
    ['docs/options.md', `; 0 to ${MAX_QUEUED} |`],
    ['docs/differences.md', `more than ${written} tokens`],
    ['docs/performance.md', `${written} checks (\`maxQueued\``],
  ]) {
    expect([file, readFileSync(path.join(ROOT, file), 'utf8')]).toEqual([file, expect.stringContaining(text)]);
  }
  const { RemoteTokenVerifier } = require('../..');
  const { createRemoteAgentAuth } = require('../../native');
  for (const make of [
    (maxQueued) => new RemoteTokenVerifier({ maxQueued }),
    (maxQueued) => createRemoteAgentAuth({ maxQueued }),
  ]) {
    for (const right of [0, 1, MAX_QUEUED]) make(right);
    for (const wrong of [-1, 0.5, NaN, Infinity, MAX_QUEUED + 1, 2 ** 64, '1', true]) {
      const message = expect.stringContaining(`\`maxQueued\` must be a whole number from 0 to ${MAX_QUEUED}`);
      expect(() => make(wrong)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION', message }));
    }
  }
});

test('the default of `maxTokenBytes` is the one Rust applies, in the types, the documents and the text of its error', () => {
  const rust = readFileSync(path.join(ROOT, 'src/policy/options.rs'), 'utf8');
  const kib = Number(/const MAX_TOKEN_BYTES: usize = (\d+) \* 1024;/.exec(rust)?.[1]);
  for (const [file, text] of [
    ['native.d.ts', `Default ${kib * 1024}.`],
    ['docs/options.md', `| \`maxTokenBytes\` | \`${kib * 1024}\` |`],
    ['src/error.rs', `\`maxTokenBytes\` (${kib} KiB)`],
  ]) {
    expect([file, readFileSync(path.join(ROOT, file), 'utf8')]).toEqual([file, expect.stringContaining(text)]);
  }
});

test.each(['INPUT', 'ACCEPTED', 'REFUSED'])('the numbers of %s lie side by side from 0 on', (name) => {
  const places = Object.values(layout[name]);
  expect(places).toEqual(places.map((_, place) => place));
});

test('an accepted token and a refusal differ in their first number', () => {
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
