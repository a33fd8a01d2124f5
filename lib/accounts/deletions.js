'use strict';

/** Milliseconds that a deletion is waited for: an administrator may wait longer than a request. */
const PATIENCE = 5_000;
/** Deletions remembered for one store; beyond that everything it holds from before is ignored. */
const MOST_PENDING = 1_000;
/** Milliseconds: no entry lives longer than a day. */
const LONGEST_LIFE = 86_400_000;
/** Milliseconds by which the clock of the machine that wrote an entry may be ahead of ours. */
const CLOCKS_APART = 5_000;

/**
 * What a store was asked to delete and has not: this process gives out nothing of it, and asks again when the store answers.
 */
class Deletions {
  #store;
  #clock;
  /** Keys, each with the time of the order. @type {Map<string, number>} */
  #pending = new Map();
  /** What is older than this is ignored, whatever its key. */
  #ignoredBefore = -Infinity;
  #isRepeating = false;

  /** @param {{ delete: (key: string) => unknown }} store @param {() => number} [clock] */
  constructor(store, clock = Date.now) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * @param {string} key
   * @returns {Promise<void>} rejects where the store has not done it within `PATIENCE`; it is asked again then
   */
  async order(key) {
    this.#remember(key);
    await this.#deleted(key);
  }

  /** Whether an entry is one that should be gone. @param {string} key @param {number} createdAt */
  isPending(key, createdAt) {
    const ordered = this.#pending.get(key) ?? -Infinity;
    return createdAt <= Math.max(ordered, this.#ignoredBefore) + CLOCKS_APART;
  }

  /** The store has answered: what it has not deleted is asked for again, one after the other. Never rejects. */
  async repeat() {
    if (this.#pending.size === 0 || this.#isRepeating) return;
    this.#isRepeating = true;
    try {
      for (const [key, ordered] of [...this.#pending]) {
        if (this.#clock() - ordered > LONGEST_LIFE + CLOCKS_APART) this.#pending.delete(key);
        else await this.#deleted(key);
      }
    } catch {
      // It is asked again.
    } finally {
      this.#isRepeating = false;
    }
  }

  /** @param {string} key */
  #remember(key) {
    this.#pending.delete(key);
    if (this.#pending.size >= MOST_PENDING) {
      this.#ignoredBefore = this.#clock();
      this.#pending.delete(/** @type {string} */ (this.#pending.keys().next().value));
    }
    this.#pending.set(key, this.#clock());
  }

  /** @param {string} key */
  async #deleted(key) {
    const ordered = this.#pending.get(key);
    await within(PATIENCE, (async () => this.#store.delete(key))());
    // Unless it was ordered again meanwhile.
    if (this.#pending.get(key) === ordered) this.#pending.delete(key);
  }
}

class LateError extends Error {}

/** @template T @param {number} milliseconds @param {Promise<T>} asked @returns {Promise<T>} */
function within(milliseconds, asked) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new LateError(`the store has not answered within ${milliseconds} ms`));
    const timer = setTimeout(late, milliseconds);
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

module.exports = { Deletions, LateError, MOST_PENDING, PATIENCE, within };
