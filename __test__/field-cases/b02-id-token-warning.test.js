'use strict';

// An ID token whose audience is the configured one passes, as in LibreChat; the operator hears of it once.

const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../index');
const { AUDIENCE, ISSUER, Signer } = require('../support/signer');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { isolateEnvironment } = require('../support/flow');

isolateEnvironment();
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
afterAll(() => verifier.clear());

function app(policy = {}) {
  const logger = recordingLogger();
  const user = { _id: 'id-1', openidId: 'subject-1', openidIssuer: ISSUER, role: 'USER' };
  const deps = {
    apiKeyMiddleware: jest.fn(),
    findUser: async () => user,
    updateUser: jest.fn(async () => null),
    getAppConfig: async () =>
      configOf({ apiKey: { enabled: false }, oidc: { enabled: true, issuer: ISSUER, audience: AUDIENCE } }),
    logger,
  };
  const auth = createRemoteAgentAuth(deps, { verifier, policy: () => ({ ...policy, jwks: { keys: [signer.jwk] } }) });
  return async (claims, header = { typ: 'JWT' }) => {
    const [res, next] = [fullResponse(), jest.fn()];
    await auth({ headers: { authorization: `Bearer ${signer.token(claims, header)}` } }, res, next);
    return {
      passed: next.mock.calls.length === 1,
      warnings: logger.lines.filter(([level, text]) => level === 'warn' && text.includes('ID token')),
    };
  };
}

const LOOKS = [{ nonce: 'n' }, { at_hash: 'h' }, { typ: 'ID' }, { token_use: 'id' }, { auth_time: 1, azp: AUDIENCE }];

test.each(LOOKS)('B2 a token with %j passes, with one warning for its issuer', async (claims) => {
  const call = app();
  expect((await call(claims)).passed).toBe(true);
  const { passed, warnings } = await call(claims);
  expect(passed).toBe(true);
  expect(warnings).toEqual([['warn', expect.stringContaining(ISSUER)]]);
  expect(warnings[0][1]).toContain("typ: 'preferred'");
});

test.each(LOOKS)("B2 a token with %j is refused under typ: 'preferred'", async (claims) => {
  expect(await app({ typ: 'preferred' })(claims)).toEqual({ passed: false, warnings: [] });
});

test("B2 an access token passes under typ: 'preferred' without a warning", async () => {
  for (const claims of [
    { scope: 'read' },
    { auth_time: 1, azp: 'cli', scope: 'read' },
    { typ: 'Bearer', nonce: 'n' },
  ]) {
    expect(await app({ typ: 'preferred' })(claims)).toEqual({ passed: true, warnings: [] });
    expect(await app()(claims)).toEqual({ passed: true, warnings: [] });
  }
});
