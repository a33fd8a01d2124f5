'use strict';

// No panic reaches Node from Rust, from any kind of export: seen in a native file built with exports that panic.

const { spawnSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { score } = require('../support/score');

const ROOT = path.join(__dirname, '..', '..');
/** A child that takes longer hangs; it is no measure of speed. */
const HANGS = 60_000;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const HTTPS_TOKEN = [
  part({ alg: 'ES256', kid: 'k' }),
  part({ iss: 'https://localhost', aud: 'a', sub: 's', exp: 4e9 }),
  'AA',
].join('.');

const run = (args) => spawnSync(process.execPath, args, { encoding: 'utf8', timeout: HANGS, env: process.env });

test('S28: a panic in any kind of export becomes an error and the process lives', () => {
  const out = path.join(ROOT, 'target/panic-probe');
  const build = spawnSync(
    path.join(ROOT, 'node_modules/.bin/napi'),
    ['build', '--platform', '--no-js', '--dts', 'probe.d.ts', '--features', 'panic-probe', '--output-dir', out],
    { cwd: ROOT, encoding: 'utf8' },
  );
  expect([build.status, build.status === 0 ? '' : build.stderr]).toEqual([0, '']);
  const file = readdirSync(out).find((name) => name.endsWith('.node'));

  const { status, stdout, stderr } = run([
    path.join(__dirname, '..', 'support/children/panics.js'),
    path.join(out, String(file)),
    HTTPS_TOKEN,
  ]);
  expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
  const seen = JSON.parse(stdout);
  expect(seen).toEqual({
    function: 'an error',
    constructor: 'an error',
    method: 'an error',
    getter: 'an error',
    future: 'ERR_INTERNAL',
    line: 'ERR_INTERNAL',
    conversion: 'ERR_INTERNAL',
    afterwards: 'ERR_TOKEN_MALFORMED',
    'no trust': 'ERR_DISCOVERY_FETCH',
  });
  score('S28', `${Object.keys(seen).length - 2} kinds of export panicked, 0 crashes`, '0 crashes', true);
  // The build is as slow as the machine is busy.
}, 900_000);
