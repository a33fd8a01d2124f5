'use strict';

/**
 * @typedef {import('./user').Resolution} Resolution
 * @typedef {import('../index').UserLookupResult} UserLookupResult
 * @typedef {(result: UserLookupResult, seconds: number) => unknown} OnUserLookup
 */

/**
 * Reports one user lookup to the host. What the host's function does or throws costs the request nothing.
 * @param {OnUserLookup | undefined} onUserLookup
 * @param {() => Promise<Resolution>} resolve
 * @returns {Promise<Resolution>}
 */
async function observeLookup(onUserLookup, resolve) {
  if (onUserLookup === undefined) return resolve();
  const start = performance.now();
  /** @param {UserLookupResult} result */
  const report = async (result) => onUserLookup(result, (performance.now() - start) / 1000);
  const ignore = () => {};
  try {
    const resolution = await resolve();
    report(resultOf(resolution)).catch(ignore);
    return resolution;
  } catch (error) {
    report('error').catch(ignore);
    throw error;
  }
}

/** @param {Resolution} resolution @returns {UserLookupResult} */
function resultOf({ user, changes, conflict }) {
  if (user === null) return conflict === undefined ? 'not_found' : 'auth_failed';
  return changes.update.openidId === undefined ? 'found' : 'migration';
}

module.exports = { observeLookup };
