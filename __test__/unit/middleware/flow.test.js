'use strict';

// The flow of one request over a fake verifier: every row of the decision table of docs/requests.md by its number. The same rows
// with real tokens are in journey.test.js.

const { createRemoteAgentAuth } = require('../../../lib/middleware/remote-agent-auth');
const { RemoteAuthError } = require('../../../lib/verifier/errors');
const {
  bareResponse,
  configOf,
  failure,
  fakeVerifier,
  fullResponse,
  recordingLogger,
  success,
} = require('../../support/fakes');
const {
  A,
  anError,
  auth,
  B,
  CREDENTIALS,
  expectApiKeyPath,
  expectPassed,
  expectRejected,
  INVALID,
  isolateEnvironment,
  ISSUER,
  line,
  oidcOf,
  S,
  setUp,
  storedUser,
  TOKEN,
  U,
} = require('../../support/flow');

isolateEnvironment();

describe('a request, by the first table of docs/requests.md', () => {
  describe('row 0: the configuration', () => {
    test.each([
      ['{ tenantId } of the user already on the request', { user: { tenantId: 't1' } }, 't2', { tenantId: 't1' }],
      ['{ tenantId } of the async context when there is no such user', {}, 't2', { tenantId: 't2' }],
      [
        '{ tenantId } of the async context when that user has none',
        { user: { tenantId: null } },
        't2',
        { tenantId: 't2' },
      ],
      ['{ baseOnly: true } when that user’s tenant is empty', { user: { tenantId: '' } }, 't2', { baseOnly: true }],
      ['{ baseOnly: true } without any tenant', {}, undefined, { baseOnly: true }],
    ])('row 0: is asked for with %s', async (_name, req, tenant, scope) => {
      const app = setUp({ config: configOf({ apiKey: { enabled: false } }), deps: { getTenantId: () => tenant } });
      await app.call({ req });
      expect(app.getAppConfig.mock.calls).toEqual([[scope]]);
    });

    test.each([
      ['rejects', async () => Promise.reject(new Error('config down'))],
      [
        'throws',
        () => {
          throw new Error('config down');
        },
      ],
    ])('row 0: getAppConfig that %s is 500', async (_name, getAppConfig) => {
      const app = setUp({ deps: { getAppConfig } });
      expectRejected(app, await app.call(), 500, S, undefined);
      expect(app.lines).toEqual([
        line('error', 'Unexpected error', expect.objectContaining({ message: 'config down' })),
      ]);
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    });

    test.each([null, undefined])('row 0: a config that is %s is 500', async (config) => {
      const app = setUp({ deps: { getAppConfig: async () => config } });
      expectRejected(app, await app.call(), 500, S, undefined);
      expect(app.lines).toEqual([line('error', 'Unexpected error', expect.objectContaining({ name: 'TypeError' }))]);
    });

    test('row 0: getTenantId that throws is 500', async () => {
      const app = setUp({
        deps: {
          getTenantId: () => {
            throw new Error('no context');
          },
        },
      });
      expectRejected(app, await app.call(), 500, S, undefined);
    });
  });

  test('an unknown key in an enabled oidc block is ignored with one warning that names the nearest', async () => {
    const app = setUp({ config: auth({ oidc: oidcOf({ audiance: 'x', jwksUrl: 'https://issuer.example' }) }) });
    await app.call();
    await app.call();
    expect(app.lines.filter(([, text]) => /unknown/.test(text))).toEqual([
      line('warn', '"audiance" .*"audience"'),
      line('warn', '"jwksUrl" .*"jwksUri"'),
    ]);
  });

  test('a flood of unknown keys from a database ends after a hundred warnings', async () => {
    const junk = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`junk${n}`, 1]));
    const app = setUp({ config: auth({ oidc: oidcOf(junk) }) });
    await app.call();
    expect(app.lines.filter(([, text]) => /unknown/.test(text))).toHaveLength(100);
  });

  test('row 1: OIDC off and API keys on asks the API-key middleware, in silence', async () => {
    const app = setUp({ config: configOf({}) });
    expectApiKeyPath(app, await app.call());
    expect(app.lines).toEqual([]);
    expect(app.verifier.calls.check).toEqual([]);
  });

  test('row 2: OIDC off and API keys off is 401 A, in silence', async () => {
    const app = setUp({ config: configOf({ apiKey: { enabled: false } }) });
    expectRejected(app, await app.call(), 401, A, CREDENTIALS);
    expect(app.lines).toEqual([]);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test.each([true, false])(
    'row 3: OIDC on without an issuer is 500 before the header is read (API keys: %s)',
    async (apiKey) => {
      const app = setUp({ config: auth({ apiKey, oidc: oidcOf({ issuer: '' }) }) });
      const headers = new Proxy(
        {},
        {
          get: () => {
            throw new Error('the header was read');
          },
        },
      );
      expectRejected(app, await app.call({ req: { headers } }), 500, S, undefined);
      expect(app.lines).toEqual([line('error', 'issuer')]);
    },
  );

  test('row 3a: OIDC on without an audience is 500', async () => {
    const app = setUp({ config: auth({ oidc: oidcOf({ audience: undefined }) }) });
    expectRejected(app, await app.call({ authorization: null }), 500, S, undefined);
    expect(app.lines).toEqual([line('error', 'audience')]);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test.each([null, 'Basic abc', 'Bearer', ' Bearer abc', 'Bearer a b'])(
    'row 4: no usable header (%j), API keys on, asks the API-key middleware',
    async (authorization) => {
      const app = setUp();
      expectApiKeyPath(app, await app.call({ authorization }));
      expect(app.lines).toEqual([]);
      expect(app.verifier.calls.check).toEqual([]);
    },
  );

  test('row 5: no usable header, API keys off, is 401 B', async () => {
    const app = setUp({ config: auth({ apiKey: false }) });
    expectRejected(app, await app.call({ authorization: null }), 401, B, CREDENTIALS);
    expect(app.lines).toEqual([]);
  });

  const REFUSED = [
    ['expired', failure('ERR_TOKEN_EXPIRED', 'token')],
    ['signed by an unknown key', failure('ERR_KEY_NOT_FOUND', 'token')],
    ['with a malformed scope claim', failure('ERR_SCOPE_MALFORMED', 'token')],
    ['of an unreachable provider', failure('ERR_JWKS_FETCH', 'upstream')],
    ['that is none', failure('ERR_TOKEN_ARGUMENT', 'request')],
  ];

  test.each(REFUSED)(
    'row 6: a token %s, API keys on, is passed to the API-key middleware with its header',
    async (_name, refused) => {
      const app = setUp({ answers: { agents: refused } });
      const outcome = await app.call();
      expectApiKeyPath(app, outcome);
      expect(app.apiKeyMiddleware.mock.calls[0][0].headers.authorization).toBe(`Bearer ${TOKEN}`);
      const warning =
        refused.fault === 'upstream' ? [line('warn', 'API keys are tried instead', anError(refused.code))] : [];
      expect(app.lines).toEqual([line('debug', 'trying API key auth', anError(refused.code)), ...warning]);
      expect(app.findUser).not.toHaveBeenCalled();
    },
  );

  test.each(REFUSED)('row 7: a token %s, API keys off, is 401 U', async (_name, refused) => {
    const app = setUp({ config: auth({ apiKey: false }), answers: { agents: Promise.resolve(refused) } });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.lines).toEqual([line('error', 'OIDC verification failed', anError(refused.code))]);
  });

  test.each([
    [6, true, 'debug'],
    [7, false, 'error'],
  ])('row %i: a policy that cannot be used is a failed verification, compiled once', async (_row, apiKey, level) => {
    const unusable = new RemoteAuthError({ code: 'ERR_POLICY_JWKS_URI', fault: 'config', message: 'http' });
    const app = setUp({ config: auth({ apiKey }), answers: { compile: unusable } });
    await app.call();
    await app.call();
    const warning = apiKey ? [line('warn', 'the configuration is wrong', unusable)] : [];
    const each = line(level, 'OIDC verification failed', unusable);
    expect(app.lines).toEqual([each, ...warning, each]);
    expect(app.verifier.calls.compile.filter(({ audience }) => audience === 'agents')).toHaveLength(1);
    expect(app.verifier.calls.check).toEqual([]);
  });

  test.each([true, false])('row 8: a missing scope is 401 U and never an API key (API keys: %s)', async (apiKey) => {
    const app = setUp({
      config: auth({ apiKey, oidc: oidcOf({ scope: 'agents:use agents:run' }) }),
      answers: { agents: failure('ERR_SCOPE_MISSING', 'scope') },
    });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('warn', 'agents:use agents:run')]);
  });

  test.each([true, false])(
    'row 9: a token without a subject is 401 U, without lookup or API key (API keys: %s)',
    async (apiKey) => {
      const app = setUp({ config: auth({ apiKey }), answers: { agents: failure('ERR_TOKEN_SUBJECT', 'token') } });
      expectRejected(app, await app.call(), 401, U, INVALID);
      expect(app.findUser).not.toHaveBeenCalled();
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
      expect(app.lines).toEqual([line('warn', 'missing_sub_claim')]);
    },
  );

  test('row 10: a lookup that throws is 500, never an API key', async () => {
    const app = setUp({
      deps: {
        findUser: async () => {
          throw new Error('database down');
        },
      },
    });
    expectRejected(app, await app.call(), 500, S, undefined);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    expect(app.lines).toEqual([
      line('error', 'Unexpected error', expect.objectContaining({ message: 'database down' })),
    ]);
  });

  test('row 11: an account bound elsewhere is 401 U, never an API key', async () => {
    const app = setUp({ user: storedUser({ openidIssuer: 'https://other.example' }) });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('warn', 'user refused'), line('warn', 'auth_failed')]);
  });

  test('row 12: no such user, API keys on, asks the API-key middleware', async () => {
    const app = setUp();
    expectApiKeyPath(app, await app.call());
    expect(app.lines.at(-1)).toEqual(line('warn', 'no matching LibreChat user'));
  });

  test('row 13: no such user, API keys off, is 401 U', async () => {
    const app = setUp({ config: auth({ apiKey: false }) });
    expectRejected(app, await app.call(), 401, U, INVALID);
    expect(app.lines.at(-1)).toEqual(line('warn', 'no matching LibreChat user'));
  });

  /** The user's own config for its scope, the base config otherwise. */
  const ownConfig = (own) => (scope) => (scope.tenantId === 'acme' ? own : auth());
  const tenantUser = (over = {}) => storedUser({ tenantId: 'acme', ...over });

  describe('rows 14 to 17: the resolved user’s own configuration', () => {
    test('row 14: is loaded with the user’s role, id and tenant, and a token it accepts passes', async () => {
      const user = tenantUser({ role: 'BOSS' });
      const app = setUp({
        config: ownConfig(auth({ oidc: oidcOf({ audience: 'acme-agents' }) })),
        user,
        answers: { agents: success(), 'acme-agents': success() },
      });
      expectPassed(await app.call(), user);
      expect(app.getAppConfig.mock.calls).toEqual([
        [{ baseOnly: true }],
        [{ role: 'BOSS', userId: 'id-1', tenantId: 'acme' }],
      ]);
      expect(app.verifier.calls.recheck).toEqual([{ verdict: { of: 'token' }, audience: 'acme-agents' }]);
    });

    test.each([true, false])(
      'row 14: is checked again unless the verifier says that the outcome still holds (%s)',
      async (holds) => {
        const user = tenantUser();
        const app = setUp({ user });
        app.verifier.stillHolds = jest.fn(() => holds);
        expectPassed(await app.call(), user);
        const [[outcome, policy]] = app.verifier.stillHolds.mock.calls;
        expect(outcome).toMatchObject({ ok: true, subject: 'subject-1' });
        expect(policy.audience).toBe('agents');
        expect(app.verifier.calls.recheck).toHaveLength(holds ? 0 : 1);
      },
    );

    test('row 14: is not asked of the verifier for as long as its policy is the one that was', async () => {
      const user = tenantUser();
      const app = setUp({ user });
      app.verifier.stillHolds = jest.fn(() => true);
      expectPassed(await app.call(), user);
      process.env.OPENID_EMAIL_CLAIM = 'mail';
      try {
        expectPassed(await app.call(), user);
      } finally {
        delete process.env.OPENID_EMAIL_CLAIM;
      }
      const policies = app.verifier.stillHolds.mock.calls.map(([, policy]) => policy);
      expect(policies.map(({ emailClaim }) => emailClaim)).toEqual([undefined, 'mail']);
    });

    test('row 14: is loaded again even when the request’s tenant is the user’s', async () => {
      const user = tenantUser();
      const app = setUp({ user, deps: { getTenantId: () => 'acme' } });
      expectPassed(await app.call(), user);
      expect(app.getAppConfig.mock.calls).toEqual([
        [{ tenantId: 'acme' }],
        [{ role: 'USER', userId: 'id-1', tenantId: 'acme' }],
      ]);
    });

    test('row 14: is the base config for a user without a tenant under a request tenant', async () => {
      const user = storedUser();
      const app = setUp({ user, deps: { getTenantId: () => 'acme' } });
      expectPassed(await app.call(), user);
      expect(app.getAppConfig.mock.calls).toEqual([[{ tenantId: 'acme' }], [{ baseOnly: true }]]);
    });

    test('row 14: is not loaded again for a user without a tenant under no tenant', async () => {
      const user = storedUser();
      const app = setUp({ user });
      expectPassed(await app.call(), user);
      expect(app.getAppConfig).toHaveBeenCalledTimes(1);
      expect(app.verifier.calls.recheck).toEqual([]);
    });

    test('row 14: is asked for with the default role when the user has none', async () => {
      const app = setUp({ user: tenantUser({ role: null }) });
      await app.call();
      expect(app.getAppConfig.mock.calls[1]).toEqual([{ role: 'USER', userId: 'id-1', tenantId: 'acme' }]);
    });

    test('row 14: with OIDC off refuses with 401 U, and nothing has changed', async () => {
      const user = tenantUser({ role: '', openidIssuer: undefined });
      process.env.OPENID_ISSUER = ISSUER;
      const before = { ...user };
      const app = setUp({ config: ownConfig(configOf({})), user });
      expectRejected(app, await app.call(), 401, U, INVALID);
      expect(user).toEqual(before);
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
      expect(app.lines).toEqual([line('warn', 'not enabled')]);
    });

    test.each(['issuer', 'audience'])('row 15: without an %s is 500', async (field) => {
      const app = setUp({ config: ownConfig(auth({ oidc: oidcOf({ [field]: '' }) })), user: tenantUser() });
      expectRejected(app, await app.call(), 500, S, undefined);
      expect(app.lines).toEqual([
        line('error', `Unexpected error.*${field}`, expect.objectContaining({ message: `oidc.${field} is not set` })),
      ]);
    });

    test('row 15: that cannot be loaded is 500', async () => {
      const app = setUp({
        config: (scope) => {
          if (scope.tenantId) throw new Error('config down');
          return auth();
        },
        user: tenantUser(),
      });
      expectRejected(app, await app.call(), 500, S, undefined);
      expect(app.lines).toEqual([line('error', 'Unexpected error', expect.any(Error))]);
    });

    test.each([
      ['at once', (refused) => refused],
      ['as a promise', (refused) => Promise.resolve(refused)],
    ])('row 16: that refuses the token (%s) is 401 U, never an API key', async (_name, give) => {
      const app = setUp({
        config: ownConfig(auth({ oidc: oidcOf({ audience: 'acme-agents' }) })),
        user: tenantUser(),
        answers: { agents: success(), 'acme-agents': give(failure('ERR_TOKEN_AUDIENCE', 'token')) },
      });
      expectRejected(app, await app.call(), 401, U, INVALID);
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
      expect(app.lines).toEqual([line('warn', 'own|resolved user', anError('ERR_TOKEN_AUDIENCE'))]);
    });

    test('row 16: that cannot be used as a policy is 401 U', async () => {
      const app = setUp({ config: ownConfig(auth({ oidc: oidcOf({ issuer: 'nonsense' }) })), user: tenantUser() });
      const compile = app.verifier.compile.bind(app.verifier);
      app.verifier.compile = (options) => {
        if (options.issuer === 'nonsense')
          throw new RemoteAuthError({ code: 'ERR_POLICY_ISSUER', fault: 'config', message: 'x' });
        return compile(options);
      };
      expectRejected(app, await app.call(), 401, U, INVALID);
      expect(app.lines).toEqual([line('warn', 'resolved user', anError('ERR_POLICY_ISSUER'))]);
    });

    test('row 17: whose scope is missing is 401 U, naming the scope', async () => {
      const app = setUp({
        config: ownConfig(auth({ oidc: oidcOf({ audience: 'acme-agents', scope: 'acme:use' }) })),
        user: tenantUser(),
        answers: { agents: success(), 'acme-agents': failure('ERR_SCOPE_MISSING', 'scope') },
      });
      expectRejected(app, await app.call(), 401, U, INVALID);
      expect(app.lines).toEqual([line('warn', 'acme:use')]);
    });
  });

  describe('row 18: what is written', () => {
    const emailUser = (over = {}) => ({ _id: 'id-1', email: 'ada@example.com', role: 'USER', ...over });
    const findByEmail = (user) => jest.fn(async (filter) => (filter.email ? user : null));

    test('row 18: an account linked by e-mail is updated once, with exactly the binding', async () => {
      const user = emailUser();
      const app = setUp({ deps: { findUser: findByEmail(user) } });
      expectPassed(await app.call(), user);
      expect(app.updateUser.mock.calls).toEqual([
        ['id-1', { provider: 'openid', openidId: 'subject-1', openidIssuer: ISSUER }],
      ]);
      expect(user).toMatchObject({ provider: 'openid', openidId: 'subject-1', openidIssuer: ISSUER });
    });

    test('row 18: binding and default role go into one update', async () => {
      const user = emailUser({ role: undefined });
      const app = setUp({ deps: { findUser: findByEmail(user) } });
      await app.call();
      expect(app.updateUser.mock.calls).toEqual([
        ['id-1', { provider: 'openid', openidId: 'subject-1', openidIssuer: ISSUER, role: 'USER' }],
      ]);
    });

    test('row 18: the issuer is stored normalised', async () => {
      const app = setUp({
        config: auth({ oidc: oidcOf({ issuer: `${ISSUER}/.well-known/openid-configuration` }) }),
        deps: { findUser: findByEmail(emailUser()) },
      });
      await app.call();
      expect(app.updateUser.mock.calls[0][1].openidIssuer).toBe(ISSUER);
    });

    test.each([undefined, null, ''])(
      'row 18: a missing role (%j) becomes USER, stored and on the request',
      async (role) => {
        const user = storedUser({ role });
        const app = setUp({ user });
        expectPassed(await app.call(), user);
        expect(app.updateUser.mock.calls).toEqual([['id-1', { role: 'USER' }]]);
        expect(user.role).toBe('USER');
      },
    );

    test('row 18: an update that rejects is 500, never an API key, and the user is untouched', async () => {
      const user = emailUser();
      const before = { ...user };
      const updateUser = jest.fn(async () => Promise.reject(new Error('database down')));
      const app = setUp({ deps: { findUser: findByEmail(user), updateUser } });
      const outcome = await app.call();
      expect(outcome.answer).toEqual({ status: 500, body: S });
      expect(outcome.next).not.toHaveBeenCalled();
      expect(outcome.req.user).toBeUndefined();
      expect(user).toEqual(before);
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
      expect(app.lines.at(-1)).toEqual(
        line('error', 'Unexpected error', expect.objectContaining({ message: 'database down' })),
      );
    });

    test('row 18: a result of null is no failure', async () => {
      const user = emailUser();
      const app = setUp({ deps: { findUser: findByEmail(user), updateUser: jest.fn(() => null) } });
      expectPassed(await app.call(), user);
    });

    test.each([
      ['in the user’s tenant when the request has another', 'other', 'acme', ['acme']],
      ['in the user’s tenant when the request has none', undefined, 'acme', ['acme']],
      ['where it is when the tenants are the same', 'acme', 'acme', []],
      ['where it is when the user has none', 'acme', undefined, []],
    ])('row 18: the update runs %s', async (_name, requestTenant, userTenant, entered) => {
      const tenants = [];
      const runInTenant = (tenantId, fn) => {
        tenants.push(tenantId);
        return fn();
      };
      const app = setUp({
        user: storedUser({ role: '', tenantId: userTenant }),
        deps: { getTenantId: () => requestTenant, runInTenant },
      });
      await app.call();
      expect(app.updateUser).toHaveBeenCalledTimes(1);
      expect(tenants).toEqual(entered);
    });

    test('row 18: without runInTenant the update runs where it is', async () => {
      const app = setUp({ user: storedUser({ role: '', tenantId: 'acme' }) });
      await app.call();
      expect(app.updateUser).toHaveBeenCalledTimes(1);
    });
  });

  describe('row 19: the request passes', () => {
    test.each([
      ['at once', success()],
      ['as a promise', Promise.resolve(success())],
    ])(
      'row 19: a verified token (%s) of a known user passes with the very object findUser gave',
      async (_name, verified) => {
        const user = storedUser();
        const app = setUp({ user, answers: { agents: verified } });
        expectPassed(await app.call(), user);
        expect(app.lines).toEqual([]);
        expect(app.updateUser).not.toHaveBeenCalled();
        expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
        expect(app.findUser.mock.calls.every((args) => args.length === 1)).toBe(true);
      },
    );

    test('row 19: the id is the user’s _id in its own string form', async () => {
      const _id = { toString: () => 'object-id-1' };
      const user = storedUser({ _id, id: 'something else' });
      await setUp({ user }).call();
      expect(user.id).toBe('object-id-1');
      expect(user._id).toBe(_id);
    });

    test('row 19: a store without _id is served by its id', async () => {
      const user = storedUser({ _id: undefined, id: 7 });
      await setUp({ user }).call();
      expect(user.id).toBe('7');
    });

    test('row 19: a user without any id is 500: everything downstream is keyed by it', async () => {
      const app = setUp({ user: storedUser({ _id: undefined }) });
      expectRejected(app, await app.call(), 500, S, undefined);
    });

    test.each([
      ['with exp', { expiresAt: 1700000000.5 }, { access_token: TOKEN, expires_at: 1700000000.5 }],
      ['without exp', {}, { access_token: TOKEN }],
      ['with exp null', { expiresAt: null }, { access_token: TOKEN }],
    ])('row 19: federatedTokens of a token %s', async (_name, over, tokens) => {
      const user = storedUser();
      await setUp({ user, answers: { agents: success(over) } }).call();
      expect(user.federatedTokens).toEqual(tokens);
      expect(Object.keys(user.federatedTokens)).toEqual(Object.keys(tokens));
    });

    test('row 19: the token is taken from the header without its blanks', async () => {
      const app = setUp({ user: storedUser() });
      await app.call({ authorization: `bearer \t ${TOKEN}  ` });
      expect(app.verifier.calls.check).toEqual([{ token: TOKEN, audience: 'agents' }]);
    });
  });
});

describe('an API key, by the second table of docs/requests.md', () => {
  const viaApiKey = (apiKeyMiddleware, over = {}) =>
    setUp({ config: configOf({}), ...over, deps: { apiKeyMiddleware, ...over.deps } });
  const keyUser = { id: 'key-user', tenantId: 'acme' };
  const setsUser = (req, res, next) => {
    req.user = keyUser;
    next();
  };

  test('row 1: what the API-key middleware answers itself stands', async () => {
    const app = viaApiKey((req, res) => res.status(429).json({ error: 'slow down' }));
    const { answer, answers, next } = await app.call();
    expect(answer).toEqual({ status: 429, body: { error: 'slow down' } });
    expect(answers).toBe(1);
    expect(next).not.toHaveBeenCalled();
    expect(app.getAppConfig).toHaveBeenCalledTimes(1);
  });

  test.each([[new Error('mine')], ['route']])(
    'row 2: next(%p) is forwarded untouched, without a policy check',
    async (value) => {
      const app = viaApiKey((req, res, next) => next(value));
      const { next, answers } = await app.call();
      expect(next.mock.calls).toEqual([[value]]);
      expect(answers).toBe(0);
      expect(app.getAppConfig).toHaveBeenCalledTimes(1);
    },
  );

  test.each([[[]], [[undefined]], [[null]]])(
    'row 3: next(...%j) loads the config of the user it has set',
    async (args) => {
      const app = viaApiKey((req, res, next) => {
        req.user = keyUser;
        next(...args);
      });
      const { next } = await app.call();
      expect(app.getAppConfig.mock.calls).toEqual([[{ baseOnly: true }], [{ tenantId: 'acme' }]]);
      expect(next.mock.calls).toEqual([[]]);
    },
  );

  test.each([true, false])(
    'row 3: a user without a tenant is checked by the request’s (tenant known: %s)',
    async (known) => {
      const app = viaApiKey((req, res, next) => next(), { deps: { getTenantId: () => (known ? 't1' : undefined) } });
      await app.call();
      const scope = known ? { tenantId: 't1' } : { baseOnly: true };
      expect(app.getAppConfig.mock.calls).toEqual([[scope], [scope]]);
    },
  );

  test('row 4: API keys off for that user is 401 U; the user stays as the API-key middleware set it', async () => {
    const config = (scope) => (scope.tenantId ? configOf({ apiKey: { enabled: false } }) : configOf({}));
    const app = viaApiKey(setsUser, { config });
    const { answer, answers, next, req, challenge } = await app.call();
    expect(answer).toEqual({ status: 401, body: U });
    expect(answers).toBe(1);
    expect(challenge).toBe(INVALID);
    expect(next).not.toHaveBeenCalled();
    expect(req.user).toBe(keyUser);
    expect(app.lines).toEqual([line('warn', 'API keys are not enabled')]);
  });

  test('row 5: that config failing to load is 500', async () => {
    const config = (scope) => {
      if (scope.tenantId) throw new Error('config down');
      return configOf({});
    };
    const app = viaApiKey(setsUser, { config });
    const { answer, answers, next } = await app.call();
    expect(answer).toEqual({ status: 500, body: S });
    expect(answers).toBe(1);
    expect(next).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('error', 'Unexpected error', expect.any(Error))]);
  });

  test('row 6: API keys on for that user calls next without arguments, and adds nothing to the user', async () => {
    const app = viaApiKey(setsUser);
    const { next, req } = await app.call();
    expect(next.mock.calls).toEqual([[]]);
    expect(req.user).toBe(keyUser);
    expect(Object.keys(keyUser)).toEqual(['id', 'tenantId']);
    expect(app.lines).toEqual([]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('broken'))],
  ])('row 7: an API-key middleware that %s is 500', async (_name, apiKeyMiddleware) => {
    const app = viaApiKey(apiKeyMiddleware);
    const { answer, next } = await app.call();
    expect(answer).toEqual({ status: 500, body: S });
    expect(next).not.toHaveBeenCalled();
    expect(app.lines).toEqual([line('error', 'Unexpected error', expect.objectContaining({ message: 'broken' }))]);
  });

  test('row 8: next called after the promise has settled counts all the same, and its failure is a 500', async () => {
    let late;
    let loads = 0;
    const app = viaApiKey(
      (req, res, next) => {
        late = next;
      },
      {
        config: () => {
          loads += 1;
          if (loads > 1) throw new Error('config down');
          return configOf({});
        },
      },
    );
    const { res, next } = await app.call();
    expect(res.sent).toEqual([]);
    late();
    await new Promise((resolve) => setImmediate(resolve));
    expect(res.sent).toEqual([{ status: 500, body: S }]);
    expect(next).not.toHaveBeenCalled();
  });
});

describe('whatever happens around it', () => {
  test('a bug in the verifier is 500, never a 401 or an API key', async () => {
    const app = setUp({ answers: { agents: new TypeError('bug') } });
    expectRejected(app, await app.call(), 500, S, undefined);
    expect(app.lines).toEqual([line('error', 'Unexpected error', expect.objectContaining({ message: 'bug' }))]);
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test.each(['check', 'recheck'])(
    'an internal failure the verifier reports (%s) is 500, never an API key',
    async (method) => {
      const app = setUp({ user: storedUser({ tenantId: 'acme' }) });
      app.verifier[method] = () => failure('ERR_INTERNAL', 'internal');
      expectRejected(app, await app.call(), 500, S, undefined);
      expect(app.lines).toEqual([line('error', 'Unexpected error', anError('ERR_INTERNAL'))]);
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
    },
  );

  test('a response double with only status and json is enough', async () => {
    const app = setUp({ config: auth({ apiKey: false }) });
    const { res } = await app.call({ authorization: null, res: bareResponse() });
    expect(res.sent).toEqual([{ status: 401, body: B }]);
  });

  test('a response that throws is logged, and the promise resolves', async () => {
    const app = setUp({ config: auth({ apiKey: false }) });
    const res = fullResponse();
    res.json = () => {
      throw new Error('socket gone');
    };
    await app.call({ authorization: null, res });
    expect(app.lines).toEqual([line('error', 'Unexpected error', expect.objectContaining({ message: 'socket gone' }))]);
  });

  test('a logger that throws changes nothing', async () => {
    const broken = () => {
      throw new Error('disk full');
    };
    const app = setUp({
      config: auth({ apiKey: false }),
      deps: { logger: { debug: broken, info: broken, warn: broken, error: broken } },
    });
    const { answer } = await app.call({ authorization: 'Bearer junk' });
    expect(answer).toEqual({ status: 401, body: U });
  });

  test('an error thrown by next is the host’s: no second answer, no log line of ours, handed on as it is', async () => {
    const boom = new Error('downstream');
    const app = setUp({ user: storedUser() });
    const res = fullResponse();
    const next = jest.fn(() => {
      throw boom;
    });
    await expect(app.call({ res, next })).rejects.toBe(boom);
    expect(next).toHaveBeenCalledTimes(1);
    expect(res.sent).toEqual([]);
    expect(app.lines).toEqual([]);
  });

  test('what next returns is not waited for', async () => {
    const app = setUp({ user: storedUser() });
    await app.call({ next: jest.fn(() => new Promise(() => {})) });
    const viaApiKey = setUp({ config: configOf({}) });
    await viaApiKey.call({ next: jest.fn(() => new Promise(() => {})) });
  });

  test('callbacks are called on the dependency object', async () => {
    const seen = [];
    class Host {
      name = 'host';
      logger = recordingLogger();
      async getAppConfig() {
        seen.push(this.name);
        return auth();
      }
      async findUser() {
        seen.push(this.name);
        return storedUser({ role: '' });
      }
      async updateUser() {
        seen.push(this.name);
      }
      apiKeyMiddleware() {
        seen.push(this.name);
      }
      getTenantId() {
        seen.push(this.name);
        return undefined;
      }
    }
    const handler = createRemoteAgentAuth(new Host(), { verifier: fakeVerifier({ agents: success() }) });
    await handler({ headers: { authorization: 'Bearer x' } }, fullResponse(), () => {});
    await handler({ headers: {} }, fullResponse(), () => {});
    expect(new Set(seen)).toEqual(new Set(['host']));
    expect(seen.length).toBeGreaterThanOrEqual(7);
  });

  test('a realm of one’s own stands in the challenge', async () => {
    const app = setUp({ config: auth({ apiKey: false }), options: { realm: 'my "agents"' } });
    expect((await app.call({ authorization: null })).challenge).toBe('Bearer realm="my \\"agents\\""');
  });

  test('no line of any row contains the token, the subject or the e-mail address', async () => {
    const secret = success({ subject: 'very-secret-subject', email: 'secret@example.com' });
    const everything = [];
    for (const user of [
      null,
      storedUser({ openidIssuer: 'https://other.example' }),
      { _id: 1, provider: 'google' },
      { _id: 1 },
    ]) {
      for (const outcome of [secret, failure('ERR_TOKEN_EXPIRED', 'token'), failure('ERR_SCOPE_MISSING', 'scope')]) {
        const app = setUp({ user, answers: { agents: outcome }, config: auth({ apiKey: false }) });
        await app.call();
        everything.push(...app.lines);
      }
    }
    const text = JSON.stringify(
      everything.map(([level, message, error]) => [level, message, error?.message, error?.stack]),
    );
    expect(everything.length).toBeGreaterThan(8);
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain('very-secret-subject');
    expect(text).not.toContain('secret@example.com');
  });
});

describe('a token that the verifier remembers', () => {
  const remembering = (setting) => {
    const app = setUp({ user: storedUser(), ...setting });
    // As the verifier does: of the token that was accepted, in full, and its policy.
    app.verifier.known = jest.fn((token) => (token === TOKEN ? success() : undefined));
    return app;
  };

  test('is not checked again, from the second request of a policy on', async () => {
    const user = storedUser();
    const app = remembering({ user });
    for (let request = 0; request < 3; request += 1) expectPassed(await app.call(), user);
    expect(app.verifier.calls.check).toHaveLength(1);
    expect(app.verifier.known.mock.calls).toHaveLength(2);
  });

  test.each([
    ['a blank behind it', `Bearer ${TOKEN} x`],
    ['another scheme', `Basic ${TOKEN}`],
    ['no token', 'Bearer '],
  ])('lets no header pass that has %s', async (_what, authorization) => {
    const app = remembering({ config: configOf({ apiKey: { enabled: false } }) });
    await app.call();
    const res = fullResponse();
    await app.call({ req: { headers: { authorization } }, res });
    expect(res.sent).toEqual([{ status: 401, body: expect.anything() }]);
  });

  test.each([
    ['OPENID_REMOTE_CLOCK_TOLERANCE', '5'],
    ['OPENID_EMAIL_CLAIM', 'mail'],
    ['OPENID_JWKS_URL_CACHE_TIME', '120000'],
  ])('is checked by the new policy at the first request after %s has changed', async (name, value) => {
    const app = remembering();
    await app.call();
    process.env[name] = value;
    await app.call();
    delete process.env[name];
    expect(app.verifier.calls.check).toHaveLength(2);
  });

  test('is asked about by the policy of a function as any other', async () => {
    const app = remembering({ options: { policy: () => ({ requireExp: false }) } });
    await app.call();
    await app.call();
    expect(app.verifier.known).not.toHaveBeenCalled();
    expect(app.verifier.calls.check).toHaveLength(2);
  });
});
