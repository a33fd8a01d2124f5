'use strict';

/**
 * What the native reader has found in the claims of a request's token.
 * @typedef {{ issuer?: string, clientId?: string, acr?: string, authTime?: number, actor?: import('../../index').BearerActor,
 *   roles: readonly string[], permissions: readonly string[] }} Facts
 *
 * What guards decide by. It is kept apart from the object an application is given, which anybody can change or replace. `entry`: of the
 * policy, for the event of a refusal.
 * @typedef {{ outcome: import('../../native').Success, facts: Facts, entry: any, now: () => number }} Grounds
 */

/** @type {WeakMap<object, Grounds>} by what an application is given */
const grounds = new WeakMap();

/** @param {object} auth @param {Grounds} of */
function setFacts(auth, of) {
  grounds.set(auth, of);
}

/** @param {unknown} auth @returns {Grounds | undefined} undefined for what no check of ours has made */
function groundsOf(auth) {
  return typeof auth === 'object' && auth !== null ? grounds.get(auth) : undefined;
}

module.exports = { groundsOf, setFacts };
