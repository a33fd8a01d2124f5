'use strict';

const { wrongOption } = require('../verifier/errors');
const { admissionOf } = require('./admission');
const { groundsOf } = require('./facts');

/**
 * Why a guard does not let a request pass. `scope`, `acrValues`, `maxAge`: what would be enough, for the challenge. `cause`: what a
 * function of the application threw.
 * @typedef {{ code: import('../../index').RemoteAuthErrorCode, message: string, scope?: string, acrValues?: string, maxAge?: number,
 *   expected?: string, got?: string, cause?: unknown }} Refusal
 *
 * @typedef {import('../../index').BearerAuth} BearerAuth
 * @typedef {import('./facts').Grounds} Grounds
 * @typedef {import('../../index').Guard} Guard
 * @typedef {(grounds: Grounds, auth: BearerAuth, req: any) => Refusal | undefined | Promise<Refusal | undefined>} Rule
 */

/** @type {Refusal} */
const NOBODY = Object.freeze({ code: 'ERR_CREDENTIALS_MISSING', message: 'the request has no bearer token' });

/**
 * A rule as a guard: a middleware, and `evaluate` for hosts that have none.
 * @param {string} name of the function that made it
 * @param {Rule} rule
 * @returns {Guard}
 */
function guardOf(name, rule) {
  /** @param {unknown} auth @param {any} req @returns {Promise<Refusal | undefined>} */
  const evaluate = async (auth, req) => {
    const grounds = groundsOf(auth);
    if (grounds === undefined) return NOBODY;
    try {
      return await rule(grounds, /** @type {BearerAuth} */ (auth), req);
    } catch (cause) {
      return { code: 'ERR_INTERNAL', message: `the function given to ${name} failed`, cause };
    }
  };

  /** @param {any} req @param {any} res @param {(value?: any) => void} next */
  const guard = async (req, res, next) => {
    const admission = admissionOf(req);
    // A route whose authentication somebody forgot must not be open.
    if (admission === undefined) return next(wrongOption(`${name}: no middleware of createBearerAuth runs before it`));
    const { auth } = admission;
    const refusal = await evaluate(auth, req);
    return refusal === undefined ? next() : admission.refuse(refusal, req, res, next, auth);
  };
  return Object.assign(guard, { evaluate });
}

module.exports = { guardOf };
