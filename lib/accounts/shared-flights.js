'use strict';

/** Milliseconds for which a resolution is shared: a callback that hangs must not hold back everybody who comes after it. */
const LONGEST_SHARED = 30_000;

/**
 * Concurrent first calls of one user share one resolution; across processes the database's unique index decides.
 * @template T
 */
class SharedFlights {
  /** As many as requests are under way. @type {Map<string, { result: Promise<T>, until: number }>} */
  #flights = new Map();
  #clock;

  /** @param {{ clock?: () => number }} [options] `clock`: milliseconds, never back */
  constructor({ clock = () => performance.now() } = {}) {
    this.#clock = clock;
  }

  /**
   * Nobody waits longer than `LONGEST_SHARED` for what another request has begun: after that one of those who wait begins anew, and the
   * others wait for that one. The request that began it waits for its own callbacks, which have a limit of their own (`callbackTimeout`).
   * @param {string} key
   * @param {() => Promise<T>} begin
   * @returns {Promise<{ shared: boolean, account: T }>} `shared`: somebody else began it
   */
  async join(key, begin) {
    for (;;) {
      const known = this.#flights.get(key);
      const left = known === undefined ? 0 : known.until - this.#clock();
      if (known === undefined || left <= 0) return { shared: false, account: await this.#begin(key, begin) };
      const settled = await within(left, known.result);
      if (settled !== undefined) return { shared: true, account: settled.value };
    }
  }

  /** @param {string} key @param {() => Promise<T>} begin @returns {Promise<T>} */
  #begin(key, begin) {
    const result = begin().finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    const flight = { result, until: this.#clock() + LONGEST_SHARED };
    this.#flights.set(key, flight);
    return result;
  }
}

/**
 * @template T
 * @param {number} milliseconds
 * @param {Promise<T>} result
 * @returns {Promise<{ value: T } | undefined>} undefined when the time is over
 */
function within(milliseconds, result) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), milliseconds);
    result.then((value) => resolve({ value }), reject).finally(() => clearTimeout(timer));
  });
}

module.exports = { LONGEST_SHARED, SharedFlights };
