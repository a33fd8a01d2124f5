'use strict';

const DISCOVERY_SUFFIX = '/.well-known/openid-configuration';

/**
 * The spelling of an issuer under which users are stored and looked up. A text rule
 * on purpose, without URL parsing: stored users carry what LibreChat's same rule produced. What a token
 * may say in `iss` is decided in Rust.
 * @param {unknown} issuer
 * @returns {string | undefined} undefined when nothing is left
 */
function normalizeIssuer(issuer) {
  if (typeof issuer !== 'string') return undefined;
  const bare = withoutTrailingSlashes(issuer.trim());
  const issuerPart = bare.endsWith(DISCOVERY_SUFFIX) ? bare.slice(0, -DISCOVERY_SUFFIX.length) : bare;
  return issuerPart === '' ? undefined : issuerPart;
}

/** A loop, not `/\/+$/`: that pattern takes quadratic time on a long run of slashes. @param {string} text */
function withoutTrailingSlashes(text) {
  let end = text.length;
  while (end > 0 && text[end - 1] === '/') end -= 1;
  return text.slice(0, end);
}

module.exports = { normalizeIssuer };
