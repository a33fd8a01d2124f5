'use strict';

/**
 * Calls a callback of the host's that only learns of something. What it throws or rejects with changes no answer and stops no retry; an
 * `async` one that rejects would otherwise end the process.
 * @param {((...values: any[]) => unknown) | undefined} callback
 * @param {...unknown} values
 */
function notify(callback, ...values) {
  if (callback === undefined) return;
  (async () => callback(...values))().catch(() => {});
}

module.exports = { notify };
