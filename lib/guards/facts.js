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

/**
 * What an application is given, with its grounds in a private member: it cannot be read, changed or made from outside. A WeakMap would do the same,
 * and have the garbage collector look at an entry for each request.
 */
class Grounded {
  /** @type {Grounds} */
  #grounds;

  /** @param {Grounds} grounds */
  constructor(grounds) {
    this.#grounds = grounds;
  }

  /** @param {unknown} auth @returns {Grounds | undefined} */
  static of(auth) {
    return typeof auth === 'object' && auth !== null && #grounds in auth ? auth.#grounds : undefined;
  }
}

/** @param {unknown} auth @returns {Grounds | undefined} undefined for what no check of ours has made */
function groundsOf(auth) {
  return Grounded.of(auth);
}

module.exports = { Grounded, groundsOf };
