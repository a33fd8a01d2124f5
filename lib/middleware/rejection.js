'use strict';

const { decisions } = require('../events/channels');
const { attempt, explanation, publish } = require('../events/observation');
const { refusalEvent } = require('./observation');
const { metadataUrl } = require('../responses/metadata-url');
const { sendErrorResponse } = require('./responses');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('./decision').Cause} Cause
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('./log').Log} Log
 * @typedef {import('./observation').Observed} Observed
 *
 * Why a request is not let in: a cause of decision.js, with what the operator's log and the answer's headers should add to it.
 * `code`: of a refusal whose line has it in its text. `failure`: what the verifier said, and `entry`: of which policy.
 * @typedef {{ cause: Cause, code?: string, about?: string, error?: unknown, scope?: unknown, retryAfter?: number,
 *   failure?: Omit<import('../../native').Failure, 'ok'>, entry?: import('../policy/policy-cache').Entry }} Rejection
 *
 * @typedef {{ log: Log, settings: Pick<import('./options').Settings, 'realm' | 'bodies' | 'resourceMetadata'> & { responses?: 'librechat' | 'standard' },
 *   verifier?: Parameters<typeof refusalEvent>[3] }} Context
 */

/** @param {unknown} error what a callback threw, or a bug @returns {Rejection} */
function unexpected(error) {
  return { cause: 'unexpected', error };
}

/**
 * The event and the log line of a decision. An event that would go into no line, no answer and to no listener is not made.
 * @param {Context} context
 * @param {Observed} observed
 * @param {Decision} decision
 * @param {Rejection} rejection
 * @returns {DecisionEvent | undefined} undefined also where it cannot be made
 */
function report({ log, verifier }, observed, decision, rejection) {
  const { line, action } = decision;
  if (line === undefined && action === 'api-key' && !decisions.hasSubscribers) return undefined;
  const event = attempt(() => refusalEvent(observed, decision, rejection, verifier));
  if (line !== undefined) {
    const { code, about, error } = rejection;
    const text = code === undefined ? line.text : `${line.text} (${code})`;
    const said = about === undefined ? text : `${text}: ${about}`;
    const more = event === undefined ? undefined : attempt(() => explanation(event, said));
    log[line.level](said + (more ?? ''), error);
  }
  if (event !== undefined) publish(event);
  return event;
}

/**
 * Logs a decision and, unless the API-key middleware is to be asked, answers. An answer that fails is logged and nothing more: there is
 * no other left to give.
 * @param {import('../../index').RemoteAgentAuthResponse} res
 * @param {Decision} decision
 * @param {Rejection} rejection
 * @param {Context} context
 * @param {Observed} [observed]
 */
function refuse(res, decision, rejection, context, observed = {}) {
  const event = report(context, observed, decision, rejection);
  if (decision.action !== 'reject') return;
  const { realm, bodies, resourceMetadata, responses } = context.settings;
  try {
    sendErrorResponse(res, decision.response, {
      realm,
      bodies,
      scope: rejection.scope,
      resourceMetadata: metadataUrl(resourceMetadata, observed.req),
      retryAfter: rejection.retryAfter,
      reference: event?.reference,
      // LibreChat's bodies are its own, to the letter.
      referenceInBody: responses === 'standard' || (bodies ?? 'librechat') !== 'librechat',
    });
  } catch (error) {
    context.log.error('Unexpected error while answering', error);
  }
}

module.exports = { refuse, report, unexpected };
