'use strict';

const { createLog } = require('./log');
const { PolicyCache } = require('../policy/policy-cache');

/**
 * What all middlewares of one verifier and one logger share: some hosts make a middleware for every request.
 * `policies`: compiled ones, by what reads them, since not everybody reads the same environment. `said`: lines logged, which are not
 * said again. `prove`: throws for an option `policy` that cannot be used, and checks equal ones once.
 * @typedef {{ policies(reader: string, environment?: Environment, prefix?: string): PolicyCache, said: Remembered,
 *   prove(extra: import('../policy/option').PolicyExtra): void }} Shared
 * @typedef {NonNullable<ConstructorParameters<typeof PolicyCache>[0]['environment']>} Environment
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 */

/** Texts remembered of each kind: a configuration from a database may have any number of wrong names. */
const MOST_TEXTS = 100;
/** Nothing is fetched for it, and no certificate is loaded. */
const PROBE = Object.freeze({ issuer: 'http://localhost', audience: 'probe', jwksUri: 'http://localhost' });
/** In place of a logger that is not there. */
const NO_LOGGER = {};

/** What they share keeps neither a verifier nor a logger alive. @type {WeakMap<object, WeakMap<object, Shared>>} */
const byVerifier = new WeakMap();

/** @param {TokenVerifier} verifier @param {any} logger the host's @returns {Shared} */
function sharedBy(verifier, logger = NO_LOGGER) {
  // A primitive logs nothing, and cannot be remembered weakly.
  const key = Object(logger);
  const byLogger = byVerifier.get(verifier) ?? new WeakMap();
  byVerifier.set(verifier, byLogger);
  const shared = byLogger.get(key) ?? createShared(verifier, logger === NO_LOGGER ? undefined : logger);
  byLogger.set(key, shared);
  return shared;
}

/** @param {TokenVerifier} verifier @param {any} logger @returns {Shared} */
function createShared(verifier, logger) {
  /** @type {Map<string, PolicyCache>} a few names of our own */
  const caches = new Map();
  const proven = new Remembered();
  return {
    said: new Remembered(),
    prove({ options, key }) {
      if (key !== undefined && proven.has(key)) return;
      const { profile, ...rest } = /** @type {Record<string, unknown>} */ (options);
      // What a profile makes of issuer, audience and scope can be checked only where the configuration names them: by the first request.
      if (profile !== undefined && profile !== null) require('../verifier/profiles').profileNamed(profile);
      verifier.compile(/** @type {any} */ ({ ...PROBE, ...rest }));
      if (key !== undefined) proven.add(key);
    },
    policies(reader, environment, prefix) {
      const known = caches.get(reader);
      if (known !== undefined) return known;
      const cache = new PolicyCache({
        compile: (policy) => verifier.compile(policy),
        log: createLog(logger, prefix),
        environment,
      });
      caches.set(reader, cache);
      return cache;
    },
  };
}

/** A bounded set: what comes when it is full is not remembered, and `add` says so. */
class Remembered {
  /** @type {Set<string>} */
  #texts = new Set();

  /** @param {string} text */
  has(text) {
    return this.#texts.has(text);
  }

  /** @param {string} text @returns {boolean} whether it is new, and there was room for it */
  add(text) {
    if (this.#texts.has(text) || this.#texts.size >= MOST_TEXTS) return false;
    this.#texts.add(text);
    return true;
  }
}

module.exports = { sharedBy };
