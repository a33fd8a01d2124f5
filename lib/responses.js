'use strict';

/**
 * The four bodies a client can see. The texts are API; no cause ever goes into them.
 */
const BODIES = Object.freeze({
  authenticationRequired: Object.freeze({ error: 'Authentication required' }),
  bearerRequired: Object.freeze({ error: 'Bearer token required' }),
  unauthorized: Object.freeze({ error: 'Unauthorized' }),
  internal: Object.freeze({ error: 'Internal server error' }),
});

/**
 * RFC 6750 section 3: a 401 says which scheme would help. Without credentials no error code may be
 * named; with them every cause reads the same, so that a prober learns nothing.
 * @typedef {'credentials' | 'invalid-token'} Challenge
 *
 * @typedef {{ status: number, body: { error: string }, challenge?: Challenge }} Rejection
 */

// RFC 9110 5.6.4 quoted-string, without obs-text: what every client reads the same way.
const QUOTABLE = /^[\t\x20-\x7e]*$/;

/** @param {unknown} realm @returns {realm is string} whether it can stand in a header */
function isRealm(realm) {
  return typeof realm === 'string' && QUOTABLE.test(realm);
}

/**
 * @param {Challenge} challenge
 * @param {string} realm one that `isRealm` accepts
 * @returns {string} the `WWW-Authenticate` value
 */
function challengeHeader(challenge, realm) {
  const quoted = realm.replace(/["\\]/g, '\\$&');
  const bearer = `Bearer realm="${quoted}"`;
  return challenge === 'credentials' ? bearer : `${bearer}, error="invalid_token"`;
}

/**
 * Sends a rejection, unless something has answered already. Hosts' own tests pass a response that has
 * only `status` and `json`.
 * @param {import('../index').RemoteAgentAuthResponse} res
 * @param {Rejection} rejection
 * @param {string} realm
 */
function sendRejection(res, rejection, realm) {
  if (res.headersSent) return;
  if (rejection.challenge !== undefined && typeof res.setHeader === 'function') {
    res.setHeader('WWW-Authenticate', challengeHeader(rejection.challenge, realm));
  }
  res.status(rejection.status).json(rejection.body);
}

module.exports = { BODIES, challengeHeader, isRealm, sendRejection };
