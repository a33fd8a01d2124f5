'use strict';

const {
  EMAIL_CLAIMS,
  UNVERIFIED,
  inLowerCase,
  isEmailAddress,
  isMereUserName,
  userNameProblem,
} = require('./email-address');
const { claimAt } = require('../policy/claim-path');

/**
 * @typedef {import('./email-address').EmailSource} EmailSource
 *
 * What the verified token says of the caller, from the native reading.
 * @typedef {{ subject: string, issuer: string | undefined, oid?: string, email?: string, emailVerified?: boolean,
 *   emailSource?: EmailSource, emailClaim?: string, emailClaimProblem?: string, severalTenants?: boolean }} Identity
 *
 * The same with what userinfo adds, and how the account is to be called.
 * @typedef {{ identity: Identity, username?: string, name?: string }} Profile
 *
 * @typedef {Record<string, unknown>} Claims
 * @typedef {{ allowUnverifiedEmail: boolean, allowUsernameAsEmail: boolean }} Trust
 */

/** local@domain.tld, as LibreChat's user model wants it. */
const WITH_TLD = /@[^@\s]+\.[^@\s.]+$/;
/** Characters of a name in the database. */
const LONGEST_NAME = 256;
/** What cannot be seen, and what turns the direction of what follows. */
const UNSEEN = /[\p{Cc}\u200B\u202A-\u202E\u2066-\u2069\uFEFF]/gu;

/**
 * The claims of the token, overlaid by those of userinfo. Identifiers and the address come from the native reading of the token;
 * the parsed claims give names alone, which nothing is decided by.
 * @param {Identity} identity of the token
 * @param {() => Claims} readClaims the token's, parsed
 * @param {Claims | undefined} userinfo of the same subject
 * @returns {Profile}
 */
function profileOf(identity, readClaims, userinfo) {
  const claims = { ...readClaims(), ...userinfo };
  // Of an issuer of several tenants no address is trusted, wherever it stands.
  const address = userinfo === undefined || identity.severalTenants ? identity : overlaid(identity, userinfo);
  // A token's own `oid` stands: userinfo may add one, and never put another in its place.
  const oid = text(identity.oid) ?? text(userinfo?.oid);
  const whole = { ...identity, ...address, oid, email: address.email && inLowerCase(address.email) };
  const username = usernameOf(claims) ?? whole.email;
  return { identity: whole, username, name: nameOf(claims) ?? username };
}

/**
 * Which address counts, and what is said of it. Whether an address is verified is said by whoever gives it: the token's
 * `email_verified` says nothing of another address in userinfo.
 * @param {Identity} identity
 * @param {Claims} userinfo
 * @returns {Pick<Identity, 'email' | 'emailVerified' | 'emailSource' | 'emailClaimProblem'>}
 */
function overlaid(identity, userinfo) {
  const { email, emailSource, emailVerified, emailClaim, emailClaimProblem } = identity;
  /** @type {Array<[EmailSource, string]>} */
  const order = EMAIL_CLAIMS.map((name) => [name, name]);
  if (emailClaim !== undefined) order.unshift(['configured', emailClaim]);
  for (const [source, name] of order) {
    const value = Object.hasOwn(userinfo, name) ? userinfo[name] : undefined;
    if (typeof value === 'string' && value !== '') {
      const isSame = emailSource === source && email !== undefined && inLowerCase(email) === inLowerCase(value);
      const said = verifiedOf(userinfo.email_verified) ?? (isSame ? emailVerified : undefined);
      return {
        email: value,
        emailSource: source,
        emailVerified: said,
        emailClaimProblem: source === 'configured' ? undefined : emailClaimProblem,
      };
    }
    if (emailSource === source) return { email, emailSource, emailVerified, emailClaimProblem };
  }
  return { email, emailSource, emailVerified, emailClaimProblem };
}

/** As the native side reads it: absent and null say nothing. @param {unknown} said */
function verifiedOf(said) {
  return said === undefined || said === null ? undefined : said === true || said === 'true';
}

/**
 * The address an account may have, or why there is none. It is what people are let in by, by its domain, and linked by: so whoever may
 * choose it must not be trusted.
 * @param {Identity} identity
 * @param {Trust} trust
 * @returns {{ email: string, problem?: undefined } | { email?: undefined, problem: string }}
 */
function usableEmail(identity, { allowUnverifiedEmail, allowUsernameAsEmail }) {
  const { email, emailVerified } = identity;
  if (!email) return { problem: 'the token has no e-mail address' };
  if (!isEmailAddress(email) || !WITH_TLD.test(email)) return { problem: 'what the token has is no e-mail address' };
  if (isMereUserName(identity) && !allowUsernameAsEmail) {
    return { problem: userNameProblem(identity) };
  }
  if (emailVerified === false && !allowUnverifiedEmail) return { problem: UNVERIFIED };
  return { email };
}

/** @param {Claims} claims */
function usernameOf(claims) {
  const named = process.env.OPENID_USERNAME_CLAIM?.trim();
  return (named && label(claimAt(claims, named))) || label(claims.preferred_username) || label(claims.username);
}

/** The plain `name` claim only where OPENID_NAME_CLAIM says so, as in LibreChat. @param {Claims} claims */
function nameOf(claims) {
  const named = process.env.OPENID_NAME_CLAIM?.trim();
  const parts = [label(claims.given_name), label(claims.family_name)].filter(Boolean);
  return (named && label(claimAt(claims, named))) || label(parts.join(' '));
}

/** What can stand in a name; nothing invisible that would make two look like one. @param {unknown} value @returns {string | undefined} */
function label(value) {
  if (typeof value !== 'string') return undefined;
  return value.replace(UNSEEN, '').trim().slice(0, LONGEST_NAME) || undefined;
}

/** @param {unknown} value */
function text(value) {
  return (typeof value === 'string' && value.trim()) || undefined;
}

module.exports = { profileOf, usableEmail };
