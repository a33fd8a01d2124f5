'use strict';

// Back-channel logout (OpenID Connect Back-Channel Logout 1.0) as an Express handler.

const { BoundedMap } = require('../stores/bounded-map');
const { listOf } = require('../stores/shared-revocations');
const { wrongOption } = require('../verifier/errors');
const { compilePolicy } = require('../verifier/native-check');
const { addRevocations, checkLogout } = require('../verifier/revocation');
const { logoutTokenOf } = require('./logout-request');

/**
 * @typedef {import('../../index').BackchannelLogoutOptions} Options
 */

const OPTIONS = ['extent', 'lasts', 'onLogout', 'policy', 'revocations', 'store'];
/** Seconds for which a revocation is kept: a day. */
const LASTS = 86_400;
const LONGEST = 366 * 86_400;
/** Milliseconds for which a `jti` is remembered: until its token is refused for its age. */
const REMEMBERED = 20 * 60_000;
/** `jti`s remembered in this process. Only a good token has one. */
const MOST_JTIS = 100_000;

/** @param {Options} options */
function readOptions(options) {
  const unknown = Object.keys(Object(options)).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined)
    throw wrongOption(`backchannelLogout: \`${unknown}\` is not an option; there are ${OPTIONS.join(', ')}`);
  const { policy, revocations, store, extent = 'session', lasts = LASTS, onLogout = () => {} } = Object(options);
  if (extent !== 'session' && extent !== 'subject')
    throw wrongOption('backchannelLogout: `extent` must be "session" or "subject"');
  if (!(Number.isFinite(lasts) && lasts > 0 && lasts <= LONGEST)) {
    throw wrongOption('backchannelLogout: `lasts` must be a number of seconds, at most a year');
  }
  if (typeof onLogout !== 'function') throw wrongOption('backchannelLogout: `onLogout` must be a function');
  if (store !== undefined && typeof store?.setIfAbsent !== 'function') {
    throw wrongOption('backchannelLogout: `store` must have `setIfAbsent`');
  }
  const list = revocations === undefined ? undefined : listOf(revocations);
  if (revocations !== undefined && list === undefined) {
    throw wrongOption('backchannelLogout: `revocations` must be what shareRevocations gave');
  }
  return { policy: compilePolicy(policy), list, store, bySubject: extent === 'subject', lasts, onLogout };
}

/** @type {typeof import('../../index').backchannelLogout} */
function backchannelLogout(options) {
  const { policy, list, store, bySubject, lasts, onLogout } = readOptions(options);
  const jtis = new BoundedMap({ most: MOST_JTIS });

  /** Whether a token that has come once comes again. @param {string} once */
  async function isKnown(once) {
    if (jtis.get(once) !== undefined) return true;
    try {
      return store !== undefined && !(await store.setIfAbsent(`logout:${once}`, '1', REMEMBERED));
    } catch {
      // Without the store a token that comes twice to two replicas revokes the same again, and nothing else.
      return false;
    }
  }

  /** @param {import('node:http').IncomingMessage} req @returns {Promise<{ status: number, code?: string }>} */
  async function answerTo(req) {
    if (req.method !== 'POST') return { status: 405, code: 'ERR_LOGOUT_INVALID' };
    const token = await logoutTokenOf(req);
    if (token === undefined) return { status: 400, code: 'ERR_LOGOUT_INVALID' };
    const checked = await checkLogout(token, policy, bySubject, lasts);
    if ('code' in checked) return { status: isOurs(checked.fault) ? 503 : 400, code: checked.code };
    const { once, revocations } = checked;
    if (await isKnown(once)) return { status: 400, code: 'ERR_LOGOUT_INVALID' };
    if (list === undefined) {
      addRevocations(revocations);
    } else {
      const { shared } = await list.add(revocations);
      // Not remembered as done: the provider may send it again.
      if (!shared) return { status: 503, code: 'ERR_STORE_UNAVAILABLE' };
    }
    jtis.set(once, true, REMEMBERED);
    return { status: 200 };
  }

  return async function logout(req, res) {
    const answer = await answerTo(req).catch(() => ({ status: 503, code: 'ERR_INTERNAL' }));
    respond(res, answer);
    onLogout(answer.code === undefined ? {} : { code: answer.code });
  };
}

/** Whether the token may be a good one. @param {string} fault */
function isOurs(fault) {
  return fault === 'upstream' || fault === 'capacity' || fault === 'internal' || fault === 'config';
}

/** 2.8. @param {import('node:http').ServerResponse} res @param {{ status: number }} answer */
function respond(res, { status }) {
  res.statusCode = status;
  res.setHeader('Cache-Control', 'no-store');
  if (status === 405) res.setHeader('Allow', 'POST');
  if (status === 200) return void res.end();
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ error: status === 503 ? 'temporarily_unavailable' : 'invalid_request' }));
}

module.exports = { backchannelLogout };
