'use strict';

// What `npm run providers` decides without a provider: its arguments, its table, who is skipped, and what it makes of the answers of a load.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseOptions } = require('../scripts/providers/options');
const { summary } = require('../scripts/providers/load');
const { closingLine, row, skipLine, table } = require('../scripts/providers/table');
const { scripts } = require('../package.json');

describe('its arguments', () => {
  test('are few', () => {
    expect(parseOptions([])).toEqual({ json: false, only: ['keycloak', 'hydra'], rotations: 4, interval: 20 });
    expect(parseOptions(['--json', '--rotations', '2', '--interval', '5', '--only', 'hydra'])).toEqual({ json: true, only: ['hydra'], rotations: 2, interval: 5 });
    expect(parseOptions(['--long'])).toMatchObject({ rotations: 8, interval: 75 });
    expect(parseOptions(['--long', '--rotations', '3'])).toMatchObject({ rotations: 3, interval: 75 });
  });

  test.each([[['--lnog']], [['--rotations']], [['--rotations', '0']], [['--interval', '1.5']], [['--only', 'okta']]])('%j is refused', (words) => {
    expect(() => parseOptions(words)).toThrow(/no such argument|a whole number from 1/);
  });
});

describe('its table', () => {
  const rows = [row('Keycloak', 'user token', '200 accepted', '200 accepted'), row('Ory Hydra', 'ID token', '401 ERR_ID_TOKEN', '200 accepted')];

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
  expect(summary(answers, 'new')).toEqual({ sent: 4, refused: 2, figure: '2 of 4 refused over 2.5 s (ERR_KEY_NOT_FOUND); longest answer 0.5 s' });
  expect(summary(answers, 'nobody')).toMatchObject({ sent: 0, refused: 0 });
});

describe('on a machine without Java or Go', () => {
  const bare = fs.mkdtempSync(path.join(os.tmpdir(), 'bare-'));
  afterAll(() => fs.rmSync(bare, { recursive: true }));

  test.each([
    ['keycloakHome', 'needs Java 17 or newer'],
    ['hydraProgram', 'needs Go'],
  ])('%s says what it %s', (name, why) => {
    // Its cache is beside it: in a folder of its own there is none.
    const folder = path.join(bare, name, 'scripts', 'providers');
    fs.mkdirSync(folder, { recursive: true });
    fs.copyFileSync(path.join(__dirname, '..', 'scripts', 'providers', 'fetched.js'), path.join(folder, 'fetched.js'));
    const code = `try { require('./fetched').${name}(); } catch (error) { console.log(error.constructor.name, error.message); }`;
    const { stdout } = spawnSync(process.execPath, ['-e', code], { cwd: folder, env: { PATH: bare }, encoding: 'utf8' });
    expect(stdout).toBe(`Missing ${why}\n`);
  });
});

test('it is no part of `npm test`; CI runs it when asked', () => {
  expect(scripts.providers).toBe('node scripts/providers/run.js');
  const ci = fs.readFileSync(path.join(__dirname, '..', '.ci', 'run'), 'utf8');
  expect(ci).toMatch(/^if \[ "\$\{PROVIDERS:-\}" = 1 \]; then\n.*\n.*npm run providers\nfi$/m);
});
