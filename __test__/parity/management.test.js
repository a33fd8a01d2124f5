'use strict';

// LibreChat's suites of access tokens of machines (scenarios 181 to 190) and of the management API's middleware (191 to 221),
// with real tokens of a provider on loopback, through the adapter.

process.env.LOG_TO_FILE = 'false';

const schemas = require('@librechat/data-schemas');
const { RemoteTokenVerifier } = require('../..');
const { createAgentManagementAuth, getMachineClientId } = require('./librechat');
const { bareResponse, recordingLogger } = require('../support/fakes');
const { expectPassed, Http, Issuer, S, suiteIssuer, U, World } = require('./world');

const USER_ID = 'abcdefabcdefabcdefabcdef';
const now = () => Math.floor(Date.now() / 1000);
const tenants = { getStore: () => schemas.getTenantId() };

const issuer = suiteIssuer();
let management;
let deps;
let logger;

beforeEach(() => {
  issuer.requests = { discovery: 0, keys: 0 };
  logger = recordingLogger();
  management = {
    auth: {
      oidc: { enabled: true, issuer: issuer.url, audience: 'management' },
      clients: [{ clientId: 'machine', userId: USER_ID, tenantId: 'acme', enabled: true }],
    },
  };
  deps = {
    getAppConfig: jest.fn(async () => ({ endpoints: { agents: { managementApi: management } } })),
    findUser: jest.fn(async ({ _id, tenantId }) => ({
      _id: { toString: () => _id.toLowerCase() },
      tenantId,
      role: 'USER',
    })),
    isPrincipalActive: jest.fn(async () => true),
  };
  for (const level of ['debug', 'info', 'warn', 'error'])
    jest.spyOn(schemas.logger, level).mockImplementation(logger[level]);
});

/** What a client-credentials grant gives. */
const token = (claims = {}) => issuer.token({ aud: 'management', sub: 'machine', azp: 'machine', ...claims });
const cognito = (claims = {}) =>
  token({
    aud: undefined,
    azp: undefined,
    client_id: 'machine',
    token_use: 'access',
    scope: 'agents/manage agents/read',
    ...claims,
  });
const useCognito = (over = {}) => {
  management.auth.oidc = {
    enabled: true,
    issuer: issuer.url,
    tokenUse: 'access',
    requiredScopes: ['agents/manage'],
    ...over,
  };
};

async function send(bearer, headers = {}) {
  const handler = createAgentManagementAuth(deps);
  const req = { headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...headers } };
  const res = bareResponse();
  const tenantsSeen = [];
  const next = jest.fn(() => void tenantsSeen.push(tenants.getStore()));
  await handler(req, res, next);
  return { req, res, next, sent: res.sent, tenantsSeen };
}

/** 401 before or after the user was looked up; nothing on the request. */
function expectRefused({ req, sent, next }, { lookups = 0 } = {}) {
  expect(sent).toEqual([{ status: 401, body: U }]);
  expect(next).not.toHaveBeenCalled();
  expect(req).not.toHaveProperty('user');
  expect(deps.findUser).toHaveBeenCalledTimes(lookups);
}

describe('access tokens of machines', () => {
  test('[181] OPENID_JWKS_URL does not count, the audience does, and unknown keys are fetched within a budget', async () => {
    process.env.OPENID_JWKS_URL = 'http://127.0.0.1:1/keys';
    expectPassed(await send(token()));
    expect(issuer.requests).toEqual({ discovery: 1, keys: 1 });
    expectRefused(await send(token({ aud: 'agents' })), { lookups: 1 });
    // At once: where no fetch is left, each waits for the next one, which serves them all.
    const unknown = Array.from({ length: 30 }, (_, index) =>
      issuer.token({ aud: 'management', azp: 'machine' }, { header: { kid: `unknown-${index}` } }),
    );
    for (const { sent } of await Promise.all(unknown.map((each) => send(each))))
      expect(sent).toMatchObject([{ status: 401 }]);
    expect(issuer.requests.keys).toBeLessThanOrEqual(10);
  });

  test('[182] one issuer, for a person with OPENID_JWKS_URL and for a machine: each from its own location', async () => {
    const server = await new Http().start();
    server.routes['/login-keys'] = { keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), kid: 'key-1' }] };
    process.env.OPENID_JWKS_URL = `${server.url}/login-keys`;
    const world = new World(issuer).configure({ oidc: { jwksUri: undefined } });
    expectPassed(await world.send(world.token()));
    expect(issuer.requests).toEqual({ discovery: 0, keys: 0 });
    expectPassed(await send(token()));
    await server.stop();
    expect(server.hits).toEqual({ '/login-keys': 1 });
    expect(issuer.requests).toEqual({ discovery: 1, keys: 1 });
  });

  describe('of Cognito, which have no audience', () => {
    beforeEach(() => useCognito());

    test('[183] kind and scopes count in its place', async () => {
      expectPassed(await send(cognito()));
    });

    test.each([
      ['[184] an ID token’s token_use', { token_use: 'id' }],
      ['[185] a required scope that is missing', { scope: 'agents/read' }],
      ['[187] a whole ID token', { token_use: 'id', aud: 'machine', scope: undefined }],
      ['[188] no scope at all', { scope: undefined }],
      ['[189] another issuer', { iss: 'https://other.example' }],
      ['[190] an expired one', { exp: 1 }],
    ])('%s: 401', async (_title, claims) => {
      expectRefused(await send(cognito(claims)));
    });

    test('[186] a real RSA signature, discovery and keys over loopback', async () => {
      const provider = await new Issuer({ algorithm: 'RS256', path: '/pool' }).start();
      useCognito({ issuer: provider.url });
      const claims = {
        aud: undefined,
        sub: 'machine',
        client_id: 'machine',
        token_use: 'access',
        scope: 'agents/manage',
      };
      const result = await send(provider.token(claims));
      await provider.stop();
      expectPassed(result);
      expect(provider.requests).toEqual({ discovery: 1, keys: 1 });
    });
  });

  test('[191] from the token to the request: user of the tenant, strategy, next once', async () => {
    deps.findUser.mockImplementation(async (filter) => ({ ...filter, seenIn: tenants.getStore() }));
    const result = await send(token());
    expectPassed(result);
    expect(deps.findUser.mock.calls).toEqual([[{ _id: USER_ID, tenantId: 'acme' }]]);
    expect(result.req).toMatchObject({ user: { id: USER_ID, seenIn: 'acme' }, authStrategy: 'agentManagementM2M' });
  });

  test('[192] a good token of a client that is not bound: 401, nobody is looked up', async () => {
    expectRefused(await send(token({ azp: 'stranger', sub: 'stranger' })));
  });
});

describe('the client’s id', () => {
  const exp = () => now() + 60;
  test.each([
    ['[193] from azp', () => ({ azp: ' machine ', exp: exp() })],
    ['[194] from client_id', () => ({ client_id: 'machine', exp: exp() })],
    ['[195] from both, alike', () => ({ azp: 'machine', client_id: 'machine', exp: exp() })],
    ['[201] with an end at a fraction of a second', () => ({ azp: 'machine', exp: now() + 60.5 })],
  ])('%s', (_title, claims) => {
    expect(getMachineClientId(claims())).toBe('machine');
  });

  test.each([
    ['[196] there is none', () => ({ azp: ' ', exp: exp() })],
    ['[197] there are two', () => ({ azp: 'machine', client_id: 'other', exp: exp() })],
    ['[198] there is no end', () => ({ azp: 'machine' })],
    ['[199] the end is infinite', () => ({ azp: 'machine', exp: Infinity })],
    ['[200] the end has passed', () => ({ azp: 'machine', exp: now() - 1 })],
  ])('%s: throws', (_title, claims) => {
    expect(() => getMachineClientId(claims())).toThrow();
  });
});

describe('the middleware', () => {
  test('[202] a configured subject that matches passes', async () => {
    management.auth.clients[0].subject = 'service-account-1';
    expectPassed(await send(token({ sub: ' service-account-1 ' })));
  });

  test('[203] without an audience tokenUse and requiredScopes are handed to the verifier', async () => {
    useCognito();
    deps.verifyAccessToken = jest.fn(async () => ({ sub: 'machine', client_id: 'machine', exp: now() + 60 }));
    expectPassed(await send('a.b.c'));
    expect(deps.verifyAccessToken.mock.calls).toEqual([
      ['a.b.c', { enabled: true, issuer: issuer.url, tokenUse: 'access', requiredScopes: ['agents/manage'] }],
    ]);
  });

  test.each([
    ['[204] a person’s subject', undefined, 'auth0|person'],
    ['[205] another subject than the configured one', 'service-account-1', 'machine'],
  ])('%s: 401 before anybody is looked up', async (_title, subject, sub) => {
    management.auth.clients[0].subject = subject;
    expectRefused(await send(token({ sub })));
  });

  test('[206] a machine passes, and what follows is in its tenant', async () => {
    const result = await send(token({ sub: 'machine@clients' }));
    expectPassed(result);
    expect(deps.getAppConfig.mock.calls).toEqual([[{ baseOnly: true }]]);
    expect(result.tenantsSeen).toEqual(['acme']);
    expect(result.req).toMatchObject({
      user: { id: USER_ID, role: 'USER' },
      tenantId: 'acme',
      authStrategy: 'agentManagementM2M',
    });
    expect(result.req.user).not.toHaveProperty('federatedTokens');
  });

  test('[207] a binding whose id is in upper case is looked up as it is, and accepted', async () => {
    management.auth.clients[0].userId = USER_ID.toUpperCase();
    expectPassed(await send(token()));
    expect(deps.findUser.mock.calls[0][0]._id).toBe(USER_ID.toUpperCase());
  });

  test.each([
    ['none', {}],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['blanks behind the scheme', { authorization: 'Bearer   ' }],
  ])('[208] header: %s: 401, nothing is verified', async (_name, headers) => {
    deps.verifyAccessToken = jest.fn();
    expectRefused(await send(undefined, headers));
    expect(deps.verifyAccessToken).not.toHaveBeenCalled();
  });

  test('[209] a token that is refused: 401, nobody is looked up', async () => {
    expectRefused(await send(token({ exp: 1 })));
    expect(logger.lines.filter(([level]) => level === 'warn')).toHaveLength(1);
  });

  test('[210] tokenUse alone says for nobody that the token is: 401 before anything is verified', async () => {
    useCognito({ requiredScopes: [] });
    deps.verifyAccessToken = jest.fn();
    expectRefused(await send(cognito()));
    expect(deps.verifyAccessToken).not.toHaveBeenCalled();
  });

  test('[211] an unknown client: 401', async () => {
    management.auth.clients = [];
    expectRefused(await send(token()));
  });

  test('[212] a disabled client: 401', async () => {
    management.auth.clients[0].enabled = false;
    expectRefused(await send(token()));
  });

  test('[213] headers that claim a tenant, a user or a role change nothing', async () => {
    const forged = { 'x-tenant-id': 'bolt', 'x-user-id': 'root', 'x-user-role': 'ADMIN' };
    const result = await send(token(), forged);
    expectPassed(result);
    expect(result.req).toMatchObject({ user: { id: USER_ID, role: 'USER', tenantId: 'acme' }, tenantId: 'acme' });
    expect(result.tenantsSeen).toEqual(['acme']);
  });

  test.each([
    ['[214] is missing', null],
    ['[215] is of another tenant', { _id: USER_ID, tenantId: 'bolt' }],
    ['[216] has another id', { _id: 'ffffffffffffffffffffffff', tenantId: 'acme' }],
  ])('the bound user %s: 401', async (_title, user) => {
    deps.findUser.mockResolvedValue(user);
    expectRefused(await send(token()), { lookups: 1 });
  });

  test('[217] the bound user is being deleted: 409', async () => {
    deps.isPrincipalActive.mockResolvedValue(false);
    const { sent, next } = await send(token());
    expect(sent).toEqual([
      { status: 409, body: { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' } },
    ]);
    expect(next).not.toHaveBeenCalled();
  });

  test('[218] the fence is asked once the user is known, by the user’s id', async () => {
    const order = [];
    const { findUser } = deps;
    deps.findUser = async (filter) => {
      const user = await findUser(filter);
      order.push('user');
      return user;
    };
    deps.isPrincipalActive = async (id) => {
      order.push(id);
      return true;
    };
    expectPassed(await send(token()));
    expect(order).toEqual(['user', USER_ID]);
  });

  test('[219] a binding that is taken out of the configuration: 401 from then on', async () => {
    const handler = createAgentManagementAuth(deps);
    const ask = async () => {
      const res = bareResponse();
      const next = jest.fn();
      await handler({ headers: { authorization: `Bearer ${token()}` } }, res, next);
      return next.mock.calls.length === 1 ? 'passed' : res.sent[0].status;
    };
    expect(await ask()).toBe('passed');
    management.auth.clients = [];
    expect(await ask()).toBe(401);
  });

  test('[220] two clients at once stay in their own tenants', async () => {
    management.auth.clients.push({ clientId: 'other', userId: USER_ID, tenantId: 'bolt' });
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        send(index % 2 ? token() : token({ azp: 'other', sub: 'other' })).then(({ req, tenantsSeen }) => [
          req.tenantId,
          ...tenantsSeen,
        ]),
      ),
    );
    expect(all).toEqual(Array.from({ length: 40 }, (_, index) => Array(2).fill(index % 2 ? 'acme' : 'bolt')));
  });

  test('[221] the base configuration fails: 500, nobody is looked up', async () => {
    deps.getAppConfig.mockRejectedValue(new Error('config down'));
    const { sent } = await send(token());
    expect(sent).toEqual([{ status: 500, body: S }]);
    expect(deps.findUser).not.toHaveBeenCalled();
  });
});

test('machines and persons share one verifier: keys fetched for one serve the other', async () => {
  expectPassed(await send(token()));
  await new RemoteTokenVerifier().verify(issuer.token(), { issuer: issuer.url, audience: 'agents' });
  expect(issuer.requests).toEqual({ discovery: 1, keys: 1 });
});
