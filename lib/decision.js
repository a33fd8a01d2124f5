'use strict';

const { BODIES } = require('./responses');

/**
 * @typedef {import('./responses').Rejection} Rejection
 * @typedef {import('../native').Failure} Failure
 * @typedef {'debug' | 'warn' | 'error'} Level
 *
 * @typedef {{ level: Level, text: string }} Line one log line; its detail comes from the flow
 * @typedef {{ action: 'api-key', line?: Line } | { action: 'reject', rejection: Rejection, line?: Line }} Decision
 *
 * What a request can run into, besides passing. `fallback`: with API keys enabled the API-key middleware
 * is asked instead, and `fallbackLine` is what is logged then.
 * @typedef {{ rejection: Rejection, line?: Line, fallback?: boolean, fallbackLine?: Line }} Row
 */

/** @type {Rejection} */
const askForCredentials = { status: 401, body: BODIES.authenticationRequired, challenge: 'credentials' };
/** @type {Rejection} */
const askForBearer = { status: 401, body: BODIES.bearerRequired, challenge: 'credentials' };
/** @type {Rejection} */
const unauthorized = { status: 401, body: BODIES.unauthorized, challenge: 'invalid-token' };
/** @type {Rejection} */
const broken = { status: 500, body: BODIES.internal };

/** @param {Level} level @param {string} text @returns {Line} */
const line = (level, text) => ({ level, text });

const noUser = line('warn', 'OIDC token is valid but there is no matching LibreChat user');

/**
 * The decision table of the README, which the numbers refer to. A cause without
 * `fallback` never reaches the API-key middleware, whatever is enabled.
 * @satisfies {Record<string, Row>}
 */
const TABLE = {
  /* 1, 2 */ 'oidc-off': { rejection: askForCredentials, fallback: true },
  /* 3, 3a */ 'oidc-misconfigured': {
    rejection: broken,
    line: line('error', 'OIDC is enabled without a required setting'),
  },
  /* 4, 5 */ 'no-bearer': { rejection: askForBearer, fallback: true },
  /* 6, 7 */ 'token-refused': {
    rejection: unauthorized,
    line: line('error', 'OIDC verification failed'),
    fallback: true,
    fallbackLine: line('debug', 'OIDC verification failed, trying API key auth'),
  },
  /* 8 */ 'scope-missing': {
    rejection: unauthorized,
    line: line('warn', 'OIDC token lacks a required scope'),
  },
  /* 9 */ 'subject-missing': {
    rejection: unauthorized,
    line: line('warn', 'OIDC token refused, reason: missing_sub_claim'),
  },
  /* 11 */ 'user-conflict': {
    rejection: unauthorized,
    line: line('warn', 'OIDC user refused, reason: auth_failed'),
  },
  /* 12, 13 */ 'no-user': { rejection: unauthorized, line: noUser, fallback: true, fallbackLine: noUser },
  /* 14 */ 'user-oidc-off': {
    rejection: unauthorized,
    line: line('warn', "OIDC is not enabled in the resolved user's configuration"),
  },
  /* 15 */ 'user-oidc-misconfigured': {
    rejection: broken,
    line: line('error', "Unexpected error: OIDC is enabled without a required setting in the resolved user's configuration"),
  },
  /* 16 */ 'user-token-refused': {
    rejection: unauthorized,
    line: line('warn', "OIDC token refused by the resolved user's policy"),
  },
  /* 17 */ 'user-scope-missing': {
    rejection: unauthorized,
    line: line('warn', "OIDC token lacks a scope the resolved user's policy requires"),
  },
  /* 2.2 row 4 */ 'api-key-off': {
    rejection: unauthorized,
    line: line('warn', "API keys are not enabled in the API user's configuration"),
  },
  /* 0, 10, 18; 2.2 rows 5, 7 */ unexpected: {
    rejection: broken,
    line: line('error', 'Unexpected error'),
  },
};

/** @typedef {keyof typeof TABLE} Cause */

/**
 * @param {Cause} cause
 * @param {boolean} apiKeyEnabled
 * @returns {Decision}
 */
function decide(cause, apiKeyEnabled) {
  /** @type {Row} */
  const row = TABLE[cause];
  if (row.fallback === true && apiKeyEnabled) return { action: 'api-key', line: row.fallbackLine };
  return { action: 'reject', rejection: row.rejection, line: row.line };
}

/**
 * The cause a failed verification stands for. A missing subject or scope is the verdict on a genuine
 * token and must not turn into an API-key attempt; `internal` is a bug of ours, not the caller's fault.
 * Everything else is alike, an unreachable provider included.
 * @param {Failure} failure
 * @returns {Cause}
 */
function causeOf(failure) {
  if (failure.fault === 'internal') return 'unexpected';
  if (failure.fault === 'scope') return 'scope-missing';
  if (failure.code === 'ERR_TOKEN_SUBJECT') return 'subject-missing';
  return 'token-refused';
}

/**
 * The same under the resolved user's own policy (rows 15 to 17): the caller is known by then, so
 * nothing falls back.
 * @param {Failure} failure
 * @returns {Cause}
 */
function causeUnderUserPolicy(failure) {
  if (failure.fault === 'internal') return 'unexpected';
  return failure.fault === 'scope' ? 'user-scope-missing' : 'user-token-refused';
}

module.exports = { TABLE, causeOf, causeUnderUserPolicy, decide };
