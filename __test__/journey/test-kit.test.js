'use strict';

// The test kit in other runners than this one, and as the command people run by hand.

const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { verifyRemoteToken } = require('../..');
const { ROOT } = require('../support/markdown');

const SPEC = path.join(__dirname, '..', 'support', 'children', 'test-kit.mjs');
// Neither the runner that runs this, nor what it says of itself to children.
const { NODE_OPTIONS: _options, JEST_WORKER_ID: _worker, NODE_TEST_CONTEXT: _context, ...env } = process.env;

test('it works under node:test', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', SPEC], {
    cwd: ROOT,
    env,
  });
  expect(stdout).toMatch(/^# pass 1$/m);
}, 60_000);

test('it works under vitest', async () => {
  fs.mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
  const vitest = path.join(path.dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  const folder = fs.mkdtempSync(path.join(ROOT, '.cache', 'vitest-'));
  fs.copyFileSync(SPEC, path.join(folder, 'kit.test.mjs'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [vitest, 'run', '--root', folder], {
      cwd: ROOT,
      env: { ...env, RUNNER: 'vitest', NO_COLOR: '1' },
    });
    expect(stdout).toMatch(/Tests {2}1 passed \(1\)/);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

describe('npx remote-agent-auth issuer', () => {
  const BIN = path.join(ROOT, 'bin', 'remote-agent-auth.js');
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;
  afterEach(() => child?.kill());

  /** What it prints once it listens. @param {string[]} args @returns {Promise<Record<string, string>>} */
  function started(args) {
    child = spawn(process.execPath, [BIN, 'issuer', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    return new Promise((resolve, reject) => {
      let text = '';
      child?.once('exit', (code) => reject(new Error(`ended with ${code}`)));
      child?.stdout?.on('data', (/** @type {Buffer} */ chunk) => {
        text += chunk;
        const token = /\n\n(\S+)\n$/.exec(text)?.[1];
        if (token !== undefined)
          resolve({
            token,
            ...Object.fromEntries([...text.matchAll(/^(issuer|audience) +(\S+)$/gm)].map((row) => row.slice(1))),
          });
      });
    });
  }

  test('prints a token, gives out others and rotates; a page in a browser gets none', async () => {
    const { token, issuer, audience } = await started([
      '--alg',
      'ES256',
      '--claims',
      '{"sub":"ada"}',
      '--audience',
      'agents',
    ]);
    const policy = { issuer, audience };
    expect(audience).toBe('agents');
    expect((await verifyRemoteToken(token, policy)).subject).toBe('ada');
    const rotated = await (await fetch(`${issuer}/rotate`, { method: 'POST' })).text();
    expect(rotated).toBe('test-2\n');
    const other = await fetch(`${issuer}/token?sub=grace&scope=agents:use&expires_in=60`);
    const { subject, scopes, header } = await verifyRemoteToken((await other.text()).trim(), policy);
    expect({ subject, scopes, kid: header.kid }).toEqual({ subject: 'grace', scopes: ['agents:use'], kid: 'test-2' });
    for (const headers of [{ origin: 'https://attacker.example' }, { 'sec-fetch-site': 'same-origin' }]) {
      expect((await fetch(`${issuer}/token`, { headers })).status).toBe(403);
    }
    expect((await fetch(`${issuer}/token?alg=toString`)).status).toBe(400);
    expect((await fetch(`${issuer}/else`)).status).toBe(404);
  });

  test.each([
    [['--port', 'x'], /--port must be a whole number/],
    [['--claims', '[]'], /--claims must be a JSON object/],
    [['--profile', 'nobody'], /profile is one of entra/],
    [['--nonsense'], /nonsense/],
  ])('%j is answered with what is wrong', async (args, message) => {
    const failed = await promisify(execFile)(process.execPath, [BIN, 'issuer', ...args], { env }).catch(
      (error) => error,
    );
    expect({ code: failed.code, said: failed.stderr }).toEqual({ code: 2, said: expect.stringMatching(message) });
  });

  test('--help lists every option', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BIN, 'issuer', '--help'], { env });
    for (const name of ['port', 'audience', 'profile', 'alg', 'claims', 'expires-in'])
      expect(stdout).toContain(`--${name} `);
  });
});
