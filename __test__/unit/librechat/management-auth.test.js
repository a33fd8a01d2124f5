'use strict';

// Machine clients of the management API. In brackets: the number of LibreChat's own scenario. A fake verifier of claims
// where rules are counted, the real one with real keys at the end.

const { AsyncLocalStorage } = require('node:async_hooks');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { createAgentManagementAuth, getMachineClientId } = require('../../..');
const { Issuer } = require('../../support/issuer');
const { closeProviders, provider } = require('../../support/introspecting');
const { fullResponse, recordingLogger } = require('../../support/fakes');

const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };
const GONE = { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' };
const USER = '64b000000000000000000abc';
const inAnHour = () => Date.now() / 1000 + 3600;

const OIDC = { enabled: true, issuer: 'https://issuer.example', audience: 'management' };
const CLIENT = { clientId: 'robot', userId: USER, tenantId: 'acme' };
const claimsOf = (over = {}) => ({ azp: 'robot', sub: 'robot', exp: inAnHour(), ...over });

function setUp({
  oidc = OIDC,
  clients = [CLIENT],
  claims = claimsOf(),
  user = { _id: USER, tenantId: 'acme' },
  deps = {},
  options,
} = {}) {
  const tenants = new AsyncLocalStorage();
  const logger = recordingLogger();
  const config = { endpoints: { agents: { managementApi: { auth: { oidc, clients } } } } };
  const seen = {};
  const all = {
    getAppConfig: jest.fn(async () => config),
    findUser: jest.fn(async () => {
      seen.findUser = tenants.getStore();
      return user;
    }),
    isPrincipalActive: jest.fn(async () => true),
    runInTenant: (tenantId, fn) => tenants.run(tenantId, fn),
    verifyAccessToken: jest.fn(async () => claims),
    logger,
    ...deps,
  };
  const handler = createAgentManagementAuth(all, options);
  return {
    ...all,
    config,
    seen,
    lines: logger.lines,
    async call({ authorization = 'Bearer token', headers = {}, next } = {}) {
      const req = { headers: { ...headers, ...(authorization === null ? {} : { authorization }) } };
      const res = fullResponse();
      const nextCalled = next ?? jest.fn(() => void (seen.next = tenants.getStore()));
      await tenants.run(headers['x-tenant-id'], () => handler(req, res, nextCalled));
      return { req, res, next: nextCalled, answer: res.sent[0] };
    },
  };
}

/** Refused, and no further than the tenant's user where one is asked for at all. */
function expectRefused({ req, res, next }, body = U, status = 401) {
  expect(res.sent).toEqual([{ status, body }]);
  expect(next).not.toHaveBeenCalled();
  expect(req).not.toHaveProperty('user');
  expect(req).not.toHaveProperty('authStrategy');
}

describe('getMachineClientId', () => {
  test.each([
    ['[193] azp', { azp: ' a ' }, 'a'],
    ['[194] client_id', { client_id: 'b' }, 'b'],
    ['a blank azp', { azp: ' ', client_id: 'b' }, 'b'],
    ['an azp that is no text', { azp: 7, client_id: 'b' }, 'b'],
    ['[195] both, equal', { azp: 'a', client_id: ' a' }, 'a'],
    ['[201] a fraction in exp', { azp: 'a', exp: Math.floor(inAnHour()) + 0.5 }, 'a'],
  ])('%s', (_name, claims, clientId) => {
    expect(getMachineClientId({ exp: inAnHour(), ...claims })).toBe(clientId);
  });

  test.each([
    ['[196] neither', {}],
    ['[197] two clients', { azp: 'a', client_id: 'b' }],
    ['[198] no exp', { azp: 'a', exp: undefined }],
    ['[199] an endless exp', { azp: 'a', exp: Infinity }],
    ['[200] an exp that has passed', { azp: 'a', exp: Date.now() / 1000 - 1 }],
    ['an exp that is a text', { azp: 'a', exp: String(inAnHour()) }],
  ])('%s: throws', (_name, claims) => {
    expect(() => getMachineClientId({ exp: inAnHour(), ...claims })).toThrow();
  });
});

test('[206] a bound client: its user, its tenant, nothing of the token', async () => {
  const app = setUp();
  const { req, res, next } = await app.call();
  expect(res.sent).toEqual([]);
  expect(next.mock.calls).toEqual([[]]);
  expect(app.getAppConfig.mock.calls).toEqual([[{ baseOnly: true }]]);
  expect(app.verifyAccessToken.mock.calls).toEqual([['token', OIDC]]);
  expect(app.findUser.mock.calls).toEqual([[{ _id: USER, tenantId: 'acme' }]]);
  expect(app.seen).toEqual({ findUser: 'acme', next: 'acme' });
  expect(req).toMatchObject({
    user: { _id: USER, id: USER, tenantId: 'acme' },
    tenantId: 'acme',
    authStrategy: 'agentManagementM2M',
  });
  expect(req.user).not.toHaveProperty('federatedTokens');
  expect(app.lines).toEqual([]);
});

test.each([
  ['the client itself', claimsOf(), {}],
  ['the client with Auth0’s suffix', claimsOf({ sub: 'robot@clients' }), {}],
  ['[202] the configured one', claimsOf({ sub: ' service ' }), { subject: 'service' }],
])('a subject that is %s passes', async (_name, claims, over) => {
  const { next } = await setUp({ claims, clients: [{ ...CLIENT, ...over }] }).call();
  expect(next).toHaveBeenCalled();
});

test.each([
  ['[204] a person’s subject', { claims: claimsOf({ sub: 'ada' }) }],
  ['[205] another subject than the configured', { clients: [{ ...CLIENT, subject: 'service' }] }],
  ['no subject', { claims: claimsOf({ sub: undefined }) }],
  ['[211] an unknown client', { claims: claimsOf({ azp: 'other' }) }],
  ['[212] a disabled client', { clients: [{ ...CLIENT, enabled: false }] }],
  ['no clients', { clients: null }],
  ['clients that are no list', { clients: { robot: CLIENT } }],
  ['a binding to no plain user', { clients: [{ ...CLIENT, userId: { $ne: null } }] }],
  ['a binding to no plain tenant', { clients: [{ ...CLIENT, tenantId: { $ne: null } }] }],
  ['a binding to the system tenant', { clients: [{ ...CLIENT, tenantId: ' __SYSTEM__ ' }] }],
  ['two clients in one token', { claims: claimsOf({ client_id: 'other' }) }],
  [
    '[209] a token that is refused',
    { deps: { verifyAccessToken: async () => Promise.reject(new Error('secret detail')) } },
  ],
])('%s is 401 before any user is looked up', async (_name, over) => {
  const app = setUp(over);
  expectRefused(await app.call());
  expect(app.findUser).not.toHaveBeenCalled();
  expect(app.lines).toEqual([['warn', expect.stringMatching(/^\[agentManagementAuth\] machine client refused/)]]);
  expect(JSON.stringify(app.lines)).not.toContain('secret detail');
});

test('each decision is an event, with the reference of the answer', async () => {
  const events = [];
  const note = (event) => events.push(event);
  subscribe('remote-agent-auth:decision', note);
  try {
    const { next } = await setUp().call();
    expect(next).toHaveBeenCalledTimes(1);
    const refused = await setUp({ clients: [] }).call();
    const outside = setUp({
      deps: {
        tenantContextMiddleware: () => {
          throw new Error('no tenant');
        },
      },
    });
    await outside.call();
    const common = { issuer: OIDC.issuer, durationMicros: expect.any(Number), callbackMicros: expect.any(Number) };
    expect(events).toEqual([
      { reference: expect.any(String), time: expect.any(Number), outcome: 'accepted', tenant: 'acme', ...common },
      expect.objectContaining({
        outcome: 'refused',
        cause: 'machine-refused',
        status: 401,
        reference: refused.res.headers['Auth-Reference'],
        ...common,
      }),
      expect.objectContaining({ outcome: 'error', cause: 'unexpected', status: 500 }),
    ]);
  } finally {
    unsubscribe('remote-agent-auth:decision', note);
  }
});

test.each([null, 'Basic abc', 'Bearer   '])('[208] the header %j is 401, nobody asked', async (authorization) => {
  const app = setUp();
  const outcome = await app.call({ authorization });
  expectRefused(outcome);
  expect(outcome.res.headers).toEqual({
    'WWW-Authenticate': 'Bearer realm="remote-agent-api"',
    'Auth-Reference': expect.stringMatching(/^[0-9A-Z]{10}$/),
  });
  expect(app.verifyAccessToken).not.toHaveBeenCalled();
  expect(app.lines).toEqual([]);
});

test.each([
  ['off', { ...OIDC, enabled: 'true' }],
  ['without an issuer', { ...OIDC, issuer: '' }],
  ['without an audience', { ...OIDC, audience: undefined }],
  ['[210] without an audience or scopes', { ...OIDC, audience: undefined, tokenUse: 'access', requiredScopes: [] }],
  ['without an audience, of another kind', { ...OIDC, audience: undefined, tokenUse: 'id', requiredScopes: ['a'] }],
  ['absent', undefined],
])('a configuration %s is 401 before the token is looked at', async (_name, oidc) => {
  const app = setUp({ oidc: oidc ?? null });
  expectRefused(await app.call());
  expect(app.verifyAccessToken).not.toHaveBeenCalled();
  expect(app.lines).toEqual([]);
});

test('[203] without an audience the verifier gets kind and scopes', async () => {
  const app = setUp({ oidc: { enabled: true, issuer: OIDC.issuer, tokenUse: 'access', requiredScopes: ['a', 'b'] } });
  await app.call();
  expect(app.verifyAccessToken.mock.calls[0][1]).toEqual({
    enabled: true,
    issuer: OIDC.issuer,
    tokenUse: 'access',
    requiredScopes: ['a', 'b'],
  });
});

test('[207] an id in capitals is looked up as it stands and accepted', async () => {
  const app = setUp({ clients: [{ ...CLIENT, userId: USER.toUpperCase() }] });
  expect((await app.call()).next).toHaveBeenCalled();
  expect(app.findUser.mock.calls[0][0]._id).toBe(USER.toUpperCase());
});

test('[213] headers that claim a tenant, a user or a role are nothing', async () => {
  const app = setUp();
  const { req } = await app.call({ headers: { 'x-tenant-id': 'bolt', 'x-user-id': 'u', 'x-role': 'ADMIN' } });
  expect(app.seen).toEqual({ findUser: 'acme', next: 'acme' });
  expect(req.tenantId).toBe('acme');
});

test.each([
  ['[214] missing', null],
  ['[215] of another tenant', { _id: USER, tenantId: 'bolt' }],
  ['of no tenant', { _id: USER }],
  ['[216] another', { _id: '64b000000000000000000def', tenantId: 'acme' }],
])('a user that is %s is 401', async (_name, user) => {
  const app = setUp({ user });
  expectRefused(await app.call());
  expect(app.isPrincipalActive).not.toHaveBeenCalled();
});

test('[217] [218] an inactive principal is 409, asked with the id of the user found', async () => {
  const app = setUp({ deps: { isPrincipalActive: jest.fn(async () => false) } });
  expectRefused(await app.call(), GONE, 409);
  expect(app.isPrincipalActive.mock.calls).toEqual([[USER]]);
  expect(app.findUser).toHaveBeenCalledTimes(1);
});

test('[219] a binding that is gone from the configuration is gone at once', async () => {
  const app = setUp();
  expect((await app.call()).next).toHaveBeenCalled();
  app.config.endpoints.agents.managementApi.auth.clients = [];
  expectRefused(await app.call());
});

test('[220] clients at the same time keep to their tenants', async () => {
  const seen = [];
  const clients = ['a', 'b', 'c'].map((name) => ({
    clientId: name,
    userId: `user-${name}`,
    tenantId: `tenant-${name}`,
  }));
  const app = setUp({
    clients,
    deps: {
      verifyAccessToken: async (token) => claimsOf({ azp: token, sub: token }),
      findUser: async ({ _id, tenantId }) => {
        await new Promise(setImmediate);
        return { _id, tenantId };
      },
      tenantContextMiddleware: (req, res, next) => {
        seen.push([req.user.id, req.tenantId]);
        next();
      },
    },
  });
  const outcomes = await Promise.all(clients.map(({ clientId }) => app.call({ authorization: `Bearer ${clientId}` })));
  expect(outcomes.map(({ req }) => [req.user.id, req.tenantId])).toEqual(
    clients.map(({ userId, tenantId }) => [userId, tenantId]),
  );
  expect(seen.sort()).toEqual(clients.map(({ userId, tenantId }) => [userId, tenantId]));
});

test.each(['getAppConfig', 'findUser', 'isPrincipalActive'])('[221] %s that fails is 500', async (name) => {
  const app = setUp({ deps: { [name]: jest.fn(async () => Promise.reject(new Error('down'))) } });
  expectRefused(await app.call(), S, 500);
  expect(app.lines).toEqual([
    [
      'error',
      expect.stringMatching(/^\[agentManagementAuth\] Unexpected error; reference \w{10}; /),
      expect.objectContaining({ message: 'down' }),
    ],
  ]);
  if (name === 'getAppConfig') expect(app.findUser).not.toHaveBeenCalled();
});

test('what next throws is the application’s', async () => {
  const boom = new Error('downstream');
  await expect(
    setUp().call({
      next: () => {
        throw boom;
      },
    }),
  ).rejects.toBe(boom);
});

test('the factory names what is missing or unknown', () => {
  expect(() => createAgentManagementAuth({})).toThrow('createAgentManagementAuth: deps.findUser must be a function');
  expect(() => setUp({ options: { polcy: {} } })).toThrow('createAgentManagementAuth: unknown option "polcy"');
  expect(() => setUp({ options: { tenantConflict: 'reject' } })).toThrow('unknown option');
});

describe('with real keys', () => {
  let issuer;
  beforeAll(async () => {
    issuer = await new Issuer().start();
  });
  afterAll(() => {
    closeProviders();
    return issuer.stop();
  });

  const cognito = () => ({ enabled: true, issuer: issuer.url, tokenUse: 'access', requiredScopes: ['agents/manage'] });
  const good = {
    aud: undefined,
    sub: 'robot',
    client_id: 'robot',
    token_use: 'access',
    scope: 'agents/manage agents/read',
  };
  const real = (over) => setUp({ ...over, deps: { verifyAccessToken: undefined } });
  const send = (app, claims, options) => app.call({ authorization: `Bearer ${issuer.token(claims, options)}` });

  test('[181] [191] a token for the audience passes, keys by discovery though OPENID_JWKS_URL is set', async () => {
    process.env.OPENID_JWKS_URL = 'http://127.0.0.1:1/keys';
    try {
      const app = real({ oidc: { enabled: true, issuer: issuer.url, audience: 'management' } });
      const { req } = await send(app, { aud: 'management', sub: 'robot', azp: 'robot' });
      expect(req).toMatchObject({ user: { id: USER }, authStrategy: 'agentManagementM2M' });
    } finally {
      delete process.env.OPENID_JWKS_URL;
    }
  });

  test('[192] a good token of a client nobody has bound is 401', async () => {
    const app = real({ oidc: { enabled: true, issuer: issuer.url, audience: 'management' } });
    expectRefused(await send(app, { aud: 'management', sub: 'other', azp: 'other' }));
    expect(app.findUser).not.toHaveBeenCalled();
  });

  test('[183] [186] without an audience, kind and scope say whom it is for', async () => {
    const { next } = await send(real({ oidc: cognito() }), good);
    expect(next).toHaveBeenCalled();
  });

  test.each([
    ['[184] [187] an ID token', { ...good, token_use: 'id' }, 'ERR_ID_TOKEN'],
    ['[185] [188] a missing scope', { ...good, scope: 'agents/read' }, 'ERR_SCOPE_MISSING'],
    ['a scope in a list', { ...good, scope: ['agents/manage'] }, 'ERR_SCOPE_MISSING'],
    ['a scope in scp', { ...good, scope: undefined, scp: 'agents/manage' }, 'ERR_SCOPE_MISSING'],
    ['[189] another issuer', { ...good, iss: 'https://other.example' }, 'ERR_TOKEN_ISSUER'],
    ['[190] an expired token', { ...good, exp: 1 }, 'ERR_TOKEN_EXPIRED'],
  ])('%s is 401', async (_name, claims, code) => {
    const app = real({ oidc: cognito() });
    expectRefused(await send(app, claims));
    expect(app.lines).toEqual([['warn', expect.stringContaining(code)]]);
  });

  test.each([{ jkt: 'a' }, { 'x5t#S256': 'a' }])(
    'a token with cnf %j passes, with one warning for its issuer, and is refused with `requireUnbound`',
    async (cnf) => {
      const oidc = { enabled: true, issuer: issuer.url, audience: 'management' };
      const claims = { aud: 'management', sub: 'robot', azp: 'robot', cnf };
      const app = real({ oidc });
      for (let time = 0; time < 2; time += 1) expect((await send(app, claims)).next).toHaveBeenCalled();
      expect(app.lines).toEqual([['warn', expect.stringContaining(`[agentManagementAuth] a token of ${issuer.url}`)]]);
      expect(app.lines[0][1]).toContain('requireUnbound: true');
      for (const policy of [{ requireUnbound: true }, () => ({ requireUnbound: true })]) {
        const unbound = real({ oidc, options: { policy } });
        expectRefused(await send(unbound, claims));
        expect(unbound.lines).toEqual([['warn', expect.stringContaining('ERR_TOKEN_BOUND')]]);
        expect((await send(unbound, { ...claims, cnf: undefined })).next).toHaveBeenCalled();
      }
    },
  );

  test('scopes are asked for beside an audience, too, and only as a text', async () => {
    const oidc = { enabled: true, issuer: issuer.url, audience: 'management', requiredScopes: ['a'] };
    const claims = { aud: 'management', sub: 'robot', azp: 'robot' };
    expect((await send(real({ oidc }), { ...claims, scope: 'b a' })).next).toHaveBeenCalled();
    expectRefused(await send(real({ oidc }), { ...claims, scope: ['a'] }));
    expectRefused(await send(real({ oidc: { ...oidc, requiredScopes: 'a' } }), { ...claims, scope: 'a' }));
  });

  test('a scope that the provider, asked about the token, has taken away is missing', async () => {
    let scope = 'a b';
    const asked = await provider(() => ({ active: true, scope }));
    const introspection = {
      ...asked.policy.introspection,
      also: true,
      cacheMs: 0,
      endpoint: `${asked.issuer}/introspect`,
    };
    const oidc = { enabled: true, issuer: issuer.url, audience: 'management', requiredScopes: ['a'] };
    const app = real({ oidc, options: { policy: () => ({ introspection }) } });
    const claims = { aud: 'management', sub: 'robot', azp: 'robot', scope: 'a b' };
    expect((await send(app, claims)).next).toHaveBeenCalled();
    scope = 'b';
    expectRefused(await send(app, claims));
    expect(app.lines).toEqual([['warn', expect.stringContaining('ERR_SCOPE_MISSING')]]);
  });
});
