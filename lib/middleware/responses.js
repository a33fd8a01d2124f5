'use strict';

const { bodyOf } = require('../responses/bodies');
const { challengeHeader } = require('../responses/challenge');

/**
 * @typedef {import('../responses/challenge').Challenge} Challenge
 * @typedef {{ status: number, body: import('../responses/bodies').Body, challenge?: Challenge, retryAfter?: number }} ErrorResponse
 *   `retryAfter`: seconds
 *
 * `scope`: what would be enough, for `insufficient-scope`. `retryAfter`: seconds, in place of the response's.
 * `resourceMetadata`: in the challenge (RFC 9728 5.1). `reference`: what the caller can name the refusal by; letters and digits, in the header, and with `referenceInBody` in the body as well.
 * @typedef {{ realm: string, bodies?: import('../responses/bodies').Style, scope?: unknown, retryAfter?: number, reference?: string,
 *   referenceInBody?: boolean, resourceMetadata?: string }} Answer
 */

/**
 * Sends a response, unless something has answered already. Hosts' own tests pass a response that has
 * only `status` and `json`.
 * @param {import('../../index').RemoteAgentAuthResponse} res
 * @param {ErrorResponse} response
 * @param {Answer} answer
 */
function sendErrorResponse(res, response, answer) {
  if (res.headersSent) return;
  const { realm, bodies, scope, retryAfter, reference, referenceInBody, resourceMetadata } = answer;
  const named = referenceInBody ? reference : undefined;
  const { body, type } = bodyOf({ status: response.status, body: response.body, reference: named }, bodies);
  if (typeof res.setHeader === 'function') {
    // Express keeps a media type that is set already.
    if (type !== undefined) res.setHeader('Content-Type', type);
    if (reference !== undefined) res.setHeader('Auth-Reference', reference);
    if (response.challenge !== undefined) {
      res.setHeader('WWW-Authenticate', challengeHeader(response.challenge, realm, scope, { resourceMetadata }));
    }
    if (response.retryAfter !== undefined) {
      // RFC 9110 10.2.3: whole seconds.
      res.setHeader('Retry-After', String(Math.max(1, Math.ceil(retryAfter ?? response.retryAfter))));
    }
  }
  res.status(response.status).json(body);
}

module.exports = { sendErrorResponse };
