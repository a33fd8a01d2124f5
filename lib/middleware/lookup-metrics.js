'use strict';

/**
 * @typedef {import('./user').Resolution} Resolution
 * @typedef {import('../../index').UserLookupResult} UserLookupResult
 * @typedef {(result: UserLookupResult, seconds: number) => unknown} OnUserLookup
 */

/**
 * The same lookup, with each one reported to the host. What the host's function does or throws costs the request
 * nothing.
 * @template {any[]} Arguments
 * @param {OnUserLookup | undefined} onUserLookup
 * @param {(...args: Arguments) => Promise<Resolution>} resolve
 * @returns {(...args: Arguments) => Promise<Resolution>}
 */
function observedLookup(onUserLookup, resolve) {
  if (onUserLookup === undefined) return resolve;
  const ignore = () => {};
  return async (...args) => {
    const start = performance.now();
    /** @param {UserLookupResult} result */
    const report = async (result) => onUserLookup(result, (performance.now() - start) / 1000);
    try {
      const resolution = await resolve(...args);
      report(resultOf(resolution)).catch(ignore);
      return resolution;
    } catch (error) {
      report('error').catch(ignore);
      throw error;
    }
  };
}

/** @param {Resolution} resolution @returns {UserLookupResult} */
function resultOf({ user, changes, conflict }) {
  if (user === null) return conflict === undefined ? 'not_found' : 'auth_failed';
  return changes.update.openidId === undefined ? 'found' : 'migration';
}

module.exports = { observedLookup };
