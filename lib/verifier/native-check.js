'use strict';

// Calls into Rust, and decodes what they return. The only file of lib that requires the binding.

const { RemoteAuthError } = require('./errors');
const { Success, outcomeOf, validityOf } = require('./outcome');
const layout = require('./wire-layout');

/**
 * @typedef {import('../../binding').EncodedResult} EncodedResult
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {(outcome: Success, validity: import('./outcome').Validity) => void} Keep
 */

const binding = require('../../binding');

const { FLAGS, INPUT } = layout;
// One built before there was a layout to ask for has none.
if (!isSameLayout(JSON.parse(binding.wireLayout?.() ?? 'null'), layout)) {
  const reason =
    'the native file and the JavaScript beside it are of different builds, though of one version: build or install both anew';
  throw Object.assign(new Error(`remote-agent-auth: ${reason}`), { code: 'ERR_NATIVE_VERSION' });
}

/**
 * Member by member: what Node has for it takes longer to load than everything else here.
 * @param {any} theirs @param {any} ours a tree of objects and lists @returns {boolean}
 */
function isSameLayout(theirs, ours) {
  if (typeof ours !== 'object') return theirs === ours;
  if (typeof theirs !== 'object' || theirs === null) return false;
  const names = Object.keys(ours);
  return (
    Array.isArray(theirs) === Array.isArray(ours) &&
    Object.keys(theirs).length === names.length &&
    names.every((name) => Object.hasOwn(theirs, name) && isSameLayout(theirs[name], ours[name]))
  );
}

let trusting = false;

/** Reading Node's certificates takes milliseconds, so it waits for a policy that can lead to an https fetch. */
function trustNodesCertificates() {
  if (trusting) return;
  const { trustedCertificates } = require('./certificates');
  binding.trustCertificates(trustedCertificates());
  trusting = true;
}

/** What a check is asked for; its result takes their place. */
const slots = new Float64Array(Object.keys(layout.ACCEPTED).length);

/**
 * Checks one token.
 * @param {string} token
 * @param {CompiledPolicy} policy
 * @param {unknown} now seconds since 1970
 * @param {number} flags of `FLAGS`
 * @param {number} maxQueued
 * @param {Keep} [keep] called with what is accepted, before the caller has it, if `flags` have `WITH_FRESHNESS`
 * @returns {Outcome | Promise<Outcome>}
 */
function checkToken(token, policy, now, flags, maxQueued, keep) {
  // What is no number is refused natively; a bigint would throw here.
  slots[INPUT.now] = typeof now === 'number' ? now : NaN;
  slots[INPUT.flags] = flags;
  slots[INPUT.maxQueued] = maxQueued;
  const result = binding.checkToken(token, policy, slots);
  const outcome =
    typeof result === 'string' ? decoded(token, result, undefined, slots, 0, keep) : settled(token, result, keep);
  return profiles === undefined ? outcome : hinted(policy, outcome);
}

/**
 * The outcome of a result that came as a list, or as a promise of one.
 * @param {string | undefined} token undefined only where the result has a handle
 * @param {EncodedResult | Promise<EncodedResult>} result
 * @param {Keep} [keep]
 * @returns {Outcome | Promise<Outcome>}
 */
function settled(token, result, keep) {
  return Array.isArray(result) ? listed(token, result, keep) : result.then((list) => listed(token, list, keep));
}

/** @param {string | undefined} token @param {EncodedResult} list text, handle and numbers @param {Keep} [keep] */
function listed(token, list, keep) {
  return decoded(token, list[0], list[1], list, 2, keep);
}

/**
 * @param {string | undefined} token
 * @param {string} text
 * @param {any} handle
 * @param {ArrayLike<any>} numbers
 * @param {number} at the place of the first one
 * @param {Keep} [keep]
 * @returns {Outcome}
 */
function decoded(token, text, handle, numbers, at, keep) {
  const outcome = outcomeOf(token, text, handle, numbers, at);
  if (keep !== undefined && outcome instanceof Success) keep(outcome, validityOf(numbers, at));
  return outcome;
}

/** Keys at hand, and a plain http URL of this machine, do without certificates. @param {PolicyOptions} options */
function needsTrust({ introspection, jwks, jwksFile, jwksUri, proxy }) {
  if (introspection !== undefined) return true;
  if (jwks !== undefined || jwksFile !== undefined) return false;
  return Boolean(proxy) || !/^\s*http:/i.test(`${jwksUri}`);
}

/**
 * The options as native code reads them: a profile is written out, keys are one text.
 * @template T
 * @param {T} options
 * @returns {T}
 * @throws {RemoteAuthError} for a profile that is wrong
 */
function prepared(options) {
  const { profile } = /** @type {{ profile?: unknown }} */ (options ?? {});
  if (profile === undefined || typeof options !== 'object') return withKeysAsText(options);
  const { expandProfile } = require('./profiles');
  return withKeysAsText(/** @type {T} */ (expandProfile(/** @type {any} */ (options))));
}

/** The profiles of compiled policies, from when there is one. @type {WeakMap<object, string> | undefined} */
let profiles;

/**
 * Adds to a refusal what the policy's profile says about it.
 * @template {Outcome | Promise<Outcome>} T
 * @param {unknown} policy compiled, or the options of one
 * @param {T} outcome
 * @returns {T}
 */
function hinted(policy, outcome) {
  if (typeof policy !== 'object' || policy === null) return outcome;
  const profile = profiles?.get(policy) ?? /** @type {{ profile?: string }} */ (policy).profile;
  if (profile === undefined) return outcome;
  const { withHint } = require('./profile-hints');
  if ('then' in outcome) return /** @type {T} */ (outcome.then((settledOne) => withHint(profile, settledOne)));
  return /** @type {T} */ (withHint(profile, /** @type {Outcome} */ (outcome)));
}

/**
 * Keys are passed as one text, parsed by the same reader as a provider's.
 * @template T
 * @param {T} options
 * @returns {T}
 */
function withKeysAsText(options) {
  if (typeof options !== 'object' || options === null) return options;
  const withKeys = withMemberAsText(options, 'jwks');
  const { introspection } = /** @type {{ introspection?: object }} */ (withKeys);
  if (typeof introspection !== 'object' || introspection === null) return withKeys;
  const asText = withMemberAsText(introspection, 'privateKey');
  return asText === introspection ? withKeys : { ...withKeys, introspection: asText };
}

/**
 * @template {object} T
 * @param {T} options
 * @param {string} name of a member that may be an object
 * @returns {T}
 */
function withMemberAsText(options, name) {
  const value = Object.hasOwn(options, name) ? /** @type {any} */ (options)[name] : undefined;
  if (typeof value !== 'object' || value === null) return options;
  try {
    return { ...options, [name]: JSON.stringify(value) };
  } catch {
    // Refused natively: it is no text.
    return options;
  }
}

/**
 * @param {PolicyOptions} options
 * @returns {CompiledPolicy}
 * @throws {RemoteAuthError}
 */
function compilePolicy(options) {
  const written = prepared(options);
  const policy = binding.compilePolicy(written);
  if (Array.isArray(policy)) throw new RemoteAuthError(refusalOf(/** @type {EncodedResult} */ (policy)));
  if (needsTrust(written)) trustNodesCertificates();
  rememberProfile(policy, options);
  return /** @type {CompiledPolicy} */ (policy);
}

/**
 * Whether two compiled policies are of one provider: an issuer that the one accepts the other accepts too.
 * @param {CompiledPolicy | undefined} one
 * @param {CompiledPolicy} other
 */
function shareIssuer(one, other) {
  if (one === undefined) return false;
  const issuers = binding.policyIssuers(other) ?? [];
  return one === other || (binding.policyIssuers(one) ?? []).some((issuer) => issuers.includes(issuer));
}

/** For `hinted`. @param {object} policy @param {PolicyOptions} options */
function rememberProfile(policy, { profile }) {
  if (profile === undefined) return;
  profiles ??= new WeakMap();
  profiles.set(policy, profile);
}

/** @param {EncodedResult} list of a refusal @returns {Failure} */
function refusalOf(list) {
  return /** @type {Failure} */ (listed(undefined, list));
}

/**
 * `iss` of a token that nothing has checked; it chooses which policy shall check it. Null where there is none, a refusal where the token
 * cannot be read.
 * @param {string} token
 * @returns {string | null | Failure}
 */
function untrustedIssuer(token) {
  const issuer = binding.untrustedIssuer(token);
  return Array.isArray(issuer) ? refusalOf(issuer) : issuer;
}

/**
 * What an operator can compare about a token and a policy, after the decision.
 * @param {string} token
 * @param {CompiledPolicy} policy
 * @param {unknown} now seconds since 1970
 * @returns {import('../../index').TokenEvidence | undefined}
 */
function tokenEvidence(token, policy, now) {
  return JSON.parse(binding.tokenEvidence(token, policy, typeof now === 'number' ? now : NaN)) ?? undefined;
}

/** Calls to the provider's other endpoints, for `provider-client.js`: what comes back is as the native code gave it. */
const providerCalls = {
  /** @type {typeof binding.providerUserinfo} */
  userinfo: (...args) => (trustNodesCertificates(), binding.providerUserinfo(...args)),
  /** @type {typeof binding.providerExchange} */
  exchange: (...args) => (trustNodesCertificates(), binding.providerExchange(...args)),
  /** @type {typeof binding.providerGraph} */
  graph: (...args) => (trustNodesCertificates(), binding.providerGraph(...args)),
};

const {
  addRevocations,
  checkLogout,
  claimFacts,
  createRemoteAgentAuth,
  exchangeKeys,
  keyChanges,
  policyIssuers,
  revocationText,
} = binding;

module.exports = {
  FLAGS,
  addRevocations,
  checkLogout,
  checkToken,
  claimFacts,
  compilePolicy,
  createRemoteAgentAuth,
  exchangeKeys,
  hinted,
  keyChanges,
  policyIssuers,
  prepared,
  providerCalls,
  refusalOf,
  revocationText,
  rememberProfile,
  settled,
  shareIssuer,
  untrustedIssuer,
  tokenEvidence,
};
