'use strict';

const { BODIES } = require('../responses/bodies');

/**
 * @typedef {import('./responses').ErrorResponse} ErrorResponse
 * @typedef {import('../../native').Failure} Failure
 * @typedef {'debug' | 'warn' | 'error'} Level
 *
 * @typedef {{ level: Level, text: string }} Line one log line; its detail comes from the flow
 * @typedef {{ action: 'api-key', line?: Line } | { action: 'reject', response: ErrorResponse, line?: Line }} Decision
 *
 * What a request can run into, besides passing. `standard`: the response of `responses: 'standard'`, where it is
 * another. `fallback`: with API keys enabled the API-key middleware is asked instead, and `fallbackLine` is what is
 * logged then; `unless-invalid`: only where `fallbackOnInvalidToken` allows it or what came is no JWT.
 * @typedef {{ response: ErrorResponse, standard?: ErrorResponse, line?: Line, fallback?: 'always' | 'unless-invalid',
 *   fallbackLine?: Line }} Row
 *
 * @typedef {{ apiKeyEnabled?: boolean, standard?: boolean, noApiKeyForThisToken?: boolean }} Circumstances
 */

/** @type {ErrorResponse} */
const askForCredentials = { status: 401, body: BODIES.authenticationRequired, challenge: 'credentials' };
/** @type {ErrorResponse} */
const askForBearer = { status: 401, body: BODIES.bearerRequired, challenge: 'credentials' };
/** @type {ErrorResponse} */
const askMachine = { status: 401, body: BODIES.unauthorized, challenge: 'credentials' };
/** @type {ErrorResponse} */
const unauthorized = { status: 401, body: BODIES.unauthorized, challenge: 'invalid-token' };
/** RFC 6750 3.1. @type {ErrorResponse} */
const forbidden = { status: 403, body: BODIES.forbidden, challenge: 'insufficient-scope' };
/** @type {ErrorResponse} */
const unavailable = { status: 503, body: BODIES.unavailable, retryAfter: 1 };
/** @type {ErrorResponse} */
const beingDeleted = { status: 409, body: BODIES.accountDeletion };
/** @type {ErrorResponse} */
const broken = { status: 500, body: BODIES.internal };

/** @param {Level} level @param {string} text @returns {Line} */
const line = (level, text) => ({ level, text });

/** Of the faults of scope the one that is LibreChat's; roles and permissions are required by options. */
const SCOPE_MISSING = 'ERR_SCOPE_MISSING';
const noUser = line('warn', 'OIDC token is valid but there is no matching LibreChat user');
/** @satisfies {Row} */
const refusedToken = /** @type {const} */ ({
  response: unauthorized,
  line: line('error', 'OIDC verification failed'),
  fallback: 'unless-invalid',
  fallbackLine: line('debug', 'OIDC verification failed, trying API key auth'),
});
const refusedByUserPolicy = {
  response: unauthorized,
  line: line('warn', "OIDC token refused by the resolved user's policy"),
};

/**
 * The decision table of docs/requests.md, which the numbers refer to. A cause without
 * `fallback` never reaches the API-key middleware, whatever is enabled.
 * @satisfies {Record<string, Row>}
 */
const TABLE = {
  /* 1, 2 */ 'oidc-off': { response: askForCredentials, fallback: 'always' },
  /* 3, 3a */ 'oidc-misconfigured': {
    response: broken,
    line: line('error', 'OIDC is enabled without a required setting'),
  },
  /* 4, 5 */ 'no-bearer': { response: askForBearer, fallback: 'always' },
  /* 6, 7 */ 'token-refused': refusedToken,
  /* 6, 7 */ 'provider-unreachable': { ...refusedToken, standard: unavailable },
  /* 7a */ overloaded: {
    response: unavailable,
    line: line('warn', 'more tokens wait to be checked than can be in time'),
  },
  /* 8 */ 'scope-missing': {
    response: unauthorized,
    standard: forbidden,
    line: line('warn', 'OIDC token lacks a required scope'),
  },
  /* 8 */ 'role-missing': {
    response: unauthorized,
    standard: forbidden,
    line: line('warn', 'OIDC token lacks a required role or permission'),
  },
  /* 9 */ 'subject-missing': {
    response: unauthorized,
    line: line('warn', 'OIDC token refused, reason: missing_sub_claim'),
  },
  /* 11 */ 'user-conflict': {
    response: unauthorized,
    line: line('warn', 'OIDC user refused, reason: auth_failed'),
  },
  /* 11a; second table 3a */ 'tenant-conflict': {
    response: unauthorized,
    line: line('warn', 'the user belongs to another tenant than the request'),
  },
  /* 12, 13 */ 'no-user': {
    response: unauthorized,
    line: noUser,
    fallback: 'unless-invalid',
    fallbackLine: noUser,
  },
  /* 13a */ 'account-refused': {
    response: unauthorized,
    line: line('warn', 'OIDC account refused, reason'),
  },
  /* 13b */ 'userinfo-refused': {
    response: unauthorized,
    line: line('warn', 'userinfo is required and did not confirm the caller, reason'),
  },
  /* 13b */ 'userinfo-unreachable': {
    response: unauthorized,
    standard: unavailable,
    line: line('warn', 'userinfo is required and cannot be had, reason'),
  },
  /* 13c */ 'accounts-misconfigured': {
    response: broken,
    line: line('error', 'what the configuration asks for about accounts cannot be done'),
  },
  /* 14 */ 'user-oidc-off': {
    response: unauthorized,
    line: line('warn', "OIDC is not enabled in the resolved user's configuration"),
  },
  /* 15 */ 'user-oidc-misconfigured': {
    response: broken,
    line: line(
      'error',
      "Unexpected error: OIDC is enabled without a required setting in the resolved user's configuration",
    ),
  },
  /* 16 */ 'user-token-refused': refusedByUserPolicy,
  /* 16 */ 'user-provider-unreachable': { ...refusedByUserPolicy, standard: unavailable },
  /* 17 */ 'user-scope-missing': {
    response: unauthorized,
    standard: forbidden,
    line: line('warn', "OIDC token lacks a scope the resolved user's policy requires"),
  },
  /* 17 */ 'user-role-missing': {
    response: unauthorized,
    standard: forbidden,
    line: line('warn', "OIDC token lacks a role or permission the resolved user's policy requires"),
  },
  /* 17a */ 'account-deletion': { response: beingDeleted },
  /* second table 4 */ 'api-key-off': {
    response: unauthorized,
    line: line('warn', "API keys are not enabled in the API user's configuration"),
  },
  /* machine clients, 2 */ 'machine-off': { response: askMachine },
  /* machine clients, 3 */ 'machine-no-bearer': { response: askMachine },
  /* machine clients, 4 to 8 */ 'machine-refused': {
    response: unauthorized,
    line: line('warn', 'machine client refused'),
  },
  /* 0, 10, 18; second table 5, 7; machine clients, 1 */ unexpected: {
    response: broken,
    line: line('error', 'Unexpected error'),
  },
};

/** @typedef {keyof typeof TABLE} Cause */

/**
 * @param {Cause} cause
 * @param {Circumstances} [circumstances] `noApiKeyForThisToken`: what came is a JWT, and `fallbackOnInvalidToken` is off
 * @returns {Decision}
 */
function decide(cause, { apiKeyEnabled = false, standard = false, noApiKeyForThisToken = false } = {}) {
  /** @type {Row} */
  const row = TABLE[cause];
  const mayFallBack = row.fallback === 'always' || (row.fallback === 'unless-invalid' && !noApiKeyForThisToken);
  if (apiKeyEnabled && mayFallBack) return { action: 'api-key', line: row.fallbackLine };
  const response = (standard ? row.standard : undefined) ?? row.response;
  return { action: 'reject', response, line: row.line };
}

/**
 * The cause a failed verification stands for. A missing subject or scope is the verdict on a genuine
 * token and must not turn into an API-key attempt, nor must a lack of time to check it; `internal` is a bug of ours, not the
 * caller's fault.
 * @param {Failure} failure
 * @returns {Cause}
 */
function causeOf(failure) {
  if (failure.fault === 'internal') return 'unexpected';
  if (failure.fault === 'scope') return failure.code === SCOPE_MISSING ? 'scope-missing' : 'role-missing';
  if (failure.fault === 'upstream') return 'provider-unreachable';
  if (failure.fault === 'capacity') return 'overloaded';
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
  if (failure.fault === 'upstream') return 'user-provider-unreachable';
  if (failure.fault === 'capacity') return 'overloaded';
  if (failure.fault !== 'scope') return 'user-token-refused';
  return failure.code === SCOPE_MISSING ? 'user-scope-missing' : 'user-role-missing';
}

module.exports = { TABLE, causeOf, causeUnderUserPolicy, decide };
