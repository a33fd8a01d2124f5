'use strict';

/** Failures in a row after which the store is left alone. */
const FAILURES = 3;
/** Milliseconds it is left alone for: doubled with each try that fails, up to the longest. */
const REST = 500;
const LONGEST_REST = 10_000;
/** Calls under way at once: what a store that hangs may keep in memory. */
const MOST_UNDER_WAY = 1_000;

/** Why a store was not asked, or did not answer. */
class StoreError extends Error {
  code = 'ERR_STORE_UNAVAILABLE';

  /** @param {string} message @param {{ cause?: unknown }} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = 'StoreError';
  }
}

/** Milliseconds for a subscription, or its end. */
const LONGEST = 5_000;

/**
 * What a store does beside its calls: nobody waits for it longer. It keeps no process alive.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
async function inTime(work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new StoreError(`the store has not answered within ${LONGEST} ms`)), LONGEST);
    timer.unref();
  });
  try {
    return /** @type {T} */ (await Promise.race([work, late]));
  } finally {
    clearTimeout(timer);
  }
}

/** Stores whose calls are within limits of their own. @type {WeakSet<object>} */
const limitedStores = new WeakSet();

/**
 * Calls of a store, each within a time, and none while the store is found to be down but one try at the end of each rest. What the
 * store itself refuses (a wrong type, a full memory) is an answer, and no sign that it is down.
 * @param {{ timeoutMs: number, isAnswer: (error: unknown) => boolean, clock?: () => number }} rules `clock` in milliseconds
 */
function circuitBreaker({ timeoutMs, isAnswer, clock = () => performance.now() }) {
  let failures = 0;
  let restUntil = Number.NEGATIVE_INFINITY;
  let underWay = 0;

  function failed() {
    failures += 1;
    if (failures < FAILURES) return;
    restUntil = clock() + Math.min(REST * 2 ** (failures - FAILURES), LONGEST_REST);
  }

  /**
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  return async function guarded(call) {
    if (clock() < restUntil) throw new StoreError('the store has failed just now and is not asked');
    if (underWay >= MOST_UNDER_WAY) throw new StoreError('more calls of the store are under way than it can answer');
    // Who comes next finds it resting: one try at a time.
    if (failures >= FAILURES) restUntil = clock() + timeoutMs;
    underWay += 1;
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new StoreError(`the store has not answered within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      const answer = await Promise.race([call(), late]);
      failures = 0;
      restUntil = Number.NEGATIVE_INFINITY;
      return /** @type {T} */ (answer);
    } catch (error) {
      if (isAnswer(error)) {
        failures = 0;
        restUntil = Number.NEGATIVE_INFINITY;
      } else failed();
      throw error instanceof StoreError ? error : new StoreError('the store cannot be used', { cause: error });
    } finally {
      clearTimeout(timer);
      underWay -= 1;
    }
  };
}

module.exports = { StoreError, circuitBreaker, inTime, limitedStores };
