'use strict';

// An option that is undefined or null says nothing: a default that refuses stays one.

const { RemoteTokenVerifier } = require('../../..');
const { createAuthenticator } = require('../../../lib/bearer-auth');
const { createTestIssuer } = require('../../../lib/testing');

/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());

const codeOf = async (options, token) => {
  const authenticator = createAuthenticator({ verifier: new RemoteTokenVerifier({ clock: issuer.clock }), ...options });
  const headers = { authorization: `Bearer ${token}` };
  const result = await authenticator.authenticate({ method: 'GET', url: '/', headers });
  return result.ok ? 'accepted' : result.code;
};

describe.each([
  ['absent', {}],
  ['undefined', { typ: undefined }],
  ['null', { typ: null }],
])('where typ is %s', (_case, typ) => {
  test('an ID token is refused: of one policy, of a list, of a function', async () => {
    const policy = { ...issuer.policy(), ...typ };
    const token = issuer.token({ nonce: 'n', at_hash: 'x' });
    for (const options of [policy, { issuers: [policy] }, { resolvePolicy: () => policy }]) {
      expect(await codeOf(options, token)).toBe('ERR_ID_TOKEN');
      expect(await codeOf(options, issuer.token())).toBe('accepted');
    }
  });
});

test('what is said is what counts', async () => {
  const token = issuer.token({ nonce: 'n', at_hash: 'x' });
  expect(await codeOf({ ...issuer.policy(), typ: 'off' }, token)).toBe('accepted');
});

describe('claimPaths', () => {
  const verifier = () => new RemoteTokenVerifier();
  const policy = { issuer: 'https://a.example', audience: 'b', jwks: { keys: [{ kty: 'EC' }] } };

  test.each([[null], ['roles'], [7], [['roles']], [false]])('%j is an error that says so', (claimPaths) => {
    const wrong = { code: 'ERR_POLICY_OPTION', message: expect.stringMatching(/^claimPaths must be an object/) };
    for (const options of [{ ...policy, claimPaths }, { issuers: [{ ...policy, claimPaths }] }]) {
      expect(() => createAuthenticator({ ...options, verifier: verifier() })).toThrow(expect.objectContaining(wrong));
    }
  });

  test.each([[{}], [{ clientId: undefined }], [{ clientId: null, roles: undefined }], [undefined]])(
    '%j takes nothing away from a profile',
    async (claimPaths) => {
      const okta = await createTestIssuer({ profile: 'okta', alg: 'ES256' });
      try {
        const options = { profile: 'okta', ...okta.policy(), claimPaths };
        const authenticator = createAuthenticator({
          ...options,
          verifier: new RemoteTokenVerifier({ clock: okta.clock }),
        });
        const headers = { authorization: `Bearer ${okta.token()}` };
        const { auth } = await authenticator.authenticate({ method: 'GET', url: '/', headers });
        expect([auth.clientId, auth.roles]).toEqual([auth.claims.cid, auth.claims.groups ?? []]);
        expect(auth.clientId).toMatch(/^0oa/);
      } finally {
        await okta.stop();
      }
    },
  );
});
