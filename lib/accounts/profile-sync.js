'use strict';

const { usableEmail } = require('./profile');

/**
 * @typedef {import('./profile').Profile} Profile
 * @typedef {import('./profile').Trust} Trust
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {Record<string, any>} Fields
 */

/**
 * What an account found lacks of its binding. What it has stays: an account found by `oid` may have been bound to the subject that
 * another application of the same provider sees (Entra ID has one for each), and the browser's login finds it by that.
 * @param {User & Fields} user
 * @param {Profile['identity']} identity
 * @returns {Fields}
 */
function bindingChanges(user, { subject, issuer, oid }) {
  /** @type {Fields} */
  const changes = {};
  // An account of another kind of login keeps it.
  if (user.provider && user.provider !== 'openid') return changes;
  if (!user.provider) changes.provider = 'openid';
  if (!user.openidId) changes.openidId = subject;
  if (!user.openidIssuer && issuer !== undefined) changes.openidIssuer = issuer;
  if (oid !== undefined && user.idOnTheSource !== oid) changes.idOnTheSource = oid;
  return changes;
}

/**
 * What of the profile differs from what is stored.
 * @param {User & Fields} user
 * @param {Profile} profile
 * @param {{ trust: Trust, isDomainAllowed: (email: string) => Promise<boolean> }} rules
 * @returns {Promise<Fields>}
 */
async function profileChanges(user, { identity, username, name }, { trust, isDomainAllowed }) {
  /** @type {Fields} */
  const changes = {};
  // The database keeps user names in lower case.
  if (username !== undefined && user.username?.toLowerCase() !== username.toLowerCase()) changes.username = username;
  if (name !== undefined && user.name !== name) changes.name = name;
  const { email } = usableEmail(identity, trust);
  const isSame = email !== undefined && user.email?.toLowerCase() === email;
  if (email === undefined || !(isSame || (await isDomainAllowed(email)))) return changes;
  if (!isSame) changes.email = email;
  // Said of this address; where nothing is said, what is known of it stays.
  const { emailVerified = isSame ? user.emailVerified : false } = identity;
  if (emailVerified !== undefined && user.emailVerified !== emailVerified) changes.emailVerified = emailVerified;
  return changes;
}

/** What can be written though another account has the address. @param {Fields} changes @returns {Fields} */
function withoutEmail({ email, emailVerified, ...rest }) {
  return rest;
}

module.exports = { bindingChanges, profileChanges, withoutEmail };
