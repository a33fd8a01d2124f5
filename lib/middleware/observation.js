'use strict';

const { decisions } = require('../events/channels');
const { checkOf } = require('../events/checks');
const { decisionEvent } = require('../events/decision-event');
const { pseudonym } = require('../events/pseudonym');
const { newReference } = require('../events/reference');
const { RemoteAuthError, codes } = require('../verifier/errors');
const { NEXT_STEPS } = require('./next-steps');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('../../index').TokenEvidence} TokenEvidence
 * @typedef {import('../policy/policy-cache').Entry} Entry
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('./rejection').Rejection} Rejection
 *
 * What an event is made of besides the decision; `req`: the host's request, for its own
 * functions; `began`: by `performance.now()`, when somebody listens; `checked`: milliseconds of it
 * in the token's check.
 * @typedef {{ req?: any, token?: string | null, tenantId?: string, issuer?: unknown, entry?: Entry, verified?: import('../../native').Success,
 *   began?: number, checked?: number, shadow?: DecisionEvent['shadow'] }} Observed
 */

/** Codes that the key ids of the provider explain. */
const OF_KEYS = new Set(['ERR_KEY_NOT_FOUND', 'ERR_KEY_NOT_ASKED', 'ERR_KEY_UNSUITABLE', 'ERR_SIGNATURE_INVALID']);

/** What a URL may have before its host: a name and a password, which no event shows. */
const USERINFO = /^([^/?#]*\/\/)[^/?#]*@/;

/** Names of policies: the same for equal policies of one process. @type {WeakMap<Entry, string>} */
const policyNames = new WeakMap();

/** Headers read for events, most of them of a few keys. @type {Map<string, { alg?: unknown, kid?: unknown }>} */
const headers = new Map();
/** How many are kept, each of at most so many characters. */
const MOST_HEADERS = 64;
const LONGEST_HEADER = 1024;

/** @returns {number | undefined} when a request began, where somebody listens */
function beginning() {
  return decisions.hasSubscribers ? performance.now() : undefined;
}

/**
 * The event of a request that is not let in, or handed to the API-key middleware. It is made whether anybody listens or not where a line
 * or an answer names it.
 * @param {Observed} observed
 * @param {Decision} decision
 * @param {Rejection} rejection
 * @param {Pick<import('../../index').TokenVerifier, 'evidence'>} [verifier]
 * @returns {DecisionEvent}
 */
function refusalEvent(observed, decision, rejection, verifier) {
  const { cause, error } = rejection;
  const failure = rejection.failure ?? (error instanceof RemoteAuthError ? error : undefined);
  const entry = rejection.entry ?? observed.entry;
  const [checked, step] = NEXT_STEPS[cause] ?? [];
  const code = failure?.code;
  const evidence = evidenceOf(observed, entry, code, verifier);
  return decisionEvent({
    reference: newReference(),
    time: Date.now(),
    outcome: outcomeOf(decision),
    code,
    cause,
    fault: failure?.fault,
    status: decision.action === 'reject' ? decision.response.status : undefined,
    ...commonOf(observed, entry),
    algorithm: evidence?.algorithm ?? undefined,
    kid: evidence?.kid ?? undefined,
    check: code === undefined ? checked : checkOf(code),
    expected: failure?.expected,
    // Without a code the reason is what came: one of our own texts.
    got: failure?.got ?? failure?.reason ?? (code === undefined ? rejection.about : undefined),
    action: failure === undefined ? step : actionOf(failure),
    clockDifference: evidence?.clockDifference ?? undefined,
    providerKids: evidence?.providerKids,
    keys: evidence?.keys,
    subjectHash: hashOf(observed.verified?.subject),
  });
}

/** @param {unknown} subject of a host's own verifier it may be anything */
function hashOf(subject) {
  return typeof subject === 'string' && subject !== '' ? pseudonym(subject) : undefined;
}

/**
 * The event of a request that is let in, for those who listen. Without the subject's hash: that costs more than all the rest.
 * @param {Observed} observed
 * @param {Pick<import('../../index').TokenVerifier, 'keyState'>} verifier
 * @returns {DecisionEvent}
 */
function acceptedEvent(observed, verifier) {
  const { entry, verified } = observed;
  const { alg, kid } = headerOf(verified?.header);
  return decisionEvent({
    reference: newReference(),
    time: Date.now(),
    outcome: 'accepted',
    ...commonOf(observed, entry),
    algorithm: typeof alg === 'string' ? alg : undefined,
    kid: typeof kid === 'string' ? kid : undefined,
    keys: keyStateOf(verified, entry, verifier),
  });
}

/**
 * @param {Observed['verified']} verified
 * @param {Entry | undefined} entry
 * @param {Parameters<typeof acceptedEvent>[1]} verifier
 */
function keyStateOf(verified, entry, verifier) {
  if (verified === undefined || entry?.policy === undefined) return undefined;
  try {
    return verifier.keyState?.(verified, entry.policy);
  } catch {
    return undefined;
  }
}

/**
 * What to do next: by the code, but where a connection failed: that fault's own text says it better.
 * @param {{ code: import('../../index').RemoteAuthErrorCode, message: string, reason?: string }} failure
 */
function actionOf({ code, message, reason }) {
  if (reason !== undefined && message?.includes(': ')) return message.slice(message.indexOf(': ') + 2);
  return codes[code]?.action;
}

/** @param {Observed} observed @param {Entry | undefined} entry */
function commonOf({ issuer, tenantId, began, checked = 0, shadow }, entry) {
  const took = began === undefined ? undefined : performance.now() - began;
  return {
    // The configured one: a token cannot choose what is counted under which name.
    issuer: typeof issuer === 'string' ? issuer.replace(USERINFO, '$1') : undefined,
    policy: entry === undefined ? undefined : nameOf(entry),
    tenant: typeof tenantId === 'string' ? tenantId : undefined,
    shadow,
    // 0 where somebody began to listen while the request was under way.
    durationMicros: took === undefined ? 0 : Math.round(took * 1000),
    callbackMicros: took === undefined ? undefined : Math.max(0, Math.round((took - checked) * 1000)),
  };
}

/** @param {Decision} decision @returns {'api-key' | 'error' | 'refused'} */
function outcomeOf(decision) {
  if (decision.action === 'api-key') return 'api-key';
  return decision.response.status === 500 ? 'error' : 'refused';
}

/**
 * Asked natively, after the decision: for those who listen, and where the line is to name the provider's keys.
 * @param {Observed} observed
 * @param {Entry | undefined} entry
 * @param {string | undefined} code
 * @param {Parameters<typeof refusalEvent>[3]} verifier
 * @returns {TokenEvidence | undefined}
 */
function evidenceOf({ token }, entry, code, verifier) {
  if (typeof token !== 'string' || entry?.policy === undefined) return undefined;
  if (!decisions.hasSubscribers && !(code !== undefined && OF_KEYS.has(code))) return undefined;
  try {
    return verifier?.evidence?.(token, entry.policy);
  } catch {
    // A host's own verifier: what is said of a decision never changes it.
    return undefined;
  }
}

/** @param {Entry} entry @returns {string} 8 characters; nothing of the settings can be read from them */
function nameOf(entry) {
  let name = policyNames.get(entry);
  if (name === undefined) {
    name = pseudonym(entry.key ?? String(Math.random())).slice(0, 8);
    policyNames.set(entry, name);
  }
  return name;
}

/** @param {string | undefined} header a JOSE header that was read natively @returns {{ alg?: unknown, kid?: unknown }} */
function headerOf(header) {
  if (typeof header !== 'string' || header.length > LONGEST_HEADER) return {};
  let known = headers.get(header);
  if (known === undefined) {
    known = parsed(header);
    if (headers.size >= MOST_HEADERS) headers.clear();
    headers.set(header, known);
  }
  return known;
}

/** @param {string} header of a host's own verifier it may be anything @returns {{ alg?: unknown, kid?: unknown }} */
function parsed(header) {
  try {
    const { alg, kid } = JSON.parse(header);
    return { alg, kid };
  } catch {
    return {};
  }
}

/** @param {DecisionEvent} event */
function publish(event) {
  if (decisions.hasSubscribers) decisions.publish(event);
}

/**
 * What a line says at its end, so that one search for the reference a caller has finds it.
 * @param {DecisionEvent} event
 * @param {string} line what is said already
 * @returns {string}
 */
function explanation({ reference, code, expected, got, kid, providerKids, action }, line) {
  const said = [`reference ${reference}`];
  if (code !== undefined && !line.includes(code)) said.push(code);
  if (expected !== undefined && !line.includes('expected ')) said.push(`expected ${expected}`);
  if (got !== undefined && !line.includes('expected ') && !line.includes(got)) said.push(`got ${got}`);
  if (code !== undefined && OF_KEYS.has(code) && providerKids !== undefined) {
    if (kid !== undefined) said.push(`kid "${kid}"`);
    const has = providerKids.length === 0 ? 'none' : providerKids.map((id) => `"${id}"`).join(', ');
    said.push(`kids of the provider: ${has}`);
  }
  return `; ${said.join(', ')}${action === undefined ? '' : `; ${action}`}`;
}

module.exports = { acceptedEvent, beginning, explanation, publish, refusalEvent };
