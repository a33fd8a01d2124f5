'use strict';

/**
 * LibreChat's header rule: the scheme in any case, JavaScript whitespace, one token,
 * optional trailing whitespace. Nothing may stand before the scheme or after the token, so a
 * comma-joined double header is no token. The two runs have no character in common, so a hostile
 * header costs linear time.
 */
const BEARER = /^bearer\s+(\S+)\s*$/i;

/**
 * @param {unknown} header the `Authorization` header as Node gives it
 * @returns {string | null} the token, not yet looked at in any way
 */
function bearerToken(header) {
  if (typeof header !== 'string') return null;
  const match = BEARER.exec(header);
  return match === null ? null : /** @type {string} */ (match[1]);
}

/**
 * Whether a token can only be meant as a JWS in compact form (RFC 7515 3.1), good or bad: an API key has no two dots.
 * @param {string | null} token
 */
function isJwtShaped(token) {
  return token !== null && token.split('.', 4).length === 3;
}

module.exports = { bearerToken, isJwtShaped };
