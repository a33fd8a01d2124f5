'use strict';

// A middleware of a known user, for tests of what the operator is warned of once. `isolateEnvironment` is the test's own to call.

const { createRemoteAgentAuth } = require('../../index');
const { AUDIENCE, ISSUER } = require('./signer');
const { configOf, fullResponse, recordingLogger } = require('./fakes');

/**
 * @param {import('../../index').RemoteTokenVerifier} verifier
 * @param {import('./signer').Signer} signer
 * @param {string} about what a warning that counts has in its text
 * @param {object} [header] of each token
 * @returns {(policy?: object) => (claims: object) => Promise<{ passed: boolean, warnings: unknown[] }>}
 */
function warningApp(verifier, signer, about, header) {
  return (policy = {}) => {
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
    return async (claims) => {
      const [res, next] = [fullResponse(), jest.fn()];
      await auth({ headers: { authorization: `Bearer ${signer.token(claims, header)}` } }, res, next);
      return {
        passed: next.mock.calls.length === 1,
        warnings: logger.lines.filter(([level, text]) => level === 'warn' && text.includes(about)),
      };
    };
  };
}

module.exports = { warningApp };
