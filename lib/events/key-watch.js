'use strict';

const { keys: channel } = require('./channels');
const { printable } = require('./printable');

/**
 * @typedef {import('../../index').VerifierStats} VerifierStats
 * @typedef {VerifierStats['sources'][number]} Source
 * @typedef {import('../../index').KeyEvent} KeyEvent
 *
 * Sources of one name are one: of an issuer that several policies ask with different settings, or of all the keys that configurations
 * give. `source`: what the newest of them says of its age and failure.
 *
 * What was known of a source. `kids`: by thumbprint.
 * @typedef {{ succeeded: number, failed: number, kids: Map<string, string>, source: Source }} Known
 */

/** Milliseconds between two looks, and how many times as long as the look itself takes: a host may have thousands of sources. */
const PAUSE = 1000;
const SHARE = 100;
/** Key ids in an event. */
const MOST_KIDS = 8;

/**
 * Publishes what became of keys between two looks. It looks when a request has been decided, at most once a second and for a hundredth
 * of the time: no timer, nothing fetched, and nothing at all while nobody listens.
 */
class KeyWatch {
  /** @type {Map<string, Known> | undefined} undefined before the first look, which says nothing */
  #known;
  #next = Number.NEGATIVE_INFINITY;
  #stats;
  #clock;

  /** @param {() => VerifierStats} stats @param {() => number} [clock] milliseconds, never back */
  constructor(stats, clock = () => performance.now()) {
    this.#stats = stats;
    this.#clock = clock;
  }

  look() {
    const began = this.#clock();
    if (began < this.#next) return;
    // Also where the look fails.
    this.#next = began + PAUSE;
    const before = this.#known;
    const now = knownOf(this.#stats().sources);
    this.#known = now;
    if (before !== undefined) {
      for (const [name, known] of now) for (const event of changes(before.get(name), known)) channel.publish(event);
    }
    const ended = this.#clock();
    this.#next = ended + Math.max(PAUSE, (ended - began) * SHARE);
  }
}

/** @param {Source} source */
const nameOf = ({ kind, url }) => `${kind} ${url}`;

/** @param {Source[]} sources @returns {Map<string, Known>} by name: their sums, and all their keys */
function knownOf(sources) {
  /** @type {Map<string, Known>} */
  const all = new Map();
  for (const source of sources) {
    const { refreshes, keys } = source;
    const known = all.get(nameOf(source)) ?? { succeeded: 0, failed: 0, kids: new Map(), source };
    known.succeeded += refreshes.succeeded;
    known.failed += refreshes.failed;
    for (const { thumbprint, kid } of keys) known.kids.set(thumbprint, kid ?? '');
    known.source = newest(known.source, source);
    all.set(nameOf(source), known);
  }
  return all;
}

/** @param {Source} one @param {Source} other @returns {Source} with the younger keys, and the later failure */
function newest(one, other) {
  const ageOf = (/** @type {number | null | undefined} */ age) => age ?? Number.POSITIVE_INFINITY;
  const younger = ageOf(other.age) < ageOf(one.age) ? other : one;
  const failed = ageOf(other.lastFailure?.age) < ageOf(one.lastFailure?.age) ? other : one;
  return { ...younger, lastFailure: failed.lastFailure };
}

/** @param {Known | undefined} before @param {Known} now @returns {KeyEvent[]} */
function changes(before, now) {
  const { kind, url, age, lastFailure } = now.source;
  const { succeeded, failed, kids } = before ?? { succeeded: 0, failed: 0, kids: new Map() };
  /** @param {KeyEvent['event']} event @param {object} [more] @returns {KeyEvent} */
  const of = (event, more) => Object.freeze({ time: Date.now(), event, kind, source: printable(url), ...more });
  const events = [];
  if (now.succeeded > succeeded) events.push(of('refreshed', age === null ? {} : { age }));
  if (now.failed > failed && lastFailure !== null) {
    const { code, reason, host } = lastFailure;
    events.push(of('failed', { code, ...(reason !== undefined && { reason }), ...(host !== undefined && { host }) }));
  }
  const added = missing(now.kids, kids);
  const withdrawn = missing(kids, now.kids);
  if (added !== undefined) events.push(of('added', { kids: added }));
  if (withdrawn !== undefined) events.push(of('withdrawn', { kids: withdrawn }));
  return events;
}

/** @param {Map<string, string>} some @param {Map<string, string>} others @returns {readonly string[] | undefined} kids of keys the others lack */
function missing(some, others) {
  const kids = [...some].filter(([thumbprint]) => !others.has(thumbprint)).map(([, kid]) => printable(kid));
  return kids.length === 0 ? undefined : Object.freeze(kids.slice(0, MOST_KIDS));
}

/** @type {WeakMap<object, KeyWatch>} */
const watches = new WeakMap();

/**
 * After a decision, and only while somebody listens. Keys that cannot be looked at change nothing for the caller.
 * @param {object} verifier one without `stats`, or whose `stats` fails, says nothing
 */
function lookAtKeys(verifier) {
  try {
    const asked = /** @type {{ stats?(): VerifierStats }} */ (verifier);
    if (typeof asked.stats !== 'function') return;
    const watch = watches.get(verifier) ?? new KeyWatch(() => /** @type {any} */ (asked).stats());
    watches.set(verifier, watch);
    watch.look();
  } catch {
    // A host's own verifier, whose numbers have another shape.
  }
}

module.exports = { KeyWatch, lookAtKeys };
