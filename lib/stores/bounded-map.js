'use strict';

/** Entries. Each is under a kilobyte. */
const MOST = 10_000;

/**
 * What this process keeps for a time: bounded, the least recently used goes first. In the shape of Keyv's stores, but at once.
 */
class BoundedMap {
  /** @type {Map<string, { value: unknown, until: number }>} */
  #entries = new Map();
  #most;
  #clock;

  /** @param {{ most?: number, clock?: () => number }} [options] `clock` in milliseconds */
  constructor({ most = MOST, clock = Date.now } = {}) {
    this.#most = most;
    this.#clock = clock;
  }

  get size() {
    return this.#entries.size;
  }

  /** @param {string} key @returns {unknown} */
  get(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock() >= entry.until) return undefined;
    // To the end of those that are asked for.
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param {string} key @param {unknown} value @param {number} ttl milliseconds */
  set(key, value, ttl) {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#most)
      this.#entries.delete(/** @type {string} */ (this.#entries.keys().next().value));
    this.#entries.set(key, { value, until: this.#clock() + ttl });
    return true;
  }

  /** @param {string} key */
  delete(key) {
    return this.#entries.delete(key);
  }
}

module.exports = { BoundedMap };
