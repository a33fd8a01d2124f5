'use strict';

/**
 * What guards know of a request that was let through: whom it comes from (nobody, where that is allowed), and how a refusal is answered.
 * @typedef {{ auth?: import('../../index').BearerAuth,
 *   refuse: (refusal: import('./guard').Refusal, req: any, res: any, next: any,
 *   auth: import('../../index').BearerAuth | undefined) => void }} Admission
 */

/** @type {WeakMap<object, Admission>} by the request */
const admissions = new WeakMap();

/** @param {object} req @param {Admission} admission */
function admit(req, admission) {
  admissions.set(req, admission);
}

/** @param {object} req @returns {Admission | undefined} undefined where no middleware of ours has let the request through */
function admissionOf(req) {
  return admissions.get(req);
}

module.exports = { admit, admissionOf };
