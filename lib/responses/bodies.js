'use strict';

const { isAsynchronous } = require('./asynchronous');

/**
 * The bodies a client can see. The texts are API; no cause ever goes into them.
 * @type {Readonly<Record<'authenticationRequired' | 'bearerRequired' | 'badRequest' | 'unauthorized' | 'forbidden' | 'unavailable'
 *   | 'accountDeletion' | 'internal', Body>>}
 */
const BODIES = Object.freeze({
  authenticationRequired: Object.freeze({ error: 'Authentication required' }),
  bearerRequired: Object.freeze({ error: 'Bearer token required' }),
  badRequest: Object.freeze({ error: 'Bad request' }),
  unauthorized: Object.freeze({ error: 'Unauthorized' }),
  forbidden: Object.freeze({ error: 'Forbidden' }),
  unavailable: Object.freeze({ error: 'Service unavailable' }),
  accountDeletion: Object.freeze({
    error: 'Account deletion is in progress',
    code: 'ACCOUNT_DELETION_IN_PROGRESS',
  }),
  internal: Object.freeze({ error: 'Internal server error' }),
});

/** LibreChat's flat bodies, the nested ones OpenAI's clients read, or problem details (RFC 9457). */
const BODY_STYLES = /** @type {const} */ (['librechat', 'openai', 'problem']);

/** OpenAI's `error.type` and `error.code`, by status. */
const OPENAI_NAMES = new Map([
  [401, ['invalid_request_error', 'invalid_api_key']],
  [403, ['invalid_request_error', 'insufficient_permissions']],
  [409, ['invalid_request_error', 'account_deletion_in_progress']],
  [500, ['server_error', 'internal_error']],
  [503, ['server_error', 'service_unavailable']],
]);

/** The phrases of RFC 9110 15, which are the titles of problems that have no type of their own (RFC 9457 4.2.1). */
const PHRASES = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [409, 'Conflict'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
]);

/**
 * @typedef {{ error: string, code?: string }} Body
 * @typedef {import('../../index').ErrorBodies} Style
 *
 * `type`: the media type, where it is not JSON's.
 * @typedef {{ body: unknown, type?: string }} Written
 */

/** @param {unknown} value @returns {value is Style} */
function isBodyStyle(value) {
  return typeof value === 'function' || BODY_STYLES.includes(/** @type {any} */ (value));
}

/**
 * @param {{ status: number, body: Body, reference?: string }} response `reference`: only where the body is to have it
 * @param {Style | undefined} style a function's own failure costs its body and nothing else
 * @returns {Written}
 */
function bodyOf({ status, body, reference }, style) {
  const named = reference === undefined ? undefined : { reference };
  if (typeof style === 'function') {
    try {
      const own = style({ status, ...body, ...named });
      // The answer is sent now.
      if (isAsynchronous(own)) return { body: { ...body, ...named } };
      // What cannot be written is found here, where there still is another body.
      JSON.stringify(own);
      return { body: own };
    } catch {
      return { body: { ...body, ...named } };
    }
  }
  if (style === 'problem') {
    const problem = {
      type: 'about:blank',
      title: PHRASES.get(status),
      status,
      ...(body.code && { code: body.code }),
      ...named,
    };
    return { body: problem, type: 'application/problem+json' };
  }
  if (style !== 'openai') return { body: named === undefined ? body : { ...body, ...named } };
  const [type, code] = OPENAI_NAMES.get(status) ?? ['invalid_request_error', null];
  return { body: { error: { message: body.error, type, param: null, code, ...named } } };
}

module.exports = { BODIES, BODY_STYLES, bodyOf, isBodyStyle };
