'use strict';

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: after } = require('node:timers/promises');
const { startProvider } = require('../../examples/demo/provider.js');
const { tryReadme } = require('../package/newcomer');
const { describeWith } = require('../support/needs');
const { read } = require('../support/markdown');

const root = path.join(__dirname, '..', '..');
const AUDIENCE = 'https://chat.example.com/api';

/** @param {string} socketPath @param {string} [authorization] @returns {Promise<{ status?: number, body: string }>} */
function get(socketPath, authorization) {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    const request = http.get({ socketPath, path: '/', headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    request.on('error', reject);
  });
}

test('the code at the top of the README runs as it stands and lets exactly the right caller in', async () => {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const code = /<!-- example: .*-->\n```js\n([^]*?)```/.exec(readme)?.[1];
  expect(code).toBeDefined();

  // Inside the repository, where `require('remote-agent-auth')` leads to this very package.
  const cache = path.join(root, '.cache');
  fs.mkdirSync(cache, { recursive: true });
  const folder = fs.mkdtempSync(path.join(cache, 'readme-'));
  const socket = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'readme-')), 'socket');
  fs.writeFileSync(path.join(folder, 'server.js'), /** @type {string} */ (code));

  const provider = await startProvider();
  const server = spawn(process.execPath, [path.join(folder, 'server.js')], {
    env: { PATH: process.env.PATH, ISSUER: provider.issuer, AUDIENCE, PORT: socket },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    const listening = async () => {
      while (!fs.existsSync(socket)) {
        if (server.exitCode !== null) throw new Error(`the example ended with ${server.exitCode}`);
        await after(20);
      }
    };
    await listening();

    const ada = await provider.token({ user: 'ada', audience: AUDIENCE, scope: 'agents:use' });
    const other = await provider.token({ user: 'grace', audience: AUDIENCE, scope: 'agents:use' });
    expect(await get(socket, `Bearer ${ada}`)).toEqual({
      status: 200,
      body: '{"hello":"ada@example.com"}',
    });
    expect(await get(socket, `Bearer ${ada}`)).toMatchObject({ status: 200 });
    expect(await get(socket, `Bearer ${other}`)).toEqual({
      status: 401,
      body: '{"error":"Unauthorized"}',
    });
    expect(await get(socket)).toEqual({
      status: 401,
      body: '{"error":"Bearer token required"}',
    });
  } finally {
    const gone = server.exitCode === null ? once(server, 'exit') : undefined;
    server.kill('SIGKILL');
    await gone;
    await provider.stop();
    fs.rmSync(folder, { recursive: true, force: true });
    fs.rmSync(path.dirname(socket), { recursive: true, force: true });
  }
}, 60_000);

test('the README is short', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200);
});

const noCurl = spawnSync('curl', ['--version']).error === undefined ? undefined : 'there is no curl on the PATH';

describeWith('curl', noCurl, { required: true })('who follows the README', () => {
  test('gets from its commands what the comments beside them say', async () => {
    const cache = path.join(root, '.cache');
    fs.mkdirSync(cache, { recursive: true });
    const folder = fs.mkdtempSync(path.join(cache, 'newcomer-'));
    try {
      const { answers, log } = await tryReadme({ folder });
      expect(answers.map(({ status }) => status)).toEqual([200, 401, 401]);
      for (const { status, body, expected } of answers)
        expect(expected.slice(0, 4 + body.length)).toBe(`${status} ${body}`);
      expect(log).toContain('ERR_TOKEN_MALFORMED');
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
