'use strict';

const { normalizeIssuer } = require('./issuer');
const { printableUrl } = require('../events/printable');
const { RemoteAuthError } = require('../verifier/errors');
const { decidesAs, readVariables } = require('./environment');
const { NOTHING } = require('./option');
const { wrongProxyVariables } = require('./proxy');

/**
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('./oidc-config').OidcFields} OidcFields
 * @typedef {import('../middleware/log').Log} Log
 * @typedef {import('./environment').Environment} Environment
 * @typedef {import('./option').PolicyExtra} PolicyExtra
 *
 * @typedef {{ policy: CompiledPolicy, failure?: undefined } | { policy?: undefined, failure: RemoteAuthError }} Compiled
 * `scope`: the scopes the policy requires, for what is said about them. `issuer`: under which its users are stored. `issuers`: where the
 * policy names several, the same for each, by its place. `key`: equal for equal policies; undefined where the values cannot be compared by a text.
 * `severalTenants`: the issuer has tenants of its own, whose administrators may write any address.
 * @typedef {Compiled & { emailClaim?: string, scope?: unknown, issuer?: string, issuers?: readonly (string | undefined)[], key?: string,
 *   severalTenants?: boolean }} Entry
 *
 * An entry with what it was made from. `decisive`: what of the environment decides about tokens; undefined where it is not the process's.
 * @typedef {{ key: string, fields: OidcFields, environment: Environment, extraKey: string, entry: Entry,
 *   decisive: import('./environment').Decisive | undefined }} Known
 */

/** Distinct policies held: as many as there may be sources of keys. A tenant has one or a few; an entry is about 5 KB. */
const CAPACITY = 10_000;
/** Characters of a wrong value in a line. */
const LONGEST_SHOWN = 40;

/**
 * Compiled policies, found by value: hosts mutate their configuration in place, so the identity of an
 * `oidc` object proves nothing. The key is everything a policy is made from, environment included.
 */
class PolicyCache {
  /** @type {Map<string, Known>} oldest use first */
  #entries = new Map();
  /** @type {Known | undefined} */
  #newest;
  /** The one used last of each issuer. @type {Map<unknown, Known>} */
  #latest = new Map();
  #compile;
  #read;
  #log;
  /** @type {string | undefined} */
  #ignoredTolerance;

  /**
   * @param {{ compile: (options: PolicyOptions) => CompiledPolicy, log: Log,
   *   environment?: (fields: OidcFields) => Environment }} settings
   */
  constructor({ compile, log, environment }) {
    this.#compile = compile;
    this.#read = environment === undefined ? readVariables : readerOf(environment);
    this.#log = log;
  }

  /**
   * @param {OidcFields} fields
   * @param {PolicyExtra} [extra] what the host's `oidc` block cannot say
   * @returns {Entry} the policy, or why there is none: a wrong policy is remembered like a right one,
   *   or every request would compile it again
   */
  find(fields, extra = NOTHING) {
    const { environment, decisive } = this.#read(fields);
    // Comparing is cheaper than making a key, and an issuer's policy is seldom another than the last time.
    const latest = this.#latest.get(fields.issuer);
    if (latest !== undefined && isMadeFrom(latest, fields, environment, extra)) return this.#use(latest, decisive);
    const key = keyOf(fields, environment, extra);
    if (key === undefined) return this.#compileEntry(fields, environment, extra);
    const known = this.#entries.get(key) ?? {
      key,
      fields: copyOf(fields),
      environment,
      decisive,
      extraKey: /** @type {string} */ (extra.key),
      entry: this.#compileEntry(fields, environment, extra, key),
    };
    return this.#use(known, decisive);
  }

  /**
   * The policy that this issuer had the last time, if nothing has changed that decides about a token. The proxies, most of the variables that
   * `find` reads, are not looked at: they decide how keys are asked for, which is nothing to a token that is answered from memory.
   * @param {OidcFields} fields
   * @param {PolicyExtra} extra
   * @returns {Entry | undefined} undefined: `find` knows
   */
  latest(fields, extra) {
    const latest = this.#latest.get(fields.issuer);
    if (latest?.decisive === undefined || latest.extraKey !== extra.key) return undefined;
    return hasFields(latest, fields) && decidesAs(latest.decisive, fields)
      ? this.#use(latest, latest.decisive)
      : undefined;
  }

  /** @param {Known} known @param {Known['decisive']} decisive as read now: other texts may make the same policy @returns {Entry} */
  #use(known, decisive) {
    known.decisive = decisive;
    if (known === this.#newest) return known.entry;
    this.#newest = known;
    this.#entries.delete(known.key);
    this.#entries.set(known.key, known);
    if (isOfTexts(known.fields)) this.#latest.set(known.fields.issuer, known);
    if (this.#entries.size > CAPACITY) this.#forgetOldest();
    return known.entry;
  }

  #forgetOldest() {
    const oldest = /** @type {Known} */ (this.#entries.values().next().value);
    this.#entries.delete(oldest.key);
    const { issuer } = oldest.fields;
    if (this.#latest.get(issuer) === oldest) this.#latest.delete(issuer);
  }

  /** Once for each value: there may be thousands of policies. @param {string | undefined} value */
  #warnOfClockTolerance(value) {
    if (value === undefined || value === this.#ignoredTolerance) return;
    this.#ignoredTolerance = value;
    const shown = value.slice(0, LONGEST_SHOWN);
    this.#log.warn(
      `OPENID_REMOTE_CLOCK_TOLERANCE is ignored: it must be a number of seconds from 0 to 300, and is "${shown}"`,
    );
  }

  /**
   * @param {OidcFields} fields
   * @param {Environment} environment
   * @param {PolicyExtra} extra
   * @param {string} [key]
   * @returns {Entry}
   */
  #compileEntry(fields, { jwksUri, ignoredJwksUri, ignoredClockTolerance, emailClaim, ...network }, extra, key) {
    this.#warnOfClockTolerance(ignoredClockTolerance);
    if (ignoredJwksUri !== undefined) {
      this.#log.warn(
        `OPENID_JWKS_URL is ignored for issuer ${printableUrl(String(fields.issuer))}: OPENID_ISSUER names another issuer; ` +
          'set oidc.jwksUri, or leave the keys to discovery',
      );
    }
    const scope = bothScopes(fields.scope, extra.options.scope);
    const { issuer, issuers } = issuersOf(fields.issuer, extra.options.issuer);
    const options = {
      ...network,
      ...extra.options,
      ...fields,
      issuer,
      scope,
      jwksUri: fields.jwksUri ?? jwksUri,
      emailClaim,
    };
    try {
      // With OPENID_JWKS_URL the issuer must be a URL, as LibreChat has it; with `oidc.jwksUri` it may be any text.
      if (jwksUri !== undefined && fields.jwksUri === undefined && !isHttps(issuer)) {
        this.#compile(/** @type {PolicyOptions} */ ({ issuer, audience: 'any' }));
      }
      // Rust checks the types too, each with a code of its own.
      const policy = this.#compile(/** @type {PolicyOptions} */ (options));
      const severalTenants = extra.options.allowedTenants !== undefined;
      const added = { ...(issuers && { issuers }), ...(key && { key }), ...(severalTenants && { severalTenants }) };
      return { policy, emailClaim, scope, issuer: normalizeIssuer(fields.issuer), ...added };
    } catch (error) {
      const failure = /** @type {RemoteAuthError | undefined} */ (error);
      if (failure?.fault === 'config')
        return { failure: extra.options.proxy === undefined ? namingVariables(failure) : failure };
      throw error;
    }
  }
}

/**
 * Whoever has set PROXY looks for that variable, not for an option.
 * @param {RemoteAuthError} failure of a policy whose proxies are the environment's
 * @returns {RemoteAuthError}
 */
function namingVariables(failure) {
  const names = failure.code === 'ERR_POLICY_OPTION' ? wrongProxyVariables(process.env) : [];
  if (names.length === 0) return failure;
  return new RemoteAuthError({
    ...failure,
    message: `${failure.message}; of the environment, ${names.join(' and ')} is no such URL`,
  });
}

/** Any https URL may be an issuer; Rust decides what else may. @param {unknown} issuer */
function isHttps(issuer) {
  return typeof issuer === 'string' && URL.canParse(issuer) && new URL(issuer).protocol === 'https:';
}

/**
 * The issuers a policy is made of. The configured one is text, accepted in both of its spellings; a list is that of the option `policy`.
 * @param {unknown} configured
 * @param {unknown} list
 * @returns {{ issuer: unknown, issuers?: (string | undefined)[] }} what Rust is given, and under which issuer the users of each are stored
 */
function issuersOf(configured, list) {
  // A list in the configuration is not LibreChat's, and refused like anything else that is no text.
  if (typeof configured !== 'string') return { issuer: Array.isArray(configured) ? undefined : configured };
  const normal = normalizeIssuer(configured);
  if (!Array.isArray(list) || normal === undefined) return { issuer: configured };
  const issuer = [...new Set([configured, normal, ...list])];
  return { issuer, issuers: issuer.map(normalizeIssuer) };
}

/**
 * What is added never takes the place of what is configured. A value of the wrong type is handed on, to be refused.
 * @param {unknown} configured
 * @param {unknown} added
 */
function bothScopes(configured, added) {
  if (added === undefined || configured === undefined) return configured ?? added;
  if (typeof configured !== 'string') return configured;
  return typeof added === 'string' ? `${configured} ${added}` : added;
}

/** The host may change a list in place. @param {OidcFields} fields @returns {OidcFields} */
function copyOf(fields) {
  return { ...fields, audience: Array.isArray(fields.audience) ? [...fields.audience] : fields.audience };
}

/** Only the audience may be a list; a list elsewhere, which is refused, is found by its key. @param {OidcFields} fields */
function isOfTexts({ issuer, jwksUri, scope }) {
  return typeof issuer === 'string' && typeof jwksUri !== 'object' && typeof scope !== 'object';
}

/**
 * What of the configuration and the environment a policy is made from, beside the option `policy`. Whether two are the same and the key both follow
 * from this list: a value that is missing here would be served to those who ask for another.
 * @param {OidcFields} fields
 * @param {Environment} environment
 * @returns {unknown[]}
 */
function madeFrom(fields, environment) {
  return [fields.issuer, fields.audience, fields.jwksUri, fields.scope, ...readOf(environment)];
}

/** @param {Environment} environment @returns {unknown[]} */
function readOf(environment) {
  const { jwksUri, ignoredJwksUri, emailClaim, cacheMaxAge, clockTolerance, ignoredClockTolerance, proxy } =
    environment;
  const { http, https, bypass } = proxy ?? {};
  return [jwksUri, ignoredJwksUri, emailClaim, cacheMaxAge, clockTolerance, ignoredClockTolerance, http, https, bypass];
}

/**
 * Of an environment that is not the process's.
 * @param {(fields: OidcFields) => Environment} environment
 * @returns {(fields: OidcFields) => { environment: Environment, decisive?: import('./environment').Decisive }}
 */
function readerOf(environment) {
  return (fields) => ({ environment: environment(fields) });
}

/** Only an audience may be a list. @param {unknown} a @param {unknown} b */
function isSame(a, b) {
  if (a === b) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => item === b[index]);
}

/** @param {Known} known @param {OidcFields} fields */
function hasFields({ fields: known }, { issuer, audience, jwksUri, scope }) {
  return (
    known.issuer === issuer && known.jwksUri === jwksUri && known.scope === scope && isSame(known.audience, audience)
  );
}

/**
 * @param {Known} known
 * @param {OidcFields} fields
 * @param {Environment} environment
 * @param {PolicyExtra} extra
 */
function isMadeFrom(known, fields, environment, extra) {
  if (known.extraKey !== extra.key || !hasFields(known, fields)) return false;
  const values = readOf(environment);
  return readOf(known.environment).every((value, index) => value === values[index]);
}

/**
 * @param {OidcFields} fields
 * @param {Environment} environment
 * @param {PolicyExtra} extra
 * @returns {string | undefined} undefined for a block with values no policy can be made of: JSON would
 *   give some of those the same text
 */
function keyOf(fields, environment, extra) {
  if (extra.key === undefined) return undefined;
  if (
    !Object.values(fields)
      .flat()
      .every((value) => value === undefined || typeof value === 'string')
  )
    return undefined;
  return JSON.stringify([...madeFrom(fields, environment), extra.key]);
}

module.exports = { CAPACITY, PolicyCache };
