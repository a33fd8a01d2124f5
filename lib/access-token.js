'use strict';

const { RemoteAuthError } = require('./errors');
const { PolicyCache } = require('./policy-cache');
const { readEnvironment } = require('./policy-environment');

/**
 * @typedef {import('../index').AccessTokenConfig} AccessTokenConfig
 * @typedef {import('../index').TokenVerifier} TokenVerifier
 * @typedef {import('./log').Log} Log
 * @typedef {(token: string, config: AccessTokenConfig, options?: { useOpenIdJwksEnv?: boolean }) =>
 *   Promise<Record<string, unknown>>} VerifyAccessToken
 */

/**
 * LibreChat's way to verify one access token against one `oidc` block, with the verifier and the keys of everything else.
 * @param {{ verifier: () => TokenVerifier, log: Log }} settings
 * @returns {VerifyAccessToken} resolves to the claims, rejects with RemoteAuthError
 */
function createAccessTokenVerifier({ verifier, log }) {
  /** @param {boolean} useJwksUrl */
  const policiesWith = (useJwksUrl) =>
    new PolicyCache({
      compile: (options) => verifier().compile(options),
      environment: (fields) => readEnvironment(fields, useJwksUrl),
      log,
    });
  const [forLogin, forMachines] = [policiesWith(true), policiesWith(false)];

  return async (token, config, { useOpenIdJwksEnv = false } = {}) => {
    const { issuer, audience, jwksUri, tokenUse } = config;
    const scopes = readScopes(config.requiredScopes);
    const fields = {
      issuer,
      audience: audience || undefined,
      jwksUri: jwksUri || undefined,
      // Without an audience the scopes are what says for whom the token is, so Rust judges them as well.
      scope: audience ? undefined : scopes.join(' ') || undefined,
    };
    const extra = { options: tokenUse === undefined ? {} : { tokenUse }, key: JSON.stringify(tokenUse) ?? '' };
    const { policy, failure } = (useOpenIdJwksEnv ? forLogin : forMachines).find(fields, extra);
    if (policy === undefined) throw failure;
    const outcome = await verifier().check(token, policy);
    if (!outcome.ok) throw new RemoteAuthError(outcome);
    const claims = JSON.parse(outcome.claims);
    requireScopes(claims, scopes);
    return claims;
  };
}

/** @param {unknown} scopes @returns {string[]} */
function readScopes(scopes) {
  if (scopes === undefined || scopes === null) return [];
  if (Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string' && /^\S+$/.test(scope))) return scopes;
  throw new RemoteAuthError({
    code: 'ERR_POLICY_SCOPE',
    fault: 'config',
    message: 'requiredScopes must be a list of scopes',
  });
}

/**
 * Only a text counts: of a machine's token nothing but `scope` is read, and no list.
 * @param {Record<string, unknown>} claims
 * @param {string[]} required
 */
function requireScopes({ scope }, required) {
  const granted = typeof scope === 'string' ? scope.split(/\s+/) : [];
  if (required.every((name) => granted.includes(name))) return;
  throw new RemoteAuthError({ code: 'ERR_SCOPE_MISSING', fault: 'scope', message: 'a required scope is not granted' });
}

module.exports = { createAccessTokenVerifier };
