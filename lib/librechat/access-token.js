'use strict';

const { RemoteAuthError } = require('../verifier/errors');
const { createLog } = require('../middleware/log');
const { createWarnings } = require('../middleware/warnings');
const { warnOfNetworkSettings } = require('../policy/network-warnings');
const { readEnvironment } = require('../policy/environment');
const { createPolicyExtra } = require('../policy/option');
const { sharedBy } = require('../middleware/shared-policies');

/**
 * @typedef {import('../../index').AccessTokenConfig} AccessTokenConfig
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 * @typedef {import('../policy/oidc-config').OidcFields} OidcFields
 * @typedef {import('../../index').RemoteAgentAuthOptions['policy']} PolicyOption
 * @typedef {{ useOpenIdJwksEnv?: boolean, requireExp?: boolean, requireSubject?: boolean }} Options
 * @typedef {(token: string, config: AccessTokenConfig, options?: Options) => Promise<Record<string, unknown>>} VerifyAccessToken
 */

/** OPENID_JWKS_URL is the browser login's. @param {OidcFields} fields */
const withoutJwksUrl = (fields) => readEnvironment(fields, false);

/**
 * LibreChat's way to verify one access token against one `oidc` block, with the verifier and the keys of everything else.
 * @param {{ factory: string, verifier: () => TokenVerifier, logger: any, prefix: string, policy?: PolicyOption }} settings
 *   `policy`: what is added to every policy
 * @returns {VerifyAccessToken} resolves to the claims, rejects with RemoteAuthError
 */
function createAccessTokenVerifier({ factory, verifier, logger, prefix, policy: added }) {
  const policyExtra = createPolicyExtra(added, factory);
  let warned = false;

  return async (token, config, { useOpenIdJwksEnv = false, requireExp, requireSubject } = {}) => {
    // Not at once: hosts make one for every request, and the adapter one at load.
    if (!warned) warnOfNetworkSettings(createLog(logger, prefix));
    warned = true;
    const { issuer, audience, jwksUri, tokenUse } = config;
    const scopes = readScopes(config.requiredScopes);
    const fields = {
      issuer,
      audience: audience || undefined,
      jwksUri: jwksUri || undefined,
      // Without an audience the scopes are what says for whom the token is, so Rust checks them as well.
      scope: audience ? undefined : scopes.join(' ') || undefined,
    };
    const extra = withRules(policyExtra(fields, undefined), {
      tokenUse: tokenUse || undefined,
      requireExp,
      requireSubject,
    });
    const { policies, said } = sharedBy(verifier(), logger);
    const readers = useOpenIdJwksEnv
      ? policies('login', undefined, prefix)
      : policies('machines', withoutJwksUrl, prefix);
    const { policy, failure } = readers.find(fields, extra);
    if (policy === undefined) throw failure;
    const outcome = await verifier().check(token, policy);
    if (!outcome.ok) throw new RemoteAuthError(outcome);
    const claims = JSON.parse(outcome.claims);
    requireScopes(claims, scopes);
    // The provider, asked about a JWT, may have taken a scope away that the claims still have.
    if (extra.options.introspection?.also) requireScopes({ scope: outcome.scopes.join(' ') }, scopes);
    if (outcome.isBound) createWarnings({ log: createLog(logger, prefix), said }).ofBoundToken(issuer);
    return claims;
  };
}

/**
 * @param {import('../policy/option').PolicyExtra} extra
 * @param {import('../../index').RemoteAgentPolicy} rules what the configuration and the caller say; it counts more than what is added
 * @returns {import('../policy/option').PolicyExtra}
 */
function withRules(extra, rules) {
  const said = JSON.stringify(rules);
  if (said === '{}') return extra;
  return {
    options: { ...extra.options, ...JSON.parse(said) },
    key: extra.key === undefined ? undefined : `${extra.key} ${said}`,
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
