'use strict';

/**
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../native').Verdict} Verdict
 * @typedef {import('./outcome-cache').Entry} Entry
 */

/** Numbers that cross with a text, in the order of src/node/told.rs. */
const FACTS = Object.freeze({
  // Where each part of the text ends. One that is not there is empty.
  claims: 0,
  subject: 1,
  oid: 2,
  email: 3,
  emailClaimProblem: 4,
  scopes: 5,
  /** Several things, see `SEVERAL`. */
  several: 6,
  /** The place in EMAIL_SOURCES, or -1 where there is no address. */
  emailSource: 7,
  /** NaN where there is none. */
  expiresAt: 8,
  // For how long the answer is good: lib/verifier/outcome-cache.js.
  from: 9,
  until: 10,
  freshFor: 11,
  epoch: 12,
  // Of a refusal, whose first number is negative.
  code: 1,
  fault: 2,
  retryAfter: 3,
  // Where message and details end; NaN where there are no details, and the message is the rest of the text.
  message: 4,
  reason: 5,
  host: 6,
  expected: 7,
  got: 8,
  count: 13,
});

/** In one number: `email_verified` (0 or 1, or absent), whether it looks like an ID token, and which of the policy's issuers it is of. */
const SEVERAL = Object.freeze({ absent: 2, idToken: 4, issuer: 8 });

/** What an operator can compare, in the order in which it crosses. */
const DETAILS = /** @type {const} */ (['reason', 'host', 'expected', 'got']);

/** The claims an address may have been taken from; the first stands for the one the policy names. */
const EMAIL_SOURCES = /** @type {const} */ (['configured', 'email', 'preferred_username', 'upn']);

/**
 * A good token, as the native side told of it. Nothing is cut off the text or parsed before somebody asks: a middleware wants a
 * subject and an address, and seldom the claims. Read-only, because many requests may be given this very object.
 */
class Success {
  #token;
  #text;
  #claims;
  #subject;
  #oid;
  #email;
  #problem;
  #scopes;
  #emailSource;
  #expiresAt;
  #several;
  #native;
  /** @type {readonly string[] | undefined} */
  #scopeList;
  /** @type {Record<string, unknown> | undefined} one for everybody, deep-frozen */
  #sharedClaims;
  /** @type {Entry | undefined} */
  #entry;

  /**
   * @param {string} token
   * @param {string} text
   * @param {ArrayLike<any>} facts
   * @param {number} at the first one
   * @param {Verdict | undefined} native
   */
  constructor(token, text, facts, at, native) {
    this.#token = token;
    this.#text = text;
    this.#claims = facts[at + FACTS.claims];
    this.#subject = facts[at + FACTS.subject];
    this.#oid = facts[at + FACTS.oid];
    this.#email = facts[at + FACTS.email];
    this.#problem = facts[at + FACTS.emailClaimProblem];
    this.#scopes = facts[at + FACTS.scopes];
    this.#emailSource = facts[at + FACTS.emailSource];
    this.#expiresAt = facts[at + FACTS.expiresAt];
    this.#several = facts[at + FACTS.several];
    this.#native = native;
  }

  /** @returns {true} */
  get ok() {
    return true;
  }

  get claims() {
    return this.#text.slice(0, this.#claims);
  }

  /** Read natively, strictly, before the signature was; these are the same bytes. */
  get header() {
    return Buffer.from(this.#token.slice(0, this.#token.indexOf('.')), 'base64url').toString();
  }

  get subject() {
    return this.#text.slice(this.#claims, this.#subject);
  }

  get oid() {
    return this.#text.slice(this.#subject, this.#oid) || undefined;
  }

  get email() {
    return this.#text.slice(this.#oid, this.#email) || undefined;
  }

  get emailSource() {
    return EMAIL_SOURCES[this.#emailSource];
  }

  get emailClaimProblem() {
    return this.#text.slice(this.#email, this.#problem) || undefined;
  }

  get emailVerified() {
    const said = this.#several % SEVERAL.idToken;
    return said === SEVERAL.absent ? undefined : said === 1;
  }

  get issuerIndex() {
    return Math.floor(this.#several / SEVERAL.issuer);
  }

  get looksLikeIdToken() {
    return this.#several % SEVERAL.issuer >= SEVERAL.idToken;
  }

  get expiresAt() {
    return Number.isNaN(this.#expiresAt) ? undefined : this.#expiresAt;
  }

  get scopes() {
    // No scope has a blank in it: claims are split at them.
    this.#scopeList ??= Object.freeze(this.#text.slice(this.#problem, this.#scopes).split(' ').filter(Boolean));
    return /** @type {string[]} */ (this.#scopeList);
  }

  /** Nobody else can make an object with these private members: it says itself what was verified. */
  get verdict() {
    return /** @type {Verdict} */ (/** @type {unknown} */ (this));
  }

  /**
   * The claims, parsed once for everybody who is given this outcome. Frozen in depth: nobody can change what another sees.
   * @param {unknown} outcome
   * @returns {Record<string, unknown> | undefined} undefined for what is none of ours
   */
  static sharedClaimsOf(outcome) {
    if (typeof outcome !== 'object' || outcome === null || !(#sharedClaims in outcome)) return undefined;
    const success = /** @type {Success} */ (outcome);
    return (success.#sharedClaims ??= deepFrozen(JSON.parse(success.claims)));
  }

  /** @param {Success} outcome @param {Entry} entry for how long the outcome is good, and under which policy */
  static date(outcome, entry) {
    outcome.#entry = entry;
  }

  /** @param {unknown} outcome @returns {Entry | undefined} */
  static entryOf(outcome) {
    return typeof outcome === 'object' && outcome !== null && #entry in outcome ? outcome.#entry : undefined;
  }

  /**
   * @param {unknown} verdict
   * @returns {{ token: string, native: Verdict | undefined } | undefined} undefined for what is none of ours
   */
  static behind(verdict) {
    if (typeof verdict !== 'object' || verdict === null || !(#token in verdict)) return undefined;
    return { token: verdict.#token, native: verdict.#native };
  }
}

/** @param {any} parsed by JSON.parse: plain objects and lists, no cycles @returns {any} */
function deepFrozen(parsed) {
  // A list of what is left instead of recursion: claims may be nested as deep as the parser allows.
  const left = [parsed];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) left.push(member);
    Object.freeze(value);
  }
  return parsed;
}

/**
 * @param {string} text
 * @param {ArrayLike<any>} facts
 * @param {number} at the first one
 * @returns {Failure}
 */
function failure(text, facts, at) {
  const code = facts[at + FACTS.code];
  const fault = facts[at + FACTS.fault];
  const message = facts[at + FACTS.message];
  const hasDetails = !Number.isNaN(message);
  /** @type {any} */
  const told = {
    ok: false,
    code: text.slice(0, code),
    fault: text.slice(code, fault),
    message: hasDetails ? text.slice(fault, message) : text.slice(fault),
  };
  const retryAfter = facts[at + FACTS.retryAfter];
  if (!Number.isNaN(retryAfter)) told.retryAfter = retryAfter;
  if (!hasDetails) return told;
  let begin = message;
  for (const name of DETAILS) {
    const end = facts[at + FACTS[name]];
    // What is empty is not there.
    if (end > begin) told[name] = text.slice(begin, end);
    begin = end;
  }
  return told;
}

/**
 * @param {string} token
 * @param {string} text
 * @param {ArrayLike<any>} facts
 * @param {number} at the first one
 * @param {Verdict} [native]
 * @returns {Success | Failure}
 */
function outcomeOf(token, text, facts, at, native) {
  return facts[at] < 0 ? failure(text, facts, at) : new Success(token, text, facts, at, native);
}

module.exports = { FACTS, Success, outcomeOf };
