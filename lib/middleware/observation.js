'use strict';

// A decision of this middleware, as the event of it.

const { accepted, policyOf, refused } = require('../events/observation');
const { actionOf } = require('../verifier/codes');
const { RemoteAuthError } = require('../verifier/errors');
const { nextStep } = require('./next-steps');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 * @typedef {import('../policy/policy-cache').Entry} Entry
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('./rejection').Rejection} Rejection
 *
 * What an event is made of besides the decision: a request's state. `req`: the host's request, for its own functions.
 * @typedef {import('../events/observation').Observed & { req?: any, tenantId?: string, entry?: Entry }} Observed
 */

/**
 * @param {Observed} observed
 * @param {Decision} decision
 * @param {Rejection} rejection
 * @param {Pick<TokenVerifier, 'evidence'>} [verifier]
 * @returns {DecisionEvent}
 */
function refusalEvent(observed, decision, rejection, verifier) {
  const { cause, error } = rejection;
  const failure = rejection.failure ?? (error instanceof RemoteAuthError ? error : undefined);
  const [check, step] = nextStep(cause, rejection.about);
  const refusal = {
    outcome: outcomeOf(decision),
    status: decision.action === 'reject' ? decision.response.status : undefined,
    cause,
    check,
    // Without a code the reason is what came: one of our own texts.
    got: failure?.code === undefined ? rejection.about : undefined,
    failure,
    action: failure === undefined ? step : actionOf(failure),
  };
  const policy = policyIn(observed, rejection.entry ?? observed.entry);
  return refused(observed, refusal, policy, verifier, { subject: observed.verified?.subject });
}

/** @param {Observed} observed @param {Pick<TokenVerifier, 'keyState'>} [verifier] @returns {DecisionEvent} */
function acceptedEvent(observed, verifier) {
  return accepted(observed, policyIn(observed, observed.entry), verifier);
}

/** @param {Observed} observed @param {Entry | undefined} entry */
function policyIn({ issuer }, entry) {
  return entry === undefined ? undefined : policyOf(entry, issuer, entry.policy, () => entry.key);
}

/** @param {Decision} decision @returns {'api-key' | 'error' | 'refused'} */
function outcomeOf(decision) {
  if (decision.action === 'api-key') return 'api-key';
  return decision.response.status === 500 ? 'error' : 'refused';
}

module.exports = { acceptedEvent, refusalEvent };
