'use strict';

const { normalizeIssuer } = require('./issuer');
const { cacheMaxAge } = require('./jwks-cache-time');
const { readProxy } = require('./proxy');

/**
 * @typedef {import('../native').PolicyOptions} PolicyOptions
 * @typedef {import('../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('./errors').RemoteAuthError} RemoteAuthError
 * @typedef {import('./auth-config').OidcFields} OidcFields
 * @typedef {import('./log').Log} Log
 *
 * @typedef {{ policy: CompiledPolicy, failure?: undefined } | { policy?: undefined, failure: RemoteAuthError }} Judged
 * @typedef {Judged & { emailClaim?: string }} Entry
 * @typedef {{ jwksUri?: string, ignoredJwksUri?: string, emailClaim?: string, cacheMaxAge: number,
 *   proxy: PolicyOptions['proxy'] }} Environment
 */

/** Distinct policies held. A tenant has one or a few; an entry is about a kilobyte. */
const CAPACITY = 1000;

/**
 * Compiled policies, found by value: hosts mutate their configuration in place, so the identity of an
 * `oidc` object proves nothing. The key is everything a policy is made from, environment included.
 */
class PolicyCache {
  /** @type {Map<string, Entry>} oldest use first */
  #entries = new Map();
  #compile;
  #extra;
  #log;

  /**
   * @param {{ compile: (options: PolicyOptions) => CompiledPolicy, extra?: Partial<PolicyOptions>, log: Log }} settings
   *   `extra`: what the host's `oidc` block cannot say, the same for every policy of this cache
   */
  constructor({ compile, extra = {}, log }) {
    this.#compile = compile;
    this.#extra = extra;
    this.#log = log;
  }

  /**
   * @param {OidcFields} fields
   * @returns {Entry} the policy, or why there is none: a wrong policy is remembered like a right one,
   *   or every request would pay for judging it again
   */
  find(fields) {
    const environment = readEnvironment(fields);
    const key = keyOf(fields, environment);
    if (key === undefined) return this.#judge(fields, environment);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const entry = this.#judge(fields, environment);
    this.#entries.set(key, entry);
    if (this.#entries.size > CAPACITY) {
      this.#entries.delete(/** @type {string} */ (this.#entries.keys().next().value));
    }
    return entry;
  }

  /** @param {OidcFields} fields @param {Environment} environment @returns {Entry} */
  #judge(fields, { jwksUri, ignoredJwksUri, emailClaim, ...network }) {
    if (ignoredJwksUri !== undefined) {
      this.#log.warn(
        `OPENID_JWKS_URL is ignored for issuer ${String(fields.issuer)}: OPENID_ISSUER names another issuer; ` +
          'set oidc.jwksUri, or leave the keys to discovery',
      );
    }
    const options = { ...network, ...this.#extra, ...fields, jwksUri: fields.jwksUri ?? jwksUri, emailClaim };
    try {
      // Rust judges the types too, each with a code of its own.
      return { policy: this.#compile(/** @type {PolicyOptions} */ (options)), emailClaim };
    } catch (error) {
      const failure = /** @type {RemoteAuthError | undefined} */ (error);
      if (failure?.fault === 'config') return { failure };
      throw error;
    }
  }
}

/**
 * The environment as this policy sees it, read anew for every request. Each variable is read only where
 * it counts, so that a wrong value nobody uses harms nobody.
 * @param {OidcFields} fields
 * @returns {Environment}
 */
function readEnvironment(fields) {
  const { env } = process;
  const environment = {
    emailClaim: env.OPENID_EMAIL_CLAIM?.trim() || undefined,
    cacheMaxAge: cacheMaxAge(env),
    proxy: readProxy(env),
  };
  const jwksUri = fields.jwksUri ? undefined : env.OPENID_JWKS_URL;
  if (!jwksUri) return environment;
  // The variable belongs to the browser login's provider: its keys must not vouch for another issuer.
  const loginIssuer = normalizeIssuer(env.OPENID_ISSUER);
  if (loginIssuer !== undefined && loginIssuer !== normalizeIssuer(fields.issuer)) {
    return { ignoredJwksUri: jwksUri, ...environment };
  }
  return { jwksUri, ...environment };
}

/**
 * @param {OidcFields} fields
 * @param {Environment} environment
 * @returns {string | undefined} undefined for a block with values no policy can be made of: JSON would
 *   give some of those the same text
 */
function keyOf({ issuer, audience, jwksUri, scope }, environment) {
  const fields = [issuer, audience, jwksUri, scope];
  if (!fields.flat().every((value) => value === undefined || typeof value === 'string')) return undefined;
  const { jwksUri: uri, ignoredJwksUri, emailClaim, cacheMaxAge: age, proxy } = environment;
  return JSON.stringify([...fields, uri, ignoredJwksUri, emailClaim, age, proxy?.http, proxy?.https, proxy?.bypass]);
}

module.exports = { CAPACITY, PolicyCache };
