'use strict';

/**
 * What guards know of a request that was let through: whom it comes from (nobody, where that is allowed), and how a refusal is answered.
 * @typedef {{ auth?: import('../../index').BearerAuth,
 *   refuse: (refusal: import('./guard').Refusal, req: any, res: any, next: any) => void }} Binding
 */

/** @type {WeakMap<object, Binding>} by the request */
const bindings = new WeakMap();

/** @param {object} req @param {Binding} binding */
function bind(req, binding) {
  bindings.set(req, binding);
}

/** @param {object} req @returns {Binding | undefined} undefined where no middleware of ours has let the request through */
function bindingOf(req) {
  return bindings.get(req);
}

module.exports = { bind, bindingOf };
