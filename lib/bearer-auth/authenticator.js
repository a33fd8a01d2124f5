'use strict';

const { notify } = require('../events/notify');
const { metadataUrl } = require('../responses/metadata-url');
const { RemoteAuthError } = require('../verifier/errors');
const { sharedVerifier } = require('../verifier/shared-verifier');
const { authOf, factsOf } = require('./auth');
const { warnOfBoundToken } = require('./bound-token-warning');
const { credentialsOf, isPreflight } = require('./credentials');
const { Issuers, isFailure } = require('./issuers');
const { readOptions } = require('./options');
const { refusalOf } = require('./refusal');

/**
 * @typedef {import('../../index').BearerRequest} BearerRequest
 * @typedef {import('../../index').BearerResult} BearerResult
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('./issuers').Entry} Entry
 * @typedef {import('./refusal').Cause} Cause
 */

/** @type {BearerResult} */
const NOBODY = Object.freeze({ ok: true });
/** @type {BearerResult} */
const PREFLIGHT = Object.freeze({ ok: true, isPreflight: true });
/** @type {Cause} */
const MISSING = Object.freeze({ code: 'ERR_CREDENTIALS_MISSING', message: 'the request has no bearer token' });
/** @type {Cause} */
const MALFORMED = Object.freeze({
  code: 'ERR_REQUEST_MALFORMED',
  message: 'the request has more than one credential, or one that is no bearer token',
});
/** @type {Cause} */
const UNREADABLE_ACTOR = Object.freeze({ code: 'ERR_TOKEN_ACTOR', message: '`act` is no object that names an actor' });

/** One request in, whom it comes from or its answer out: what every adapter is made of. */
class Authenticator {
  #settings;
  #verifier;
  #issuers;
  #now;

  /** @param {import('../../index').BearerAuthOptions} options @param {string} [factory] */
  constructor(options, factory) {
    this.#settings = readOptions(options, factory);
    const { verifier = sharedVerifier(), issuers, resolvePolicy, callbackTimeout } = this.#settings;
    this.#verifier = verifier;
    this.#now = () => verifier.now?.() ?? Date.now() / 1000;
    this.#issuers = new Issuers(verifier, resolvePolicy, callbackTimeout);
    if (issuers !== undefined) this.#issuers.set(issuers);
  }

  get settings() {
    return this.#settings;
  }

  /** @param {import('../../index').BearerPolicy[]} policies */
  setIssuers(policies) {
    this.#issuers.set(policies);
  }

  /**
   * Whom a request comes from. Neither throws nor rejects; the answer comes at once where nothing has to be fetched.
   * @param {BearerRequest} request
   * @param {any} [req] the host's own request, for the operator's functions; default: `request`
   * @returns {BearerResult | Promise<BearerResult>}
   */
  authenticate(request, req = request) {
    try {
      if (this.#settings.preflight && isPreflight(request)) return PREFLIGHT;
      const credentials = credentialsOf(request);
      if (credentials === 'malformed') return this.refuse(MALFORMED, req);
      if (credentials === 'none') return this.#settings.authRequired ? this.refuse(MISSING, req) : NOBODY;
      const chosen = this.#issuers.choose(credentials.token, req);
      const result =
        'then' in chosen ? this.#later(credentials.token, chosen, req) : this.#check(credentials.token, chosen, req);
      return 'then' in result ? result.catch((error) => this.#failed(error, req)) : result;
    } catch (error) {
      return this.#failed(error, req);
    }
  }

  /** @param {string} token @param {Promise<Entry | import('../../native').Failure>} chosen @param {any} req */
  async #later(token, chosen, req) {
    return this.#check(token, await chosen, req);
  }

  /**
   * @param {string} token
   * @param {Entry | import('../../native').Failure} chosen
   * @param {any} req
   * @returns {BearerResult | Promise<BearerResult>}
   */
  #check(token, chosen, req) {
    if (isFailure(chosen)) return this.refuse(chosen, req);
    const checked = this.#verifier.check(token, chosen.policy);
    if (!('then' in checked)) return this.#result(token, checked, chosen, req);
    return checked.then((outcome) => this.#result(token, outcome, chosen, req));
  }

  /** @param {string} token @param {Outcome} outcome @param {Entry} entry @param {any} req @returns {BearerResult} */
  #result(token, outcome, entry, req) {
    if (!outcome.ok) return this.refuse({ ...outcome, scope: entry.scope }, req);
    if (outcome.isBound) warnOfBoundToken(entry.accepted?.[0] ?? entry.issuer);
    const auth = authOf(token, outcome, factsOf(outcome, entry), this.#now);
    if (auth === undefined) return this.refuse(UNREADABLE_ACTOR, req);
    this.#issuers.remember(token, entry);
    return { ok: true, auth };
  }

  /**
   * The answer to a refusal, a guard's as well.
   * @param {Cause} cause
   * @param {any} [req]
   * @returns {import('../../index').BearerRefusal}
   */
  refuse(cause, req) {
    const { realm, bodies, onRefusal } = this.#settings;
    const resourceMetadata = metadataUrl(this.#settings.resourceMetadata, req);
    const refusal = refusalOf(cause, { realm, bodies, resourceMetadata });
    notify(onRefusal, refusal.error, req);
    return refusal;
  }

  /** What a function of the operator's threw, or a bug. @param {unknown} cause @param {any} req */
  #failed(cause, req) {
    // A policy that cannot be used says so itself.
    if (cause instanceof RemoteAuthError) return this.refuse(Object.assign({ message: cause.message }, cause), req);
    return this.refuse({ code: 'ERR_INTERNAL', message: 'the request could not be authenticated', cause }, req);
  }
}

/**
 * @param {import('../../index').BearerAuthOptions} options
 * @param {string} [factory] whose options they are, for errors in them
 */
function createAuthenticator(options, factory) {
  return new Authenticator(options, factory);
}

module.exports = { createAuthenticator };
