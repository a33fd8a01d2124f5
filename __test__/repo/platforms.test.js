'use strict';

// The platform packages in npm/ and the targets in package.json are what the one table says.

const { cpSync, mkdtempSync, rmSync, writeFileSync, mkdirSync, readFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { problemsIn, write } = require('../../scripts/platforms/packages.js');
const { platformNamed, platforms } = require('../../scripts/platforms/table.js');

const ROOT = path.join(__dirname, '..', '..');
const edit = (file, change) => writeFileSync(file, change(readFileSync(file, 'utf8')));

test('npm/ holds exactly the packages of the table', () => {
  expect(problemsIn(ROOT)).toEqual([]);
});

test('package.json names the targets of the table to napi', () => {
  expect(require('../../package.json').napi.targets).toEqual(platforms.map(({ target }) => target));
});

test('no two platforms ask for the same machine', () => {
  const machines = platforms.map(({ os: system, cpu, libc }) => [system, cpu, libc].join(' '));
  expect(new Set(machines).size).toBe(platforms.length);
});

test('a name that is not in the table is refused', () => {
  expect(() => platformNamed('linux-x64')).toThrow(/linux-x64 is no platform of ours: linux-x64-gnu,/);
});

describe('a package that drifts from the table is found', () => {
  let root;
  beforeEach(() => {
    root = mkdtempSync(path.join(os.tmpdir(), 'platforms-'));
    cpSync(path.join(ROOT, 'package.json'), path.join(root, 'package.json'));
    write(root);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const manifest = 'npm/linux-x64-musl/package.json';
  test.each([
    [
      'another version',
      () => edit(path.join(root, 'package.json'), (text) => text.replace(/"version": "[^"]+"/, '"version": "99.0.0"')),
    ],
    ['no libc', () => edit(path.join(root, manifest), (text) => text.replace(/ {2}"libc": \[[^\]]+\],\n/, ''))],
    ['another os', () => edit(path.join(root, manifest), (text) => text.replace('"linux"', '"freebsd"'))],
  ])('%s', (_what, spoil) => {
    expect(problemsIn(root)).toEqual([]);
    spoil();
    expect(problemsIn(root)).toContain(`${manifest} is not as the table says`);
  });

  test('a missing file', () => {
    rmSync(path.join(root, manifest));
    expect(problemsIn(root)).toEqual([`${manifest} is missing`]);
  });

  test('a folder of no platform', () => {
    mkdirSync(path.join(root, 'npm', 'plan9-x64'));
    expect(problemsIn(root)).toEqual(['npm/plan9-x64 is no platform of ours']);
  });
});
