'use strict';

// Tokens that are no JWT before several issuers: whose provider sees them, if any does.

const { createAuthenticator } = require('../../../lib/bearer-auth');
const { RemoteTokenVerifier } = require('../../..');
const { closeProviders, good, opaque, provider } = require('../../support/introspecting');
const { Signer } = require('../../support/signer');

afterAll(closeProviders);

const requestOf = (token) => ({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } });
const outcomeOf = async (authenticator, token) => {
  const result = await authenticator.authenticate(requestOf(token));
  return result.ok ? result.auth.issuer : result.code;
};

/** Two providers, and how their policies ask. @param {object} [first] @param {object} [second] */
async function two(first, second) {
  const signer = new Signer();
  const [a, b] = await Promise.all([0, 1].map(() => provider((_token, issuer) => good(issuer))));
  const credentials = { clientId: 'agents', clientSecret: 's' };
  const policyOf = ({ issuer }, members) => ({
    issuer,
    audience: 'agents',
    jwks: { keys: [signer.jwk] },
    ...(members && { introspection: { ...credentials, ...members } }),
  });
  const issuers = [policyOf(a, first), policyOf(b, second)];
  return {
    a,
    b,
    issuers,
    signer,
    make: (more) => createAuthenticator({ issuers, verifier: new RemoteTokenVerifier(), ...more }),
  };
}

test('the one provider that the operator has named is asked, once for all, and the other never', async () => {
  const { a, b, make, signer } = await two(undefined, { opaque: true });
  const authenticator = make();
  const token = opaque();
  for (let time = 0; time < 3; time += 1) expect(await outcomeOf(authenticator, token)).toBe(b.issuer);
  expect([a.asked.length, b.asked.length]).toEqual([0, 1]);
  // JWTs go by their `iss`, as ever.
  for (const { issuer } of [a, b]) expect(await outcomeOf(authenticator, signer.token({ iss: issuer }))).toBe(issuer);
  expect([a.asked.length, b.asked.length]).toEqual([0, 1]);
});

test('where nobody is named, nobody is shown such a token', async () => {
  const { a, b, make } = await two({ also: true });
  expect(await outcomeOf(make(), opaque())).toBe('ERR_TOKEN_OPAQUE');
  expect([a.asked.length, b.asked.length]).toEqual([0, 0]);
});

test('a function that chooses policies is not asked for the policy of a token without an issuer', async () => {
  const { a, b, issuers, make } = await two({ opaque: true });
  const resolvePolicy = jest.fn(() => issuers[1]);
  expect(await outcomeOf(make({ resolvePolicy, issuers: [issuers[0]] }), opaque())).toBe(a.issuer);
  expect(await outcomeOf(make({ resolvePolicy, issuers: undefined }), opaque())).toBe('ERR_TOKEN_OPAQUE');
  expect(resolvePolicy).not.toHaveBeenCalled();
  expect(b.asked).toEqual([]);
});

test('a policy that stands alone is asked without a word', async () => {
  const { a, issuers } = await two({});
  const verifier = new RemoteTokenVerifier();
  for (const options of [issuers[0], { issuers: [issuers[0]] }]) {
    expect(await outcomeOf(createAuthenticator({ ...options, verifier }), opaque())).toBe(a.issuer);
  }
});

test('what cannot be read is shown to nobody either', async () => {
  const { b, make } = await two(undefined, { opaque: true });
  const authenticator = make();
  const cut = new Signer().token({ iss: b.issuer }).split('.').slice(0, 2).join('.');
  const encrypted = 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA';
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
  for (const token of [cut, encrypted, unsigned, new Signer().token({ iss: 'https://x.example' }), 'x'.repeat(70_000)])
    expect(await outcomeOf(authenticator, token)).toMatch(/^ERR_/);
  expect(b.asked).toEqual([]);
});

test('the list is replaced with whose tokens they are', async () => {
  const { a, b, issuers, make } = await two({ opaque: true });
  const authenticator = make();
  expect(await outcomeOf(authenticator, opaque())).toBe(a.issuer);
  const asks = { ...issuers[1], introspection: issuers[0].introspection };
  const { introspection: _, ...silent } = issuers[0];
  authenticator.setIssuers([silent, asks]);
  expect(await outcomeOf(authenticator, opaque())).toBe(b.issuer);
  expect([a.asked.length, b.asked.length]).toEqual([1, 1]);
  authenticator.setIssuers([silent, { ...asks, introspection: undefined }]);
  expect(await outcomeOf(authenticator, opaque())).toBe('ERR_TOKEN_OPAQUE');
  // A list that is wrong changes nothing.
  expect(() => authenticator.setIssuers([issuers[0], asks])).toThrow(expect.anything());
  expect(await outcomeOf(authenticator, opaque())).toBe('ERR_TOKEN_OPAQUE');
});

test.each([
  ['two of them', { opaque: true }, { opaque: true }, 'only one policy'],
  ['one that does not say', {}, undefined, 'opaque: true'],
  ['one that does not say beside one that does', { opaque: true }, {}, 'opaque: true'],
  ['one that is asked about nothing', { opaque: false }, undefined, 'also: true'],
])('%s is a configuration error that names the issuer', async (_name, first, second, words) => {
  const { a, b, make } = await two(first, second);
  let thrown;
  try {
    make();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'ERR_POLICY_OPTION', message: expect.stringContaining(words) });
  const names = [a.issuer, b.issuer].some((issuer) => thrown.message.includes(issuer));
  expect(names || words === 'also: true').toBe(true);
});

test('bound to a key: a warning for its issuer, and refused where the policy wants no such token', async () => {
  const { issuer, policy } = await provider((_token, from) => ({ ...good(from), cnf: { jkt: 'thumbprint' } }));
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    const verifier = new RemoteTokenVerifier();
    const authenticator = createAuthenticator({ ...policy, verifier });
    for (let time = 0; time < 2; time += 1) expect(await outcomeOf(authenticator, opaque())).toBe(issuer);
    const unbound = createAuthenticator({ ...policy, requireUnbound: true, verifier });
    expect(await outcomeOf(unbound, opaque())).toBe('ERR_TOKEN_BOUND');
    expect(warnings.mock.calls.map(([, { code }]) => code)).toEqual(['REMOTE_AGENT_AUTH_BOUND_TOKEN']);
    expect(warnings.mock.calls[0][0]).toContain(issuer);
  } finally {
    warnings.mockRestore();
  }
});
