'use strict';

/**
 * @typedef {import('./profile').Profile} Profile
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').RemoteAgentNewUser} NewUser
 * @typedef {{ createUser: (fields: NewUser, balance: object | undefined) => unknown, findUser: (filter: any) => unknown,
 *   updateUser: (tenantId: string | undefined, userId: string, fields: { role: string }) => unknown }} Callbacks
 */

/** Whom provisioning makes, whatever a token says. */
const ROLE = 'USER';
const ADMIN = 'ADMIN';
/** MongoDB's, for what a unique index does not let in twice. */
const DUPLICATE_KEY = 11000;

/**
 * What is written of a new user: nothing of the token itself.
 * @param {Profile} profile
 * @param {{ email: string, plan: Plan, tenantId: string | undefined }} of
 * @returns {NewUser}
 */
function newUser({ identity, username, name }, { email, plan, tenantId }) {
  const { subject, issuer, oid, emailVerified } = identity;
  return {
    provider: 'openid',
    openidId: subject,
    ...(issuer !== undefined && { openidIssuer: issuer }),
    ...(oid !== undefined && { idOnTheSource: oid }),
    email,
    role: ROLE,
    ...(tenantId !== undefined && { tenantId }),
    ...(plan.profile.onCreate && { username, name, emailVerified: emailVerified === true }),
  };
}

/**
 * Creates the account.
 * @param {NewUser} fields
 * @param {object | undefined} balance LibreChat's balance settings
 * @param {Callbacks} callbacks
 * @returns {Promise<User | null>} null where another account has the same address or identifier, made a moment ago or long since
 * @throws what else the host's callback throws; TypeError where it made nobody that can be found, or somebody of more rights
 */
async function createUser(fields, balance, callbacks) {
  let created;
  try {
    created = await callbacks.createUser(fields, balance);
  } catch (error) {
    if (isDuplicate(error)) return null;
    throw error;
  }
  const user = isWhole(created, fields) ? created : await callbacks.findUser(exactly(fields));
  if (!isWhole(user, fields)) throw new TypeError('createUser gave no user that can be found again');
  if (user.role === ADMIN) await demote(user, fields, callbacks);
  return user;
}

/**
 * A host may make its first user an administrator; whoever comes first with a token must not be that. The account is there already, and
 * the next call would find it: refusing this one is not enough.
 * @param {User} user @param {NewUser} fields @param {Callbacks} callbacks
 */
async function demote(user, { tenantId }, callbacks) {
  const stored = await callbacks.updateUser(tenantId, String(user._id ?? user.id), { role: ROLE });
  if (!stored) throw new TypeError('createUser made an administrator, which provisioning never does');
  user.role = ROLE;
}

/** @param {any} user @param {NewUser} fields @returns {user is User} */
function isWhole(user, { openidId, tenantId }) {
  if (typeof user !== 'object' || user === null || (user._id ?? user.id ?? '') === '') return false;
  return user.openidId === openidId && (user.tenantId || undefined) === tenantId;
}

/** The new user and no namesake of another tenant. @param {NewUser} fields */
function exactly({ openidId, openidIssuer, tenantId }) {
  return { openidId, ...(openidIssuer !== undefined && { openidIssuer }), tenantId: tenantId ?? { $exists: false } };
}

/** @param {any} error */
function isDuplicate(error) {
  return error?.code === DUPLICATE_KEY || error?.cause?.code === DUPLICATE_KEY;
}

/**
 * The balance a new user begins with, as LibreChat reads it: the configuration's, over that of the environment.
 * @param {any} config the host's
 * @returns {object | undefined}
 */
function balanceOf(config) {
  const { env } = process;
  const start = env.START_BALANCE ? Number.parseInt(env.START_BALANCE, 10) : NaN;
  const balance = {
    ...(env.CHECK_BALANCE !== undefined && { enabled: env.CHECK_BALANCE.trim().toLowerCase() === 'true' }),
    ...(Number.isFinite(start) && { startBalance: start }),
    ...config?.balance,
  };
  return Object.keys(balance).length === 0 ? undefined : balance;
}

module.exports = { balanceOf, createUser, isDuplicate, newUser };
