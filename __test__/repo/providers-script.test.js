'use strict';

// What `npm run providers` decides without a provider: its arguments, its table, who is skipped, and what it makes of the answers of a load.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseOptions } = require('../../scripts/providers/options');
const { summary } = require('../../scripts/providers/load');
const { closingLine, row, skipLine, table } = require('../../scripts/providers/table');
const { scripts } = require('../../package.json');

describe('its arguments', () => {
  test('are few', () => {
    expect(parseOptions([])).toEqual({ json: false, only: ['keycloak', 'hydra'], rotations: 4, interval: 20 });
    expect(parseOptions(['--json', '--rotations', '2', '--interval', '5', '--only', 'hydra'])).toEqual({
      json: true,
      only: ['hydra'],
      rotations: 2,
      interval: 5,
    });
    expect(parseOptions(['--long'])).toMatchObject({ rotations: 8, interval: 75 });
    expect(parseOptions(['--long', '--rotations', '3'])).toMatchObject({ rotations: 3, interval: 75 });
  });

  test.each([[['--lnog']], [['--rotations']], [['--rotations', '0']], [['--interval', '1.5']], [['--only', 'okta']]])(
    '%j is refused',
    (words) => {
      expect(() => parseOptions(words)).toThrow(/no such argument|a whole number from 1/);
    },
  );
});

describe('its table', () => {
  const rows = [
    row('Keycloak', 'user token', '200 accepted', '200 accepted'),
    row('Ory Hydra', 'ID token', '401 ERR_ID_TOKEN', '200 accepted'),
  ];

  test('says what was expected and what came', () => {
    expect(table(rows).split('\n')).toEqual([
      'ok    Keycloak   user token  200 accepted      200 accepted',
      'FAIL  Ory Hydra  ID token    401 ERR_ID_TOKEN  200 accepted',
    ]);
    expect(table([])).toBe('');
  });

  test('ends with a line that CI reads, and skips loudly', () => {
    const skipped = [{ provider: 'Keycloak', why: 'needs Java 17 or newer' }];
    expect(skipLine(skipped[0])).toBe('SKIPPED: Keycloak: needs Java 17 or newer');
    expect(closingLine(rows, skipped)).toBe('1 passed, 1 failed, 1 skipped');
  });
});

test('of a load it says how many were refused, over what time, and why', () => {
  const answer = (client, sent, answered, code) => ({ client, sent, answered, code });
  const answers = [
    answer('new', 0, 100, 'accepted'),
    answer('new', 1_000, 1_100, 'ERR_KEY_NOT_FOUND'),
    answer('old', 1_500, 1_600, 'ERR_KEY_NOT_FOUND'),
    answer('new', 3_000, 3_500, 'ERR_KEY_NOT_FOUND'),
    answer('new', 4_000, 4_001, 'accepted'),
  ];
  expect(summary(answers, 'new')).toEqual({
    sent: 4,
    refused: 2,
    figure: '2 of 4 refused over 2.5 s (ERR_KEY_NOT_FOUND); longest answer 0.5 s',
  });
  expect(summary(answers, 'nobody')).toMatchObject({ sent: 0, refused: 0 });
});

describe('where a provider cannot be had', () => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'providers-'));
  afterAll(() => fs.rmSync(scratch, { recursive: true }));

  /** What it says when these are all the tools there are: name and script of each. */
  function said(name, tools) {
    const folder = fs.mkdtempSync(path.join(scratch, 'home-'));
    const [bin, script] = [path.join(folder, 'bin'), path.join(folder, 'scripts', 'providers')];
    for (const made of [bin, script]) fs.mkdirSync(made, { recursive: true });
    for (const [tool, lines] of Object.entries(tools))
      fs.writeFileSync(path.join(bin, tool), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
    // Its cache is two folders above it: a copy elsewhere has none.
    fs.copyFileSync(
      path.join(__dirname, '..', '..', 'scripts', 'providers', 'fetched.js'),
      path.join(script, 'fetched.js'),
    );
    const code = `try { require('./fetched').${name}(); } catch (error) { console.log(error.constructor.name, error.message); }`;
    return spawnSync(process.execPath, ['-e', code], { cwd: script, env: { PATH: bin }, encoding: 'utf8' }).stdout;
  }
  const java = 'echo \'openjdk version "21.0.4"\' >&2';
  const failing = '[ "$1" = --version ] && exit 0\n[ "$1" = version ] && exit 0\necho "Could not resolve"\nexit 1';

  test.each([
    ['keycloakHome', {}, 'needs Java 17 or newer'],
    ['keycloakHome', { java: 'echo \'java version "11.0.2"\'' }, 'needs Java 17 or newer, and has 11'],
    ['keycloakHome', { java }, 'needs Maven'],
    ['keycloakHome', { java, mvn: failing }, 'needs unzip'],
    ['keycloakHome', { java, mvn: failing, unzip: 'exit 0' }, 'fetching Keycloak failed: Could not resolve'],
    ['hydraProgram', {}, 'needs Go'],
    ['hydraProgram', { go: failing }, 'needs a C compiler'],
    ['hydraProgram', { go: failing, cc: 'exit 0' }, 'fetching Hydra failed: Could not resolve'],
  ])('%s with the tools %j says: %s', (name, tools, why) => {
    expect(said(name, tools)).toBe(`Missing ${why}\n`);
  });
});

test('it is no part of `npm test`; CI runs it when asked', () => {
  expect(scripts.providers).toBe('node scripts/providers/run.js');
  const ci = fs.readFileSync(path.join(__dirname, '..', '..', '.ci', 'run'), 'utf8');
  expect(ci).toMatch(/^if \[ "\$\{PROVIDERS:-\}" = 1 \]; then\n.*\n.*npm run providers\nfi$/m);
});
