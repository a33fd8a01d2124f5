'use strict';

// A real provider asked about its opaque tokens by a client that proves who it is with a key of its own, with plain answers and signed ones.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { RemoteTokenVerifier } = require('../..');
const { score } = require('../support/score');

const AUDIENCE = 'https://opaque.example.com';

/** @type {import('node:child_process').ChildProcess} */
let child;
/** @type {string} */
let issuer;
beforeAll(async () => {
  const file = path.join(__dirname, '..', 'support', 'children', 'logging-out-provider.mjs');
  child = fork(file, ['http://127.0.0.1:1/logout']);
  [{ ready: issuer }] = await once(child, 'message');
}, 60_000);
afterAll(() => child.disconnect());

const ask = async (what) => {
  child.send({ id: 1, ...what });
  const [{ result, error }] = await once(child, 'message');
  if (error !== undefined) throw new Error(error);
  return result;
};

describe.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('a client whose key is for %s', (alg) => {
  test.each([false, true])('`signed: %s`: an active token is accepted, a revoked one is not', async (signed) => {
    const verifier = new RemoteTokenVerifier();
    const privateKey = await ask({ do: 'key', alg });
    const introspection = { clientId: `resource-${alg}`, auth: 'private_key_jwt', privateKey, signed, cacheMs: 0 };
    const policy = { issuer, audience: AUDIENCE, scope: 'read', requireSubject: false, introspection };
    const token = await ask({ do: 'token', resource: AUDIENCE });
    const { claims } = await verifier.verify(token, policy);
    expect(claims).toMatchObject({ active: true, client_id: 'machine', scope: 'read' });
    const stranger = {
      ...introspection,
      privateKey: await ask({ do: 'key', alg: alg === 'RS256' ? 'ES256' : 'RS256' }),
    };
    await expect(verifier.verify(token, { ...policy, introspection: stranger })).rejects.toMatchObject({
      code: 'ERR_ENDPOINT_STATUS',
      message: expect.stringContaining('invalid_client'),
    });
    const other = { ...introspection, assertionAudience: 'https://other.example' };
    await expect(verifier.verify(token, { ...policy, introspection: other })).rejects.toMatchObject({
      code: 'ERR_ENDPOINT_STATUS',
    });
    await ask({ do: 'revoke', token });
    await expect(verifier.verify(token, policy)).rejects.toMatchObject({ code: 'ERR_TOKEN_INACTIVE' });
    if (alg === 'EdDSA' && signed) {
      score('S56', 'oidc-provider: private_key_jwt with 4 algorithms, plain and signed answers', 'real provider', true);
    }
  });
});
