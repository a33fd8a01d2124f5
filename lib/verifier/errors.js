'use strict';

/**
 * @typedef {import('../../index').RemoteAuthErrorFault} Fault
 * @typedef {import('../../index').RemoteAuthErrorCode} Code
 */

/** What `responses: 'standard'` would answer; the drop-in's own statuses are decided in decision.js. */
const STATUS_OF_FAULT = Object.freeze({
  config: 500,
  request: 401,
  token: 401,
  scope: 403,
  upstream: 503,
  capacity: 503,
  internal: 500,
});

/**
 * The one error type of this package. Its message is for the operator's log: it names causes, never a
 * token, an e-mail address or a subject, and is never sent to a client.
 */
class RemoteAuthError extends Error {
  /**
   * @param {{ code: Code, fault: Fault, message: string, retryAfter?: number, reason?: string, host?: string,
   *   expected?: string, got?: string, hint?: string }} failure
   */
  constructor({ code, fault, message, retryAfter, reason, host, expected, got, hint }) {
    super(message);
    this.code = code;
    this.fault = fault;
    this.status = STATUS_OF_FAULT[fault];
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
    if (reason !== undefined) this.reason = reason;
    if (host !== undefined) this.host = host;
    if (expected !== undefined) this.expected = expected;
    if (got !== undefined) this.got = got;
    if (hint !== undefined) this.hint = hint;
  }
}

// On the prototype, as with the built-in errors: `name` is the type's, not the instance's.
Object.defineProperty(RemoteAuthError.prototype, 'name', {
  value: 'RemoteAuthError',
  configurable: true,
  writable: true,
});

/** @param {string} message names the option and what was expected */
function wrongOption(message) {
  return new RemoteAuthError({ code: 'ERR_POLICY_OPTION', fault: 'config', message });
}

module.exports = { RemoteAuthError, wrongOption };
