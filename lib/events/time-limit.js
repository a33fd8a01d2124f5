'use strict';

const { AsyncResource } = require('node:async_hooks');

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

/** Milliseconds between two looks at what is waited for; a look costs as much as several requests take for all their callbacks. */
const LOOK = 1000;

/** A timer that was begun within a request would keep that request's context for as long as it runs. */
const noRequest = new AsyncResource('RemoteAgentAuthTimeLimit');

/**
 * Gives up on callbacks that never settle, so that a dead database costs a request its answer and not its
 * connection for ever. What the callback does afterwards is nobody's concern any more; a late rejection is no
 * unhandled one.
 *
 * All callbacks share one timer: it is begun by the first of them, and ends with the first look that finds none.
 * @param {number} milliseconds 0: no limit
 * @returns {<T>(name: string, call: () => T | PromiseLike<T>) => T | Promise<T>}
 */
function createTimeLimit(milliseconds) {
  const waits = new Waits(milliseconds);
  return (name, call) => {
    const result = call();
    if (!isThenable(result)) return result;
    // Promise.resolve, not a bare wait: a lazy query begins here, in the caller's async context.
    const settled = Promise.resolve(result);
    return milliseconds === 0 ? settled : waits.add(name, settled);
  };
}

/** One callback, among those that have not settled. */
class Wait {
  /** @type {Wait} the one that began before it */
  before = this;
  /** @type {Wait} */
  after = this;
  /** @type {((error: Error) => void) | undefined} */
  reject;

  /**
   * @param {string} name
   * @param {number} began milliseconds of the monotonic clock
   * @param {number} timed when it began at the latest, in milliseconds of the timers that have ended
   */
  constructor(name, began, timed) {
    this.name = name;
    this.began = began;
    this.timed = timed;
  }

  end() {
    this.before.after = this.after;
    this.after.before = this.before;
    // Whatever keeps this one keeps no other.
    this.before = this.after = this;
  }
}

/**
 * The callbacks that have not settled, a ring in the order in which they began. Tests of a host may put other timers in the place of Node's and
 * leave the clock as it is, or drop timers that are set: what has passed is what the clock says or what timers have, whichever is more, and a timer
 * set by another function than there is now is not waited for.
 */
class Waits {
  #limit;
  #ring = new Wait('', 0, 0);
  /** @type {object | undefined} stands for the one that is set */
  #timer;
  /** @type {unknown} */
  #setBy;
  #delay = 0;
  /** Milliseconds of all timers that have ended. */
  #passed = 0;

  /** @param {number} limit milliseconds */
  constructor(limit) {
    this.#limit = limit;
  }

  /**
   * @template T
   * @param {string} name
   * @param {Promise<T>} settled
   * @returns {Promise<T>}
   */
  add(name, settled) {
    const isTimed = this.#timer !== undefined && this.#setBy === setTimeout;
    const wait = new Wait(name, performance.now(), isTimed ? this.#passed + this.#delay : this.#passed);
    wait.before = this.#ring.before;
    wait.after = this.#ring;
    wait.before.after = wait.after.before = wait;
    if (!isTimed) this.#time(Math.min(LOOK, this.#limit));
    return new Promise((resolve, reject) => {
      wait.reject = reject;
      settled.then(
        (value) => {
          wait.end();
          resolve(value);
        },
        (error) => {
          wait.end();
          reject(error);
        },
      );
    });
  }

  /** @param {number} delay milliseconds */
  #time(delay) {
    this.#delay = delay;
    this.#setBy = setTimeout;
    const timer = (this.#timer = {});
    const set = noRequest.runInAsyncScope(() => setTimeout(() => this.#ended(timer), delay));
    // Nobody is left to be answered where nothing else keeps the process alive.
    set?.unref?.();
  }

  /** @param {object} timer */
  #ended(timer) {
    if (timer !== this.#timer) return;
    this.#timer = undefined;
    this.#passed += this.#delay;
    const now = performance.now();
    let oldest = this.#ring.after;
    while (oldest !== this.#ring && this.#left(oldest, now) <= 0) {
      oldest.end();
      oldest.reject?.(new Error(`${oldest.name} has not settled within ${this.#limit} ms`));
      oldest = this.#ring.after;
    }
    // Timers are of whole milliseconds, and may be early by a part of one.
    if (oldest !== this.#ring) this.#time(Math.min(LOOK, Math.max(1, Math.ceil(this.#left(oldest, now)))));
  }

  /** @param {Wait} wait @param {number} now @returns {number} milliseconds */
  #left({ began, timed }, now) {
    return this.#limit - Math.max(now - began, this.#passed - timed);
  }
}

/** @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

module.exports = { DEFAULT_CALLBACK_TIMEOUT, createTimeLimit, isTimeout };
