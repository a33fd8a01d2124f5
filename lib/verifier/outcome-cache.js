'use strict';

/**
 * @typedef {import('../../native').Success} Success
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 *
 * `from`, `until`: the seconds of wall time between which the claims hold. `freshUntil`: the reading of the
 * monotonic clock, in milliseconds, from which the keys must be looked up again. `epoch`: the native count of key
 * changes before the check. `by`: the verifier.
 * @typedef {{ token: string, policy: CompiledPolicy, epoch: number, from: number, until: number, freshUntil: number,
 *   outcome: Success, by?: object }} Entry
 */

/**
 * Whether an outcome would be given again.
 * @param {Entry} entry
 * @param {number} now seconds of wall time
 * @param {number} monotonic milliseconds
 * @param {() => number} epoch asked last
 */
function holds(entry, now, monotonic, epoch) {
  // Whole seconds, as the native side compares them.
  const second = Math.floor(now);
  // A clock that the native side would refuse is refused here, too: a token without `nbf` is valid from minus infinity on.
  return (
    Number.isFinite(now) &&
    second >= entry.from &&
    second < entry.until &&
    monotonic < entry.freshUntil &&
    entry.epoch === epoch()
  );
}

/** Outcomes kept per verifier, at most twice as many. With a token of 1.5 KB and its claims about 40 MB, parsed as well 70. */
const CAPACITY = 5_000;
/**
 * Characters of tokens kept per verifier, at most twice as many: what keeps 10,000 tokens of 16 KB from taking 400 MB. Claims that are kept parsed
 * take up to 10 times their characters; `MOST_OBJECTS` of json-copies.js sees to that.
 */
const CHARACTERS = 16_000_000;
/** Characters at a token's end by which tokens differ, enough to look one up: part of the signature. */
const TAIL = 24;

/**
 * Recent outcomes, so that the same token under the same policy need not be checked by native code
 * again. Not a cache of trust: an entry answers only while nothing it rests on can have changed. The native
 * side counts every change of any keys (`epoch`), keys are asked for in time (`freshUntil`), and the claims' own
 * times are compared at every use.
 *
 * Two generations instead of a list by last use: what is asked for again moves to the young one, and when that is
 * full the old one goes.
 */
class OutcomeCache {
  /** @type {Map<string, Entry>} */
  #young = new Map();
  /** @type {Map<string, Entry>} */
  #old = new Map();
  #capacity;
  #characters = 0;

  /** @param {number} [capacity] of one generation */
  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /**
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @param {number} now seconds of wall time
   * @param {number} monotonic milliseconds
   * @param {() => number} epoch asked last, and only about an entry that fits
   * @returns {Success | undefined}
   */
  find(token, policy, now, monotonic, epoch) {
    // Hashing a whole token costs more than all the rest; its end is compared in full below.
    const tail = token.slice(-TAIL);
    let entry = this.#young.get(tail);
    if (entry === undefined) {
      entry = this.#old.get(tail);
      if (entry === undefined) return undefined;
    }
    if (entry.policy !== policy || entry.token !== token) return undefined;
    if (!holds(entry, now, monotonic, epoch)) {
      this.#young.delete(tail);
      this.#old.delete(tail);
      return undefined;
    }
    if (this.#old.delete(tail)) this.#put(tail, entry);
    return entry.outcome;
  }

  /** @param {Entry} entry */
  keep(entry) {
    const tail = entry.token.slice(-TAIL);
    this.#old.delete(tail);
    this.#put(tail, entry);
  }

  clear() {
    this.#young.clear();
    this.#old.clear();
    this.#characters = 0;
  }

  /** @param {string} tail @param {Entry} entry */
  #put(tail, entry) {
    if (this.#young.size >= this.#capacity || this.#characters + entry.token.length > CHARACTERS) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#characters = 0;
    }
    // What takes another's place is counted twice: the bound errs on the side of letting go.
    this.#characters += entry.token.length;
    this.#young.set(tail, entry);
  }
}

module.exports = { OutcomeCache, holds };
