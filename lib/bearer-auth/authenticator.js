'use strict';

const { decisions, keys } = require('../events/channels');
const { notify } = require('../events/notify');
const { newReference } = require('../events/reference');
const { groundsOf } = require('../guards/facts');
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
 *
 * One request, and what is known of it so far.
 * @typedef {import('./observation').Known & { req: any }} State
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

/** Not loaded before somebody listens. @type {typeof import('./observation') | undefined} */
let loaded;
function events() {
  loaded ??= require('./observation');
  return loaded;
}

/**
 * What is known of a request: its events are for those who listened when it began, and of others nothing is kept.
 * @param {any} req
 * @returns {State}
 */
function stateOf(req) {
  if (!decisions.hasSubscribers) return { req };
  const began = performance.now();
  return { req, token: undefined, entry: undefined, verified: undefined, facts: undefined, began, checked: 0 };
}

/** One request in, whom it comes from or its answer out: what every adapter is made of. */
class Authenticator {
  #settings;
  #verifier;
  #issuers;
  #now;
  #wasAccepted;

  /** @param {import('../../index').BearerAuthOptions} options @param {string} [factory] */
  constructor(options, factory) {
    this.#settings = readOptions(options, factory);
    const { verifier = sharedVerifier(), issuers, resolvePolicy, callbackTimeout } = this.#settings;
    this.#verifier = verifier;
    this.#now = () => verifier.now?.() ?? Date.now() / 1000;
    this.#issuers = new Issuers(verifier, resolvePolicy, callbackTimeout);
    if (issuers !== undefined) this.#issuers.set(issuers);
    this.#wasAccepted = (/** @type {string} */ token) => this.#issuers.hasAccepted(token);
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
    const state = stateOf(req);
    try {
      if (this.#settings.preflight && isPreflight(request)) return PREFLIGHT;
      const credentials = credentialsOf(request, this.#wasAccepted);
      if (credentials === 'malformed') return this.#refuse(MALFORMED, state);
      if (credentials === 'none') return this.#settings.authRequired ? this.#refuse(MISSING, state) : NOBODY;
      const { token } = credentials;
      if (state.began !== undefined) state.token = token;
      const chosen = this.#issuers.choose(token, req);
      const result = 'then' in chosen ? this.#later(token, chosen, state) : this.#check(token, chosen, state);
      return 'then' in result ? result.catch((error) => this.#failed(error, state)) : result;
    } catch (error) {
      return this.#failed(error, state);
    }
  }

  /** @param {string} token @param {Promise<Entry | import('../../native').Failure>} chosen @param {State} state */
  async #later(token, chosen, state) {
    return this.#check(token, await chosen, state);
  }

  /**
   * @param {string} token
   * @param {Entry | import('../../native').Failure} chosen
   * @param {State} state
   * @returns {BearerResult | Promise<BearerResult>}
   */
  #check(token, chosen, state) {
    if (isFailure(chosen)) return this.#refuse(chosen, state);
    let since = 0;
    if (state.began !== undefined) {
      state.entry = chosen;
      since = performance.now();
    }
    const checked = this.#verifier.check(token, chosen.policy);
    if (!('then' in checked)) return this.#result(token, checked, chosen, state, since);
    return checked.then((outcome) => this.#result(token, outcome, chosen, state, since));
  }

  /**
   * @param {string} token
   * @param {Outcome} outcome
   * @param {Entry} entry
   * @param {State} state
   * @param {number} since when the check began, where somebody listens
   * @returns {BearerResult}
   */
  #result(token, outcome, entry, state, since) {
    if (state.began !== undefined) state.checked = performance.now() - since;
    if (!outcome.ok) return this.#refuse({ ...outcome, scope: entry.scope }, state);
    if (outcome.isBound) warnOfBoundToken(entry.accepted?.[0] ?? entry.issuer);
    const facts = factsOf(outcome, entry);
    if (state.began !== undefined) {
      state.verified = outcome;
      state.facts = facts;
    }
    const auth = authOf(token, outcome, facts, entry, this.#now);
    if (auth === undefined) return this.#refuse(UNREADABLE_ACTOR, state);
    this.#issuers.remember(token, entry);
    if (state.began !== undefined) events().publishAccepted(state, this.#verifier);
    if (keys.hasSubscribers) events().watchKeys(this.#verifier);
    return { ok: true, auth };
  }

  /** The answer to a request that cannot be served. @param {Cause} cause @param {any} [req] @returns {import('../../index').BearerRefusal} */
  refuse(cause, req) {
    return this.#refuse(cause, { req });
  }

  /**
   * The answer to a guard's refusal.
   * @param {Cause} cause
   * @param {any} req
   * @param {import('../../index').BearerAuth | undefined} auth whom the guard has refused
   * @returns {import('../../index').BearerRefusal}
   */
  refuseByGuard(cause, req, auth) {
    const { entry, outcome, facts } = groundsOf(auth) ?? {};
    return this.#refuse(cause, { req, entry, verified: outcome, facts }, true);
  }

  /** @param {Cause} cause @param {State} state @param {boolean} [isGuard] @returns {import('../../index').BearerRefusal} */
  #refuse(cause, state, isGuard = false) {
    const { req } = state;
    const { realm, bodies, onRefusal } = this.#settings;
    const resourceMetadata = metadataUrl(this.#settings.resourceMetadata, req);
    const reference = newReference();
    const refusal = refusalOf(cause, { realm, bodies, reference, resourceMetadata });
    if (decisions.hasSubscribers) events().publishRefused(state, refusal, isGuard, this.#verifier);
    if (keys.hasSubscribers) events().watchKeys(this.#verifier);
    notify(onRefusal, refusal.error, req);
    return refusal;
  }

  /** What a function of the operator's threw, or a bug. @param {unknown} cause @param {State} state */
  #failed(cause, state) {
    // A policy that cannot be used says so itself.
    if (cause instanceof RemoteAuthError) return this.#refuse(Object.assign({ message: cause.message }, cause), state);
    return this.#refuse({ code: 'ERR_INTERNAL', message: 'the request could not be authenticated', cause }, state);
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
