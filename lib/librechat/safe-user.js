'use strict';

/**
 * @typedef {import('../../index').SafeUser} SafeUser
 * @typedef {import('../../index').ToolIdentity} ToolIdentity
 */

/** What a tool or subagent may know of the caller. Never `_id`, the tenant, other tokens or a password. */
const SAFE_FIELDS = /** @type {const} */ ([
  ...['id', 'name', 'username', 'email', 'provider', 'role'],
  ...['googleId', 'facebookId', 'openidId', 'samlId', 'ldapId', 'githubId', 'discordId', 'appleId'],
  ...['emailVerified', 'twoFactorEnabled', 'termsAccepted', 'federatedTokens'],
]);

/**
 * @param {object | null | undefined} user
 * @returns {SafeUser} a new object with those of the fields that are there; `federatedTokens` is the same object
 */
function createSafeUser(user) {
  if (user === null || user === undefined) return {};
  const present = SAFE_FIELDS.filter((field) => field in user);
  return Object.fromEntries(present.map((field) => [field, /** @type {any} */ (user)[field]]));
}

/**
 * The caller for the configuration of a tool run: both keys, or neither, so that a default further out survives a merge.
 * @param {{ id?: unknown } | null | undefined} user `req.user`
 * @returns {ToolIdentity}
 */
function toolIdentity(user) {
  if (!user?.id) return {};
  return { user: createSafeUser(user), user_id: /** @type {string} */ (user.id) };
}

module.exports = { createSafeUser, toolIdentity };
