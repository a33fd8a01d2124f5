'use strict';

/**
 * RFC 6750 section 3: a 401 says which scheme would help. Without credentials no error code may be named; with them every cause reads
 * the same, so that a prober learns nothing. `insufficient-authentication` is RFC 9470's.
 * @typedef {'credentials' | 'invalid-request' | 'invalid-token' | 'insufficient-scope' | 'insufficient-authentication'} Challenge
 *
 * What a challenge says besides: `resourceMetadata` (RFC 9728 5.1) in all of them, `acrValues` and `maxAge` (RFC 9470 3) where the
 * authentication is insufficient.
 * @typedef {{ resourceMetadata?: string, acrValues?: string, maxAge?: number }} More
 */

/** RFC 6750 3.1, RFC 9470 3. @type {Readonly<Record<Exclude<Challenge, 'credentials'>, string>>} */
const ERRORS = Object.freeze({
  'invalid-request': 'invalid_request',
  'invalid-token': 'invalid_token',
  'insufficient-scope': 'insufficient_scope',
  'insufficient-authentication': 'insufficient_user_authentication',
});

// RFC 9110 5.6.4 quoted-string, without obs-text: what every client reads the same way.
const QUOTABLE = /^[\t\x20-\x7e]*$/;
// RFC 6750 3: scope-token characters and single blanks between; they need no quoting.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** @param {unknown} realm @returns {realm is string} whether it can stand in a header */
function isRealm(realm) {
  return typeof realm === 'string' && QUOTABLE.test(realm);
}

/** @param {unknown} text words separated by blanks @returns {text is string} whether `scope` or `acr_values` can have it */
function isScopeText(text) {
  return typeof text === 'string' && SCOPE.test(text);
}

/** @param {unknown} words @returns {string} with one blank between; empty where they could not be written safely */
function safeWords(words) {
  const text = typeof words === 'string' ? words.trim().split(/\s+/).join(' ') : '';
  return isScopeText(text) ? text : '';
}

/**
 * @param {Challenge} challenge
 * @param {string} realm one that `isRealm` accepts
 * @param {unknown} [scope] left out where it could not be written safely, as everything else that follows
 * @param {More} [more]
 * @returns {string} the `WWW-Authenticate` value
 */
function challengeHeader(challenge, realm, scope, { resourceMetadata, acrValues, maxAge } = {}) {
  const parts = [`Bearer realm="${realm.replace(/["\\]/g, '\\$&')}"`];
  if (challenge !== 'credentials') parts.push(`error="${ERRORS[challenge]}"`);
  const wanted = challenge === 'insufficient-scope' ? safeWords(scope) : '';
  if (wanted !== '') parts.push(`scope="${wanted}"`);
  if (challenge === 'insufficient-authentication') {
    const levels = safeWords(acrValues);
    if (levels !== '') parts.push(`acr_values="${levels}"`);
    if (maxAge !== undefined && Number.isSafeInteger(maxAge) && maxAge >= 0) parts.push(`max_age="${maxAge}"`);
  }
  if (isUrlText(resourceMetadata)) parts.push(`resource_metadata="${resourceMetadata}"`);
  return parts.join(', ');
}

/** RFC 3986: none of these characters needs an escape within quotes. @param {unknown} text @returns {text is string} */
function isUrlText(text) {
  return typeof text === 'string' && /^[\x21\x23-\x5b\x5d\x5f\x61-\x7a\x7e]+$/.test(text);
}

module.exports = { challengeHeader, isRealm, isScopeText, isUrlText };
