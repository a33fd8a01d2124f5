'use strict';

const { sendErrorResponse } = require('./responses');

/**
 * @typedef {import('./decision').Cause} Cause
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('./log').Log} Log
 *
 * Why a request is not let in: a cause of decision.js, with what the operator's log and the answer's headers should add to it.
 * `code`: of a refusal whose line has it in its text.
 * @typedef {{ cause: Cause, code?: string, about?: string, error?: unknown, scope?: unknown, retryAfter?: number }} Rejection
 */

/** @param {unknown} error what a callback threw, or a bug @returns {Rejection} */
function unexpected(error) {
  return { cause: 'unexpected', error };
}

/** The log line of a decision, where it has one. @param {Log} log @param {Decision} decision @param {Rejection} rejection */
function report(log, { line }, { code, about, error }) {
  if (line === undefined) return;
  const text = code === undefined ? line.text : `${line.text} (${code})`;
  log[line.level](about === undefined ? text : `${text}: ${about}`, error);
}

/**
 * Logs a decision and, unless the API-key middleware is to be asked, answers. An answer that fails is logged and nothing more: there is
 * no other left to give.
 * @param {import('../../index').RemoteAgentAuthResponse} res
 * @param {Decision} decision
 * @param {Rejection} rejection
 * @param {{ log: Log, settings: Pick<import('./options').Settings, 'realm' | 'bodies'> }} context
 */
function refuse(res, decision, rejection, { log, settings: { realm, bodies } }) {
  report(log, decision, rejection);
  if (decision.action !== 'reject') return;
  try {
    sendErrorResponse(res, decision.response, {
      realm,
      bodies,
      scope: rejection.scope,
      retryAfter: rejection.retryAfter,
    });
  } catch (error) {
    log.error('Unexpected error while answering', error);
  }
}

module.exports = { refuse, report, unexpected };
