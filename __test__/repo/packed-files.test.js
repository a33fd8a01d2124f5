'use strict';

// What `npm publish` would send: no more than is meant, and no less than runs.

const { execFileSync } = require('node:child_process');
const { existsSync, readFileSync, statSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
const manifest = require('../../package.json');

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const [packed] = JSON.parse(
  execFileSync(npm, ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);
/** @type {string[]} */
const files = packed.files.map((/** @type {{ path: string }} */ file) => file.path).sort();

const ADAPTERS = ['fastify', 'hono', 'koa', 'mcp', 'nest'];
const ENTRIES = [
  'index',
  'native',
  'binding',
  'bearer-auth',
  'librechat',
  'stores',
  'testing',
  'console',
  'metrics',
  ...ADAPTERS,
];
const TEXTS = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'THIRD-PARTY-NOTICES.md', 'LICENSE', 'package.json'];

const MEANT = [
  new RegExp(`^(${ENTRIES.join('|')})(\\.d\\.ts|\\.js)$`),
  /^bin\/[a-z-]+\.js$/,
  /^lib\/[a-z-]+\/[a-z-]+\.js$/,
  // For those who use it; how it is released is for those who make it.
  /^docs\/(?!releasing)(coming-from\/|providers\/)?[A-Za-z0-9-]+\.(md|svg)$/,
  /^examples\/(librechat|mcp|own-middleware)\/[A-Za-z-]+\.(js|md)$/,
  /^docs\/operations\/(alerts\.yml|dashboard\.json)$/,
];

test('are entry points, their types, lib, documents and examples, and nothing else', () => {
  const meant = (/** @type {string} */ file) => TEXTS.includes(file) || MEANT.some((pattern) => pattern.test(file));
  expect(files.filter((file) => !meant(file))).toEqual([]);
  expect(files).toEqual(expect.arrayContaining(TEXTS));
});

test('hold every file an entry point requires, by whichever way', () => {
  const reached = new Set([
    ...[
      'index.js',
      'native.js',
      'lib/librechat/index.js',
      'lib/stores/index.js',
      'lib/testing/index.js',
      ...ADAPTERS.map((name) => `lib/adapters/${name}.js`),
      'lib/operations/console.js',
      'lib/operations/metrics.js',
      'bin/remote-agent-auth.js',
    ],
  ]);
  for (const file of reached) {
    const source = readFileSync(path.join(ROOT, file), 'utf8');
    for (const [, name] of source.matchAll(/\brequire\('(\.[^']+)'\)/g)) {
      const at = path.posix.join(path.posix.dirname(file), /** @type {string} */ (name));
      const found = [at, `${at}.js`, `${at}/index.js`].find((candidate) =>
        statSync(path.join(ROOT, candidate), { throwIfNoEntry: false })?.isFile(),
      );
      reached.add(found ?? `${at}.js`);
    }
  }
  expect(reached.size).toBeGreaterThan(20);
  expect([...reached].filter((file) => !files.includes(file))).toEqual([]);
});

test('hold every type declaration another one names', () => {
  for (const file of files.filter((name) => name.endsWith('.d.ts'))) {
    const named = [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(
      ([, name]) => name,
    );
    for (const name of named)
      expect(files).toContain(
        `${path.posix.join(path.posix.dirname(file), /** @type {string} */ (name).replace(/\.js$/, ''))}.d.ts`,
      );
  }
});

test('hold no native file, are small, and run nothing when they are installed', () => {
  expect(files.filter((file) => file.endsWith('.node'))).toEqual([]);
  // Three quarters are documents and licence texts; what is far more than today's was not meant.
  expect(packed.unpackedSize).toBeLessThan(1_500_000);
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'preprepare', 'postprepare'];
  expect(Object.keys(manifest.scripts).filter((name) => atInstall.includes(name))).toEqual([]);
  // npm builds by itself what looks like a native package of the old kind.
  expect(existsSync(path.join(ROOT, 'binding.gyp'))).toBe(false);
});
