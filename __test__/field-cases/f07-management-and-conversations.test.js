'use strict';

// Machine clients and the conversation API through the adapter, with the objects LibreChat's routes and tests pass.

process.env.LOG_TO_FILE = 'false';

const { getTenantId, logger } = require('@librechat/data-schemas');
const main = require('remote-agent-auth');
const adapter = require('remote-agent-auth/librechat');
const { bareResponse } = require('../support/fakes');
const { issuerWhileTesting, linesOf } = require('../support/surroundings');

const USER_ID = '507f1f77bcf86cd799439011';
const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };
const GONE = { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' };
const CLAIMS = { sub: 'machine@clients', azp: 'machine', exp: Date.now() / 1000 + 3600 };

const issuer = issuerWhileTesting();
const lines = linesOf(logger);

const configOf = (oidc, over = {}) => ({
  endpoints: {
    agents: {
      managementApi: {
        auth: { oidc, clients: [{ clientId: 'machine', userId: USER_ID, tenantId: 'tenant-a', enabled: true }] },
      },
      ...over,
    },
  },
});
const OIDC = { enabled: true, issuer: 'https://issuer.example.com', audience: 'https://agents.example.com' };

function depsOf({ oidc = OIDC, config = configOf(oidc), user = {}, ...over } = {}) {
  return {
    getAppConfig: jest.fn(async () => config),
    findUser: jest.fn(async () => ({ _id: USER_ID, tenantId: 'tenant-a', role: 'USER', ...user })),
    ...over,
  };
}

async function send(deps, { token = 'signed-token', options } = {}) {
  const req = { headers: { authorization: `Bearer ${token}` } };
  const res = bareResponse();
  const next = jest.fn();
  await adapter.createAgentManagementAuth(deps, options)(req, res, next);
  return { req, sent: res.sent, next };
}

describe('F7 verifyAccessToken', () => {
  test.each([
    ['with an audience', OIDC],
    ['Cognito', { enabled: true, issuer: OIDC.issuer, tokenUse: 'access', requiredScopes: ['a'] }],
    ['an empty audience beside kind and scopes', { ...OIDC, audience: '', tokenUse: 'access', requiredScopes: ['a'] }],
    ['members we do not know', { ...OIDC, newMember: 7 }],
  ])('F7 gets the block as it is configured: %s', async (_name, oidc) => {
    const verifyAccessToken = jest.fn(async () => CLAIMS);
    const { next } = await send(depsOf({ oidc, verifyAccessToken, isPrincipalActive: async () => true }));
    expect(next).toHaveBeenCalledTimes(1);
    expect(verifyAccessToken.mock.calls).toStrictEqual([['signed-token', oidc]]);
  });
});

test('F7 an empty audience beside kind and scopes: by the token itself', async () => {
  const oidc = { enabled: true, issuer: issuer.url, audience: '', tokenUse: 'access', requiredScopes: ['a'] };
  const deps = () => depsOf({ oidc, isPrincipalActive: async () => true });
  const token = (scope) =>
    issuer.token({ aud: undefined, sub: 'machine', client_id: 'machine', token_use: 'access', scope });
  expect((await send(deps(), { token: token('b a') })).next).toHaveBeenCalledTimes(1);
  expect((await send(deps(), { token: token('b') })).sent).toEqual([{ status: 401, body: U }]);
  await expect(adapter.verifyOidcAccessToken(token('a'), oidc)).resolves.toMatchObject({ client_id: 'machine' });
});

describe('F7 a host without isPrincipalActive', () => {
  test('F7 works, and the user is asked for the field that fences it', async () => {
    const deps = depsOf({ verifyAccessToken: async () => CLAIMS });
    const { next, req } = await send(deps);
    expect(next).toHaveBeenCalledTimes(1);
    expect(req.user).toMatchObject({ id: USER_ID });
    expect(deps.findUser.mock.calls).toEqual([
      [{ _id: USER_ID, tenantId: 'tenant-a' }, '+agentTriggerDeletionStartedAt'],
    ]);
  });

  test('F7 a user whose deletion has begun is 409', async () => {
    const deps = depsOf({ user: { agentTriggerDeletionStartedAt: new Date() }, verifyAccessToken: async () => CLAIMS });
    expect(await send(deps)).toMatchObject({ sent: [{ status: 409, body: GONE }] });
  });

  test('F7 with it the user is asked for as before', async () => {
    const deps = depsOf({ verifyAccessToken: async () => CLAIMS, isPrincipalActive: async () => true });
    await send(deps);
    expect(deps.findUser.mock.calls).toEqual([[{ _id: USER_ID, tenantId: 'tenant-a' }]]);
  });
});

test.each([null, undefined])('F7 a configuration that is %p is 500', async (config) => {
  const verifyAccessToken = jest.fn();
  expect((await send(depsOf({ getAppConfig: async () => config, verifyAccessToken }))).sent).toEqual([
    { status: 500, body: S },
  ]);
  expect(verifyAccessToken).not.toHaveBeenCalled();
  expect(lines).toEqual([
    [
      'error',
      expect.stringMatching(/^\[agentManagementAuth\]/),
      expect.objectContaining({ message: expect.stringContaining('getAppConfig') }),
    ],
  ]);
});

describe('F7 requireKid', () => {
  const oidc = () => ({ enabled: true, issuer: issuer.url, audience: 'agents' });
  const token = () => issuer.token({ sub: 'machine', azp: 'machine' }, { header: { kid: undefined } });

  test('F7 the adapter requires it, as LibreChat; the option policy says otherwise', async () => {
    expect((await send(depsOf({ oidc: oidc() }), { token: token() })).sent).toEqual([{ status: 401, body: U }]);
    expect(lines).toEqual([['warn', expect.stringContaining('ERR_TOKEN_KID')]]);
    const options = { policy: { requireKid: false } };
    expect((await send(depsOf({ oidc: oidc() }), { token: token(), options })).next).toHaveBeenCalledTimes(1);
    await expect(adapter.verifyOidcAccessToken(token(), oidc())).rejects.toMatchObject({ code: 'ERR_TOKEN_KID' });
  });

  test('F7 the main entry leaves it to the option', async () => {
    const asked = async (policy) => {
      const deps = { ...depsOf({ oidc: oidc() }), logger: {}, runInTenant: (_tenant, fn) => fn() };
      const res = bareResponse();
      const next = jest.fn();
      await main.createAgentManagementAuth(deps, { policy })(
        { headers: { authorization: `Bearer ${token()}` } },
        res,
        next,
      );
      return next.mock.calls.length;
    };
    expect([
      await asked(undefined),
      await asked({ requireKid: true }),
      await asked(() => ({ requireKid: true })),
    ]).toEqual([1, 0, 0]);
  });

  test('F7 a wrong policy stops the start, and names its factory', () => {
    expect(() => adapter.createAgentManagementAuth(depsOf(), { policy: 'strict' })).toThrow(
      'createAgentManagementAuth: the option policy must be',
    );
    expect(() => adapter.createAgentManagementAuth(depsOf(), { policy: { algorithms: ['none'] } })).toThrow(
      expect.objectContaining({ fault: 'config' }),
    );
    expect(() => adapter.createAgentManagementAuth(depsOf(), { requireKid: true })).toThrow(
      '"requireKid" belongs into the option policy',
    );
  });
});

describe('F7 createConversationManagementAuth', () => {
  const choose = async (
    auth,
    over = {},
    { next = jest.fn(), config = { endpoints: { agents: { conversationApi: { auth } } } } } = {},
  ) => {
    const deps = {
      getAppConfig: jest.fn(async () => config),
      remoteAuth: jest.fn(() => async (req, res, go) => go()),
      managementAuth: jest.fn(() => async (req, res, go) => go()),
      remoteAccess: jest.fn((req, res, go) => go()),
      ...over,
    };
    const res = bareResponse();
    await adapter.createConversationManagementAuth(deps)({ headers: {} }, res, next);
    return { ...deps, next, sent: res.sent };
  };

  test('F7 asks the one that is chosen, and the grant for people only', async () => {
    const remote = await choose('remote');
    expect(
      [remote.remoteAuth, remote.remoteAccess, remote.managementAuth, remote.next].map(({ mock }) => mock.calls.length),
    ).toEqual([1, 1, 0, 1]);
    const management = await choose('management');
    expect(
      [management.remoteAuth, management.remoteAccess, management.managementAuth, management.next].map(
        ({ mock }) => mock.calls.length,
      ),
    ).toEqual([0, 0, 1, 1]);
  });

  test('F7 middlewares themselves, as an earlier LibreChat passes them', async () => {
    const { next } = await choose('management', { managementAuth: (req, res, go) => go() });
    expect(next.mock.calls).toEqual([[]]);
    expect(
      (await choose('remote', { remoteAuth: (req, res, go) => go(), remoteAccess: undefined })).next.mock.calls,
    ).toEqual([[]]);
  });

  test('F7 one of them that only answers has no need of `next`', async () => {
    const refusing = (_req, res) => void res.status(401).json(U);
    for (const mode of ['remote', 'management']) {
      const { sent, next, remoteAccess } = await choose(mode, { remoteAuth: refusing, managementAuth: refusing });
      expect([sent, next.mock.calls, remoteAccess.mock.calls]).toEqual([[{ status: 401, body: U }], [], []]);
    }
  });

  test('F7 one that fails in its promise while it is made, or takes its time: 500 with its error, or what it makes', async () => {
    const error = new Error('down');
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    try {
      expect((await choose('management', { managementAuth: async () => Promise.reject(error) })).sent).toEqual([
        { status: 500, body: S },
      ]);
      expect(lines).toEqual([['error', expect.stringMatching(/^\[conversationManagementAuth\]/), error]]);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', unhandled);
    }
    expect(unhandled).not.toHaveBeenCalled();
    expect(
      (await choose('management', { managementAuth: async () => (req, res, go) => go() })).next.mock.calls,
    ).toEqual([[]]);
  });

  test('F7 an error passed on goes past the grant', async () => {
    const { next, remoteAccess } = await choose('remote', { remoteAuth: () => (req, res, go) => go('route') });
    expect(next.mock.calls).toEqual([['route']]);
    expect(remoteAccess).not.toHaveBeenCalled();
  });

  test('F7 a grant that fails reaches the application’s error handlers', async () => {
    const error = new Error('roles');
    const failing = [
      () => Promise.reject(error),
      () => {
        throw error;
      },
    ];
    for (const remoteAccess of failing)
      expect((await choose('remote', { remoteAccess })).next.mock.calls).toEqual([[error]]);
  });

  test('F7 what follows and throws is the application’s, not a 500 of ours', async () => {
    const error = new Error('downstream');
    const next = jest.fn(() => {
      throw error;
    });
    await expect(choose('management', {}, { next })).rejects.toBe(error);
  });

  test.each([null, undefined])('F7 a configuration that is %p is 500', async (config) => {
    const { sent, next } = await choose('remote', { getAppConfig: async () => config });
    expect([sent, next.mock.calls]).toEqual([[{ status: 500, body: S }], []]);
    expect(lines).toEqual([['error', expect.stringMatching(/^\[conversationManagementAuth\]/), expect.any(TypeError)]]);
  });

  test('F7 the factory names what is missing', () => {
    expect(() => adapter.createConversationManagementAuth({ getAppConfig() {}, remoteAuth() {} })).toThrow(
      'createConversationManagementAuth: deps.managementAuth must be a function',
    );
  });

  test('F7 with the adapter’s own factories, made for each request, in the machine’s tenant', async () => {
    const oidc = { enabled: true, issuer: issuer.url, audience: 'agents' };
    const config = configOf(oidc, { conversationApi: { auth: 'management' } });
    const { findUser } = depsOf();
    const getAppConfig = jest.fn(async () => config);
    const handler = adapter.createConversationManagementAuth({
      getAppConfig,
      remoteAuth: (getConfig) =>
        adapter.createRemoteAgentAuth({
          apiKeyMiddleware() {},
          findUser,
          updateUser() {},
          isPrincipalActive() {},
          getAppConfig: getConfig,
        }),
      remoteAccess: (req, res, next) => next(),
      managementAuth: (getConfig) => adapter.createAgentManagementAuth({ findUser, getAppConfig: getConfig }),
    });
    let tenant;
    const token = issuer.token({ sub: 'machine', azp: 'machine' });
    await handler(
      { headers: { authorization: `Bearer ${token}` } },
      bareResponse(),
      () => void (tenant = getTenantId()),
    );
    expect(tenant).toBe('tenant-a');
    expect(getAppConfig.mock.calls).toEqual([[{ baseOnly: true }]]);
  });
});
