'use strict';

const { Grounded } = require('../guards/facts');
const { Success: Remembered } = require('../verifier/outcome');

/**
 * @typedef {import('../../native').Success} Success
 * @typedef {import('../guards/facts').Facts} Facts
 * @typedef {import('./issuers').Entry} Entry
 * @typedef {Omit<Facts, 'actor'> & { actor?: import('../../index').BearerActor | false }} NativeFacts `actor: false`: there is one, and
 *   nobody can say who
 */

/**
 * Facts of outcomes, for as long as somebody has the outcome: those of known tokens are read once.
 * @type {WeakMap<object, { paths: Entry['paths'], facts: NativeFacts }>}
 */
const known = new WeakMap();

/**
 * What the native reader finds in the verified claims beyond what every check says.
 * @param {Success} outcome
 * @param {Entry} entry
 * @returns {NativeFacts}
 */
function factsOf(outcome, { paths }) {
  const cached = known.get(outcome);
  if (cached?.paths === paths) return cached.facts;
  // Here: who brings a verifier and asks for nothing needs no native file.
  const { claimFacts } = require('../verifier/native-check');
  const facts = JSON.parse(claimFacts(outcome.claims, paths.roles, paths.permissions, paths.clientId));
  // Kept for the next request with the same token: nobody who is given a part of them may change what that one is checked by.
  for (const fact of Object.values(facts)) Object.freeze(fact);
  known.set(outcome, { paths, facts: Object.freeze(facts) });
  return facts;
}

/**
 * Whom a request comes from. Claims and header are parsed when asked for, a copy for each request: whatever an application writes into
 * them changes no guard's decision.
 */
class BearerAuth extends Grounded {
  #outcome;
  #facts;
  /** @type {Record<string, unknown> | undefined} */
  #claims;
  /** @type {Record<string, unknown> | undefined} */
  #header;

  /** @param {string} token @param {import('../guards/facts').Grounds} grounds */
  constructor(token, grounds) {
    super(grounds);
    this.#outcome = grounds.outcome;
    this.#facts = grounds.facts;
    // Not enumerable, so that a log line of the whole object has no token.
    Object.defineProperty(this, 'token', { value: token });
  }

  /** @returns {Record<string, unknown>} */
  get claims() {
    this.#claims ??= Remembered.freshClaimsOf(this.#outcome) ?? JSON.parse(this.#outcome.claims);
    return /** @type {Record<string, unknown>} */ (this.#claims);
  }

  /** @returns {Record<string, unknown>} */
  get header() {
    this.#header ??= Remembered.freshHeaderOf(this.#outcome) ?? JSON.parse(this.#outcome.header);
    return /** @type {Record<string, unknown>} */ (this.#header);
  }

  get subject() {
    return this.#outcome.subject;
  }

  get scopes() {
    const { scopes } = this.#outcome;
    // A verifier of the host's own may give the same list again and again.
    return Object.isFrozen(scopes) ? scopes : Object.freeze([...scopes]);
  }

  get expiresAt() {
    return this.#outcome.expiresAt;
  }

  get clientId() {
    return this.#facts.clientId;
  }

  get issuer() {
    return this.#facts.issuer;
  }

  get roles() {
    return this.#facts.roles;
  }

  get permissions() {
    return this.#facts.permissions;
  }

  get acr() {
    return this.#facts.acr;
  }

  get authTime() {
    return this.#facts.authTime;
  }

  get actor() {
    return this.#facts.actor;
  }

  /** Everything but the token and the claims. */
  toJSON() {
    const { subject, clientId, scopes, expiresAt, issuer, actor } = this;
    return { subject, clientId, scopes, expiresAt, issuer, actor };
  }
}

/**
 * @param {string} token
 * @param {Success} outcome
 * @param {NativeFacts} facts
 * @param {Entry} entry of the policy it was checked by
 * @param {() => number} now seconds since 1970
 * @returns {import('../../index').BearerAuth | undefined} undefined for a token whose actor cannot be read
 */
function authOf(token, outcome, facts, entry, now) {
  if (facts.actor === false) return undefined;
  const read = /** @type {Facts} */ (facts);
  return /** @type {any} */ (new BearerAuth(token, { outcome, facts: read, entry, now }));
}

module.exports = { authOf, factsOf };
