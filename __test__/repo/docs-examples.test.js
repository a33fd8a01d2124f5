'use strict';

// What the documents instruct somebody to do or to look for, done and found.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const vm = require('node:vm');
const { createModels } = quietly(() => require('@librechat/data-schemas'));
const mongoose = require('mongoose');
const { errorCodes } = require('../../binding');
const { Issuer } = require('../support/issuer');
const { ROOT, blocksOf, documents, read } = require('../support/markdown');

/** Loading LibreChat's package must not begin a log on the disk. @template T @param {() => T} load @returns {T} */
function quietly(load) {
  process.env.LOG_TO_FILE = 'false';
  return load();
}

const blocks = documents().flatMap((file) => blocksOf(read(file), file));
// Inside the repository, where `remote-agent-auth` is this very package.
const cache = path.join(ROOT, '.cache');
fs.mkdirSync(cache, { recursive: true });
const scratch = fs.mkdtempSync(path.join(cache, 'docs-examples-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** A token and a provider that vouches for it. */
async function withToken(run) {
  const provider = await new Issuer().start();
  const folder = fs.mkdtempSync(path.join(scratch, 'token-'));
  fs.writeFileSync(
    path.join(folder, 'token.txt'),
    `${provider.token({ aud: 'https://chat.example.com/api', scope: 'agents:use' })}\n`,
  );
  try {
    return await run({ folder, issuer: provider.url });
  } finally {
    await provider.stop();
  }
}

/** @param {string} command @param {string} cwd */
async function bash(command, cwd) {
  const { stdout } = await promisify(execFile)('bash', ['-c', command], {
    cwd,
    env: { ...process.env, LOG_TO_FILE: 'false' },
  });
  return stdout;
}

const withTokenFile = blocks.filter(({ marker }) => marker === 'run in a folder with token.txt');

test('the blocks about a token in a file read it and check it', async () => {
  const script = withTokenFile.find(({ language }) => language === 'js');
  const [print, check] = withTokenFile.filter(({ language }) => language === 'sh');
  expect(withTokenFile.length).toBe(3);
  await withToken(async ({ folder, issuer }) => {
    expect(JSON.parse(await bash(print.text, folder))).toMatchObject({ iss: issuer, sub: 'subject-1' });
    fs.writeFileSync(path.join(folder, 'check.js'), script.text);
    const here = check.text.replace('https://auth.example.com', issuer);
    expect(here).toContain(issuer);
    expect(await bash(here, folder)).toMatch(/^accepted \{ subject: 'subject-1', scopes: \[ 'agents:use' \] \}/);
    expect(await bash(here.replace('agents:use', 'agents:all'), folder)).toMatch(/^refused ERR_SCOPE_MISSING /);
    expect(await bash(here.replace('/api', '/app'), folder)).toMatch(/^refused ERR_TOKEN_AUDIENCE /);
  });
}, 60_000);

describe('docs/database.md', () => {
  /** @type {Array<[string, ...any[]]>} */
  const calls = [];
  const answer = new Proxy(() => answer, { get: () => answer, apply: () => answer });
  const users = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...args) => (calls.push([String(name), ...args]), answer),
    },
  );
  beforeAll(() => {
    for (const { text } of blocks.filter(({ marker }) => marker === 'mongosh'))
      vm.runInNewContext(text, { db: { users } });
  });
  const index = (keys, { unique, partialFilterExpression } = {}) => ({
    keys,
    unique: unique === true,
    partialFilterExpression,
  });
  const declared = () =>
    createModels(mongoose)
      .User.schema.indexes()
      .map(([keys, options]) => index(keys, options));

  test('the indexes it creates are those of LibreChat’s own schema, to the option', () => {
    const created = calls.filter(([name]) => name === 'createIndex').map(([, keys, options]) => index(keys, options));
    expect(created.length).toBe(3);
    // Through JSON: objects of another realm equal none of this one.
    for (const one of created) expect(declared()).toContainEqual(JSON.parse(JSON.stringify(one)));
  });

  test('its table says of each whether it is unique, as the schema does', () => {
    const rows = [...read('docs/database.md').matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (yes|no)/gm)];
    expect(rows.length).toBe(3);
    for (const [, fields, unique] of rows) {
      const names = fields.replaceAll('`', '').split(', ');
      const found = declared().find(({ keys }) => Object.keys(keys).join() === names.join());
      expect(found).toMatchObject({ unique: unique === 'yes' });
    }
  });
});

test('the log lines that docs/migration.md says to watch are ours, at that level', () => {
  const rows = [...read('docs/migration.md').matchAll(/^\| `(\w+)` \.\.\. `(.*?)` \|/gm)];
  const ours = fs
    .readdirSync(path.join(ROOT, 'lib'), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.js'))
    .map((file) => read(`lib/${file}`))
    .join('\n');
  expect(rows.length).toBeGreaterThan(5);
  const literal = (/** @type {string} */ text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  for (const [, level, text = ''] of rows) {
    // A line ends with its code, which is put there when it is written. `...` stands for what differs from line to line.
    const [, words = '', code] = /^(.*?)(?: \((ERR_\w+)\))?$/.exec(text) ?? [];
    if (code !== undefined) expect(errorCodes().map((known) => known.code)).toContain(code);
    const written = words.split(' ... ').map(literal).join(' .*? ');
    expect([
      text,
      new RegExp(`(?:line\\(\\s*'${level}',\\s*['"]|log\\.${level}\\(\\s*\`)${written}`).test(ours),
    ]).toEqual([text, true]);
  }
});
