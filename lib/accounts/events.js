'use strict';

/**
 * @typedef {import('../../index').AccountEvent} AccountEvent
 */

/**
 * Tells the host what became of an account. What its function does or throws costs the request nothing.
 * @param {((event: AccountEvent) => unknown) | undefined} onAccount
 * @returns {(event: AccountEvent) => void}
 */
function createEvents(onAccount) {
  if (onAccount === undefined) return () => {};
  const ignore = () => {};
  return (event) => {
    (async () => onAccount(event))().catch(ignore);
  };
}

module.exports = { createEvents };
