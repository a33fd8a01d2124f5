'use strict';

const { RemoteTokenVerifier, createRemoteAgentAuth, verifyRemoteToken } = require('../../..');
const native = require('../../../native');
const { createTestIssuer } = require('../../../lib/testing');
const { HINTS, hintFor } = require('../../../lib/verifier/profile-hints');
const { PROFILES, expandProfile } = require('../../../lib/verifier/profiles');
const { codes } = require('../../../lib/verifier/codes');
const { configOf, fullResponse, recordingLogger } = require('../../support/fakes');
const { blocksOf, read, rowsOf } = require('../../support/markdown');

const NAMES = Object.keys(PROFILES);
const page = read('docs/profiles.md');
const [block] = blocksOf(page, 'docs/profiles.md').filter(({ marker }) => marker === 'profiles');
/** @type {any[]} */
const documented = new Function(`${block?.text}\nreturn policies;`)();
/** Keys at hand, so that nothing is fetched. */
const jwks = { keys: [] };
const CLIENT = '33333333-3333-4333-8333-333333333333';

test('docs/profiles.md has a policy of at most four options for each, and each is one', () => {
  expect(documented.map(({ profile }) => profile)).toEqual(NAMES);
  for (const policy of documented) {
    expect(Object.keys(policy).length).toBeLessThanOrEqual(4);
    new RemoteTokenVerifier().compile(policy);
  }
});

test('the table of docs/profiles.md says of each what `typ` and the claim of roles are', () => {
  const rows = rowsOf(page).filter((cells) => cells.length === 6);
  for (const [cell = '', , , typ = '', , roles = ''] of rows) {
    const { typ: actual = 'off', roles: claim = 'realm_access.roles' } = PROFILES[cell.replaceAll('`', '')];
    expect([cell, /`(\w+)`/.exec(typ)?.[1], roles]).toEqual([cell, actual, `\`${[claim].flat()}\``]);
  }
  expect(rows.length).toBe(NAMES.length);
});

test('what the policy says comes first, and what is undefined is not said', () => {
  const policy = documented[1];
  expect(expandProfile({ ...policy, typ: 'required' }).typ).toBe('required');
  expect(expandProfile({ ...policy, typ: undefined }).typ).toBe('preferred');
  const google = documented[5];
  expect(expandProfile({ ...google, issuer: undefined }).issuer).toBe('https://accounts.google.com');
  expect(expandProfile({ ...documented[3], clientClaim: 'azp' }).clientClaim).toBe('azp');
  const claim = ['x'];
  expect(expandProfile({ ...policy, requiredRoles: { any: ['a'], claim } }).requiredRoles).toEqual({
    any: ['a'],
    claim,
  });
  expect(expandProfile({ ...documented[3], requiredRoles: { any: ['a'], claim: undefined } }).requiredRoles.claim).toBe(
    'groups',
  );
});

test('null is as absent as undefined', () => {
  for (const policy of documented) {
    const nothing = Object.fromEntries(['typ', 'clientClaim', 'tokenUse', 'scope'].map((name) => [name, null]));
    expect(expandProfile({ ...nothing, ...policy })).toEqual(expandProfile(policy));
  }
  const required = { requiredRoles: { any: ['a'], claim: null } };
  expect(expandProfile({ ...documented[3], ...required }).requiredRoles.claim).toBe('groups');
});

test('an own client of Google as audience is also the only client, unless others are named', async () => {
  const audience = '9999-own.apps.googleusercontent.com';
  const google = await createTestIssuer({ profile: 'google', audience });
  try {
    const verifier = new RemoteTokenVerifier({ clock: google.clock });
    const codeFor = async (azp, more = {}) => {
      const { issuer: url } = google.policy();
      const policy = verifier.compile({ profile: 'google', issuer: url, audience, ...more });
      const outcome = await verifier.check(google.token({ azp }, { kind: 'app' }), policy);
      return outcome.ok ? 'accepted' : outcome.code;
    };
    // Every service account of the world can ask for an ID token with this audience.
    expect(await codeFor('100200300400500600700')).toBe('ERR_TOKEN_CLIENT');
    expect(await codeFor(undefined)).toBe('ERR_TOKEN_CLIENT');
    expect(await codeFor(audience)).toBe('accepted');
    const android = '9999-android.apps.googleusercontent.com';
    expect(await codeFor(android)).toBe('ERR_TOKEN_CLIENT');
    expect(await codeFor(android, { allowedClients: [android] })).toBe('accepted');
    expect(await codeFor(android, { allowedClients: null })).toBe('ERR_TOKEN_CLIENT');
  } finally {
    await google.stop();
  }
  const several = expandProfile({ profile: 'google', audience: [audience, 'b.apps.googleusercontent.com'] });
  expect(several.allowedClients).toEqual(several.audience);
});

test('a policy says nothing less with a profile than without', () => {
  for (const policy of documented) {
    const { profile: _profile, ...given } = policy;
    const expanded = expandProfile({ ...policy, jwks, requireExp: true, algorithms: ['ES256'] });
    for (const name of Object.keys(given)) {
      if (policy.profile === 'cognito' && name === 'audience')
        expect(expanded.allowedClients).toEqual([given.audience]);
      else expect(expanded[name]).toBeDefined();
    }
    expect(expanded).toMatchObject({ jwks, requireExp: true, algorithms: ['ES256'] });
    expect(expanded.profile).toBeUndefined();
  }
});

describe('is refused, by every way a policy comes in', () => {
  const wrong = [
    ['a name nobody knows', { ...documented[0], profile: 'azure' }, /`profile` must be one of entra/],
    ['the name of a member every object has', { ...documented[0], profile: 'constructor' }, /must be one of/],
    ['no name', { ...documented[0], profile: null }, /must be one of/],
    ['a realm without its path', { ...documented[1], issuer: 'https://keycloak.example.com' }, /\/realms\//],
    ['the org server of Okta', { ...documented[3], issuer: 'https://example.okta.com' }, /custom authorization server/],
    [
      'an audience of Google that everybody can ask for',
      { ...documented[5], allowedClients: undefined },
      /allowedClients/,
    ],
    ['GitHub without a repository', { ...documented[9], requiredRoles: undefined }, /owner\/repository/],
    ['an audience of Google, callers null', { ...documented[5], allowedClients: null }, /allowedClients/],
    ['GitHub, repository null', { ...documented[9], requiredRoles: null }, /owner\/repository/],
    ['GitHub, permissions null', { ...documented[9], requiredRoles: undefined, requiredPermissions: null }, /owner/],
    [
      'Entra of several tenants, those null',
      { ...documented[0], issuer: 'https://login.microsoftonline.com/common/v2.0', allowedTenants: null },
      /allowedTenants/,
    ],
    ['no client of Cognito', { ...documented[4], audience: undefined }, /needs the app client/],
    ['no client of Cognito, but null', { ...documented[4], audience: null, allowedClients: null }, /needs the app/],
    ['two clients of Cognito', { ...documented[4], allowedClients: ['a'] }, /not both/],
    ['what a copy would lose', Object.assign(Object.create({ scope: 'a' }), documented[2]), /plain object/],
    [
      'a member that is hidden',
      Object.defineProperty({ ...documented[2] }, 'requiredRoles', { value: ['a'] }),
      /plain object/,
    ],
  ];
  test.each(wrong)('%s', async (_name, policy, message) => {
    const refusal = { code: 'ERR_POLICY_OPTION', fault: 'config', message: expect.stringMatching(message) };
    expect(() => new RemoteTokenVerifier().compile(policy)).toThrow(expect.objectContaining(refusal));
    await expect(verifyRemoteToken('a.b.c', policy)).rejects.toMatchObject(refusal);
    const auth = native.createRemoteAgentAuth();
    for (const outcome of [
      native.compilePolicy(policy),
      await native.verifyRemoteToken('a.b.c', policy),
      await auth.check('a.b.c', policy),
      await auth.prefetch(policy),
    ]) {
      expect(outcome).toMatchObject({ ok: false, ...refusal });
    }
  });

  test('Cognito without a scope, and an issuer that is none', () => {
    const compile = (policy) => () => new RemoteTokenVerifier().compile(policy);
    expect(compile({ ...documented[4], scope: undefined })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_AUDIENCE' }),
    );
    expect(compile({ ...documented[1], issuer: 7 })).toThrow(expect.objectContaining({ code: 'ERR_POLICY_ISSUER' }));
    const several = { ...documented[0], issuer: 'https://login.microsoftonline.com/organizations/v2.0' };
    expect(compile(several)).toThrow(/allowedTenants/);
    compile({ ...several, allowedTenants: ['11111111-1111-4111-8111-111111111111'] })();
  });
});

describe('hints', () => {
  const rows = rowsOf(page).filter((cells) => cells.length === 4);

  test('are of codes there are, and say nothing of a token', () => {
    for (const list of Object.values(HINTS)) {
      for (const [named, , hint] of list) {
        for (const code of named) expect(Object.keys(codes)).toContain(code);
        expect(hint.length).toBeLessThanOrEqual(200);
      }
    }
    expect(Object.keys(HINTS)).toEqual(NAMES);
  });

  const got = { 'version 1': ['https://sts.windows.net/x/', 'api://x'], 'without an audience mapper': ['account'] };
  test.each(rows)('%s, %s: %s', (profile = '', kind = '', named = '', hint = '') => {
    const list = [...named.matchAll(/`(\w+)`/g)].map(([, code]) => code);
    list.forEach((code, n) => {
      const came = got[kind]?.[n] ?? 'https://github.com/octo-org';
      expect(hintFor(profile.replaceAll('`', ''), { code, got: came })).toMatch(hint.replaceAll('\\', '').slice(0, 30));
    });
  });

  /** @type {import('../../../testing').TestIssuer} */
  let issuer;
  beforeAll(async () => {
    issuer = await createTestIssuer({ profile: 'entra', alg: 'ES256' });
  });
  afterAll(() => issuer.stop());
  const HINT = /requestedAccessTokenVersion/;

  test('reach whoever calls, as a property and in the message, whichever way was taken', async () => {
    const policy = issuer.policy({ profile: 'entra' });
    const token = issuer.token({}, { kind: 'v1' });
    const refused = {
      code: 'ERR_TOKEN_AUDIENCE',
      hint: expect.stringMatching(HINT),
      message: expect.stringMatching(HINT),
    };
    await expect(verifyRemoteToken(token, policy)).rejects.toMatchObject(refused);
    const compiled = native.compilePolicy(policy);
    for (const written of [policy, compiled]) {
      expect(await native.verifyRemoteToken(token, written)).toMatchObject({ ok: false, ...refused });
      expect(await native.createRemoteAgentAuth().check(token, written)).toMatchObject({ ok: false, ...refused });
    }
    const verifier = new RemoteTokenVerifier({ verdictCache: false });
    const loose = verifier.compile({ ...policy, audience: `api://${issuer.audience}` });
    const { verdict } = await verifier.check(issuer.token({ aud: `api://${issuer.audience}` }), loose, {
      forRecheck: true,
    });
    expect(await verifier.recheck(verdict, verifier.compile(policy))).toMatchObject(refused);
  });

  test('are in the log of the middleware and not in its answer', async () => {
    const logger = recordingLogger();
    const oidc = { enabled: true, issuer: issuer.issuer, audience: issuer.audience };
    const auth = createRemoteAgentAuth(
      {
        getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc }),
        findUser: async () => null,
        updateUser: async () => null,
        apiKeyMiddleware: () => {},
        logger,
      },
      { policy: { profile: 'entra', allowedClients: [CLIENT] } },
    );
    const res = fullResponse();
    await auth({ headers: { authorization: `Bearer ${issuer.token({}, { kind: 'v1' })}` } }, res, () => {});
    expect(res.sent[0]).toMatchObject({ status: 401, body: { error: 'Unauthorized' } });
    const [, error] = logger.lines.map(([, ...rest]) => rest).find((rest) => rest.some((one) => one?.code)) ?? [];
    expect(error).toMatchObject({ code: 'ERR_TOKEN_AUDIENCE', hint: expect.stringMatching(HINT) });
  });

  test('a policy without a profile has none, and options of two profiles are two policies', async () => {
    const token = issuer.token({}, { kind: 'v1' });
    const refused = await verifyRemoteToken(token, issuer.policy()).catch((error) => error);
    expect(refused.code).toBe('ERR_TOKEN_AUDIENCE');
    expect('hint' in refused).toBe(false);
  });
});

describe('under the middleware, with a profile in its option `policy`', () => {
  /** What these need besides, by docs/profiles.md. */
  const BESIDE = {
    google: { allowedClients: ['100200300400500600700'] },
    'github-actions': { requiredRoles: { any: ['octo-org/octo-repo'] } },
  };
  const SCOPES = { cognito: 'agents/use' };

  test.each(NAMES)("%s: it starts before it knows the issuer, and lets the provider's token in", async (profile) => {
    const issuer = await createTestIssuer({ profile, alg: 'ES256' });
    const logger = recordingLogger();
    const oidc = { enabled: true, issuer: issuer.issuer, audience: issuer.audience, scope: SCOPES[profile] };
    const auth = createRemoteAgentAuth(
      {
        getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc }),
        findUser: async (filter) => ({ _id: 'id-1', provider: 'openid', role: 'USER', ...filter }),
        updateUser: async () => null,
        apiKeyMiddleware: () => {},
        logger,
      },
      { policy: { profile, ...BESIDE[profile] } },
    );
    const next = jest.fn();
    await auth({ headers: { authorization: `Bearer ${issuer.token()}` } }, fullResponse(), next);
    expect(logger.lines.filter(([level]) => level === 'error')).toEqual([]);
    expect(next).toHaveBeenCalledWith();
    await issuer.stop();
  });

  test('a name that is none stops the start', () => {
    const deps = { getAppConfig() {}, findUser() {}, updateUser() {}, apiKeyMiddleware() {} };
    expect(() => createRemoteAgentAuth(deps, { policy: { profile: 'keyclok' } })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_OPTION', message: expect.stringContaining('keycloak') }),
    );
  });
});

describe('under createBearerAuth', () => {
  const { createAuthenticator } = require('../../../lib/bearer-auth');

  /** @param {any} profile @param {object} more @param {string} kind */
  async function authOf(profile, more, kind) {
    const issuer = await createTestIssuer({ profile, alg: 'ES256' });
    const authenticator = createAuthenticator({ ...issuer.policy({ profile }), ...more });
    const headers = { authorization: `Bearer ${issuer.token({}, { kind })}` };
    const result = await authenticator.authenticate({ method: 'GET', headers });
    await issuer.stop();
    return result;
  }

  test('ID tokens pass only where the profile knows that there is nothing else', async () => {
    expect(
      await authOf('google', { allowedClients: ['1234567890-example.apps.googleusercontent.com'] }, 'user'),
    ).toMatchObject({ ok: true });
    expect(await authOf('okta', { audience: '0oaexample3Bvq8XJ0h7' }, 'id')).toMatchObject({
      ok: false,
      code: 'ERR_ID_TOKEN',
    });
    expect(await authOf('google', { allowedClients: ['1'], typ: 'preferred' }, 'user')).toMatchObject({
      code: 'ERR_ID_TOKEN',
    });
  });

  test('guards find roles and client where the provider writes them', async () => {
    const { auth } = await authOf('okta', {}, 'user');
    expect({ roles: auth.roles, clientId: auth.clientId }).toEqual({
      roles: ['agents'],
      clientId: '0oaexample3Bvq8XJ0h7',
    });
    const named = await authOf('okta', { claimPaths: { roles: 'scp' } }, 'user');
    expect(named.auth.roles).toEqual(['agents.use', 'openid']);
    expect((await authOf('zitadel', {}, 'user')).auth.roles).toEqual(['agents']);
  });
});
