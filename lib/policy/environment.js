'use strict';

const { normalizeIssuer } = require('./issuer');
const { cacheMaxAge, isCacheEnabled } = require('./jwks-cache-time');
const { readProxy } = require('./proxy');

/**
 * @typedef {import('./oidc-config').OidcFields} OidcFields
 *
 * `ignoredJwksUri`: OPENID_JWKS_URL where it is another issuer's. `ignoredClockTolerance`: OPENID_REMOTE_CLOCK_TOLERANCE where it is no
 * such number.
 * @typedef {{ jwksUri?: string, ignoredJwksUri?: string, emailClaim?: string, cacheMaxAge: number, clockTolerance?: number,
 *   ignoredClockTolerance?: string, proxy: import('../../native').PolicyOptions['proxy'] }} Environment
 */

/** Seconds; the policy accepts no more. */
const LARGEST_TOLERANCE = 300;

/**
 * Seconds by which clocks may differ. A value that is none changes nothing: without tolerance nobody gets in who should not.
 * @param {string | undefined} value
 * @returns {Pick<Environment, 'clockTolerance' | 'ignoredClockTolerance'>}
 */
function readClockTolerance(value) {
  const text = value?.trim();
  if (!text) return {};
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  return seconds <= LARGEST_TOLERANCE ? { clockTolerance: seconds } : { ignoredClockTolerance: text };
}

/**
 * The variables that decide about tokens, as they are: those of proxies decide only how keys are asked for. Two reads that are equal make equal
 * environments, but for the proxies.
 * @typedef {{ emailClaim?: string, cacheEnabled?: string, cacheTime?: string, clockTolerance?: string, jwksUrl?: string,
 *   loginIssuer?: string }} Decisive
 */

/**
 * The environment as this policy sees it, read anew. Each variable is read only where
 * it counts, so that a wrong value that is not used has no effect.
 * @param {OidcFields} fields
 * @param {boolean} [useJwksUrl] whether OPENID_JWKS_URL counts at all: it is the browser login's
 * @returns {{ environment: Environment, decisive: Decisive }}
 */
function readVariables(fields, useJwksUrl = true) {
  const { env } = process;
  const emailClaim = env.OPENID_EMAIL_CLAIM;
  const cacheEnabled = env.OPENID_JWKS_URL_CACHE_ENABLED;
  const cacheTime = isCacheEnabled(cacheEnabled) ? env.OPENID_JWKS_URL_CACHE_TIME : undefined;
  const clockTolerance = env.OPENID_REMOTE_CLOCK_TOLERANCE;
  const environment = {
    emailClaim: emailClaim?.trim() || undefined,
    cacheMaxAge: cacheMaxAge({
      OPENID_JWKS_URL_CACHE_ENABLED: cacheEnabled,
      OPENID_JWKS_URL_CACHE_TIME: cacheTime,
    }),
    ...readClockTolerance(clockTolerance),
    proxy: readProxy(env),
  };
  const jwksUrl = fields.jwksUri || !useJwksUrl ? undefined : env.OPENID_JWKS_URL;
  const loginIssuer = jwksUrl ? env.OPENID_ISSUER : undefined;
  return {
    environment: { ...environment, ...keysOf(jwksUrl, loginIssuer, fields) },
    decisive: { emailClaim, cacheEnabled, cacheTime, clockTolerance, jwksUrl, loginIssuer },
  };
}

/**
 * The variable belongs to the browser login's provider: its keys must not vouch for another issuer.
 * @param {string | undefined} jwksUrl OPENID_JWKS_URL
 * @param {string | undefined} loginIssuer OPENID_ISSUER
 * @param {OidcFields} fields
 * @returns {Pick<Environment, 'jwksUri' | 'ignoredJwksUri'>}
 */
function keysOf(jwksUrl, loginIssuer, fields) {
  if (!jwksUrl) return {};
  const login = normalizeIssuer(loginIssuer);
  const isAnothers = login !== undefined && login !== normalizeIssuer(fields.issuer);
  return isAnothers ? { ignoredJwksUri: jwksUrl } : { jwksUri: jwksUrl };
}

/** @param {OidcFields} fields @param {boolean} [useJwksUrl] @returns {Environment} */
function readEnvironment(fields, useJwksUrl) {
  return readVariables(fields, useJwksUrl).environment;
}

/** Whether the environment decides about tokens as it did. @param {Decisive} as @param {OidcFields} fields */
function decidesAs(as, { jwksUri }) {
  // Each is asked of the operating system, which costs a tenth of all that a known token does.
  const { env } = process;
  return (
    as.emailClaim === env.OPENID_EMAIL_CLAIM &&
    as.cacheEnabled === env.OPENID_JWKS_URL_CACHE_ENABLED &&
    (!isCacheEnabled(as.cacheEnabled) || as.cacheTime === env.OPENID_JWKS_URL_CACHE_TIME) &&
    as.clockTolerance === env.OPENID_REMOTE_CLOCK_TOLERANCE &&
    (jwksUri ? as.jwksUrl === undefined : as.jwksUrl === env.OPENID_JWKS_URL) &&
    (!as.jwksUrl || as.loginIssuer === env.OPENID_ISSUER)
  );
}

module.exports = { decidesAs, readEnvironment, readVariables };
