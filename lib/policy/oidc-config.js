'use strict';

/**
 * The fields of an `oidc` block that make a policy, copied out of the host's config: the host may mutate
 * its object while a request waits for keys. Values are as configured, of any type; Rust checks them.
 * @typedef {{ issuer: unknown, audience: unknown, jwksUri: unknown, scope: unknown }} OidcFields
 *
 * @typedef {{ state: 'off' }
 *   | { state: 'misconfigured', missing: 'issuer' | 'audience' }
 *   | { state: 'on', fields: OidcFields, accounts: Record<string, any> | undefined }} OidcPlan
 * `accounts`: what the block says of accounts, as configured; undefined where it says nothing.
 *
 * `unknownKeys`: what stands in an enabled block and means nothing to us, most likely a typing error.
 * @typedef {{ apiKeyEnabled: boolean, oidc: OidcPlan, unknownKeys: readonly string[] }} AuthPlan
 */

/** The keys that are about accounts: lib/accounts/options.js reads them. */
const ACCOUNT_KEYS = Object.freeze(['provisioning', 'profileSync', 'groupSync', 'userInfo', 'federatedAuthCache']);
/** The keys of LibreChat's `oidc` block. */
const KNOWN_KEYS = Object.freeze(['enabled', 'issuer', 'audience', 'jwksUri', 'scope', ...ACCOUNT_KEYS]);
/** The same, for the question that every request asks of each key. @type {ReadonlySet<string>} */
const KNOWN = new Set(KNOWN_KEYS);
/** @type {readonly string[]} */
const NONE = Object.freeze([]);

/**
 * What one configuration asks for. Configs come from a database as well as from validated YAML, so
 * nothing about their types is assumed: only the exact boolean `false` switches API keys off, only the
 * exact boolean `true` switches OIDC on (the first table of docs/requests.md).
 * @param {unknown} config LibreChat's app config
 * @returns {AuthPlan}
 * @throws {TypeError} when there is no config at all
 */
function readAuthConfig(config) {
  if (config === null || config === undefined) {
    throw new TypeError('getAppConfig returned no configuration');
  }
  const auth = /** @type {any} */ (config).endpoints?.agents?.remoteApi?.auth;
  return {
    apiKeyEnabled: auth?.apiKey?.enabled !== false,
    oidc: readOidc(auth?.oidc),
    unknownKeys: auth?.oidc?.enabled === true ? unknownKeysIn(auth.oidc) : NONE,
  };
}

/** @param {object} oidc @returns {readonly string[]} */
function unknownKeysIn(oidc) {
  const keys = Object.keys(oidc);
  return keys.every(isKnown) ? NONE : keys.filter((key) => !isKnown(key));
}

/** @param {string} key */
function isKnown(key) {
  return KNOWN.has(key);
}

/**
 * Only a falsy issuer or audience is the operator's error before a token is looked at (rows 3 and 3a);
 * every other defect is a failed verification.
 * @param {any} oidc
 * @returns {OidcPlan}
 */
function readOidc(oidc) {
  if (oidc?.enabled !== true) return { state: 'off' };
  if (!oidc.issuer) return { state: 'misconfigured', missing: 'issuer' };
  if (!oidc.audience) return { state: 'misconfigured', missing: 'audience' };
  return {
    state: 'on',
    fields: {
      issuer: oidc.issuer,
      audience: Array.isArray(oidc.audience) ? [...oidc.audience] : oidc.audience,
      jwksUri: oidc.jwksUri || undefined,
      scope: oidc.scope || undefined,
    },
    accounts: accountsIn(oidc),
  };
}

/** @param {any} oidc @returns {Record<string, any> | undefined} a copy of what is there, whatever it is */
function accountsIn(oidc) {
  // Each by its name: a look for a member that is not there, by a name in a variable, costs as much as all of this.
  const { provisioning, profileSync, groupSync, userInfo, federatedAuthCache } = oidc;
  const isSilent =
    provisioning === undefined &&
    profileSync === undefined &&
    groupSync === undefined &&
    userInfo === undefined &&
    federatedAuthCache === undefined;
  if (isSilent) return undefined;
  const blocks = { provisioning, profileSync, groupSync, userInfo, federatedAuthCache };
  return Object.fromEntries(Object.entries(blocks).filter(([, block]) => block !== undefined));
}

/** @type {typeof import('../../index').enabledAuthMethods} */
function enabledAuthMethods(config) {
  const { apiKeyEnabled, oidc } = readAuthConfig(config);
  return { apiKey: apiKeyEnabled, oidc: oidc.state !== 'off' };
}

module.exports = { ACCOUNT_KEYS, KNOWN_KEYS, enabledAuthMethods, readAuthConfig };
