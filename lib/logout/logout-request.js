'use strict';

/** Characters of a request's body, as the token's own bound. */
const LONGEST_BODY = 65_536;
/** Milliseconds for a body to come. */
const PATIENCE = 10_000;

/**
 * The logout token of a request (OpenID Connect Back-Channel Logout 1.0, 2.5): a form with `logout_token`, parsed by the host or not yet.
 * @param {import('../../index').BackchannelLogoutRequest & { body?: unknown }} req
 * @returns {Promise<string | undefined>} undefined where there is none, or more than one
 */
async function logoutTokenOf(req) {
  const { body } = req;
  if (typeof body === 'object' && body !== null && !Buffer.isBuffer(body)) {
    const token = Object.hasOwn(body, 'logout_token') ? /** @type {any} */ (body).logout_token : undefined;
    return typeof token === 'string' ? token : undefined;
  }
  const type = String(req.headers['content-type'] ?? '').split(';', 1)[0];
  if (type?.trim().toLowerCase() !== 'application/x-www-form-urlencoded') return undefined;
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? String(body) : await bodyOf(req);
  const tokens = text === undefined ? [] : new URLSearchParams(text).getAll('logout_token');
  return tokens.length === 1 ? tokens[0] : undefined;
}

/** @param {import('../../index').BackchannelLogoutRequest} req @returns {Promise<string | undefined>} undefined where it is too long or cut */
function bodyOf(req) {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => done(undefined), PATIENCE);
    /** @param {string | undefined} found */
    function done(found) {
      clearTimeout(timer);
      req.off('data', more);
      req.resume();
      resolve(found);
    }
    /** @param {Buffer} chunk */
    function more(chunk) {
      text += chunk.toString('latin1');
      if (text.length > LONGEST_BODY) done(undefined);
    }
    req.on('data', more);
    req.once('end', () => done(text));
    req.once('error', () => done(undefined));
    req.once('aborted', () => done(undefined));
  });
}

module.exports = { logoutTokenOf };
