'use strict';

const { ACCEPTED, EMAIL_SOURCES, REFUSED } = require('./wire-layout');

/**
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../native').RecheckHandle} RecheckHandle
 * @typedef {import('./outcome-cache').Entry} Entry
 *
 * For how long an outcome is good. `from`, `until`: the seconds of wall time from which, and before which, the claims satisfy the
 * policy. `freshFor`: the milliseconds for which the keys can be used before they must be refreshed. `epoch`: the count of key changes before
 * the check.
 * @typedef {{ from: number, until: number, freshFor: number, epoch: number }} Validity
 */

/** Details of a refusal for the operator, in the order of their parts in the text. */
const DETAILS = /** @type {const} */ (['reason', 'host', 'expected', 'got']);

/** Not loaded before somebody asks for claims. @type {typeof import('./json-copies') | undefined} */
let loaded;
function copies() {
  loaded ??= require('./json-copies');
  return loaded;
}

/**
 * An accepted token. Nothing is cut off the text or parsed before somebody asks: a middleware wants a subject and an address, and
 * seldom the claims. Read-only, because many requests may be given the same object.
 */
class Success {
  #token;
  #text;
  // Where each part of the text ends; it begins where the one before it ends.
  #claims;
  #subject;
  #oid;
  #email;
  #emailClaimProblem;
  #scopes;
  #header;
  #keyThumbprint;
  #emailSource;
  #emailVerified;
  #looksLikeIdToken;
  #isBound;
  #issuerIndex;
  #expiresAt;
  #handle;
  /** @type {readonly string[] | undefined} */
  #scopeList;
  /** @type {Record<string, unknown> | undefined} one for everybody, deep-frozen */
  #sharedClaims;
  /** @type {import('./json-copies').Known} */
  #claimsKnown;
  /** @type {import('./json-copies').Known} */
  #headerKnown;
  /** @type {Entry | undefined} */
  #entry;

  /**
   * @param {string | undefined} token undefined only where there is a handle
   * @param {string} text
   * @param {RecheckHandle | undefined} handle
   * @param {ArrayLike<any>} numbers
   * @param {number} at the place of the first one
   */
  constructor(token, text, handle, numbers, at) {
    this.#token = token;
    this.#text = text;
    this.#claims = numbers[at + ACCEPTED.claims];
    this.#subject = numbers[at + ACCEPTED.subject];
    this.#oid = numbers[at + ACCEPTED.oid];
    this.#email = numbers[at + ACCEPTED.email];
    this.#emailClaimProblem = numbers[at + ACCEPTED.emailClaimProblem];
    this.#scopes = numbers[at + ACCEPTED.scopes];
    this.#header = numbers[at + ACCEPTED.header];
    this.#keyThumbprint = numbers[at + ACCEPTED.keyThumbprint];
    this.#emailSource = numbers[at + ACCEPTED.emailSource];
    this.#emailVerified = numbers[at + ACCEPTED.emailVerified];
    this.#looksLikeIdToken = numbers[at + ACCEPTED.looksLikeIdToken];
    this.#isBound = numbers[at + ACCEPTED.isBound];
    this.#issuerIndex = numbers[at + ACCEPTED.issuerIndex];
    this.#expiresAt = numbers[at + ACCEPTED.expiresAt];
    this.#handle = handle;
  }

  /** @returns {true} */
  get ok() {
    return true;
  }

  get claims() {
    return this.#text.slice(0, this.#claims);
  }

  get header() {
    return this.#text.slice(this.#scopes, this.#header);
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
    return this.#text.slice(this.#email, this.#emailClaimProblem) || undefined;
  }

  get emailVerified() {
    // Negative where the claim is absent.
    return this.#emailVerified < 0 ? undefined : this.#emailVerified === 1;
  }

  get issuerIndex() {
    return this.#issuerIndex;
  }

  get looksLikeIdToken() {
    return this.#looksLikeIdToken === 1;
  }

  get isBound() {
    return this.#isBound === 1;
  }

  get expiresAt() {
    return Number.isNaN(this.#expiresAt) ? undefined : this.#expiresAt;
  }

  get scopes() {
    // No scope has a blank in it: claims are split at them.
    this.#scopeList ??= Object.freeze(
      this.#text.slice(this.#emailClaimProblem, this.#scopes).split(' ').filter(Boolean),
    );
    return /** @type {string[]} */ (this.#scopeList);
  }

  /** The outcome itself: no other code can make an object with these private members. */
  get verdict() {
    return /** @type {RecheckHandle} */ (/** @type {unknown} */ (this));
  }

  /**
   * The claims, parsed once for everybody who is given this outcome, or each time where too much would be kept. Frozen in depth: nobody can
   * change what another sees.
   * @param {unknown} outcome
   * @returns {Record<string, unknown> | undefined} undefined for any other object
   */
  static sharedClaimsOf(outcome) {
    if (typeof outcome !== 'object' || outcome === null || !(#sharedClaims in outcome)) return undefined;
    const success = /** @type {Success} */ (outcome);
    if (success.#sharedClaims !== undefined) return success.#sharedClaims;
    const claims = JSON.parse(success.claims);
    if (deepFreeze(claims) <= copies().MOST_OBJECTS) success.#sharedClaims = claims;
    return claims;
  }

  /**
   * The claims as an object of the caller's own.
   * @param {unknown} outcome
   * @returns {Record<string, unknown> | undefined} undefined for any other object
   */
  static freshClaimsOf(outcome) {
    if (typeof outcome !== 'object' || outcome === null || !(#claimsKnown in outcome)) return undefined;
    const success = /** @type {Success} */ (outcome);
    const known = success.#claimsKnown;
    if (typeof known === 'object' && known !== null) return copies().copyOf(known);
    const copy = copies().freshCopy(success.claims, known);
    success.#claimsKnown = copy.known;
    return copy.value;
  }

  /** The same for the header. @param {unknown} outcome @returns {any} */
  static freshHeaderOf(outcome) {
    if (typeof outcome !== 'object' || outcome === null || !(#headerKnown in outcome)) return undefined;
    const success = /** @type {Success} */ (outcome);
    const known = success.#headerKnown;
    if (typeof known === 'object' && known !== null) return copies().copyOf(known);
    const copy = copies().freshCopy(success.header, known);
    success.#headerKnown = copy.known;
    return copy.value;
  }

  /**
   * The RFC 7638 thumbprint of the key that signed.
   * @param {unknown} outcome
   * @returns {string | undefined} undefined for a token that the provider was asked about, and for any other object
   */
  static keyThumbprintOf(outcome) {
    if (typeof outcome !== 'object' || outcome === null || !(#keyThumbprint in outcome)) return undefined;
    return outcome.#text.slice(outcome.#header, outcome.#keyThumbprint) || undefined;
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
   * What the token is rechecked by: a native handle, or its text.
   * @param {unknown} verdict
   * @returns {{ token: string | undefined, handle: RecheckHandle | undefined, isOpaque: boolean } | undefined} undefined for any other object
   */
  static behind(verdict) {
    if (typeof verdict !== 'object' || verdict === null || !(#token in verdict)) return undefined;
    const success = /** @type {Success} */ (/** @type {unknown} */ (verdict));
    // A JWT has an `alg` in its header.
    return { token: success.#token, handle: success.#handle, isOpaque: success.header === '{}' };
  }
}

/** @param {any} parsed by JSON.parse: plain objects and lists, no cycles @returns {number} how many objects and lists it is */
function deepFreeze(parsed) {
  // A list of what is left instead of recursion: claims may be nested as deep as the parser allows.
  const left = [parsed];
  let count = 0;
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) left.push(member);
    Object.freeze(value);
    count += 1;
  }
  return count;
}

/**
 * @param {string} text
 * @param {ArrayLike<any>} numbers
 * @param {number} at the place of the first one
 * @returns {Failure}
 */
function failure(text, numbers, at) {
  const code = numbers[at + REFUSED.code];
  const fault = numbers[at + REFUSED.fault];
  let begin = numbers[at + REFUSED.message];
  /** @type {any} */
  const refusal = {
    ok: false,
    code: text.slice(0, code),
    fault: text.slice(code, fault),
    message: text.slice(fault, begin),
  };
  const retryAfter = numbers[at + REFUSED.retryAfter];
  // Neither NaN nor left out.
  if (retryAfter >= 0) refusal.retryAfter = retryAfter;
  // Usually there are no details.
  if (begin === text.length) return refusal;
  for (const name of DETAILS) {
    const end = numbers[at + REFUSED[name]];
    if (end > begin) refusal[name] = text.slice(begin, end);
    begin = end;
  }
  return refusal;
}

/**
 * @param {string | undefined} token
 * @param {string} text
 * @param {RecheckHandle | undefined} handle
 * @param {ArrayLike<any>} numbers
 * @param {number} at the place of the first one
 * @returns {Success | Failure}
 */
function outcomeOf(token, text, handle, numbers, at) {
  // The first number of a refusal is negative; that of an accepted token is where its claims end.
  return numbers[at] < 0 ? failure(text, numbers, at) : new Success(token, text, handle, numbers, at);
}

/**
 * @param {ArrayLike<any>} numbers of an accepted token
 * @param {number} at the place of the first one
 * @returns {Validity}
 */
function validityOf(numbers, at) {
  return {
    from: numbers[at + ACCEPTED.from],
    until: numbers[at + ACCEPTED.until],
    freshFor: numbers[at + ACCEPTED.freshFor],
    epoch: numbers[at + ACCEPTED.epoch],
  };
}

/**
 * The outcome as an object of its own, with every member a plain value: what `remote-agent-auth/native` hands out.
 * @param {import('../../native').Outcome} outcome
 * @returns {import('../../native').Outcome}
 */
function plain(outcome) {
  const handle = Success.behind(outcome)?.handle;
  if (!outcome.ok || !handle) return outcome;
  const {
    ok,
    claims,
    header,
    subject,
    oid,
    email,
    emailSource,
    emailClaimProblem,
    emailVerified,
    issuerIndex,
    looksLikeIdToken,
    isBound,
    expiresAt,
  } = outcome;
  /** @type {import('../../native').Success} */
  const success = {
    ok,
    claims,
    header,
    subject,
    issuerIndex,
    looksLikeIdToken,
    isBound,
    scopes: [...outcome.scopes],
    verdict: handle,
  };
  // What the token does not say is not a member at all.
  if (oid !== undefined) success.oid = oid;
  if (email !== undefined) success.email = email;
  if (emailSource !== undefined) success.emailSource = emailSource;
  if (emailClaimProblem !== undefined) success.emailClaimProblem = emailClaimProblem;
  if (emailVerified !== undefined) success.emailVerified = emailVerified;
  if (expiresAt !== undefined) success.expiresAt = expiresAt;
  return success;
}

module.exports = { Success, outcomeOf, plain, validityOf };
