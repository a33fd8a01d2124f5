'use strict';

const { usableEmail } = require('./profile');

/**
 * @typedef {import('./profile').Profile} Profile
 * @typedef {import('./profile').Identity} Identity
 * @typedef {import('./profile').Trust} Trust
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').AccountRefusal} Reason
 *
 * The middleware's own rules on who is who: what the user object and the database are to get, and nothing changed yet.
 * @typedef {{ assign: Record<string, any>, update: Record<string, any> }} Changes
 * @typedef {{ user: User, changes: Changes, conflict?: undefined } | { user: null, changes?: undefined, conflict?: string }} Found
 * @typedef {(identity: Identity, tenantId: string | undefined) => Promise<Found>} Lookup
 *
 * `why`: for the operator, beside the reason.
 * @typedef {{ ok: true, user: User, changes: Changes, created: boolean } | { ok: false, reason: Reason, why?: string, userId?: string }} Account
 *
 * `host`: the callbacks that are asked. `create` makes the account, and is not called where accounts are not made.
 * @typedef {{
 *   findBound: Lookup,
 *   findByEmail: Lookup,
 *   isDomainAllowed: (email: string) => Promise<boolean>,
 *   create: (email: string) => Promise<User | null>,
 *   trust: Trust,
 * }} Steps
 *
 * @typedef {{ plan: Plan, profile: Profile, tenantId: string | undefined }} Request
 */

/**
 * The account bound to an identity, or undefined where there is none. Nobody's address is looked at for it.
 * @param {Request} request
 * @param {Steps} steps
 * @returns {Promise<Account | undefined>}
 */
async function boundAccount({ profile, tenantId }, { findBound }) {
  const found = await findBound(profile.identity, tenantId);
  return accountOf(found, tenantId);
}

/**
 * The account of somebody who is bound to none: linked by e-mail address, else created. All of it in one tenant: the request's, or in no
 * tenant where the request has none.
 * @param {Request} request
 * @param {Steps} steps
 * @returns {Promise<Account>}
 */
async function newAccount({ plan, profile, tenantId }, steps) {
  const { email, problem } = usableEmail(profile.identity, steps.trust);
  if (email === undefined) return { ok: false, reason: 'missing_email', why: problem };
  if (!(await steps.isDomainAllowed(email))) return { ok: false, reason: 'email_domain_not_allowed' };
  // LibreChat looks by address alone here: a bound account has been looked for.
  const linked = accountOf(await steps.findByEmail(profile.identity, tenantId), tenantId);
  if (linked !== undefined) return linked;
  if (!plan.provisioning) return { ok: false, reason: 'existing_users_only' };
  const created = await steps.create(email);
  if (created !== null) return { ok: true, user: created, changes: { assign: {}, update: {} }, created: true };
  return afterRace(profile.identity, tenantId, steps);
}

/**
 * Somebody else was faster, in this process or another: the account there is now, if it may be this identity's.
 * @param {Identity} identity
 * @param {string | undefined} tenantId
 * @param {Steps} steps
 * @returns {Promise<Account>}
 */
async function afterRace(identity, tenantId, { findBound, findByEmail }) {
  for (const find of [findBound, findByEmail]) {
    const account = accountOf(await find(identity, tenantId), tenantId);
    if (account === undefined) continue;
    // A user of a tenant is no answer to a request without one: what was in the way has no tenant either.
    const isSameScope = account.ok && (account.user.tenantId || undefined) === tenantId;
    return isSameScope
      ? account
      : { ok: false, reason: 'duplicate_conflict', why: account.ok ? 'it belongs to another tenant' : account.why };
  }
  return { ok: false, reason: 'duplicate_conflict', why: 'another account has the same address or identifier' };
}

/** @param {Found} found @param {string | undefined} tenantId @returns {Account | undefined} */
function accountOf(found, tenantId) {
  if (found.conflict !== undefined) return { ok: false, reason: 'provider_collision', why: found.conflict };
  if (found.user === null) return undefined;
  const { user, changes } = found;
  if (tenantId !== undefined && user.tenantId !== tenantId) {
    return { ok: false, reason: 'duplicate_conflict', why: 'the account belongs to another tenant than the request' };
  }
  return { ok: true, user, changes, created: false };
}

module.exports = { boundAccount, newAccount };
