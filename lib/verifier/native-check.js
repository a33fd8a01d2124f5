'use strict';

// The one importer of the binding in lib: what goes in, what comes out, and how a policy gets there.

const { RemoteAuthError, wrongOption } = require('./errors');
const { FACTS, outcomeOf } = require('./outcome');
const { trustedCertificates } = require('./certificates');

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 */

// native.d.ts says the same as the generated types, with codes as a closed set and handles that nothing else passes for.
/** @type {typeof import('../../native') & Pick<typeof import('../../binding'), 'judge' | 'keyChanges' | 'trustCertificates'>} */
const binding = /** @type {any} */ (require('../../binding'));

let trusting = false;

/** Reading Node's certificates takes milliseconds, so it waits for a policy that can lead to an https fetch. */
function trustNodesCertificates() {
  if (trusting) return;
  binding.trustCertificates(trustedCertificates());
  trusting = true;
}

/** What goes in: the time, the wishes of src/node/crossing.rs and how many may wait. What comes back takes its place. */
const facts = /** @type {any} */ (new Float64Array(FACTS.count));
const NOW = 0;
const WISHES = 1;
const MOST_QUEUED = 2;
const USE_VERDICTS = 1;
const TELL_FRESHNESS = 2;
const KEEP_VERDICT = 4;

/**
 * One crossing: a text and `facts` at once, or both in one list where there is more to tell, or a promise of the list.
 * @param {string} token
 * @param {CompiledPolicy} policy
 * @param {unknown} now
 * @param {number} wishes
 * @param {number} maxQueued
 * @returns {string | any[] | Promise<any[]>}
 */
function cross(token, policy, now, wishes, maxQueued) {
  // What is no number is refused natively; a bigint would throw here.
  facts[NOW] = typeof now === 'number' ? now : NaN;
  facts[WISHES] = wishes;
  facts[MOST_QUEUED] = maxQueued;
  return binding.judge(token, policy, facts);
}

/**
 * @param {string} token
 * @param {CompiledPolicy} policy
 * @param {unknown} now
 * @param {number} wishes
 * @param {number} maxQueued
 * @returns {Outcome | Promise<Outcome>}
 */
function judge(token, policy, now, wishes, maxQueued) {
  const told = cross(token, policy, now, wishes, maxQueued);
  if (typeof told === 'string') return outcomeOf(token, told, facts, 0);
  return Array.isArray(told) ? listed(token, told) : told.then((list) => listed(token, list));
}

/** @param {string} token @param {any[]} list text, numbers, verdict if one was wished for */
function listed(token, list) {
  return outcomeOf(token, list[0], list, 1, list[1 + FACTS.count]);
}

/** Keys at hand, and a plain http URL of this machine, do without certificates. @param {PolicyOptions} options */
function needsTrust({ jwks, jwksFile, jwksUri, proxy }) {
  if (jwks !== undefined || jwksFile !== undefined) return false;
  return Boolean(proxy) || !/^\s*http:/i.test(`${jwksUri}`);
}

/**
 * Keys cross as one text, parsed by the same reader as a provider's.
 * @param {PolicyOptions} options
 * @returns {PolicyOptions}
 */
function withKeysAsText(options) {
  if (typeof options !== 'object' || options === null || !Object.hasOwn(options, 'jwks')) return options;
  const { jwks } = options;
  if (typeof jwks !== 'object' || jwks === null) return options;
  try {
    return { ...options, jwks: JSON.stringify(jwks) };
  } catch {
    throw wrongOption('`jwks` must be a JWK Set: an object that JSON can say');
  }
}

/**
 * @param {PolicyOptions} options
 * @returns {CompiledPolicy}
 * @throws {RemoteAuthError}
 */
function compilePolicy(options) {
  const policy = binding.compilePolicy(withKeysAsText(options));
  if ('ok' in policy) throw new RemoteAuthError(policy);
  if (needsTrust(options)) trustNodesCertificates();
  return policy;
}

/**
 * Calls to the provider's other endpoints, for `provider-client.js`: what comes back is as it crossed.
 * @type {Record<'userinfo' | 'exchange' | 'graph', (...args: unknown[]) => Promise<any>>}
 */
const providerCalls = {
  userinfo: (...args) => (trustNodesCertificates(), /** @type {any} */ (binding).providerUserinfo(...args)),
  exchange: (...args) => (trustNodesCertificates(), /** @type {any} */ (binding).providerExchange(...args)),
  graph: (...args) => (trustNodesCertificates(), /** @type {any} */ (binding).providerGraph(...args)),
};

const { createRemoteAgentAuth, keyChanges } = binding;

module.exports = {
  KEEP_VERDICT,
  TELL_FRESHNESS,
  USE_VERDICTS,
  compilePolicy,
  createRemoteAgentAuth,
  cross,
  facts,
  judge,
  keyChanges,
  listed,
  providerCalls,
};
