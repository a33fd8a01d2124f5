'use strict';

// A decision of the general middleware, as the event of it. Loaded when somebody listens.

const { accepted, attempt, policyOf, publish, refused, watchKeys } = require('../events/observation');

/**
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 * @typedef {import('./auth').NativeFacts} NativeFacts
 * @typedef {import('./issuers').Entry} Entry
 *
 * What is known of a request. `facts`: of a token that was found good.
 * @typedef {import('../events/observation').Observed & { entry?: Entry, facts?: NativeFacts }} Known
 */

/** @param {Known} known @param {TokenVerifier} verifier */
function publishAccepted(known, verifier) {
  attempt(() => publish(accepted(known, policyIn(known), verifier, peopleIn(known))));
}

/**
 * @param {Known} known
 * @param {import('../../index').BearerRefusal} refusal
 * @param {boolean} isGuard whether a guard refuses what the middleware has let in: the second event of a request
 * @param {TokenVerifier} verifier
 */
function publishRefused(known, { status, error }, isGuard, verifier) {
  const { reference, action } = error;
  const outcome = status === 500 ? 'error' : 'refused';
  const refusal = { reference, outcome, status, guard: isGuard || undefined, failure: error, action };
  attempt(() => publish(refused(known, /** @type {any} */ (refusal), policyIn(known), verifier, peopleIn(known))));
}

/** @param {Known} known */
function policyIn({ entry }) {
  if (entry === undefined) return undefined;
  const { policy, issuer, options } = entry;
  // A policy asked for again is compiled once. A verifier of the host's own may compile to anything.
  const owner = typeof policy === 'object' && policy !== null ? policy : entry;
  return policyOf(owner, issuer, policy, () => JSON.stringify(options));
}

/** @param {Known} known @returns {import('../events/observation').People | undefined} */
function peopleIn({ verified, facts }) {
  if (verified === undefined) return undefined;
  const actor = facts?.actor || undefined;
  return { subject: verified.subject, actor: actor?.subject ?? actor?.clientId };
}

module.exports = { publishAccepted, publishRefused, watchKeys };
