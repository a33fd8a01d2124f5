'use strict';

// What must hold where Rust and Node meet, each in a process of its own: threads come and go, nothing
// hanging keeps a process alive.

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');
const binding = require('../../../binding');
const { long, score } = require('../../support/score');

const ROOT = path.join(__dirname, '..', '..', '..');
const child = (name) => path.join(__dirname, '..', '..', 'support/children', name);
/** A child that takes longer hangs; it is no measure of speed. */
const HANGS = 60_000;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const TOKEN = [
  part({ alg: 'ES256', kid: 'k' }),
  part({ iss: 'http://localhost', aud: 'a', sub: 's', exp: 4e9 }),
  Buffer.alloc(64).toString('base64url'),
].join('.');

const run = (args) => spawnSync(process.execPath, args, { encoding: 'utf8', timeout: HANGS, env: process.env });

test('the probe is not in what is built to be used', () => {
  expect(Object.keys(binding).filter((name) => /panic/i.test(name))).toEqual([]);
  expect(existsSync(path.join(ROOT, 'binding.d.ts'))).toBe(true);
});

test(
  'S32: worker threads come and go with checks under way',
  () => {
    const count = long ? 200 : 40;
    const { status, stdout, stderr } = run([child('workers.js'), String(count), TOKEN]);
    expect([status, stdout, stderr]).toEqual([0, 'done', '']);
    score('S32', `${count} workers ended with fetches under way, exit code ${status}`, 'exit code 0', status === 0);
  },
  HANGS,
);

test(
  'eight worker threads on one issuer share one fetch of its keys',
  () => {
    const { status, stdout, stderr } = run([child('shared-keys.js')]);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ fetches: 1, passed: 8 });
  },
  HANGS,
);

test(
  'S33: the store and its threads do not keep a process that has nothing left to do',
  () => {
    const started = process.hrtime.bigint();
    const { status, stdout } = run([child('exits.js'), 'nothing left', TOKEN]);
    expect([status, stdout]).toEqual([0, 'ERR_JWKS_FETCH']);
    expect(Number((process.hrtime.bigint() - started) / 1_000_000n)).toBeLessThan(9_000);
  },
  HANGS,
);

test.each([
  ['process.exit', 'exit', { status: 0, signal: null }],
  ['an uncaught error', 'throw', { status: 1, signal: null }],
  ['a signal', 'kill', { status: null, signal: 'SIGTERM' }],
])(
  'S33: a hanging fetch does not keep the process alive, with %s',
  (_name, way, expected) => {
    const started = process.hrtime.bigint();
    const { status, signal } = run([child('exits.js'), way, TOKEN]);
    const milliseconds = Number((process.hrtime.bigint() - started) / 1_000_000n);
    expect({ status, signal }).toEqual(expected);
    // The fetch's own deadline is 10 s: whoever waited for it shows.
    expect(milliseconds).toBeLessThan(9_000);
    if (way === 'exit') score('S33', `exit code ${status} with a fetch hanging`, 'exit code 0, promptly', status === 0);
  },
  HANGS,
);
