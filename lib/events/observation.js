'use strict';

// What is known of a request when it is decided, as an event and as the end of a log line: the same for every middleware.

const { decisions, keys } = require('./channels');
const { checkOf } = require('./checks');
const { decisionEvent } = require('./decision-event');
const { printable, printableUrl } = require('./printable');
const { pseudonym } = require('./pseudonym');
const { newReference } = require('./reference');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('../../index').TokenEvidence} TokenEvidence
 * @typedef {import('../../index').TokenVerifier} TokenVerifier
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 *
 * A policy: how an event names it and its issuer, printable, and what it is compiled to.
 * @typedef {{ issuer?: string, name?: string, compiled?: CompiledPolicy }} Policy
 *
 * What is known of a request. `issuer`: the configured one, for where there is no policy. `verified`: a token that was found good. `began`: by
 * `performance.now()`, where somebody listens; `checked`: milliseconds of it in the token's check.
 * @typedef {{ token?: string | null, issuer?: unknown, tenantId?: unknown, verified?: import('../../native').Success, began?: number,
 *   checked?: number, shadow?: DecisionEvent['shadow'] }} Observed
 *
 * Of which an event has keyed hashes: what the token has been found to say.
 * @typedef {{ subject?: unknown, actor?: unknown }} People
 *
 * Why a request is not let in. `reference`: where the answer has one already. `failure`: what the verifier said, or a guard. `got`: what
 * came, where there is no failure.
 * @typedef {{ reference?: string, outcome: 'refused' | 'api-key' | 'error', status?: number, cause?: string, check?: string, action?: string,
 *   got?: string,
 *   guard?: true, failure?: { code?: any, fault?: any, expected?: string, got?: string, reason?: string, host?: string } }} Refused
 */

/** Codes that the key ids of the provider explain. */
const OF_KEYS = new Set(['ERR_KEY_NOT_FOUND', 'ERR_KEY_NOT_ASKED', 'ERR_KEY_UNSUITABLE', 'ERR_SIGNATURE_INVALID']);

/** By what has them. @type {WeakMap<object, { issuer: unknown, policy: Policy }>} */
const known = new WeakMap();
/** @type {Policy} */
const NO_POLICY = Object.freeze({});
/** @type {People} */
const NOBODY = Object.freeze({});

/** What is said of headers, most of them of a few keys. @type {Map<string, Header>} */
const headers = new Map();
/** How many are kept, each of at most so many characters. */
const MOST_HEADERS = 64;
const LONGEST_HEADER = 1024;
/** @typedef {{ algorithm?: string, kid?: string }} Header */
/** @type {Header} */
const NO_HEADER = Object.freeze({});
/** The one asked for last: comparing is cheaper than looking it up. @type {{ text?: string, header: Header }} */
const latest = { text: undefined, header: NO_HEADER };

/** @returns {number | undefined} when a request began, where somebody listens */
function beginning() {
  return decisions.hasSubscribers ? performance.now() : undefined;
}

/** @param {DecisionEvent} event */
function publish(event) {
  if (decisions.hasSubscribers) decisions.publish(event);
}

/** After a decision: what became of keys meanwhile, where somebody listens. @param {object} verifier */
function watchKeys(verifier) {
  if (keys.hasSubscribers) require('./key-watch').lookAtKeys(verifier);
}

/**
 * How a policy is named in events: the same for equal policies of one process. Found once for each `owner`.
 * @param {object} owner whose policy it is: an entry of a cache, a compiled policy
 * @param {unknown} issuer the configured one: a token cannot choose what is counted under which name
 * @param {CompiledPolicy | undefined} compiled
 * @param {() => string | undefined} keyOf a text that is equal for equal policies; nothing of it can be read from the name
 * @returns {Policy}
 */
function policyOf(owner, issuer, compiled, keyOf) {
  const found = known.get(owner);
  if (found !== undefined && found.issuer === issuer) return found.policy;
  const name = pseudonym(keyOf() ?? String(Math.random())).slice(0, 8);
  const policy = { issuer: shownIssuer(issuer), name, compiled };
  known.set(owner, { issuer, policy });
  return policy;
}

/** @param {unknown} issuer */
function shownIssuer(issuer) {
  return typeof issuer === 'string' ? printableUrl(issuer) : undefined;
}

/**
 * The event of a request that is let in, for those who listen: made for every such request, so that what nearly all of them have is written in
 * one piece. A subject is hashed only where an actor stands in for it: that costs more than all the rest.
 * @param {Observed} observed
 * @param {Policy} [policy]
 * @param {Pick<TokenVerifier, 'keyState'>} [verifier]
 * @param {People} [people]
 * @returns {DecisionEvent} frozen
 */
function accepted(observed, policy = NO_POLICY, verifier = {}, people = NOBODY) {
  const { issuer: configured, tenantId, verified, began, checked = 0, shadow } = observed;
  const issuer = policy.issuer ?? shownIssuer(configured);
  const { name } = policy;
  const { algorithm, kid } = headerOf(verified?.header);
  const keyState = keyStateOf(verified, policy.compiled, verifier);
  const reference = newReference();
  const time = Date.now();
  const outcome = /** @type {const} */ ('accepted');
  // 0 where somebody began to listen while the request was under way.
  const took = began === undefined ? 0 : (performance.now() - began) * 1000;
  const durationMicros = Math.round(took);
  const callbackMicros = began === undefined ? undefined : Math.max(0, Math.round(took - checked * 1000));
  const hasAll = issuer !== undefined && name !== undefined && algorithm !== undefined && kid !== undefined;
  const isUsual = hasAll && keyState !== undefined && callbackMicros !== undefined;
  if (isUsual && typeof tenantId !== 'string' && shadow === undefined && people.actor === undefined) {
    return Object.freeze({
      reference,
      time,
      outcome,
      issuer,
      policy: name,
      algorithm,
      kid,
      keys: keyState,
      durationMicros,
      callbackMicros,
    });
  }
  const actorHash = hashOf(people.actor);
  const tenant = typeof tenantId === 'string' ? tenantId : undefined;
  return decisionEvent({
    ...{ reference, time, outcome, issuer, policy: name, tenant, algorithm, kid, keys: keyState, shadow },
    ...{ durationMicros, callbackMicros, actorHash },
    subjectHash: actorHash === undefined ? undefined : hashOf(people.subject),
  });
}

/**
 * The event of a request that is not let in. It is made whether anybody listens or not where a line or an answer names it.
 * @param {Observed} observed
 * @param {Refused} refused
 * @param {Policy} [policy]
 * @param {Pick<TokenVerifier, 'evidence'>} [verifier]
 * @param {People} [people]
 * @returns {DecisionEvent}
 */
function refused(observed, refused, policy = NO_POLICY, verifier = {}, people = NOBODY) {
  const { reference, outcome, status, cause, check, got, guard, failure, action } = refused;
  const { token, issuer, tenantId, began, checked = 0, shadow } = observed;
  const code = failure?.code;
  const evidence = evidenceOf(token, policy.compiled, code, verifier);
  const took = began === undefined ? undefined : (performance.now() - began) * 1000;
  return decisionEvent({
    reference: reference ?? newReference(),
    time: Date.now(),
    outcome,
    code,
    cause,
    fault: failure?.fault,
    status,
    issuer: policy.issuer ?? shownIssuer(issuer),
    policy: policy.name,
    tenant: typeof tenantId === 'string' ? tenantId : undefined,
    shadow,
    durationMicros: took === undefined ? 0 : Math.round(took),
    callbackMicros: took === undefined ? undefined : Math.max(0, Math.round(took - checked * 1000)),
    algorithm: evidence?.algorithm ?? undefined,
    kid: evidence?.kid ?? undefined,
    check: code === undefined ? check : checkOf(code),
    guard,
    expected: failure?.expected,
    got: failure?.got ?? failure?.reason ?? got,
    host: failure?.host,
    action,
    clockDifference: evidence?.clockDifference ?? undefined,
    providerKids: evidence?.providerKids,
    keys: evidence?.keys,
    subjectHash: hashOf(people.subject),
    actorHash: hashOf(people.actor),
  });
}

/** @param {unknown} text of a host's own verifier it may be anything */
function hashOf(text) {
  return typeof text === 'string' && text !== '' ? pseudonym(text) : undefined;
}

/**
 * @param {Observed['verified']} verified
 * @param {CompiledPolicy | undefined} policy
 * @param {Pick<TokenVerifier, 'keyState'>} verifier
 */
function keyStateOf(verified, policy, verifier) {
  if (verified === undefined || policy === undefined) return undefined;
  try {
    const state = verifier.keyState?.(verified, policy);
    return typeof state === 'string' ? state : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Asked natively, after the decision: for those who listen, and where the line is to name the provider's keys.
 * @param {unknown} token
 * @param {CompiledPolicy | undefined} policy
 * @param {string | undefined} code
 * @param {Pick<TokenVerifier, 'evidence'>} verifier
 * @returns {TokenEvidence | undefined}
 */
function evidenceOf(token, policy, code, verifier) {
  if (typeof token !== 'string' || policy === undefined) return undefined;
  if (!decisions.hasSubscribers && !(code !== undefined && OF_KEYS.has(code))) return undefined;
  try {
    return verifier.evidence?.(token, policy);
  } catch {
    // A host's own verifier: what is said of a decision never changes it.
    return undefined;
  }
}

/** @param {unknown} text a JOSE header that was read natively @returns {Header} */
function headerOf(text) {
  if (text === latest.text) return latest.header;
  if (typeof text !== 'string' || text.length > LONGEST_HEADER) return NO_HEADER;
  let header = headers.get(text);
  if (header === undefined) {
    header = parsed(text);
    if (headers.size >= MOST_HEADERS) headers.clear();
    headers.set(text, header);
  }
  latest.text = text;
  latest.header = header;
  return header;
}

/** @param {string} text of a host's own verifier it may be anything @returns {Header} */
function parsed(text) {
  try {
    const { alg, kid } = JSON.parse(text);
    const shown = (/** @type {unknown} */ value) => (typeof value === 'string' ? printable(value) : undefined);
    return { algorithm: shown(alg), kid: shown(kid) };
  } catch {
    return NO_HEADER;
  }
}

/**
 * What is said of a decision never changes it: of a host's own verifier the parts may be anything.
 * @template T @param {() => T} make @returns {T | undefined} undefined where it cannot be made
 */
function attempt(make) {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/**
 * What a line says at its end, so that one search for the reference a caller has finds it.
 * @param {DecisionEvent} event
 * @param {string} line what is said already
 * @returns {string}
 */
function explanation({ reference, code, expected, got, host, kid, providerKids, action }, line) {
  const said = [`reference ${reference}`];
  if (code !== undefined && !line.includes(code)) said.push(code);
  if (expected !== undefined && !line.includes('expected ')) said.push(`expected ${expected}`);
  if (got !== undefined && !line.includes('expected ') && !line.includes(got)) said.push(`got ${got}`);
  if (host !== undefined && !`${line} ${action}`.includes(host)) said.push(`host ${host}`);
  if (code !== undefined && OF_KEYS.has(code) && providerKids !== undefined) {
    if (kid !== undefined) said.push(`kid "${kid}"`);
    const has = providerKids.length === 0 ? 'none' : providerKids.map((id) => `"${id}"`).join(', ');
    said.push(`kids of the provider: ${has}`);
  }
  return `; ${said.join(', ')}${action === undefined ? '' : `; ${action}`}`;
}

module.exports = { accepted, attempt, beginning, explanation, policyOf, publish, refused, shownIssuer, watchKeys };
