'use strict';

const { normalizeIssuer } = require('./issuer');
const { cacheMaxAge } = require('./jwks-cache-time');
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
 * The environment as this policy sees it, read anew for every request. Each variable is read only where
 * it counts, so that a wrong value that is not used has no effect.
 * @param {OidcFields} fields
 * @param {boolean} [useJwksUrl] whether OPENID_JWKS_URL counts at all: it is the browser login's
 * @returns {Environment}
 */
function readEnvironment(fields, useJwksUrl = true) {
  const { env } = process;
  const environment = {
    emailClaim: env.OPENID_EMAIL_CLAIM?.trim() || undefined,
    cacheMaxAge: cacheMaxAge(env),
    ...readClockTolerance(env.OPENID_REMOTE_CLOCK_TOLERANCE),
    proxy: readProxy(env),
  };
  const jwksUri = fields.jwksUri || !useJwksUrl ? undefined : env.OPENID_JWKS_URL;
  if (!jwksUri) return environment;
  // The variable belongs to the browser login's provider: its keys must not vouch for another issuer.
  const loginIssuer = normalizeIssuer(env.OPENID_ISSUER);
  if (loginIssuer !== undefined && loginIssuer !== normalizeIssuer(fields.issuer)) {
    return { ignoredJwksUri: jwksUri, ...environment };
  }
  return { jwksUri, ...environment };
}

module.exports = { readEnvironment };
