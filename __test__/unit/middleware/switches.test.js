'use strict';

// What dependencies and options switch on or change in the flow: role sync, tenants, the deletion fence, metrics,
// responses, fallback, the policy, the time limit.

const { AsyncLocalStorage } = require('node:async_hooks');
const { createRemoteAgentAuth } = require('../../../lib/middleware/remote-agent-auth');
const { RemoteAuthError } = require('../../../lib/verifier/errors');
const { configOf, failure, fullResponse, success } = require('../../support/fakes');
const {
  CREDENTIALS,
  INVALID,
  ISSUER,
  S,
  U,
  anError,
  auth,
  expectApiKeyPath,
  expectPassed,
  expectRejected,
  isolateEnvironment,
  line,
  oidcOf,
  setUp,
  storedUser,
} = require('../../support/flow');

isolateEnvironment();

const JWT = 'Bearer header.payload.signature';

describe('role sync', () => {
  const enable = (over = {}) => {
    const variables = {
      ENABLED: 'true',
      API_ENABLED: 'true',
      SOURCE: 'access',
      CLAIM: 'roles',
      ROLE_PRIORITY: 'STANDARD-USER,BASIC-USER',
      FALLBACK_ROLE: 'USER',
    };
    for (const [name, value] of Object.entries({ ...variables, ...over }))
      process.env[`OPENID_ROLE_SYNC_${name}`] = value;
  };
  const getRolesByNames = () => jest.fn(async (names) => names.map((name) => ({ name })));
  const withRoles = (claims, { user = storedUser({ role: 'USER' }), deps = {}, ...over } = {}) =>
    setUp({
      user,
      answers: { agents: success({ claims: JSON.stringify(claims) }) },
      ...over,
      deps: { getRolesByNames: getRolesByNames(), ...deps },
    });

  test('[69] off for the API: no lookup, no update', async () => {
    enable({ API_ENABLED: 'false' });
    const app = withRoles({ roles: ['BASIC-USER'] });
    const { next } = await app.call();
    expect(next).toHaveBeenCalled();
    expect(app.getRolesByNames).not.toHaveBeenCalled();
    expect(app.updateUser).not.toHaveBeenCalled();
  });

  test('[70] both roles in the token: the first of the list, stored and on the request', async () => {
    enable();
    const user = storedUser();
    const app = withRoles({ roles: ['BASIC-USER', 'STANDARD-USER'] }, { user });
    expectPassed(await app.call(), user);
    expect(app.updateUser.mock.calls).toEqual([['id-1', { role: 'STANDARD-USER' }]]);
    expect(user.role).toBe('STANDARD-USER');
    expect(app.lines).toEqual([line('info', 'id-1 goes from USER to STANDARD-USER')]);
  });

  test.each([
    ['[71] an unknown role', { roles: ['X'] }],
    ['[72] an empty claim', { roles: '' }],
    ['no claim', {}],
    ['a claim of another kind', { roles: { A: 1 } }],
  ])('%s: the fallback', async (_name, claims) => {
    enable();
    const app = withRoles(claims, { user: storedUser({ role: 'OLD' }) });
    await app.call();
    expect(app.updateUser.mock.calls).toEqual([['id-1', { role: 'USER' }]]);
  });

  test.each([
    ['[73] an administrator', {}, { roles: ['BASIC-USER'] }, { role: 'ADMIN' }, 'info'],
    ['[74] another source than the access token', { SOURCE: 'id' }, { roles: ['BASIC-USER'] }, {}, 'warn'],
    ['[75] too many groups', { CLAIM: 'groups' }, { hasgroups: true }, { role: 'OLD' }, 'warn'],
  ])('%s: nothing is looked up or changed', async (_name, variables, claims, stored, level) => {
    enable(variables);
    const user = storedUser(stored);
    const { role } = user;
    const app = withRoles(claims, { user });
    expectPassed(await app.call(), user);
    expect(app.getRolesByNames).not.toHaveBeenCalled();
    expect(app.updateUser).not.toHaveBeenCalled();
    expect(user.role).toBe(role);
    expect(app.lines).toEqual([line(level, 'role sync')]);
  });

  test('[76] a user of a tenant: names looked up and role written there', async () => {
    enable();
    const tenants = new AsyncLocalStorage();
    const seen = [];
    const app = withRoles(
      { roles: 'BASIC-USER' },
      {
        user: storedUser({ tenantId: 'acme' }),
        deps: {
          getTenantId: () => tenants.getStore(),
          runInTenant: (tenantId, fn) => tenants.run(tenantId, fn),
          getRolesByNames: jest.fn(async (names) => {
            seen.push(tenants.getStore());
            return names.map((name) => ({ name }));
          }),
          updateUser: jest.fn(async () => void seen.push(tenants.getStore())),
        },
      },
    );
    await app.call();
    expect(app.getRolesByNames.mock.calls).toEqual([[['STANDARD-USER', 'BASIC-USER', 'USER'], 'name']]);
    expect(app.updateUser.mock.calls).toEqual([['id-1', { role: 'BASIC-USER' }]]);
    expect(seen).toEqual(['acme', 'acme']);
    expect(app.getAppConfig.mock.calls.map(([{ role }]) => role)).toEqual([undefined, 'USER', 'BASIC-USER']);
  });

  test('[77] the new role’s configuration refuses: 401, nothing written, the user untouched', async () => {
    enable();
    const user = storedUser({ tenantId: 'acme' });
    const before = { ...user };
    const app = withRoles(
      { roles: 'BASIC-USER' },
      { user, config: ({ role }) => (role === 'BASIC-USER' ? configOf({}) : auth()) },
    );
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(user).toEqual(before);
  });

  test('a user without a role is USER first: one update', async () => {
    enable();
    const app = withRoles({ roles: 'BASIC-USER' }, { user: storedUser({ role: null }) });
    await app.call();
    expect(app.updateUser.mock.calls).toEqual([['id-1', { role: 'BASIC-USER' }]]);
  });

  test.each([
    ['a role that does not exist', {}, { getRolesByNames: async () => [] }, 'STANDARD-USER'],
    ['no getRolesByNames', {}, { getRolesByNames: undefined }, 'getRolesByNames'],
    ['a wrong source', { SOURCE: 'nowhere' }, {}, 'OPENID_ROLE_SYNC_SOURCE'],
    [
      'a wrong source with role sync off for the API',
      { SOURCE: 'nowhere', API_ENABLED: '' },
      {},
      'OPENID_ROLE_SYNC_SOURCE',
    ],
  ])('%s is 500, but only for a known user', async (_name, variables, deps, named) => {
    enable(variables);
    const app = withRoles({}, { deps });
    expectRejected(app, await app.call(), 500, S, undefined);
    expect(app.lines.at(-1)).toEqual(
      line('error', 'Unexpected error', expect.objectContaining({ message: expect.stringContaining(named) })),
    );
    const nobody = withRoles({}, { deps, user: null, config: auth({ apiKey: false }) });
    expectRejected(nobody, await nobody.call(), 401, U, INVALID);
  });

  test.each([
    ['wrong variables', { CLAIM: '' }, {}, 1],
    ['a missing dependency', {}, { getRolesByNames: undefined }, 1],
    ['nothing wrong', {}, {}, 0],
    ['a missing dependency nobody needs', { API_ENABLED: 'false' }, { getRolesByNames: undefined }, 0],
  ])('%s: reported once, at the factory', (_name, variables, deps, lines) => {
    enable(variables);
    const app = withRoles({}, { deps });
    expect(app.lines.map(([level]) => level)).toEqual(Array(lines).fill('error'));
  });
});

describe('tenantConflict: reject', () => {
  const reject = { options: { tenantConflict: 'reject' } };
  const under = (tenant, over = {}) => setUp({ ...reject, ...over, deps: { getTenantId: () => tenant, ...over.deps } });

  test('[82] a user of another tenant is 401, nothing written, nothing more asked', async () => {
    const app = under('acme', { user: storedUser({ tenantId: 'bolt', role: '' }) });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.getAppConfig).toHaveBeenCalledTimes(1);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('warn', 'another tenant')]);
  });

  test.each([
    ['the same', 'acme', 'acme'],
    ['a request without', undefined, 'acme'],
    ['a user without', 'acme', undefined],
    ['neither', undefined, undefined],
  ])('%s is no conflict', async (_name, tenant, tenantId) => {
    const user = storedUser({ tenantId });
    expectPassed(await under(tenant, { user }).call(), user);
  });

  test('for an API key, before its configuration is asked for', async () => {
    const apiKeyMiddleware = (req, res, next) => {
      req.user = { id: 'k', tenantId: 'bolt' };
      next();
    };
    const app = under('acme', { config: configOf({}), deps: { apiKeyMiddleware } });
    const { answer, next } = await app.call();
    expect(answer).toEqual({ status: 401, body: U });
    expect(next).not.toHaveBeenCalled();
    expect(app.getAppConfig).toHaveBeenCalledTimes(1);
    expect(app.lines).toEqual([line('warn', 'another tenant')]);
  });

  test('by default it is the user’s policy that decides', async () => {
    const user = storedUser({ tenantId: 'bolt' });
    expectPassed(await setUp({ user, deps: { getTenantId: () => 'acme' } }).call(), user);
  });
});

describe('tenantContextMiddleware', () => {
  const tenants = new AsyncLocalStorage();
  const enter = (req, res, next) => tenants.run(req.tenantId ?? req.user?.tenantId, () => void next());
  const inTenants = (over = {}) =>
    setUp({ ...over, deps: { getTenantId: () => tenants.getStore(), tenantContextMiddleware: enter, ...over.deps } });
  const seenBy = async (app, tenant) => {
    let seen = 'nothing';
    const outcome = await tenants.run(tenant, () =>
      app.call({
        next: jest.fn(() => {
          seen = tenants.getStore();
        }),
      }),
    );
    return { seen, ...outcome };
  };
  const keyOf = (tenantId) => ({
    apiKeyMiddleware: (req, res, next) => {
      req.user = { id: 'k', tenantId };
      next();
    },
  });

  test.each([
    ['[80] a user of a tenant', storedUser({ tenantId: 'acme' }), undefined, 'acme', undefined],
    ['[81] a user without, under a tenant', storedUser(), 'acme', 'acme', 'acme'],
  ])('%s continues inside it', async (_name, user, tenant, expected, onRequest) => {
    const { seen, req, next } = await seenBy(inTenants({ user }), tenant);
    expect(seen).toBe(expected);
    expect(req.tenantId).toBe(onRequest);
    expect('tenantId' in req).toBe(onRequest !== undefined);
    expect(next.mock.calls).toEqual([[]]);
  });

  test.each([
    ['[78] an API user of a tenant', 'acme', undefined, 'acme', undefined],
    ['[79] an API user without, under a tenant', undefined, 'acme', 'acme', 'acme'],
  ])('%s continues inside it', async (_name, tenantId, tenant, expected, onRequest) => {
    const { seen, req, next } = await seenBy(inTenants({ config: configOf({}), deps: keyOf(tenantId) }), tenant);
    expect(seen).toBe(expected);
    expect(req.tenantId).toBe(onRequest);
    expect(next.mock.calls).toEqual([[]]);
  });

  test('may answer instead', async () => {
    const app = inTenants({
      user: storedUser(),
      deps: { tenantContextMiddleware: (req, res) => res.status(403).json({ error: 'strict' }) },
    });
    const { answer, next } = await app.call();
    expect(answer).toEqual({ status: 403, body: { error: 'strict' } });
    expect(next).not.toHaveBeenCalled();
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('broken'))],
  ])('that %s before it calls next is 500', async (_name, tenantContextMiddleware) => {
    for (const over of [{ user: storedUser() }, { config: configOf({}) }]) {
      const app = inTenants({ ...over, deps: { tenantContextMiddleware } });
      const { answer, next } = await app.call();
      expect(answer).toEqual({ status: 500, body: S });
      expect(next).not.toHaveBeenCalled();
    }
  });

  test.each([
    ['at once', (req, res, next) => next()],
    [
      'twice',
      (req, res, next) => {
        next();
        next();
      },
    ],
    ['in a promise nobody waits for, as LibreChat’s does', (req, res, next) => void (async () => next())()],
    [
      'and fails afterwards',
      (req, res, next) => {
        next();
        throw new Error('late');
      },
    ],
  ])('that calls next %s: once, and an error downstream is passed on', async (_name, tenantContextMiddleware) => {
    const boom = new Error('downstream');
    const next = jest.fn(() => {
      throw boom;
    });
    const app = inTenants({ user: storedUser(), deps: { tenantContextMiddleware } });
    const res = fullResponse();
    await expect(app.call({ next, res })).rejects.toBe(boom);
    expect(next.mock.calls).toEqual([[]]);
    expect(res.sent).toEqual([]);
  });

  test('that calls next after it has returned: an error downstream is logged', async () => {
    let late;
    const app = inTenants({
      user: storedUser(),
      deps: {
        tenantContextMiddleware: (req, res, next) => {
          late = next;
        },
      },
    });
    const { next } = await app.call({
      next: jest.fn(() => {
        throw new Error('downstream');
      }),
    });
    late();
    expect(next).toHaveBeenCalledTimes(1);
    expect(app.lines).toEqual([line('error', 'had returned', expect.objectContaining({ message: 'downstream' }))]);
  });
});

describe('isPrincipalActive', () => {
  const GONE = { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' };
  test.each([false, undefined, null])('%s: 409, nothing logged, nothing written', async (active) => {
    const isPrincipalActive = jest.fn(async () => active);
    const app = setUp({
      user: storedUser({ role: '' }),
      deps: { isPrincipalActive },
      options: { tenantConflict: 'allow' },
    });
    expectRejected(app, await app.call(), 409, GONE, undefined);
    expect(isPrincipalActive.mock.calls).toEqual([['id-1']]);
    expect(app.lines).toEqual([]);
  });

  test('true: the request passes', async () => {
    const user = storedUser();
    expectPassed(
      await setUp({ user, deps: { isPrincipalActive: async () => true }, options: { tenantConflict: 'allow' } }).call(),
      user,
    );
  });

  test('is asked after the user’s own policy, in the request’s context', async () => {
    const isPrincipalActive = jest.fn();
    const app = setUp({
      user: storedUser({ tenantId: 'acme' }),
      config: ({ tenantId }) => (tenantId ? configOf({}) : auth()),
      deps: { isPrincipalActive },
      options: { tenantConflict: 'allow' },
    });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(isPrincipalActive).not.toHaveBeenCalled();
  });

  test('that throws is 500', async () => {
    const app = setUp({
      user: storedUser({ role: '' }),
      deps: {
        isPrincipalActive: () => {
          throw new Error('down');
        },
      },
      options: { tenantConflict: 'allow' },
    });
    expectRejected(app, await app.call(), 500, S, undefined);
  });
});

describe('onUserLookup', () => {
  const emailUser = { _id: 'id-1', email: 'ada@example.com', role: 'USER' };
  test.each([
    ['found', async () => storedUser()],
    ['migration', async ({ email }) => (email ? { ...emailUser } : null)],
    ['auth_failed', async ({ email }) => (email ? { ...emailUser, provider: 'google' } : null)],
    ['not_found', async () => null],
    ['error', async () => Promise.reject(new Error('down'))],
  ])('is reported once: %s', async (result, findUser) => {
    const onUserLookup = jest.fn();
    await setUp({ deps: { findUser, onUserLookup } }).call();
    expect(onUserLookup.mock.calls).toEqual([[result, expect.any(Number)]]);
    expect(onUserLookup.mock.calls[0][1]).toBeGreaterThanOrEqual(0);
    expect(onUserLookup.mock.calls[0][1]).toBeLessThan(5);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('metrics down');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('metrics down'))],
    ['never settles', () => new Promise(() => {})],
  ])('that %s changes nothing', async (_name, onUserLookup) => {
    const user = storedUser();
    const app = setUp({ user, deps: { onUserLookup } });
    expectPassed(await app.call(), user);
    expect(app.lines).toEqual([]);
  });
});

describe('responses: standard', () => {
  const standard = (over = {}) => setUp({ options: { responses: 'standard' }, ...over });
  const unreachable = { ...failure('ERR_JWKS_FETCH', 'upstream'), retryAfter: 7 };

  test('a missing scope is 403 with the scope wanted', async () => {
    const app = standard({
      config: auth({ oidc: oidcOf({ scope: 'agents:use' }) }),
      answers: { agents: failure('ERR_SCOPE_MISSING', 'scope') },
    });
    expectRejected(
      app,
      await app.call(),
      403,
      { error: 'Forbidden' },
      `${CREDENTIALS}, error="insufficient_scope", scope="agents:use"`,
    );
  });

  test('a missing role is 403 without a scope, and the log says what is missing', async () => {
    const app = standard({
      config: auth({ oidc: oidcOf({ scope: 'agents:use' }) }),
      answers: { agents: failure('ERR_ROLE_MISSING', 'scope') },
    });
    expectRejected(app, await app.call(), 403, { error: 'Forbidden' }, `${CREDENTIALS}, error="insufficient_scope"`);
    expect(app.lines).toEqual([line('warn', 'lacks', anError('ERR_ROLE_MISSING'))]);
  });

  test('an unreachable provider is 503 with Retry-After, and no API key', async () => {
    const app = standard({ answers: { agents: unreachable } });
    const outcome = await app.call();
    expectRejected(app, outcome, 503, { error: 'Service unavailable' }, undefined);
    expect(outcome.res.headers).toEqual({ 'Retry-After': '7', 'Auth-Reference': expect.any(String) });
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('error', 'OIDC verification failed', anError('ERR_JWKS_FETCH'))]);
  });

  test('the same under the user’s own policy', async () => {
    const config = ({ tenantId }) => auth({ oidc: oidcOf({ audience: tenantId ?? 'agents', scope: 'a' }) });
    const user = storedUser({ tenantId: 'acme' });
    const scopeless = standard({
      config,
      user,
      answers: { agents: success(), acme: failure('ERR_SCOPE_MISSING', 'scope') },
    });
    expectRejected(
      scopeless,
      await scopeless.call(),
      403,
      { error: 'Forbidden' },
      `${CREDENTIALS}, error="insufficient_scope", scope="a"`,
    );
    const down = standard({ config, user, answers: { agents: success(), acme: unreachable } });
    expectRejected(down, await down.call(), 503, { error: 'Service unavailable' }, undefined);
  });

  test.each([
    ['refused', { answers: { agents: failure('ERR_TOKEN_EXPIRED', 'token') } }],
    ['whose user is unknown', {}],
  ])('a JWT %s is 401 and no API key; fallbackOnInvalidToken makes it one', async (_name, over) => {
    const app = standard(over);
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    const falling = setUp({ ...over, options: { responses: 'standard', fallbackOnInvalidToken: true } });
    expectApiKeyPath(falling, await falling.call());
  });

  test.each(['sk-123', 'sk.123', 'a.b.c.d'])('%s has not two dots: an API key', async (token) => {
    const app = standard({ answers: { agents: failure('ERR_TOKEN_OPAQUE', 'token') } });
    expectApiKeyPath(app, await app.call({ authorization: `Bearer ${token}` }));
  });

  test('without a header, and with OIDC off, API keys are asked as ever', async () => {
    const app = standard();
    expectApiKeyPath(app, await app.call({ authorization: null }));
    const off = standard({ config: configOf({}) });
    expectApiKeyPath(off, await off.call({ authorization: JWT }));
  });
});

test('fallbackOnInvalidToken: false keeps LibreChat’s statuses', async () => {
  const app = setUp({
    options: { fallbackOnInvalidToken: false },
    answers: { agents: failure('ERR_JWKS_FETCH', 'upstream') },
  });
  expectRejected(app, await app.call(), 401, U, INVALID);
  expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
});

test('bodies: openai nests every body of ours', async () => {
  const app = setUp({ options: { bodies: 'openai' }, config: auth({ apiKey: false }) });
  const body = {
    error: { message: 'Unauthorized', type: 'invalid_request_error', param: null, code: 'invalid_api_key' },
  };
  expectRejected(app, await app.call(), 401, body, INVALID);
});

test('allowEmailFallback: false never looks an address up', async () => {
  const app = setUp({ options: { allowEmailFallback: false }, config: auth({ apiKey: false }) });
  expectRejected(app, await app.call(), 401, U, INVALID);
  expect(app.findUser.mock.calls.flat().some((filter) => 'email' in filter)).toBe(false);
});

describe('policy', () => {
  test('an object is part of every policy', async () => {
    const app = setUp({
      user: storedUser({ tenantId: 'acme' }),
      options: { policy: { requireKid: true, scope: 'more' } },
    });
    await app.call();
    const compiled = app.verifier.calls.compile.filter(({ audience }) => audience === 'agents');
    expect(compiled).toEqual([expect.objectContaining({ requireKid: true, scope: 'more', issuer: ISSUER })]);
  });

  test('a function is asked with the block and its tenant, for the user’s policy too', async () => {
    const policy = jest.fn((oidc, { tenantId }) => (tenantId === 'acme' ? { typ: 'required' } : null));
    const app = setUp({ user: storedUser({ tenantId: 'acme' }), options: { policy } });
    await app.call();
    expect(policy.mock.calls).toEqual([
      [expect.objectContaining({ issuer: ISSUER, audience: 'agents' }), { tenantId: undefined }],
      [expect.objectContaining({ issuer: ISSUER, audience: 'agents' }), { tenantId: 'acme' }],
    ]);
    expect(app.verifier.calls.compile.map(({ typ }) => typ)).toEqual([undefined, 'required']);
    expect(Object.isFrozen(policy.mock.calls[0][0])).toBe(true);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('mine');
      },
    ],
    ['answers with a promise', async () => ({})],
    ['answers with no object', () => 'strict'],
    ['names an issuer', () => ({ issuer: 'https://other.example' })],
  ])('a function that %s is 500, never an API key', async (_name, policy) => {
    const app = setUp({ user: storedUser(), options: { policy } });
    expectRejected(app, await app.call(), 500, S, undefined);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('a function’s answer is checked as a policy: an unknown name refuses every token', async () => {
    const app = setUp({
      user: storedUser(),
      config: auth({ apiKey: false }),
      options: { policy: () => ({ typo: 1 }) },
    });
    app.verifier.compile = ({ typo }) => {
      if (typo) throw new RemoteAuthError({ code: 'ERR_POLICY_OPTION', fault: 'config', message: 'typo' });
      return { audience: 'agents' };
    };
    expectRejected(app, await app.call(), 401, U, INVALID);
  });
});

describe('callbackTimeout', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());
  const never = () => new Promise(() => {});
  const hanging = {
    getAppConfig: { deps: { getAppConfig: never } },
    findUser: { deps: { findUser: never } },
    updateUser: { user: storedUser({ role: '' }), deps: { updateUser: never } },
    isPrincipalActive: { user: storedUser(), deps: { isPrincipalActive: never }, options: { tenantConflict: 'allow' } },
    'updateUser in a tenant': {
      user: storedUser({ role: '', tenantId: 'acme' }),
      deps: { updateUser: never, runInTenant: (tenant, fn) => fn() },
    },
    'runInTenant itself': { user: storedUser({ role: '', tenantId: 'acme' }), deps: { runInTenant: never } },
  };

  test.each(Object.keys(hanging))('%s that never settles is 500 after 30 s', async (name) => {
    const app = setUp(hanging[name]);
    const res = fullResponse();
    const call = app.call({ res });
    await jest.advanceTimersByTimeAsync(29_999);
    expect(res.sent).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    await call;
    expect(res.sent).toEqual([{ status: 500, body: S }]);
    expect(app.lines.at(-1)).toEqual(
      line('error', 'Unexpected error', expect.objectContaining({ message: expect.stringContaining('30000 ms') })),
    );
  });

  test('getAppConfig of the API-key user that never settles is 500, too', async () => {
    let asked = 0;
    const app = setUp({ deps: { getAppConfig: () => ((asked += 1) === 1 ? configOf({}) : never()) } });
    const call = app.call();
    await jest.advanceTimersByTimeAsync(30_000);
    expect((await call).answer).toEqual({ status: 500, body: S });
  });

  test('the API-key middleware may take as long as it likes', async () => {
    let go;
    const app = setUp({
      config: configOf({}),
      deps: {
        apiKeyMiddleware: (req, res, next) =>
          new Promise((resolve) => {
            go = () => {
              next();
              resolve();
            };
          }),
      },
    });
    const next = jest.fn();
    const call = app.call({ next });
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(next).not.toHaveBeenCalled();
    go();
    await call;
    expect(next.mock.calls).toEqual([[]]);
  });

  test('is an option; 0 waits for ever', async () => {
    const short = setUp({ ...hanging.findUser, options: { callbackTimeout: 50 } });
    const call = short.call();
    await jest.advanceTimersByTimeAsync(50);
    expect((await call).answer).toEqual({ status: 500, body: S });

    const res = fullResponse();
    void setUp({ ...hanging.findUser, options: { callbackTimeout: 0 } }).call({ res });
    await jest.advanceTimersByTimeAsync(86_400_000);
    expect(res.sent).toEqual([]);
  });

  test('no timer is left behind, and a late rejection is nobody’s', async () => {
    let fail;
    const app = setUp({
      deps: {
        findUser: () =>
          new Promise((_resolve, reject) => {
            fail = reject;
          }),
      },
    });
    const call = app.call();
    await jest.advanceTimersByTimeAsync(30_000);
    await call;
    fail(new Error('late'));
    await jest.advanceTimersByTimeAsync(0);
    const good = setUp({ user: storedUser({ role: '' }) });
    await good.call();
    // The one timer that all callbacks share ends with the first look that finds none waiting.
    await jest.advanceTimersByTimeAsync(1_000);
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('a lazy query of updateUser begins inside the user’s tenant', async () => {
  const tenants = new AsyncLocalStorage();
  let began;
  const updateUser = () => ({
    then(resolve) {
      began = tenants.getStore();
      resolve(null);
    },
  });
  const app = setUp({
    user: storedUser({ role: '', tenantId: 'acme' }),
    deps: { updateUser, getTenantId: () => tenants.getStore(), runInTenant: (tenant, fn) => tenants.run(tenant, fn) },
  });
  expect((await app.call()).next).toHaveBeenCalled();
  expect(began).toBe('acme');
});

test('dependencies are called on their object, the later ones too', async () => {
  const seen = [];
  const { verifier } = setUp({ answers: { agents: success() } });
  class Host {
    name = 'host';
    logger = {};
    async getAppConfig() {
      return auth();
    }
    async findUser() {
      return storedUser();
    }
    async updateUser() {
      return null;
    }
    apiKeyMiddleware() {}
    isPrincipalActive() {
      seen.push(this.name);
      return true;
    }
    onUserLookup() {
      seen.push(this.name);
    }
    tenantContextMiddleware(req, res, next) {
      seen.push(this.name);
      next();
    }
  }
  await createRemoteAgentAuth(new Host(), { verifier, tenantConflict: 'allow' })(
    { headers: { authorization: JWT } },
    fullResponse(),
    () => {},
  );
  expect(seen).toEqual(['host', 'host', 'host']);
});
