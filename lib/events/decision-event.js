'use strict';

const { printable } = require('./printable');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {{ [name in keyof DecisionEvent]: DecisionEvent[name] | undefined }} Parts
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

module.exports = { decisionEvent };
