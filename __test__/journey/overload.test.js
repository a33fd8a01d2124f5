'use strict';

// Checks off the JavaScript thread, end to end: the right context and answer for each, an end at any moment, and what becomes of
// those who find the queue full. ES512 is never checked on the JavaScript thread, so that nothing here depends on speed.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { RemoteTokenVerifier, createAgentManagementAuth } = require('../..');
const { createRemoteAgentAuth } = require('../../native');
const { App } = require('../support/app');
const { bareResponse } = require('../support/fakes');
const { Issuer } = require('../support/issuer');

let issuer;
const full = new RemoteTokenVerifier({ maxQueued: 0 });
const oidc = () => ({ enabled: true, issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
const policy = () => ({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });

beforeAll(async () => {
  issuer = await new Issuer({ algorithm: 'ES512' }).start();
  await full.prefetch(policy());
});
afterAll(() => issuer.stop());

async function serve(options) {
  const app = new App({ options });
  app.users = [{ _id: 'u1', openidId: 'subject-1', openidIssuer: issuer.url, provider: 'openid', role: 'USER' }];
  app.configure({ apiKey: { enabled: true }, oidc: oidc() });
  app.apiKeys = new Proxy({}, { get: () => (req, res, next) => next() });
  return app.start();
}

test.each([
  { responses: 'librechat' },
  { responses: 'librechat', fallbackOnInvalidToken: true },
  { responses: 'standard' },
  { responses: 'standard', fallbackOnInvalidToken: true },
])('a token that finds the queue full is answered with 503 and Retry-After, API keys or not: %j', async (options) => {
  const app = await serve({ ...options, verifier: full });
  const response = await fetch(app.url, { headers: { authorization: `Bearer ${issuer.token()}` } });
  expect([response.status, response.headers.get('retry-after'), await response.json()]).toEqual([
    503,
    '1',
    {
      error: 'Service unavailable',
      ...(options.responses === 'standard' && { reference: response.headers.get('auth-reference') }),
    },
  ]);
  expect(response.headers.get('auth-reference')).toMatch(/^[0-9A-Z]{10}$/);
  expect(response.headers.get('www-authenticate')).toBeNull();
  expect([app.calls.apiKey, app.calls.findUser, app.passed]).toEqual([[], [], []]);
  const [[level, , detail]] = app.logger.lines;
  expect([level, detail.code, detail.fault]).toEqual(['warn', 'ERR_OVERLOADED', 'capacity']);
  await app.stop();
});

test('an opaque token still goes to API keys while the queue is full', async () => {
  const app = await serve({ verifier: full });
  expect((await app.get('sk-opaque')).status).toBe(200);
  expect(app.calls.apiKey).toEqual(['sk-opaque']);
  await app.stop();
});

test('a known token needs no place in the queue', async () => {
  const token = issuer.token();
  const roomy = new RemoteTokenVerifier();
  await roomy.prefetch(policy());
  const checked = roomy.check(token, roomy.compile(policy()));
  expect(checked).toHaveProperty('then');
  expect((await checked).ok).toBe(true);
  // The signature cache belongs to the process.
  expect(full.check(token, full.compile(policy()))).toMatchObject({ ok: true, subject: 'subject-1' });
});

test('machine clients get the same answer', async () => {
  const auth = createAgentManagementAuth(
    {
      getAppConfig: async () => ({
        endpoints: { agents: { managementApi: { auth: { enabled: true, oidc: oidc(), clients: [] } } } },
      }),
      findUser: async () => null,
      isPrincipalActive: async () => true,
      runInTenant: (_tenant, fn) => fn(),
      logger: {},
      verifyAccessToken: async (token) => full.verify(token, policy()),
    },
    {},
  );
  const res = bareResponse();
  await auth({ headers: { authorization: `Bearer ${issuer.token()}` } }, res, () => {});
  expect(res.sent).toEqual([{ status: 503, body: { error: 'Service unavailable' } }]);
});

test('verify() rejects with the code and the time until another try', async () => {
  await expect(full.verify(issuer.token(), policy())).rejects.toMatchObject({
    code: 'ERR_OVERLOADED',
    fault: 'capacity',
    status: 503,
    retryAfter: 1,
  });
});

test('each of many requests checked off the JavaScript thread keeps its own tenant', async () => {
  const app = await serve({ verifier: new RemoteTokenVerifier({ verdictCache: false }) });
  const tenants = ['acme', 'beta', 'gamma'];
  for (const tenant of tenants) app.configure({ apiKey: { enabled: false }, oidc: oidc() }, tenant);
  const asked = Array.from({ length: 60 }, (_, index) => tenants[index % 3]);
  app.users = [{ _id: 'u1', openidId: 'subject-1', openidIssuer: issuer.url, provider: 'openid', role: 'USER' }];
  const statuses = await Promise.all(
    asked.map((tenant) => app.get(issuer.token(), { tenant }).then(({ status }) => status)),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(app.passed.map(({ tenant }) => tenant).sort()).toEqual([...asked].sort());
  expect(app.calls.findUser.filter(({ tenant }) => !tenants.includes(tenant))).toEqual([]);
  await app.stop();
});

describe('an end while checks are under way', () => {
  const run = (...args) =>
    spawnSync(process.execPath, [path.join(__dirname, '..', 'support/children/offloaded.js'), ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });

  test('worker threads that are terminated take nothing along', () => {
    const { status, signal, stdout, stderr } = run('workers', '30');
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '100', stderr: '' });
  }, 60_000);

  test.each([
    ['exit', ''],
    ['wait', '100'],
  ])(
    'a process that means to %s',
    (way, stdout) => {
      expect(run(way)).toMatchObject({ status: 0, signal: null, stdout, stderr: '' });
    },
    60_000,
  );
});

describe('maxQueued', () => {
  test.each([-1, 1.5, NaN, 8193, Infinity, '3', null, true])('refuses %p', (maxQueued) => {
    expect(() => new RemoteTokenVerifier({ maxQueued })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
    );
    if (maxQueued === null) return;
    expect(() => createRemoteAgentAuth({ maxQueued })).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
  });

  test('is looked at by the native verifier as well', async () => {
    const { check } = Object.getPrototypeOf(createRemoteAgentAuth());
    const asked = [0, 8192].map((maxQueued) =>
      check.call(createRemoteAgentAuth({ maxQueued }), issuer.token(), policy()),
    );
    expect(asked[0]).toMatchObject({ ok: false, code: 'ERR_OVERLOADED', fault: 'capacity', retryAfter: 1 });
    expect(await asked[1]).toMatchObject({ ok: true });
  });
});
