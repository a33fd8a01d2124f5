'use strict';

/**
 * Whether a function of the operator's, whose value is needed at once or not at all, gave a promise. Its rejection is taken: nobody else
 * will, and Node ends the process for one that nobody takes.
 * @param {unknown} value
 */
function isAsynchronous(value) {
  if (typeof (/** @type {any} */ (value)?.then) !== 'function') return false;
  Promise.resolve(value).catch(() => {});
  return true;
}

module.exports = { isAsynchronous };
