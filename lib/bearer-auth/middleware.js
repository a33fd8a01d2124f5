'use strict';

const { admit } = require('../guards/admission');
const { createAuthenticator } = require('./authenticator');
const { handedOn } = require('./refusal');

/**
 * @typedef {import('../../index').BearerRefusal} BearerRefusal
 * @typedef {import('../../index').BearerResult} BearerResult
 */

/**
 * A middleware for Express and for node:http. It sets `req.auth`, or answers; what follows it runs in the request's own async context.
 * @param {import('../../index').BearerAuthOptions} options
 * @returns {import('../../index').BearerAuthHandler}
 */
function createBearerAuth(options) {
  const authenticator = createAuthenticator(options);
  const { onError, property } = authenticator.settings;

  /** @param {BearerRefusal} refusal @param {any} res @param {(error?: any) => void} next */
  const answer = (refusal, res, next) => (onError === 'next' ? next(handedOn(refusal.error)) : send(res, refusal));

  /** @type {import('../guards/admission').Admission['refuse']} */
  const refuse = (cause, req, res, next, auth) => answer(authenticator.refuseByGuard(cause, req, auth), res, next);

  /** @param {any} req @param {any} res @param {(error?: any) => void} next */
  const bearerAuth = (req, res, next) => {
    const result = authenticator.authenticate(req, req);
    if (!('then' in result)) return settle(result, req, res, next);
    return result.then((later) => settle(later, req, res, next));
  };

  /** @param {BearerResult} result @param {any} req @param {any} res @param {(error?: any) => void} next */
  const settle = (result, req, res, next) => {
    if (!result.ok) return answer(result, res, next);
    // Whatever stood there before is not what this request's token says.
    req[property] = result.auth;
    admit(req, { auth: result.auth, refuse });
    return next();
  };

  return Object.assign(bearerAuth, {
    /** @param {import('../../index').BearerPolicy[]} policies */
    setIssuers: (policies) => authenticator.setIssuers(policies),
  });
}

/**
 * Sends a refusal over node:http, unless something has answered already.
 * @param {import('node:http').ServerResponse} res
 * @param {BearerRefusal} refusal
 */
function send(res, { status, headers, body }) {
  if (res.headersSent) return;
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.end(body);
}

module.exports = { createBearerAuth, send };
