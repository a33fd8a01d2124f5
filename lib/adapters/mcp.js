'use strict';

// `remote-agent-auth/mcp`: an OAuthTokenVerifier for `requireBearerAuth` of the official TypeScript SDK of the Model Context Protocol.

const { createAuthenticator } = require('../bearer-auth');
const { peer } = require('./peer');

const ERRORS = '@modelcontextprotocol/sdk/server/auth/errors.js';

/**
 * @param {import('../../mcp').McpTokenVerifierOptions} options
 * @returns {import('../../mcp').McpTokenVerifier}
 */
function createTokenVerifier({ errors, ...options }) {
  const authenticator = createAuthenticator(/** @type {any} */ (options), 'createTokenVerifier');
  /** @type {Promise<any> | undefined} */
  let loaded;
  return {
    async verifyAccessToken(token) {
      loaded ??= Promise.resolve(errors ?? sdkErrors());
      const { InsufficientScopeError, InvalidTokenError, ServerError } = await loaded;
      const result = await authenticator.authenticate({ headers: { authorization: `Bearer ${token}` } });
      if (result.ok && result.auth !== undefined) return authInfoOf(result.auth, /** @type {any} */ (options).audience);
      // The texts are fixed but for the reference, for which the SDK has no header: what is wrong goes to `onRefusal`.
      const status = result.ok ? 401 : result.status;
      const reference = result.ok ? '' : ` (reference ${result.error.reference})`;
      if (status === 403) throw new InsufficientScopeError(`Insufficient scope${reference}`);
      if (status >= 500) throw new ServerError(`The token could not be checked${reference}`);
      throw new InvalidTokenError(`Invalid token${reference}`);
    },
  };
}

/**
 * The SDK compares classes, and has one build for `require` and one for `import`: the host's is the one it has loaded.
 * @returns {Promise<any>}
 */
async function sdkErrors() {
  const byRequire = peer('@modelcontextprotocol/sdk', () => require.resolve(ERRORS));
  return byRequire in require.cache ? require(ERRORS) : import(ERRORS);
}

/** @param {import('../../index').BearerAuth} auth @param {unknown} audience */
function authInfoOf({ token, clientId, subject, issuer, scopes, expiresAt }, audience) {
  // RFC 8707 2: the resource is a URL. A policy with several audiences does not say which of them was asked for.
  const resource = typeof audience === 'string' && URL.canParse(audience) ? new URL(audience) : undefined;
  return {
    token,
    clientId: clientId ?? '',
    scopes: [...scopes],
    ...(expiresAt !== undefined && { expiresAt }),
    ...(resource !== undefined && { resource }),
    extra: { subject, issuer },
  };
}

module.exports = { createTokenVerifier };
