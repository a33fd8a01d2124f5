'use strict';

// Back-channel logout (OpenID Connect Back-Channel Logout 1.0) as an Express handler.

const { BoundedMap } = require('../stores/bounded-map');
const { notify } = require('../events/notify');
const { listOf } = require('../stores/shared-revocations');
const { wrongOption } = require('../verifier/errors');
const { compilePolicy, prepared } = require('../verifier/native-check');
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
/** Of a `jti`: its token counts or is being dealt with; or it could not be shared and may come again. */
const TAKEN = 'taken';
const AGAIN = 'again';

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
  if (store !== undefined && !(typeof store?.setIfAbsent === 'function' && typeof store.delete === 'function')) {
    throw wrongOption('backchannelLogout: `store` must have `setIfAbsent` and `delete`');
  }
  const list = revocations === undefined ? undefined : listOf(revocations);
  if (revocations !== undefined && list === undefined) {
    throw wrongOption('backchannelLogout: `revocations` must be what shareRevocations gave');
  }
  const compiled = compilePolicy(policy);
  // 2.6: without it a token for any other client of the provider would count.
  if (!((prepared(policy).audience?.length ?? 0) > 0)) {
    throw wrongOption('backchannelLogout: `policy` must name the client id as `audience`');
  }
  return { policy: compiled, list, store, bySubject: extent === 'subject', lasts, onLogout };
}

/** @type {typeof import('../../index').backchannelLogout} */
function backchannelLogout(options) {
  const { policy, list, store, bySubject, lasts, onLogout } = readOptions(options);
  const jtis = new BoundedMap({ most: MOST_JTIS });

  /** Whether a token comes again that has come or is being dealt with; if not, it is from now on. @param {string} once */
  async function isKnown(once) {
    const known = jtis.get(once);
    if (known === TAKEN) return true;
    // Before anything is awaited: of two that come at once, one counts.
    jtis.set(once, TAKEN, REMEMBERED);
    // One of an earlier try: the mark in the store, if it is still there, is ours.
    if (store === undefined || known === AGAIN) return false;
    try {
      const isFirst = await store.setIfAbsent(`logout:${once}`, '1', REMEMBERED);
      // Another replica has it, and takes its mark back where it fails.
      if (!isFirst) jtis.delete(once);
      return !isFirst;
    } catch {
      // Without the store a token that comes twice to two replicas revokes the same again, and nothing else.
      return false;
    }
  }

  /** Not remembered as done: the provider may send it again, here or to another replica. @param {string} once */
  async function mayComeAgain(once) {
    jtis.set(once, AGAIN, REMEMBERED);
    await store?.delete(`logout:${once}`).catch(() => {});
  }

  /** @param {string[]} revocations @returns {Promise<boolean>} whether they count wherever they should */
  async function add(revocations) {
    if (list !== undefined) return (await list.add(revocations)).shared;
    addRevocations(revocations);
    return true;
  }

  /** @param {import('../../index').BackchannelLogoutRequest} req @returns {Promise<{ status: number, code?: string }>} */
  async function answerTo(req) {
    if (req.method !== 'POST') return { status: 405, code: 'ERR_LOGOUT_INVALID' };
    const token = await logoutTokenOf(req);
    if (token === undefined) return { status: 400, code: 'ERR_LOGOUT_INVALID' };
    const checked = await checkLogout(token, policy, bySubject, lasts);
    if ('code' in checked) return { status: isOurs(checked.fault) ? 503 : 400, code: checked.code };
    const { once, revocations } = checked;
    if (await isKnown(once)) return { status: 400, code: 'ERR_LOGOUT_INVALID' };
    if (await add(revocations)) return { status: 200 };
    await mayComeAgain(once);
    return { status: 503, code: 'ERR_STORE_UNAVAILABLE' };
  }

  return async function logout(req, res) {
    const answer = await answerTo(req).catch(() => ({ status: 503, code: 'ERR_INTERNAL' }));
    respond(res, answer);
    notify(onLogout, answer.code === undefined ? {} : { code: answer.code });
  };
}

/** Whether the token may be a good one. @param {string} fault */
function isOurs(fault) {
  return fault === 'upstream' || fault === 'capacity' || fault === 'internal' || fault === 'config';
}

/** 2.8. @param {import('../../index').BackchannelLogoutResponse} res @param {{ status: number }} answer */
function respond(res, { status }) {
  res.statusCode = status;
  res.setHeader('Cache-Control', 'no-store');
  if (status === 405) res.setHeader('Allow', 'POST');
  if (status === 200) return void res.end();
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ error: status === 503 ? 'temporarily_unavailable' : 'invalid_request' }));
}

module.exports = { backchannelLogout };
