'use strict';

const { newReference } = require('./reference');
const { printable } = require('./printable');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {{ [name in keyof DecisionEvent]: DecisionEvent[name] | undefined }} Parts
 *
 * What is known of a request that is let in. `issuer`, `policy`, `algorithm` and `kid` are printable already: they are the same for many
 * requests.
 * @typedef {Pick<Parts, 'issuer' | 'policy' | 'tenant' | 'algorithm' | 'kid' | 'keys' | 'callbackMicros' | 'shadow' | 'subjectHash'
 *   | 'actorHash'> & { durationMicros: number }} Accepted
 */

/** Key ids of a provider in an event. */
const MOST_KIDS = 8;

/**
 * One decision, as everything that reports of it has it: log line, summary, metrics, spans. What is not known is no member. Texts are
 * bounded and in one line, whoever wrote them; none is a token, an address or a subject.
 * @param {Parts} parts
 * @returns {DecisionEvent} frozen
 */
function decisionEvent(parts) {
  /** @type {any} */
  const event = {};
  for (const name in parts) {
    const part = parts[/** @type {keyof Parts} */ (name)];
    if (part !== undefined && part !== null) event[name] = typeof part === 'string' ? printable(part) : part;
  }
  if (Array.isArray(parts.providerKids)) {
    // Of a host's own verifier they may be anything.
    const kids = parts.providerKids.slice(0, MOST_KIDS).filter((kid) => typeof kid === 'string');
    event.providerKids = Object.freeze(kids.map(printable));
  } else {
    delete event.providerKids;
  }
  return Object.freeze(event);
}

/**
 * The event of a request that is let in. It is made for every such request while somebody listens: what nearly all of them have is
 * written in one piece, the rest as in `decisionEvent`.
 * @param {Accepted} parts
 * @returns {DecisionEvent} frozen
 */
function acceptedEvent(parts) {
  const { issuer, policy, algorithm, kid, keys, durationMicros, callbackMicros } = parts;
  const reference = newReference();
  const time = Date.now();
  const outcome = /** @type {const} */ ('accepted');
  const hasAll =
    issuer !== undefined &&
    policy !== undefined &&
    algorithm !== undefined &&
    kid !== undefined &&
    keys !== undefined &&
    callbackMicros !== undefined;
  const { tenant, shadow, subjectHash, actorHash } = parts;
  const hasMore = tenant !== undefined || shadow !== undefined || subjectHash !== undefined || actorHash !== undefined;
  if (!hasAll || hasMore) {
    const known = { reference, time, outcome, issuer, policy, tenant, algorithm, kid, keys, shadow };
    return decisionEvent({ ...known, durationMicros, callbackMicros, subjectHash, actorHash });
  }
  return Object.freeze({
    reference,
    time,
    outcome,
    issuer,
    policy,
    algorithm,
    kid,
    keys,
    durationMicros,
    callbackMicros,
  });
}

module.exports = { acceptedEvent, decisionEvent };
