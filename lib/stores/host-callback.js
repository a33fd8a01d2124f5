'use strict';

/**
 * Tells a callback of the host. What it throws or rejects with is its own matter: it changes no answer and stops no retry.
 * @template T
 * @param {(value: T) => unknown} callback
 * @param {T} value
 */
function tell(callback, value) {
  try {
    // An `async` one that rejects would end the process.
    Promise.resolve(callback(value)).catch(() => {});
  } catch {
    // Nobody is left to be told.
  }
}

module.exports = { tell };
