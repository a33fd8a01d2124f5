'use strict';

/**
 * LibreChat's header rule: the scheme in any case, JavaScript whitespace, one token,
 * optional trailing whitespace. Nothing may stand before the scheme or after the token, so a
 * comma-joined double header is no token. The two runs have no character in common, so a hostile
 * header costs linear time.
 */
const BEARER = /^bearer\s+(\S+)\s*$/i;
const USUAL = 'Bearer ';

/**
 * The same set as `\s`, cut in two: of one-byte characters each is found with a search of its own, which looks at many
 * characters at a time; of wider ones, V8 does not look for any in a text of one-byte characters.
 */
const NARROW_SPACES = ['\t', '\n', '\v', '\f', '\r', ' ', '\u00a0'];
const WIDE_SPACE = /[\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]/;

/**
 * @param {unknown} header the `Authorization` header as Node gives it
 * @returns {string | null} the token, not yet looked at in any way
 */
function bearerToken(header) {
  if (typeof header !== 'string') return null;
  if (header.startsWith(USUAL)) {
    // What nearly every caller sends. The pattern would look at a token of 1,500 characters one by one.
    const token = header.slice(USUAL.length);
    if (token !== '' && !hasWhitespace(token)) return token;
  }
  const match = BEARER.exec(header);
  return match === null ? null : /** @type {string} */ (match[1]);
}

/**
 * What stands after the usual scheme, not looked at: to be compared with tokens that were accepted, and for nothing else.
 * @param {unknown} header
 * @returns {string | undefined}
 */
function usualToken(header) {
  return typeof header === 'string' && header.startsWith(USUAL) ? header.slice(USUAL.length) : undefined;
}

/** @param {string} text */
function hasWhitespace(text) {
  for (const space of NARROW_SPACES) if (text.includes(space)) return true;
  return WIDE_SPACE.test(text);
}

/**
 * Whether a token can only be meant as a JWS in compact form (RFC 7515 3.1), good or bad: an API key has no two dots.
 * @param {string | null} token
 */
function isJwtShaped(token) {
  return token !== null && token.split('.', 4).length === 3;
}

module.exports = { bearerToken, isJwtShaped, usualToken };
