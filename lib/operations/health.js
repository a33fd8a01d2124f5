'use strict';

/**
 * @typedef {import('../../index').VerifierStats} VerifierStats
 * @typedef {import('../../metrics').Health} Health
 * @typedef {import('../../metrics').IssuerHealth} IssuerHealth
 * @typedef {import('../../metrics').HealthOptions} HealthOptions
 */

/** Sources named in a report; the rest is counted in `ready` all the same. */
const MOST_NAMED = 100;

/**
 * Whether tokens of each issuer can be checked. Asks nobody: it is what is known of the keys of this process.
 * @param {HealthOptions} [options]
 * @returns {Health}
 */
function health({ verifier, issuers, now = Date.now } = {}) {
  const asked = verifier ?? require('../verifier/shared-verifier').sharedVerifier();
  /** @type {VerifierStats} */
  const { sources } = asked.stats();
  const wanted = issuers === undefined ? undefined : new Set(issuers);
  const all = sources.filter(({ url }) => wanted?.has(url) ?? true).map((source) => healthOf(source, now()));
  const unknown = [...(wanted ?? [])].filter((issuer) => !sources.some(({ url }) => url === issuer));
  const missing = unknown.map((issuer) => /** @type {IssuerHealth} */ ({ issuer, status: 'down', keys: 0 }));
  const found = [...all, ...missing];
  return { ready: found.every(({ status }) => status !== 'down'), issuers: found.slice(0, MOST_NAMED) };
}

/** @param {VerifierStats['sources'][number]} source @param {number} now milliseconds @returns {IssuerHealth} */
function healthOf({ kind, url, age, lifeLeft, staleLeft, keys, lastFailure, nextAttempt }, now) {
  const usable = (staleLeft ?? 0) > 0 && keys.length > 0;
  const isFresh = usable && (lifeLeft ?? 0) > 0;
  /** @type {IssuerHealth} */
  const report = {
    issuer: url || kind,
    status: isFresh ? 'ready' : usable ? 'degraded' : 'down',
    keys: usable ? keys.length : 0,
  };
  if (age !== null) report.age = age;
  if (report.status === 'degraded') report.until = Math.round(now + (staleLeft ?? 0) * 1000);
  if (lastFailure !== null) {
    report.lastError = lastFailure.code;
    if (lastFailure.reason !== undefined) report.reason = lastFailure.reason;
    if (lastFailure.host !== undefined) report.host = lastFailure.host;
  }
  if (nextAttempt !== null) report.nextAttempt = Math.round(now + nextAttempt * 1000);
  return report;
}

/**
 * A readiness probe: 200, or 503 where an issuer has no usable key. Mount it where strangers do not reach it: it names issuers and hosts.
 * @param {HealthOptions} [options]
 * @returns {(req: unknown, res: any) => void}
 */
function createHealthHandler(options) {
  return (_req, res) => {
    const report = health(options);
    res.statusCode = report.ready ? 200 : 503;
    res.setHeader('Content-Type', 'application/json');
    res.setHeader('Cache-Control', 'no-store');
    res.end(JSON.stringify(report));
  };
}

module.exports = { createHealthHandler, health };
