'use strict';

/**
 * @typedef {import('../../native').Success['emailSource']} EmailSource
 */

/** The Kelvin sign: the one character beyond ASCII that is a plain letter, k, in lower case. */
const KELVIN = '\u212A';
/**
 * local@domain, as the look-up will see it: the database trims. Neither part may hold blanks or control characters, nor what the database
 * would make another mailbox's address of.
 */
const ADDRESS = new RegExp(String.raw`^[^\s\p{Cc}@${KELVIN}]+@[^\s\p{Cc}@${KELVIN}]+$`, 'u');

/** Where the address is looked for, in this order, after OPENID_EMAIL_CLAIM. */
const EMAIL_CLAIMS = /** @type {const} */ (['email', 'preferred_username', 'upn']);
/** Names, which a provider may let its users choose: OpenID Connect Core 5.1 promises nothing about them. */
const USER_NAMES = ['preferred_username', 'upn'];

/** Why an address that the provider calls unverified binds no account. */
const UNVERIFIED = 'the e-mail address is not verified (email_verified)';

const GUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
/** Where Entra ID issues tokens of one tenant: its v2 hosts of the global cloud, of the US government's and of China's. */
const V2 = String.raw`login\.(?:microsoftonline\.com|microsoftonline\.us|partner\.microsoftonline\.cn)/(${GUID})/v2\.0`;
/** The same in tokens of version 1. */
const V1 = String.raw`sts\.(?:windows\.net|chinacloudapi\.cn)/(${GUID})`;
const ENTRA_TENANT = new RegExp(`^https://(?:${V2}|${V1})$`);
/** The "tenant" of all private Microsoft accounts, whose names their owners choose. */
const PRIVATE_ACCOUNTS = '9188040d-6c67-4c5b-b112-36a304b66dad';

/** @param {string} text */
function isEmailAddress(text) {
  return ADDRESS.test(text.trim());
}

/** As the database keeps it; what is no address stays that. @param {string} text */
function inLowerCase(text) {
  const trimmed = text.trim();
  return trimmed.includes(KELVIN) ? trimmed : trimmed.toLowerCase();
}

/**
 * Whether an issuer is one tenant of Entra ID: there the user names are the directory's, given by its administrators.
 * @param {string | undefined} issuer normalised
 */
function isEntraTenant(issuer) {
  return entraTenantOf(issuer) !== undefined;
}

/** The tenant of Entra ID that an issuer is, of either version. @param {string | undefined} issuer normalised */
function entraTenantOf(issuer) {
  const [, v2, v1] = ENTRA_TENANT.exec(issuer ?? '') ?? [];
  const tenant = (v2 ?? v1)?.toLowerCase();
  return tenant === PRIVATE_ACCOUNTS ? undefined : tenant;
}

/**
 * Whether an address is nothing but a user name that nobody vouches for: Keycloak, for one, lets somebody register as
 * `ada@victim.example` and calls only the e-mail address unverified.
 * @param {{ emailSource?: EmailSource, issuer: string | undefined }} identity
 */
function isMereUserName({ emailSource, issuer }) {
  return emailSource !== undefined && USER_NAMES.includes(emailSource) && !isEntraTenant(issuer);
}

/** Why such a name binds no account. @param {{ emailSource?: EmailSource }} identity */
function userNameProblem({ emailSource }) {
  return (
    `the e-mail address is from ${emailSource}, a name that users may choose; if they cannot at this provider, ` +
    'name that claim in OPENID_EMAIL_CLAIM, or set the option allowUsernameAsEmail'
  );
}

/**
 * @param {string | undefined} claim the one OPENID_EMAIL_CLAIM names
 * @param {string} problem `absent`, or the type of what was there
 */
function emailClaimWarning(claim, problem) {
  const found = problem === 'absent' ? 'not present in userinfo' : `of type ${problem}, not usable`;
  return `the claim "${claim}" (OPENID_EMAIL_CLAIM) is ${found}; using the default claims`;
}

module.exports = {
  EMAIL_CLAIMS,
  UNVERIFIED,
  emailClaimWarning,
  entraTenantOf,
  inLowerCase,
  isEmailAddress,
  isEntraTenant,
  isMereUserName,
  userNameProblem,
};
