'use strict';

const { isKnown } = require('./known-sources');

/**
 * @typedef {import('../../index').VerifierStats} VerifierStats
 * @typedef {import('../../metrics').Health} Health
 * @typedef {import('../../metrics').IssuerHealth} IssuerHealth
 * @typedef {import('../../metrics').HealthOptions} HealthOptions
 */

/** The better first. */
const ORDER = /** @type {const} */ (['ready', 'degraded', 'down']);
/** Sources named in a report; the rest is counted in `ready` all the same. */
const MOST_NAMED = 100;

/**
 * Whether tokens of each issuer can be checked. Asks nobody: it is what is known of the keys of this process. An issuer that several
 * policies ask with different settings is as well as the best of its sources.
 * @param {HealthOptions} [options]
 * @returns {Health}
 */
function health({ verifier, issuers, now = Date.now } = {}) {
  const asked = verifier ?? require('../verifier/shared-verifier').sharedVerifier();
  /** @type {VerifierStats} */
  const { sources } = asked.stats();
  const at = now();
  /** @type {Map<string, IssuerHealth>} */
  const reports = new Map();
  for (const source of sources.filter(isKnown)) {
    const report = healthOf(source, at);
    const name = nameOf(report.issuer);
    reports.set(name, better(reports.get(name), report));
  }
  const found = issuers === undefined ? [...reports.values()] : wanted(issuers, reports);
  return { ready: found.every(({ status }) => status !== 'down'), issuers: found.slice(0, MOST_NAMED) };
}

/** @param {string} url @returns {string} a slash at the end makes no other issuer here */
function nameOf(url) {
  return url.endsWith('/') ? url.slice(0, -1) : url;
}

/** @param {IssuerHealth | undefined} known @param {IssuerHealth} other @returns {IssuerHealth} */
function better(known, other) {
  return known !== undefined && ORDER.indexOf(known.status) <= ORDER.indexOf(other.status) ? known : other;
}

/** @param {string[]} issuers @param {Map<string, IssuerHealth>} reports @returns {IssuerHealth[]} of each issuer once */
function wanted(issuers, reports) {
  const named = new Map(issuers.map((issuer) => [nameOf(issuer), issuer]));
  return [...named].map(([name, issuer]) => reports.get(name) ?? { issuer, status: 'down', keys: 0 });
}

/** @param {VerifierStats['sources'][number]} source @param {number} now milliseconds @returns {IssuerHealth} */
function healthOf({ kind, url, age, lifeLeft, staleLeft, keys, lastFailure, nextAttempt }, now) {
  // Keys of the configuration are there however old they are.
  const isGiven = kind === 'inline';
  const usable = keys.length > 0 && (isGiven || (staleLeft ?? 0) > 0);
  const isFresh = usable && (isGiven || (lifeLeft ?? 0) > 0);
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
