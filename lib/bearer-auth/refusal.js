'use strict';

const { STATUS_CODES } = require('node:http');
const { BODIES, bodyOf } = require('../responses/bodies');
const { challengeHeader } = require('../responses/challenge');
const { actionOf, codes } = require('../verifier/codes');
const { RemoteAuthError } = require('../verifier/errors');

/**
 * @typedef {import('../../index').RemoteAuthErrorCode} Code
 * @typedef {import('../../index').BearerRefusal} BearerRefusal
 * @typedef {import('../responses/challenge').Challenge} Challenge
 *
 * Why a request is refused: a failed check, or a guard's refusal.
 * @typedef {{ code: Code, message: string, retryAfter?: number, reason?: string, host?: string, expected?: string, got?: string,
 *   scope?: string, acrValues?: string, maxAge?: number, cause?: unknown }} Cause
 *
 * @typedef {{ status: number, body: import('../responses/bodies').Body, challenge?: Challenge, retryAfter?: number }} Row
 */

/** Codes with a row of their own; the others go by their fault. @type {Partial<Record<Code, Row>>} */
const BY_CODE = {
  ERR_CREDENTIALS_MISSING: { status: 401, body: BODIES.bearerRequired, challenge: 'credentials' },
  ERR_REQUEST_MALFORMED: { status: 400, body: BODIES.badRequest, challenge: 'invalid-request' },
  ERR_TOKEN_ARGUMENT: { status: 400, body: BODIES.badRequest, challenge: 'invalid-request' },
  ERR_AUTHENTICATION_LEVEL: { status: 401, body: BODIES.unauthorized, challenge: 'insufficient-authentication' },
};
/** RFC 6750 3.1; RFC 9110 15.6.4 for what is not the caller's. @type {Record<import('../../index').RemoteAuthErrorFault, Row>} */
const BY_FAULT = {
  config: { status: 500, body: BODIES.internal },
  request: { status: 400, body: BODIES.badRequest, challenge: 'invalid-request' },
  token: { status: 401, body: BODIES.unauthorized, challenge: 'invalid-token' },
  scope: { status: 403, body: BODIES.forbidden, challenge: 'insufficient-scope' },
  upstream: { status: 503, body: BODIES.unavailable, retryAfter: 1 },
  capacity: { status: 503, body: BODIES.unavailable, retryAfter: 1 },
  internal: { status: 500, body: BODIES.internal },
};

/** What to do where a function of the application threw. */
const OF_THE_APPLICATION = "Look at the error's `cause`: a function of the application failed.";

/**
 * The answer to a request that is refused, and the error for hosts that answer by themselves. Nothing of the cause is in the answer but
 * what RFC 6750, RFC 9470 and RFC 9728 put into the challenge.
 * @param {Cause} cause
 * @param {{ realm: string, bodies: import('../../index').ErrorBodies, reference: string, resourceMetadata?: string }} voice
 * @returns {BearerRefusal}
 */
function refusalOf(cause, { realm, bodies, reference, resourceMetadata }) {
  // A verifier or a guard of the host's own may say anything.
  const { fault } = Object.hasOwn(codes, cause.code) ? codes[cause.code] : codes.ERR_INTERNAL;
  const row = BY_CODE[cause.code] ?? BY_FAULT[fault];
  /** @type {Record<string, string>} */
  const headers = { 'Auth-Reference': reference };
  if (row.challenge !== undefined) {
    const { acrValues, maxAge } = cause;
    headers['WWW-Authenticate'] = challengeHeader(row.challenge, realm, cause.scope, {
      acrValues,
      maxAge,
      resourceMetadata,
    });
  }
  // RFC 9110 10.2.3: whole seconds.
  if (row.retryAfter !== undefined) {
    headers['Retry-After'] = String(Math.max(1, Math.ceil(cause.retryAfter ?? row.retryAfter)));
  }
  const error = errorOf(cause, fault, { status: row.status, reference, headers: { ...headers } });
  // LibreChat's bodies are its own, to the letter.
  const named = bodies === 'librechat' ? undefined : reference;
  const { text, type } = written(bodyOf({ ...row, reference: named }, bodies));
  if (text !== '') headers['Content-Type'] = type;
  return { ok: false, status: row.status, headers, body: text, code: cause.code, error };
}

/** @param {import('../responses/bodies').Written} answer @returns {{ text: string, type: string }} */
function written({ body, type = 'application/json' }) {
  if (typeof body === 'string') return { text: body, type: 'text/plain' };
  return { text: JSON.stringify(body) ?? '', type: `${type}; charset=utf-8` };
}

/**
 * @param {Cause} cause
 * @param {import('../../index').RemoteAuthErrorFault} fault
 * @param {{ status: number, reference: string, headers: Record<string, string> }} answer
 * @returns {import('../../index').BearerError}
 */
function errorOf(cause, fault, answer) {
  const error = new RemoteAuthError({ ...cause, fault });
  const action = cause.code === 'ERR_INTERNAL' && cause.cause !== undefined ? OF_THE_APPLICATION : actionOf(cause);
  if (cause.cause !== undefined) Object.defineProperty(error, 'cause', { value: cause.cause, configurable: true });
  return /** @type {any} */ (Object.assign(error, answer, action !== undefined && { action }));
}

/**
 * The error as a host's error handler gets it. Such handlers send `message` to clients, or the stack, whose first line it is: it says no
 * more than the status does. What was wrong is in `cause`.
 * @param {import('../../index').BearerError} cause
 * @returns {import('../../index').BearerError}
 */
function handedOn(cause) {
  const { code, fault, status, reference, headers } = cause;
  const error = new RemoteAuthError({ code, fault, message: STATUS_CODES[status] ?? 'Error' });
  Object.defineProperty(error, 'cause', { value: cause, configurable: true });
  return /** @type {any} */ (Object.assign(error, { status, reference, headers, expose: false }));
}

module.exports = { handedOn, refusalOf };
