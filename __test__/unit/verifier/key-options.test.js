'use strict';

// Where keys come from and how, through the addon and the JavaScript around it.

const { createServer } = require('node:http');
const { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { once } = require('node:events');
const os = require('node:os');
const path = require('node:path');
const { startProvider } = require('../../../examples/demo/provider.js');
const { RemoteTokenVerifier, createRemoteAgentAuth, verifyRemoteToken } = require('../../..');

const AUDIENCE = 'https://chat.example.com/api';

let provider;
let token;
let jwks;
let folder;
beforeAll(async () => {
  provider = await startProvider();
  token = await provider.token({ user: 'ada', audience: AUDIENCE, scope: 'agents:use' });
  const metadata = await (await fetch(`${provider.issuer}/.well-known/openid-configuration`)).json();
  jwks = await (await fetch(metadata.jwks_uri)).json();
  folder = mkdtempSync(path.join(os.tmpdir(), 'remote-agent-auth-'));
}, 30_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  return provider.stop();
});

const policy = (options) => ({ issuer: provider.issuer, audience: AUDIENCE, ...options });
const verifier = new RemoteTokenVerifier();

describe('an option that is wrong is named', () => {
  test.each([
    ['jwks', { jwks: {} }],
    ['jwks', { jwks: { keys: [] } }],
    ['jwks', { jwks: 7 }],
    ['jwks', { jwks: { keys: [1n] } }],
    ['jwks', { jwks: { keys: [{}] }, jwksUri: 'https://idp.example' }],
    ['jwksFile', { jwksFile: 'relative' }],
    ['snapshotFile', { snapshotFile: 7 }],
    ['cacheMaxAge', { cacheMaxAge: '60000' }],
    ['cacheMaxAge', { cacheMaxAge: NaN }],
    ['maxStale', { maxStale: -1 }],
    ['maxAdvisedAge', { maxAdvisedAge: 86401 }],
    ['proxy', { proxy: 'http://p' }],
    ['proxy', { proxy: { http: 'socks5://p' } }],
    ['proxy', { proxy: { http: 7 } }],
    ['htps', { proxy: { htps: 'http://p' } }],
    ['ca', { ca: 'nonsense' }],
    ['ca', { ca: [7] }],
    ['clientCertificate', { clientCertificate: { cert: 'a', key: 'b' } }],
    ['clientCertificate', { clientCertificate: { cert: 'a' } }],
    ['refusePrivateAddresses', { refusePrivateAddresses: 'yes' }],
    ['maxBodyBytes', { maxBodyBytes: 0 }],
  ])('%s of %p', async (name, options) => {
    const error = await verifyRemoteToken('a.b.c', policy(options)).catch((refusal) => refusal);
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(error.message).toContain(`\`${name}\``);
  });

  test('by the factory, at the start', () => {
    const deps = { apiKeyMiddleware() {}, findUser() {}, updateUser() {}, getAppConfig() {} };
    expect(() => createRemoteAgentAuth(deps, { policy: { ca: 'nonsense' } })).toThrow(/`ca`/);
    expect(() =>
      createRemoteAgentAuth(deps, { policy: { maxStale: 600, proxy: {}, refusePrivateAddresses: true } }),
    ).not.toThrow();
  });
});

test('keys in the policy need no provider', async () => {
  const elsewhere = { jwks, issuer: provider.issuer };
  await expect(verifyRemoteToken(token, policy(elsewhere))).resolves.toMatchObject({ subject: expect.any(String) });
  await expect(verifyRemoteToken(token, policy({ jwks: JSON.stringify(jwks) }))).resolves.toBeDefined();
});

test('nor do keys in a file', async () => {
  const jwksFile = path.join(folder, 'jwks.json');
  writeFileSync(jwksFile, JSON.stringify(jwks));
  await expect(verifyRemoteToken(token, policy({ jwksFile }))).resolves.toBeDefined();
});

test('a snapshot file is written, and shows in the stats', async () => {
  const snapshotFile = path.join(folder, 'snapshot.json');
  await verifier.verify(token, policy({ snapshotFile }));
  const source = () => verifier.stats().sources.find(({ snapshotFile: state }) => state !== null);
  for (let tries = 0; tries < 200 && source() === undefined; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(source()).toMatchObject({
    kind: 'discovery',
    lifeLeft: expect.any(Number),
    refreshes: { begun: 1, succeeded: 1, failed: 0, notModified: 0 },
    snapshotFile: { state: 'written', fetchedAt: expect.any(Number) },
  });
  expect(JSON.parse(readFileSync(snapshotFile, 'utf8'))).toMatchObject({ format: 'remote-agent-auth/keys/1' });
  if (process.platform !== 'win32') expect(statSync(snapshotFile).mode & 0o777).toBe(0o600);
});

describe('a proxy', () => {
  let server;
  let seen;
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      seen.push(request.url);
      response.end(await (await fetch(request.url)).text());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());
  beforeEach(() => {
    seen = [];
    verifier.clear();
  });
  const url = () => `http://127.0.0.1:${server.address().port}`;

  test('named by the option is used', async () => {
    await verifier.verify(token, policy({ proxy: { http: url() } }));
    expect(seen[0]).toBe(`${provider.issuer}/.well-known/openid-configuration`);
    expect(seen).toHaveLength(2);
  });

  test('is passed by where its list says so', async () => {
    await verifier.verify(token, policy({ proxy: { http: url(), bypass: new URL(provider.issuer).hostname } }));
    expect(seen).toEqual([]);
  });

  test('of the environment is not read by verifyRemoteToken', async () => {
    process.env.HTTP_PROXY = url();
    try {
      await verifyRemoteToken(token, policy());
    } finally {
      delete process.env.HTTP_PROXY;
    }
    expect(seen).toEqual([]);
  });

  test('of the environment is used by the middleware, from the next request on', async () => {
    const auth = { oidc: { enabled: true, issuer: provider.issuer, audience: AUDIENCE }, apiKey: { enabled: false } };
    const statuses = [];
    const handler = createRemoteAgentAuth({
      apiKeyMiddleware() {},
      findUser: async () => null,
      updateUser: async () => {},
      getAppConfig: async () => ({ endpoints: { agents: { remoteApi: { auth } } } }),
      logger: {},
    });
    const request = async () => {
      const response = { status: (code) => ({ json: () => statuses.push(code) }) };
      await handler({ headers: { authorization: `Bearer ${token}` } }, response, () => {});
    };
    await request();
    expect(seen).toEqual([]);
    process.env.HTTP_PROXY = url();
    try {
      await request();
    } finally {
      delete process.env.HTTP_PROXY;
    }
    expect(seen).toHaveLength(2);
    expect(statuses).toEqual([401, 401]);
  });
});
