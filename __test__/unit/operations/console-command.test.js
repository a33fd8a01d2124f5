'use strict';

const { spawn, execFileSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const { consoleCommand } = require('../../../lib/operations/console-command');
const { RemoteTokenVerifier } = require('../../..');
const { Issuer } = require('../../support/issuer');

const PROGRAM = path.join(__dirname, '..', '..', '..', 'bin', 'remote-agent-auth.js');
let issuer;
let folder;
const closing = [];

beforeAll(async () => {
  issuer = await new Issuer().start();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'console-'));
});
beforeEach(() => new RemoteTokenVerifier().clear());
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));
afterAll(async () => {
  await issuer.stop();
  fs.rmSync(folder, { recursive: true });
});

/** The command in this process, with what it wrote. */
async function run(args) {
  let stdout = '';
  let stderr = '';
  const result = await consoleCommand(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  if (result.close) closing.push(result.close);
  return { ...result, stdout, stderr, url: /http:\S+/.exec(stdout)?.[0] };
}

const configured = (oidc) => JSON.stringify({ endpoints: { agents: { remoteApi: { auth: { oidc } } } } });

test('shows the configuration, the way to the provider and its keys, and explains a token', async () => {
  const { url } = await run(['--issuer', issuer.url, '--audience', 'agents']);
  const text = await (await fetch(url)).text();
  for (const part of ['is enabled, with issuer and audience', 'the metadata names the configured issuer', 'key-1'])
    expect(text).toContain(part);
  const form = /name="form" value="([\w-]+)"/.exec(text)[1];
  const body = new URLSearchParams({ form, token: issuer.token({ aud: 'account' }) });
  expect(await (await fetch(url, { method: 'POST', body })).text()).toContain('ERR_TOKEN_AUDIENCE');
});

test('reads the file again for each page, and asks the provider no more often than every ten seconds', async () => {
  const file = path.join(folder, 'librechat.json');
  fs.writeFileSync(file, configured({ enabled: true, issuer: issuer.url, audience: 'agents' }));
  const { url } = await run([file]);
  await fetch(url);
  const { discovery } = issuer.requests;
  fs.writeFileSync(file, configured({ enabled: true, issuer: issuer.url }));
  expect(await (await fetch(url)).text()).toContain('oidc.audience is not set');
  fs.rmSync(file);
  const { status, headers } = await fetch(url);
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(issuer.requests.discovery).toBe(discovery);
});

test('answers to nobody who does not know its address, nor to another name of this machine', async () => {
  const { url } = await run(['--issuer', issuer.url, '--audience', 'agents']);
  const { origin, port } = new URL(url);
  expect(new URL(url).hostname).toBe('127.0.0.1');
  for (const other of ['/', '/x', `${new URL(url).pathname}x`]) expect((await fetch(origin + other)).status).toBe(404);
  const answer = await new Promise((resolve) =>
    http.get(url, { headers: { host: `evil.example:${port}` }, agent: false }, (response) =>
      resolve(response.resume()),
    ),
  );
  expect(answer.statusCode).toBe(403);
});

test.each([
  [['one', 'two'], /one FILE at most/],
  [['nowhere.json'], /cannot be read/],
  [['--issuer', 'https://a.test', '--port', '70000'], /--port is a number/],
  [['--nonsense'], /--help lists the options/],
  [['--token', 'eyJhbGciOi.e30.c2ln'], /never as an argument/],
])('%j cannot be carried out', async (args, text) => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(text);
});

test('a port that is taken is said to be', async () => {
  const { port } = new URL(issuer.url);
  const { code, stderr } = await run(['--issuer', issuer.url, '--audience', 'a', '--port', port]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('EADDRINUSE')]);
});

test('is a command of the package', async () => {
  expect(execFileSync(process.execPath, [PROGRAM, 'console', '--help'], { encoding: 'utf8' })).toMatch(
    /^Usage: npx remote-agent-auth console/,
  );
  const child = spawn(process.execPath, [PROGRAM, 'console', '--issuer', issuer.url, '--audience', 'agents']);
  try {
    const [printed] = await once(child.stdout.setEncoding('utf8'), 'data');
    expect((await fetch(/http:\S+/.exec(printed)[0])).status).toBe(200);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});
