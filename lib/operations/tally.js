'use strict';

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {{ counts: number[], sum: number, count: number }} Durations `counts`: for each of BOUNDS, not cumulated, and one beyond
 * @typedef {Map<string, { outcome: string, code: string, count: number }>} Decisions
 * @typedef {{ decisions: Decisions, guards: Decisions, shadows: Decisions, stale: number, check: Durations, callbacks: Durations }} OfIssuer
 *   `guards`: refusals of routes, each of a request that is among `decisions` already; `shadows`: where the option `shadow` differs
 */

/** Upper bounds in seconds: a known token takes microseconds, a callback a database's time, a wait for keys up to ten seconds. */
const BOUNDS = Object.freeze([0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]);
/** Issuers counted by name, as configured: a host may have a tenant each. */
const MOST_ISSUERS = 100;
/** Outcomes and codes of one issuer; there are about 100. */
const MOST_CODES = 200;
const OTHER = 'other';

/**
 * Decisions counted in memory, whose size does not depend on what callers send. Adding is a few sums; names and labels are made when
 * somebody reads.
 */
class Tally {
  /** @type {Map<string, OfIssuer>} */
  issuers = new Map();
  #last = { name: '', of: /** @type {OfIssuer | undefined} */ (undefined) };

  /** @param {DecisionEvent} event */
  add(event) {
    const { issuer = 'none', outcome, code, cause, guard, keys, durationMicros, callbackMicros = 0 } = event;
    const of = this.#of(issuer);
    count(guard === true ? of.guards : of.decisions, outcome, code ?? cause ?? '');
    if (guard === true) return;
    if (keys === 'stale') of.stale += 1;
    // 0: nobody listened when the request began.
    if (durationMicros === 0) return;
    observe(of.check, Math.max(0, durationMicros - callbackMicros) / 1e6);
    observe(of.callbacks, callbackMicros / 1e6);
  }

  /** @param {import('../../index').ShadowEvent} event */
  addShadow({ issuer = 'none', outcome, code }) {
    count(this.#of(issuer).shadows, outcome, code ?? '');
  }

  /** @param {string} issuer @returns {OfIssuer} */
  #of(issuer) {
    if (this.#last.name === issuer && this.#last.of !== undefined) return this.#last.of;
    const name = this.issuers.has(issuer) || this.issuers.size < MOST_ISSUERS ? issuer : OTHER;
    let of = this.issuers.get(name);
    if (of === undefined) {
      const [decisions, guards, shadows] = [new Map(), new Map(), new Map()];
      of = { decisions, guards, shadows, stale: 0, check: durations(), callbacks: durations() };
      this.issuers.set(name, of);
    }
    this.#last = { name: issuer, of };
    return of;
  }
}

/** @param {Decisions} decisions @param {string} outcome @param {string} code */
function count(decisions, outcome, code) {
  const key = code === '' ? outcome : `${outcome} ${code}`;
  const known = decisions.get(key);
  if (known !== undefined) known.count += 1;
  else if (decisions.size < MOST_CODES) decisions.set(key, { outcome, code, count: 1 });
  else countOther(decisions, outcome);
}

/** What comes beyond the most there may be. @param {Decisions} decisions @param {string} outcome */
function countOther(decisions, outcome) {
  const key = `${outcome} ${OTHER}`;
  const known = decisions.get(key);
  if (known !== undefined) known.count += 1;
  else decisions.set(key, { outcome, code: OTHER, count: 1 });
}

/** @returns {Durations} */
function durations() {
  return { counts: new Array(BOUNDS.length + 1).fill(0), sum: 0, count: 0 };
}

/** @param {Durations} durations @param {number} seconds */
function observe(durations, seconds) {
  let place = 0;
  while (place < BOUNDS.length && seconds > /** @type {number} */ (BOUNDS[place])) place += 1;
  durations.counts[place] = (durations.counts[place] ?? 0) + 1;
  durations.sum += seconds;
  durations.count += 1;
}

/** Counts by a few labels, of which the first so many are kept apart. */
class Counts {
  /** @type {Map<string, { labels: Record<string, string>, count: number }>} */
  entries = new Map();

  /** @param {Record<string, string>} labels */
  add(labels) {
    const key = JSON.stringify(labels);
    const known = this.entries.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.entries.size < MOST_CODES) this.entries.set(key, { labels, count: 1 });
  }
}

module.exports = { BOUNDS, Counts, MOST_ISSUERS, OTHER, Tally };
