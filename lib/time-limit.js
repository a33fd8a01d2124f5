'use strict';

/**
 * Gives up on callbacks that never settle, so that a dead database costs a request its answer and not its
 * connection for ever. What the callback does afterwards is nobody's concern any more; a late rejection is no
 * unhandled one.
 * @param {number} milliseconds 0: no limit
 * @returns {<T>(name: string, call: () => T | PromiseLike<T>) => T | Promise<T>}
 */
function createTimeLimit(milliseconds) {
  return (name, call) => {
    const result = call();
    if (!isThenable(result)) return result;
    // Promise.resolve, not a bare wait: a lazy query begins here, in the caller's async context.
    const settled = Promise.resolve(result);
    return milliseconds === 0 ? settled : inTime(name, settled, milliseconds);
  };
}

/**
 * @template T
 * @param {string} name
 * @param {Promise<T>} settled
 * @param {number} milliseconds
 */
async function inTime(name, settled, milliseconds) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const tooLate = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} has not settled within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([settled, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {any} value @returns {value is PromiseLike<any>} */
function isThenable(value) {
  return typeof value?.then === 'function';
}

module.exports = { createTimeLimit };
