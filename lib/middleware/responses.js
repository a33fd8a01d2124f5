'use strict';

/**
 * The bodies a client can see. The texts are API; no cause ever goes into them.
 * @type {Readonly<Record<'authenticationRequired' | 'bearerRequired' | 'unauthorized' | 'forbidden' | 'unavailable'
 *   | 'accountDeletion' | 'internal', Body>>}
 */
const BODIES = Object.freeze({
  authenticationRequired: Object.freeze({ error: 'Authentication required' }),
  bearerRequired: Object.freeze({ error: 'Bearer token required' }),
  unauthorized: Object.freeze({ error: 'Unauthorized' }),
  forbidden: Object.freeze({ error: 'Forbidden' }),
  unavailable: Object.freeze({ error: 'Service unavailable' }),
  accountDeletion: Object.freeze({
    error: 'Account deletion is in progress',
    code: 'ACCOUNT_DELETION_IN_PROGRESS',
  }),
  internal: Object.freeze({ error: 'Internal server error' }),
});

/** LibreChat's flat bodies, or the nested ones OpenAI's clients read. */
const BODY_STYLES = /** @type {const} */ (['librechat', 'openai']);

/** OpenAI's `error.type` and `error.code`, by status. */
const OPENAI_NAMES = new Map([
  [401, ['invalid_request_error', 'invalid_api_key']],
  [403, ['invalid_request_error', 'insufficient_permissions']],
  [409, ['invalid_request_error', 'account_deletion_in_progress']],
  [500, ['server_error', 'internal_error']],
  [503, ['server_error', 'service_unavailable']],
]);

/**
 * RFC 6750 section 3: a 401 says which scheme would help. Without credentials no error code may be
 * named; with them every cause reads the same, so that a prober learns nothing.
 * @typedef {'credentials' | 'invalid-token' | 'insufficient-scope'} Challenge
 *
 * @typedef {{ error: string, code?: string }} Body
 * @typedef {{ status: number, body: Body, challenge?: Challenge, retryAfter?: number }} ErrorResponse `retryAfter`: seconds
 *
 * `scope`: what would be enough, for `insufficient-scope`. `retryAfter`: seconds, in place of the response's.
 * @typedef {{ realm: string, bodies?: typeof BODY_STYLES[number], scope?: unknown, retryAfter?: number }} Answer
 */

// RFC 9110 5.6.4 quoted-string, without obs-text: what every client reads the same way.
const QUOTABLE = /^[\t\x20-\x7e]*$/;
// RFC 6750 3: scope-token characters and single blanks between; they need no quoting.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** @param {unknown} realm @returns {realm is string} whether it can stand in a header */
function isRealm(realm) {
  return typeof realm === 'string' && QUOTABLE.test(realm);
}

/**
 * @param {Challenge} challenge
 * @param {string} realm one that `isRealm` accepts
 * @param {unknown} [scope] left out where it could not be written safely
 * @returns {string} the `WWW-Authenticate` value
 */
function challengeHeader(challenge, realm, scope) {
  const quoted = realm.replace(/["\\]/g, '\\$&');
  const bearer = `Bearer realm="${quoted}"`;
  if (challenge === 'credentials') return bearer;
  if (challenge === 'invalid-token') return `${bearer}, error="invalid_token"`;
  const wanted = typeof scope === 'string' ? scope.trim().split(/\s+/).join(' ') : '';
  const parameter = SCOPE.test(wanted) ? `, scope="${wanted}"` : '';
  return `${bearer}, error="insufficient_scope"${parameter}`;
}

/** @param {ErrorResponse} response @param {Answer['bodies']} style */
function bodyOf({ status, body }, style) {
  if (style !== 'openai') return body;
  const [type, code] = OPENAI_NAMES.get(status) ?? ['invalid_request_error', null];
  return { error: { message: body.error, type, param: null, code } };
}

/**
 * Sends a response, unless something has answered already. Hosts' own tests pass a response that has
 * only `status` and `json`.
 * @param {import('../../index').RemoteAgentAuthResponse} res
 * @param {ErrorResponse} response
 * @param {Answer} answer
 */
function sendErrorResponse(res, response, { realm, bodies, scope, retryAfter }) {
  if (res.headersSent) return;
  if (typeof res.setHeader === 'function') {
    if (response.challenge !== undefined) {
      res.setHeader('WWW-Authenticate', challengeHeader(response.challenge, realm, scope));
    }
    if (response.retryAfter !== undefined) {
      // RFC 9110 10.2.3: whole seconds.
      res.setHeader('Retry-After', String(Math.max(1, Math.ceil(retryAfter ?? response.retryAfter))));
    }
  }
  res.status(response.status).json(bodyOf(response, bodies));
}

module.exports = { BODIES, BODY_STYLES, challengeHeader, isRealm, sendErrorResponse };
