'use strict';

/**
 * A clock that a test moves: call it for the time in seconds since 1970. Until it is moved it is the system's.
 * @returns {import('../../testing').TestClock}
 */
function createClock() {
  /** @type {number | undefined} */
  let stopped;
  let ahead = 0;
  const now = () => stopped ?? Date.now() / 1000 + ahead;
  return Object.assign(now, {
    advance(/** @type {number} */ seconds) {
      checkSeconds(seconds);
      if (stopped === undefined) ahead += seconds;
      else stopped += seconds;
    },
    set(/** @type {number} */ seconds) {
      checkSeconds(seconds);
      stopped = seconds;
    },
    reset() {
      stopped = undefined;
      ahead = 0;
    },
  });
}

/** @param {unknown} seconds */
function checkSeconds(seconds) {
  if (!Number.isFinite(seconds)) throw new TypeError(`seconds must be a finite number, and is ${String(seconds)}`);
}

module.exports = { createClock };
