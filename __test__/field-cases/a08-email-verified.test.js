'use strict';

// Apple and Cognito write `email_verified` as text or null.

const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../index');
const { AUDIENCE, ISSUER, Signer, policyOf } = require('../support/signer');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { isolateEnvironment } = require('../support/flow');

isolateEnvironment();
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
afterAll(() => verifier.clear());

const TABLE = [
  [undefined, undefined],
  [null, undefined],
  [true, true],
  ['true', true],
  ...[false, 'false', 0, 1, 'TRUE', 'True', ' true', '', 'yes', [], [true], {}].map((value) => [value, false]),
];

test.each(TABLE)('A8 email_verified %j means %j', async (value, meant) => {
  const token = signer.token({ email: 'ada@example.com', email_verified: value });
  const { emailVerified } = await verifier.verify(token, policyOf([signer.jwk]));
  expect(emailVerified).toBe(meant);
});

test.each([
  ['true', 1],
  [null, 1],
  ['false', 0],
  [0, 0],
])('A8 an address with email_verified %j links %d unbound account', async (value, linked) => {
  const user = { _id: 'id-1', email: 'ada@example.com', role: 'USER' };
  const deps = {
    apiKeyMiddleware: jest.fn(),
    findUser: async (filter) => (filter.email === user.email ? user : null),
    updateUser: jest.fn(async () => null),
    getAppConfig: async () =>
      configOf({ apiKey: { enabled: false }, oidc: { enabled: true, issuer: ISSUER, audience: AUDIENCE } }),
    logger: recordingLogger(),
  };
  const auth = createRemoteAgentAuth(deps, { verifier, policy: () => ({ jwks: { keys: [signer.jwk] } }) });
  const next = jest.fn();
  const res = fullResponse();
  await auth(
    { headers: { authorization: `Bearer ${signer.token({ email: user.email, email_verified: value })}` } },
    res,
    next,
  );
  expect(next).toHaveBeenCalledTimes(linked);
  expect(deps.updateUser).toHaveBeenCalledTimes(linked);
});
