'use strict';

/** Milliseconds. Longer than a database needs, shorter than most proxies wait. */
const DEFAULT_CALLBACK_TIMEOUT = 30_000;
/** Milliseconds. What a Node timer can hold; it fires at once for more. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** @param {unknown} value the option `callbackTimeout` @returns {string | undefined} what is wrong with it */
function isTimeout(value) {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_TIMEOUT
    ? undefined
    : `callbackTimeout must be a number of milliseconds from 0 (no limit) to ${LONGEST_TIMEOUT}`;
}

/**
 * One callback: `reject` until it has settled.
 * @typedef {{ name: string, reject: ((error: Error) => void) | undefined }} Wait
 */

/**
 * Gives up on callbacks that never settle, so that a dead database costs a request its answer and not its
 * connection for ever. What the callback does afterwards is nobody's concern any more; a late rejection is no
 * unhandled one.
 *
 * Callbacks begun in one turn of the event loop share a timer, and what has settled before the turn ends needs none.
 * @param {number} milliseconds 0: no limit
 * @returns {<T>(name: string, call: () => T | PromiseLike<T>) => T | Promise<T>}
 */
function createTimeLimit(milliseconds) {
  /** @type {Batch | undefined} of this turn */
  let begun;

  function watch() {
    const batch = begun;
    begun = undefined;
    batch?.startTimer(milliseconds);
  }

  return (name, call) => {
    const result = call();
    if (!isThenable(result)) return result;
    // Promise.resolve, not a bare wait: a lazy query begins here, in the caller's async context.
    const settled = Promise.resolve(result);
    if (milliseconds === 0) return settled;
    if (begun === undefined) {
      begun = new Batch();
      setImmediate(watch);
    }
    return begun.wait(name, settled);
  };
}

/** The callbacks begun in one turn of the event loop. */
class Batch {
  /** @type {Wait[]} */
  #waits = [];
  #open = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @template T
   * @param {string} name
   * @param {Promise<T>} settled
   * @returns {Promise<T>}
   */
  wait(name, settled) {
    return new Promise((resolve, reject) => {
      /** @type {Wait} */
      const wait = { name, reject };
      this.#waits.push(wait);
      this.#open += 1;
      settled.then(
        (value) => {
          this.#end(wait);
          resolve(value);
        },
        (error) => {
          this.#end(wait);
          reject(error);
        },
      );
    });
  }

  /** @param {Wait} wait */
  #end(wait) {
    wait.reject = undefined;
    this.#open -= 1;
    if (this.#open === 0 && this.#timer !== undefined) clearTimeout(this.#timer);
  }

  /** @param {number} milliseconds */
  startTimer(milliseconds) {
    this.#waits = this.#waits.filter(({ reject }) => reject !== undefined);
    if (this.#open === 0) return;
    this.#timer = setTimeout(() => {
      for (const { name, reject } of this.#waits)
        reject?.(new Error(`${name} has not settled within ${milliseconds} ms`));
    }, milliseconds);
  }
}

/** @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

module.exports = { DEFAULT_CALLBACK_TIMEOUT, createTimeLimit, isTimeout };
