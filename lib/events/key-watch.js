'use strict';

const { keys: channel } = require('./channels');
const { printable } = require('./printable');

/**
 * @typedef {import('../../index').VerifierStats} VerifierStats
 * @typedef {VerifierStats['sources'][number]} Source
 * @typedef {import('../../index').KeyEvent} KeyEvent
 *
 * What was known of a source. `kids`: by thumbprint.
 * @typedef {{ succeeded: number, failed: number, kids: Map<string, string> }} Known
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
    const before = this.#known;
    const { sources } = this.#stats();
    this.#known = new Map(sources.map((source) => [nameOf(source), knownOf(source)]));
    if (before !== undefined) {
      for (const source of sources)
        for (const event of changes(before.get(nameOf(source)), source)) channel.publish(event);
    }
    const ended = this.#clock();
    this.#next = ended + Math.max(PAUSE, (ended - began) * SHARE);
  }
}

/** @param {Source} source */
const nameOf = ({ kind, url }) => `${kind} ${url}`;

/** @param {Source} source @returns {Known} */
function knownOf({ refreshes, keys }) {
  const { succeeded, failed } = refreshes;
  return { succeeded, failed, kids: new Map(keys.map(({ thumbprint, kid }) => [thumbprint, kid ?? ''])) };
}

/** @param {Known | undefined} before @param {Source} source @returns {KeyEvent[]} */
function changes(before = { succeeded: 0, failed: 0, kids: new Map() }, source) {
  const now = knownOf(source);
  const { kind, url, age, lastFailure } = source;
  /** @param {KeyEvent['event']} event @param {object} [more] @returns {KeyEvent} */
  const of = (event, more) => Object.freeze({ time: Date.now(), event, kind, source: printable(url), ...more });
  const events = [];
  if (now.succeeded > before.succeeded) events.push(of('refreshed', age === null ? {} : { age }));
  if (now.failed > before.failed && lastFailure !== null) {
    const { code, reason, host } = lastFailure;
    events.push(of('failed', { code, ...(reason !== undefined && { reason }), ...(host !== undefined && { host }) }));
  }
  const added = missing(now.kids, before.kids);
  const withdrawn = missing(before.kids, now.kids);
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

/** After a decision, and only while somebody listens. @param {object} verifier one without `stats` says nothing */
function lookAtKeys(verifier) {
  const asked = /** @type {{ stats?(): VerifierStats }} */ (verifier);
  if (typeof asked.stats !== 'function') return;
  const watch = watches.get(verifier) ?? new KeyWatch(() => /** @type {any} */ (asked).stats());
  watches.set(verifier, watch);
  watch.look();
}

module.exports = { KeyWatch, lookAtKeys };
