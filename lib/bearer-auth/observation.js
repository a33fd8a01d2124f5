'use strict';

// A decision of the general middleware, as the event of it. Loaded when somebody listens.

const { accepted, attempt, namesOf, publish, refused, watchKeys } = require('../events/observation');

/**
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 * @typedef {import('./auth').NativeFacts} NativeFacts
 * @typedef {import('./issuers').Entry} Entry
 *
 * What is known of a request. `outcome`, `facts`: of a token that was found good. `began`: where somebody listens; `checked`: milliseconds
 * in the token's check.
 * @typedef {{ token?: string, entry?: Entry, outcome?: import('../../native').Success, facts?: NativeFacts, began?: number,
 *   checked?: number }} Known
 */

/** @param {Known} known @param {TokenVerifier} verifier */
function publishAccepted(known, verifier) {
  attempt(() => publish(accepted(observed(known), verifier)));
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
  const guard = isGuard || undefined;
  attempt(() =>
    publish(refused(observed(known), { reference, outcome, status, guard, failure: error }, action, verifier)),
  );
}

/** @param {Known} known @returns {import('../events/observation').Observed} */
function observed({ token, entry, outcome, facts, began, checked }) {
  const actor = facts?.actor || undefined;
  return {
    token,
    names: entry === undefined ? undefined : namesOf(ownerOf(entry), entry.issuer, () => JSON.stringify(entry.options)),
    policy: entry?.policy,
    verified: outcome,
    subject: outcome?.subject,
    actor: actor?.subject ?? actor?.clientId,
    began,
    checked,
  };
}

/** A policy asked for again is compiled once. A verifier of the host's own may compile to anything. @param {Entry} entry @returns {object} */
function ownerOf(entry) {
  return typeof entry.policy === 'object' && entry.policy !== null ? entry.policy : entry;
}

module.exports = { publishAccepted, publishRefused, watchKeys };
