'use strict';

const { normalizeIssuer } = require('../policy/issuer');
const { EMAIL_CLAIMS, emailClaimWarning } = require('../accounts/email-address');
const { createLog } = require('../middleware/log');
const { observedLookup } = require('../middleware/lookup-metrics');
const { loginIssuer, resolveUser, withoutIssuer } = require('../middleware/user');

/**
 * @typedef {import('../../index').RemoteAgentUserFilter} Filter
 * @typedef {import('../../librechat')} LibreChat
 */

/** LibreChat's own error constant. */
const AUTH_FAILED = 'auth_failed';

/**
 * LibreChat's functions about OpenID accounts, over the same rules as the middleware.
 * @param {import('../../index').RemoteAgentAuthLogger} logger
 * @param {() => import('../../index').RemoteAgentAuthDeps['onUserLookup']} [hostRecorder] the host's own metric
 * @returns {Pick<LibreChat, 'findOpenIDUser' | 'getIssuerBoundConditions' | 'getOpenIdEmail' | 'getOpenIdIssuer'
 *   | 'isUserIssuerAllowed'>}
 */
function createOpenId(logger, hostRecorder = () => undefined) {
  return { findOpenIDUser, getIssuerBoundConditions, getOpenIdEmail, getOpenIdIssuer, isUserIssuerAllowed };

  /** @type {LibreChat['findOpenIDUser']} */
  async function findOpenIDUser(lookup) {
    const { openidId, openidIssuer, idOnTheSource, email, emailVerified, strategyName = 'openid' } = lookup;
    const surroundings = {
      findUser: (/** @type {Filter} */ filter) => lookup.findUser(filter),
      loginIssuer,
      allowEmailFallback: true,
      allowUnverifiedEmail: false,
      allowUsernameAsEmail: false,
      log: createLog(logger, `[${strategyName}] `),
    };
    const identity = {
      subject: text(openidId) ?? '',
      issuer: normalizeIssuer(openidIssuer),
      oid: text(idOnTheSource),
      email: text(email),
      emailVerified,
    };
    const resolution = await observedLookup(lookup.onUserLookup ?? hostRecorder(), resolveUser)(identity, surroundings);
    const { user, changes, conflict } = resolution;
    if (user === null) return { user: null, error: conflict === undefined ? null : AUTH_FAILED, migration: false };
    // Callers of this function save what they find on the user.
    Object.assign(user, changes.assign);
    return { user, error: null, migration: changes.update.openidId !== undefined };
  }

  /** @type {LibreChat['getOpenIdEmail']} */
  function getOpenIdEmail(claims, strategyName = 'openid') {
    const log = createLog(logger, `[${strategyName}] `);
    const configured = process.env.OPENID_EMAIL_CLAIM?.trim();
    if (configured) {
      const value = Object.hasOwn(claims, configured) ? claims[configured] : undefined;
      if (text(value) !== undefined) return text(value);
      log.warn(emailClaimWarning(configured, value === undefined || value === null ? 'absent' : typeof value));
    }
    return EMAIL_CLAIMS.map((name) => text(claims[name])).find((email) => email !== undefined);
  }
}

/** @type {LibreChat['getOpenIdIssuer']} */
function getOpenIdIssuer(...sources) {
  for (const source of sources) {
    const issuer = normalizeIssuer(source?.iss || source?.serverMetadata?.()?.issuer || source?.issuer);
    if (issuer !== undefined) return issuer;
  }
  return loginIssuer();
}

/** @type {LibreChat['getIssuerBoundConditions']} */
function getIssuerBoundConditions(field, value, openidIssuer) {
  const issuer = normalizeIssuer(openidIssuer);
  if (text(value) === undefined || issuer === undefined) return [];
  const bound = [{ [field]: value, openidIssuer: issuer }];
  return issuer === loginIssuer()
    ? [...bound, ...withoutIssuer().map((noIssuer) => ({ [field]: value, ...noIssuer }))]
    : bound;
}

/** @type {LibreChat['isUserIssuerAllowed']} */
function isUserIssuerAllowed(user, openidIssuer) {
  const issuer = normalizeIssuer(openidIssuer);
  const stored = normalizeIssuer(user?.openidIssuer);
  return issuer !== undefined && issuer === (stored ?? loginIssuer());
}

/** @param {unknown} value @returns {string | undefined} */
function text(value) {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

module.exports = { createOpenId };
