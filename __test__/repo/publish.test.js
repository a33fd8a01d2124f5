'use strict';

const { execFileSync, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { fileName, packageName, platforms } = require('../../scripts/platforms/table');

const SCRIPT = path.join(__dirname, '..', '..', 'scripts/release/publish.js');
const NAMES = platforms.map(({ name }) => packageName(name));

/** @type {string} */
let folder;
/** Tarballs are made once each: a process for every one of them is what takes long here. @type {Map<string, string>} */
const made = new Map();
const store = mkdtempSync(path.join(os.tmpdir(), 'tarballs-'));
afterAll(() => rmSync(store, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'publish-'));
  mkdirSync(path.join(folder, 'bin'));
  mkdirSync(path.join(folder, 'there'));
  mkdirSync(path.join(folder, 'out'));
  // An npm that writes down what it is asked, and has the packages of the folder `there`.
  writeFileSync(
    path.join(folder, 'bin/npm'),
    `#!/bin/sh
cd '${folder}'
echo "$*" >> asked
[ "$1" = view ] || exit 0
if [ -f broken ]; then echo 'npm error code E500' >&2; exit 1; fi
if [ -f "there/$2" ]; then cat "there/$2"; else echo 'npm error code E404' >&2; exit 1; fi
`,
  );
  chmodSync(path.join(folder, 'bin/npm'), 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** @param {string} name of a package */
const nativeOf = (name) =>
  platforms.filter((platform) => packageName(platform.name) === name).map((platform) => fileName(platform.name));

/** @param {string} name @param {object} more of its manifest @param {string[]} native */
function tarball(name, more = {}, native = nativeOf(name)) {
  const manifest = JSON.stringify({ name, version: '1.2.3', ...more });
  const contents = [manifest, ...native].join();
  const packed = made.get(contents) ?? path.join(store, `${made.size}.tgz`);
  if (!made.has(contents)) {
    const source = path.join(store, 'package');
    rmSync(source, { recursive: true, force: true });
    mkdirSync(source);
    writeFileSync(path.join(source, 'package.json'), manifest);
    for (const file of native) writeFileSync(path.join(source, file), '');
    execFileSync('tar', ['-czf', packed, '-C', store, 'package']);
    made.set(contents, packed);
  }
  const file = path.join(folder, 'out', `${name}.tgz`);
  cpSync(packed, file);
  return file;
}

function everyTarball(version = '1.2.3') {
  const optionalDependencies = Object.fromEntries(NAMES.map((name) => [name, version]));
  return [
    ...NAMES.map((name) => tarball(name, { version })),
    tarball('remote-agent-auth', { version, optionalDependencies }),
  ];
}

const run = () => {
  const env = { ...process.env, PATH: `${path.join(folder, 'bin')}${path.delimiter}${process.env.PATH}` };
  return spawnSync(process.execPath, [SCRIPT, path.join(folder, 'out')], { env, encoding: 'utf8' });
};

/** What npm was asked to publish, in order. */
function publishes() {
  const asked = path.join(folder, 'asked');
  const lines = existsSync(asked) ? readFileSync(asked, 'utf8').trim().split('\n') : [];
  return lines.map((line) => line.split(' ')).filter(([command]) => command === 'publish');
}

test('publishes every platform and then the main package, with provenance', () => {
  everyTarball();
  expect(run()).toMatchObject({ status: 0, stderr: '' });
  expect(publishes().map(([, file]) => path.basename(file, '.tgz'))).toEqual([...NAMES, 'remote-agent-auth']);
  for (const args of publishes())
    expect(args.slice(2)).toEqual(['--provenance', '--access', 'public', '--tag', 'latest', '--loglevel=notice']);
});

test('a version with a hyphen goes out under next, not latest', () => {
  everyTarball('1.2.3-rc.1');
  expect(run().status).toBe(0);
  for (const args of publishes()) expect(args).toEqual(expect.arrayContaining(['--tag', 'next']));
});

test('resumes where it stopped, and passes over what is published with the same bytes', () => {
  const files = everyTarball();
  const first = /** @type {string} */ (files[0]);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(first)).digest('base64')}`;
  writeFileSync(path.join(folder, 'there', `${NAMES[0]}@1.2.3`), JSON.stringify(integrity));
  expect(run()).toMatchObject({ status: 0, stdout: expect.stringContaining(`there already: ${NAMES[0]}@1.2.3`) });
  expect(publishes()).toHaveLength(NAMES.length);
});

test('stops at a package that is there with other bytes', () => {
  everyTarball();
  writeFileSync(path.join(folder, 'there', `${NAMES[1]}@1.2.3`), '"sha512-other"');
  expect(run()).toMatchObject({ status: 1, stderr: `${NAMES[1]}@1.2.3 is published already, with other bytes\n` });
  expect(publishes()).toHaveLength(1);
});

test('does not take a registry that fails for one that has nothing', () => {
  everyTarball();
  writeFileSync(path.join(folder, 'broken'), '');
  expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('E500') });
  expect(publishes()).toEqual([]);
});

test.each([
  ['a platform is missing', (files) => rmSync(files[0]), `no tarball of ${NAMES[0]}`],
  ['the main package is missing', (files) => rmSync(files.at(-1)), 'no tarball of remote-agent-auth'],
  ['something else lies there', () => tarball('stranger'), 'more tarballs than packages'],
  [
    'a platform has another version',
    () => tarball(NAMES[2], { version: '1.2.4' }),
    `asks for ${NAMES[2]} 1.2.3, its tarball is 1.2.4`,
  ],
  ['a platform has no native file', () => tarball(NAMES[1], {}, []), `${NAMES[1]} holds no native file where`],
  [
    'a platform has another one’s',
    () => tarball(NAMES[1], {}, nativeOf(NAMES[2])),
    `${NAMES[1]} holds package/${nativeOf(NAMES[2])} where`,
  ],
  [
    'the main package has one',
    () => tarball('remote-agent-auth', {}, ['any.node']),
    'remote-agent-auth holds package/any.node where none',
  ],
  [
    'the main package does not name its platforms',
    () => tarball('remote-agent-auth'),
    `asks for ${NAMES[0]} undefined`,
  ],
])('publishes nothing when %s', (_, change, cause) => {
  change(everyTarball());
  expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining(cause) });
  expect(publishes()).toEqual([]);
});
