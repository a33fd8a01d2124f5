'use strict';

// deny.toml says what must not get in. Here something that must not tries to, each in a project of its own: a rule nobody has
// seen refuse anything may be a rule with a typing error.

const { execFileSync, spawnSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { installedDeny } = require('../../scripts/checks/deny');
const { describeWith } = require('../support/needs');

const CONFIG = path.join(__dirname, '..', '..', 'deny.toml');
const command = installedDeny();
const missing = command === undefined ? '`node scripts/checks/deny.js` installs it' : undefined;

/** Names deny.toml bans, by its own text. */
const BANNED = [...readFileSync(CONFIG, 'utf8').matchAll(/^ {2}\{ name = "([^"]+)"/gm)].map(([, name]) => name);

test('a second cryptography library or TLS stack is banned by name', () => {
  expect(BANNED).toEqual(expect.arrayContaining(['rsa', 'ring', 'openssl', 'openssl-sys', 'native-tls', 'p256']));
});

describeWith('cargo-deny', missing, { required: true })('cargo deny with our rules', () => {
  /** @type {string} */
  let folder;
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'deny-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A crate without code. @param {string} name @param {string} rest of its manifest */
  function crate(name, rest = '', { licence = 'license = "MIT"', at = path.join(folder, name) } = {}) {
    mkdirSync(path.join(at, 'src'), { recursive: true });
    writeFileSync(path.join(at, 'src/lib.rs'), '');
    writeFileSync(
      path.join(at, 'Cargo.toml'),
      `[package]\nname = "${name}"\nversion = "1.0.0"\nedition = "2021"\n${licence}\n${rest}\n`,
    );
    return at;
  }

  /** What is refused in a project with these dependencies. @param {string} check @param {string[]} dependencies lines of the manifest */
  function refused(check, dependencies) {
    const root = crate('project', `[dependencies]\n${dependencies.join('\n')}`);
    const args = [
      '--format',
      'json',
      '--manifest-path',
      path.join(root, 'Cargo.toml'),
      '--config',
      CONFIG,
      '--offline',
      'check',
      '--hide-inclusion-graph',
      check,
    ];
    const { stderr } = spawnSync(/** @type {string} */ (command), args, { encoding: 'utf8' });
    const found = stderr
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    expect(found.at(-1).type).toBe('summary');
    return found
      .filter(({ type, fields }) => type === 'diagnostic' && fields.severity === 'error')
      .map(({ fields }) => `${fields.code}: ${fields.message}`)
      .sort();
  }

  const local = (/** @type {string} */ name, more = '') => `${name} = { version = "1", path = "../${name}"${more} }`;

  test('refuses nothing where nothing is wrong', () => {
    crate('harmless');
    expect(refused('bans', [local('harmless')])).toEqual([]);
    expect(refused('sources', [local('harmless')])).toEqual([]);
  });

  test.each(BANNED)('refuses the crate %s', (name) => {
    crate(name);
    expect(refused('bans', [local(name)])).toEqual([
      expect.stringMatching(new RegExp(`^banned: crate '${name} = 1.0.0'`)),
    ]);
  });

  test.each([
    ['jsonwebtoken', 'rust_crypto'],
    ['rustls', 'ring'],
  ])('refuses %s with its feature %s', (name, feature) => {
    crate(name, `[features]\n${feature} = []`);
    expect(refused('bans', [local(name)])).toEqual([]);
    expect(refused('bans', [local(name, `, features = ["${feature}"]`)])).toEqual([
      expect.stringMatching(/^feature-banned: /),
    ]);
  });

  test('refuses a dependency in any version', () => {
    crate('any');
    expect(refused('bans', ['any = { path = "../any", version = "*" }'])).toEqual([
      expect.stringMatching(/^wildcard: /),
    ]);
  });

  test('refuses a licence nobody has allowed, and none at all', () => {
    crate('copyleft', '', { licence: 'license = "GPL-3.0-only"' });
    crate('unsaid', '', { licence: '' });
    const found = refused('licenses', [local('copyleft'), local('unsaid')]);
    expect(found).toEqual(
      expect.arrayContaining([expect.stringMatching(/^rejected: /), expect.stringMatching(/^unlicensed: .*unsaid/)]),
    );
  });

  test('refuses code that does not come from crates.io', () => {
    const at = crate('elsewhere');
    const git = (/** @type {string[]} */ ...args) =>
      execFileSync('git', ['-C', at, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args]);
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'a crate');
    const dependency = `elsewhere = { version = "1", git = "file://${at}" }`;
    // cargo-deny is offline; the copy it looks at is made here.
    const root = crate('project', `[dependencies]\n${dependency}`);
    execFileSync('cargo', ['fetch', '--quiet', '--manifest-path', path.join(root, 'Cargo.toml')]);
    expect(refused('sources', [dependency])).toEqual([expect.stringMatching(/^source-not-allowed: /)]);
  });
});
