'use strict';

// One Entra tenant has two issuers, of version 1 and version 2; an ADFS names itself by an address nobody fetches.

const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../index');
const { AUDIENCE, Signer, resultOf, policyOf } = require('../support/signer');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { isolateEnvironment } = require('../support/flow');
const { Issuer } = require('../support/issuer');

isolateEnvironment();
const V1 = 'https://sts.windows.net/7f5c/';
const V2 = 'https://login.microsoftonline.com/7f5c/v2.0';
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const keys = [signer.jwk];
const code = async (token, policy) => resultOf(verifier, token, policy).then((result) => result.code ?? result);
afterAll(() => verifier.clear());

test('A17 each issuer of a list is accepted, to the letter', async () => {
  const policy = policyOf(keys, { issuer: [V1, V2] });
  for (const iss of [V1, V2]) expect(await code(signer.token({ iss }), policy)).toBe('ok');
  for (const iss of [
    'https://sts.windows.net/7f5c',
    `${V2}/`,
    V1.toUpperCase(),
    'https://sts.windows.net/other/',
    '',
    undefined,
  ]) {
    expect(await code(signer.token({ iss }), policy)).toBe('ERR_TOKEN_ISSUER');
  }
  // The same list written anew leads to the same policy.
  expect(await code(signer.token({ iss: V2 }), { ...policy, issuer: [V1, V2] })).toBe('ok');
  expect(await code(signer.token({ iss: V2 }), { ...policy, issuer: [V1] })).toBe('ERR_TOKEN_ISSUER');
});

test.each(['http://host/adfs/services/trust', 'urn:example:issuer'])(
  'A17 the issuer %s is only compared where the keys come from elsewhere',
  async (issuer) => {
    expect(await code(signer.token({ iss: issuer }), policyOf(keys, { issuer }))).toBe('ok');
    expect(await code(signer.token(), policyOf(keys, { issuer }))).toBe('ERR_TOKEN_ISSUER');
    expect(() => verifier.compile({ issuer, audience: AUDIENCE })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_ISSUER' }),
    );
    expect(() => verifier.compile({ issuer, audience: AUDIENCE, jwksUri: 'https://host/keys' })).not.toThrow();
  },
);

test.each([[[]], [['']], [[5]], [[V1, '']], [[[V1]]], [''], ['  '], [5], [{}]])(
  'A17 %j is no issuer, wherever the keys come from',
  (issuer) => {
    expect(() => verifier.compile(policyOf(keys, { issuer }))).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_ISSUER' }),
    );
  },
);

test('A17 keys are found through the first of a list', async () => {
  const provider = await new Issuer().start();
  try {
    const policy = { issuer: [provider.url, 'https://other.example'], audience: AUDIENCE };
    expect(await code(provider.token(), policy)).toBe('ok');
    expect(await code(provider.token({ iss: 'https://other.example' }), policy)).toBe('ok');
    expect(await code(provider.token({ iss: 'https://third.example' }), policy)).toBe('ERR_TOKEN_ISSUER');
    expect(provider.requests.discovery).toBe(1);
  } finally {
    await provider.stop();
  }
});

describe('A17 in the middleware', () => {
  /** A host whose accounts are kept by subject and issuer. */
  function app({ oidc = {}, policy = () => ({ issuer: [V2, V1], jwks: { keys } }), users = [] } = {}) {
    const logger = recordingLogger();
    const filters = [];
    const matches = (user, filter) => Object.entries(filter).every(([name, value]) => user[name] === value);
    const deps = {
      apiKeyMiddleware: jest.fn(),
      findUser: async (filter) => (filters.push(filter), users.find((user) => matches(user, filter)) ?? null),
      updateUser: jest.fn(async () => null),
      getAppConfig: async () =>
        configOf({ apiKey: { enabled: false }, oidc: { enabled: true, issuer: V2, audience: AUDIENCE, ...oidc } }),
      logger,
    };
    const auth = createRemoteAgentAuth(deps, { verifier, policy });
    return async (claims) => {
      const [req, res, next] = [
        { headers: { authorization: `Bearer ${signer.token(claims)}` } },
        fullResponse(),
        jest.fn(),
      ];
      await auth(req, res, next);
      return {
        user: req.user,
        status: res.sent[0]?.status,
        passed: next.mock.calls.length === 1,
        filters,
        lines: logger.lines,
      };
    };
  }

  const bound = (openidIssuer, _id) => ({
    _id,
    openidId: 'subject-1',
    openidIssuer,
    email: 'ada@example.com',
    role: 'USER',
    provider: 'openid',
  });

  test('a user is looked up under the issuer that the token names', async () => {
    const call = app({ users: [bound('https://sts.windows.net/7f5c', 'one'), bound(V2, 'two')] });
    expect((await call({ iss: V1 })).user._id).toBe('one');
    expect((await call({ iss: V2 })).user._id).toBe('two');
  });

  test('an account bound to one issuer is never found by a token of another, not even by e-mail', async () => {
    const call = app({ users: [bound(V2, 'two')] });
    const outcome = await call({ iss: V1, email: 'ada@example.com', email_verified: true });
    expect([outcome.passed, outcome.status]).toEqual([false, 401]);
    expect(outcome.lines.some(([level, text]) => level === 'warn' && text.includes('bound to another issuer'))).toBe(
      true,
    );
  });

  test('a list in the oidc block is refused, and so is one in the option without the configured issuer', async () => {
    const listed = await app({ oidc: { issuer: [V2, V1] }, policy: () => ({ jwks: { keys } }) })({ iss: V2 });
    expect(listed.status).toBe(401);
    const foreign = await app({ policy: () => ({ issuer: [V1], jwks: { keys } }) })({ iss: V1 });
    expect(foreign.status).toBe(500);
    expect(() =>
      createRemoteAgentAuth(
        { apiKeyMiddleware() {}, findUser() {}, updateUser() {}, getAppConfig() {} },
        { policy: { issuer: [V1, V2] } },
      ),
    ).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
  });
});
