'use strict';

const {
  UNVERIFIED,
  emailClaimWarning,
  isEmailAddress,
  isMereUserName,
  userNameProblem,
} = require('../accounts/email-address');
const { normalizeIssuer } = require('../policy/issuer');
const { pseudonym } = require('../events/pseudonym');

/**
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').RemoteAgentUserFilter} Filter
 * @typedef {import('../../index').RemoteAgentUserUpdate} Update
 * @typedef {import('./log').Log} Log
 *
 * What the verified token says about the caller. `issuer` is the configured issuer, normalised: never the
 * token's own `iss`, which may be another accepted spelling. `emailClaim` is the name OPENID_EMAIL_CLAIM
 * gives, `emailClaimProblem` why that claim was not used, `emailSource` the claim the address is from, where that is known.
 * @typedef {{ subject: string, issuer: string | undefined, oid?: string, email?: string, emailVerified?: boolean,
 *   emailSource?: import('../accounts/email-address').EmailSource, emailClaim?: string, emailClaimProblem?: string }} Identity
 *
 * Nothing is changed here: `assign` is what the user object will get, `update` what the database will get,
 * both only once every check has passed.
 * @typedef {{ assign: Update, update: Update }} Changes
 *
 * @typedef {{ user: User, changes: Changes, conflict?: undefined }
 *   | { user: null, changes?: undefined, conflict?: string }} Resolution
 *
 * @typedef {{
 *   findUser: (filter: Filter) => unknown,
 *   loginIssuer: () => string | undefined,
 *   allowEmailFallback: boolean,
 *   allowUnverifiedEmail: boolean,
 *   allowUsernameAsEmail: boolean,
 *   log: Log,
 * }} Surroundings
 */

/**
 * How users stored before issuers were recorded look; asked one by one, each an index lookup.
 * @returns {Array<Pick<Filter, 'openidIssuer'>>}
 */
const withoutIssuer = () => [{ openidIssuer: { $exists: false } }, { openidIssuer: null }, { openidIssuer: '' }];

/**
 * Finds the account a verified identity belongs to as LibreChat does.
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Promise<Resolution>}
 */
async function resolveUser(identity, surroundings) {
  warnOfEmailClaim(identity, surroundings);
  // Nearly everybody is found by the first question.
  const known = /** @type {User | null} */ (await askBySubject(identity, surroundings));
  const found = known ? checkBinding(known, identity, surroundings) : await resolveOtherBinding(identity, surroundings);
  return found.user === null && found.conflict === undefined ? resolveByEmail(identity, surroundings) : found;
}

/** @param {Identity} identity @param {Pick<Surroundings, 'log'>} surroundings */
function warnOfEmailClaim({ emailClaim, emailClaimProblem }, { log }) {
  if (emailClaimProblem !== undefined) log.warn(emailClaimWarning(emailClaim, emailClaimProblem));
}

/**
 * The account that is bound to the identity already.
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Promise<Resolution>}
 */
async function resolveBound(identity, surroundings) {
  const known = /** @type {User | null} */ (await askBySubject(identity, surroundings));
  return known ? checkBinding(known, identity, surroundings) : resolveOtherBinding(identity, surroundings);
}

/** @param {Identity} identity @param {Surroundings} surroundings @returns {unknown} the user or nobody, or a promise of it */
function askBySubject({ subject, issuer }, { findUser }) {
  return issuer && subject ? findUser({ openidId: subject, openidIssuer: issuer }) : null;
}

/** @param {Identity} identity @param {Surroundings} surroundings @returns {Promise<Resolution>} */
async function resolveOtherBinding(identity, surroundings) {
  const bound = await findByOtherBinding(identity, surroundings);
  return bound === null ? { user: null } : checkBinding(bound, identity, surroundings);
}

/**
 * The account of the identity's e-mail address, where it may be bound to the identity.
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Promise<Resolution>}
 */
async function resolveByEmail(identity, surroundings) {
  // A service account's user name, for one, is no address: nobody can be found by it.
  if (!identity.email || !surroundings.allowEmailFallback || !isEmailAddress(identity.email)) return { user: null };
  const linkable = await findByEmail(identity.email, identity, surroundings);
  return linkable === null ? { user: null } : checkEmailMatch(linkable, identity, surroundings);
}

/**
 * The lookups by identifier after the one by subject and issuer, in order, until the first hit (4.2). Users without a
 * stored issuer are looked for only on behalf of the browser login's own issuer, which is where they came from.
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Promise<User | null>}
 */
async function findByOtherBinding({ subject, oid, issuer }, { findUser, loginIssuer }) {
  if (issuer === undefined) return null;
  const byOid = oid && (await findUser({ idOnTheSource: oid, openidIssuer: issuer }));
  if (byOid) return /** @type {User} */ (byOid);

  if (issuer !== loginIssuer()) return null;
  /** @type {Filter[]} */
  const identifiers = [];
  if (subject) identifiers.push({ openidId: subject });
  if (oid) identifiers.push({ idOnTheSource: oid });
  for (const identifier of identifiers) {
    for (const noIssuer of withoutIssuer()) {
      const user = await findUser({ ...identifier, ...noIssuer });
      if (user) return /** @type {User} */ (user);
    }
  }
  return null;
}

/**
 * @param {string} email
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Promise<User | null>}
 */
async function findByEmail(email, { subject }, { findUser, log }) {
  const user = /** @type {User | null | undefined} */ (await findUser({ email }));
  const found = user ? 'found' : 'not found';
  log.warn(`user looked up by e-mail: ${found} (email hmac ${pseudonym(email)}, sub hmac ${pseudonym(subject)})`);
  return user ?? null;
}

/**
 * @param {User} user found by identifier
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Resolution}
 */
function checkBinding(user, identity, surroundings) {
  // Found by `oid` and never bound to a subject: accepted, and left unbound, as LibreChat does.
  if (!user.openidId) return unchanged(user);
  return checkIssuer(user, identity, surroundings);
}

/**
 * @param {User} user with the identity's e-mail address
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Resolution}
 */
function checkEmailMatch(user, identity, surroundings) {
  if (user.provider && user.provider !== 'openid') {
    return conflict('the account found by e-mail belongs to another provider', surroundings);
  }
  if (user.openidId) {
    return user.openidId === identity.subject
      ? checkIssuer(user, identity, surroundings)
      : conflict('the account found by e-mail is bound to another subject', surroundings);
  }
  // Whoever can put an unproven address into a token would own every unbound account.
  if (isMereUserName(identity) && !surroundings.allowUsernameAsEmail) {
    return conflict(userNameProblem(identity), surroundings);
  }
  if (identity.emailVerified === false && !surroundings.allowUnverifiedEmail) {
    return conflict(UNVERIFIED, surroundings);
  }
  surroundings.log.info('the account found by e-mail will be bound to this issuer and subject');
  const update = bindingOf(identity);
  return { user, changes: { assign: { ...update }, update } };
}

/**
 * The same subject under another issuer is another person.
 * @param {User} user with an `openidId`
 * @param {Identity} identity
 * @param {Surroundings} surroundings
 * @returns {Resolution}
 */
function checkIssuer(user, identity, surroundings) {
  const stored = normalizeIssuer(user.openidIssuer);
  if (stored !== undefined) {
    return stored === identity.issuer
      ? unchanged(user)
      : conflict('the account is bound to another issuer', surroundings);
  }
  if (identity.issuer === undefined || identity.issuer !== surroundings.loginIssuer()) {
    return conflict('the account has no issuer, and this is not the login issuer', surroundings);
  }
  return {
    user,
    changes: { assign: { openidIssuer: identity.issuer }, update: bindingOf(identity) },
  };
}

/** @param {User} user @returns {Resolution} */
function unchanged(user) {
  return { user, changes: { assign: {}, update: {} } };
}

/** @param {string} reason @param {Surroundings} surroundings @returns {Resolution} */
function conflict(reason, { log }) {
  log.warn(`user refused: ${reason}`);
  return { user: null, conflict: reason };
}

/** @param {Identity} identity @returns {Update} */
function bindingOf({ subject, issuer }) {
  return { provider: 'openid', openidId: subject, openidIssuer: issuer };
}

/** Where users stored before issuers were recorded come from. */
function loginIssuer() {
  return normalizeIssuer(process.env.OPENID_ISSUER);
}

module.exports = { loginIssuer, resolveBound, resolveByEmail, resolveUser, warnOfEmailClaim, withoutIssuer };
