'use strict';

// `remote-agent-auth/hono`: for Hono, and for whatever else is given a Request and gives a Response.

const { handedOn } = require('../bearer-auth');
const { checkGuards, protect } = require('./protection');

/** @typedef {import('./protection').Answer} Answer */

/** What is looked at of a Request. @param {Request} request */
const seen = ({ method, url, headers }) => ({ method, url, headers });

/** @param {Answer} answer @param {string} method */
const responseOf = ({ status, headers, body }, method) =>
  new Response(method === 'HEAD' ? null : body, { status, headers });

/**
 * @param {import('../../index').BearerAuthOptions} options
 * @param {...import('../../index').Guard} guards
 * @returns {(c: any, next: () => Promise<void>) => Promise<Response | void>}
 */
function bearerAuth(options, ...guards) {
  const protection = protect(options, 'bearerAuth');
  const rules = checkGuards(guards, 'bearerAuth');
  const { property } = protection;
  return async (c, next) => {
    const request = c.req.raw;
    const { auth, answer } = await protection.decide(seen(request), c, rules);
    if (answer === undefined) {
      c.set(property, auth);
      return next();
    }
    const response = responseOf(answer, request.method);
    if (!protection.throws || answer.error === undefined) return response;
    // What Hono's HTTPException offers: app.onError may send the answer as it is.
    throw Object.assign(handedOn(answer.error), { getResponse: () => response });
  };
}

/**
 * @param {import('../../index').BearerAuthOptions} options
 * @param {...import('../../index').Guard} guards
 * @returns {(request: Request) => Promise<any>}
 */
function requestVerifier(options, ...guards) {
  // One handler answers every method: a preflight that passed would be answered as a request that was let in.
  const protection = protect({ ...options, preflight: options?.preflight ?? false }, 'requestVerifier');
  const rules = checkGuards(guards, 'requestVerifier');
  return async function verifyRequest(request) {
    const { auth, answer } = await protection.decide(seen(request), request, rules);
    if (answer === undefined) return { ok: true, auth };
    return { ok: false, response: responseOf(answer, request.method), error: answer.error };
  };
}

module.exports = { bearerAuth, requestVerifier };
