'use strict';

const { claimAt } = require('./claim-path');

/**
 * @typedef {import('../index').RoleSyncOptions} RoleSyncOptions
 * @typedef {import('../index').RoleSelection} RoleSelection
 * @typedef {import('./log').Log} Log
 * @typedef {{ [name: string]: string | undefined }} Environment
 */

const ADMIN = 'ADMIN';
/** They exist without being stored. */
const SYSTEM_ROLES = ['USER', ADMIN];
const SOURCES = ['access', 'id', 'userinfo'];

/**
 * The `OPENID_ROLE_SYNC_*` variables. What is wrong counts only once role sync is on.
 * @param {Environment} [env]
 * @returns {RoleSyncOptions}
 * @throws {Error} naming the variable that is wrong
 */
function readRoleSyncOptions(env = process.env) {
  const text = (/** @type {string} */ name) => (env[`OPENID_ROLE_SYNC_${name}`] ?? '').trim();
  const options = {
    enabled: isTrue(text('ENABLED')),
    apiEnabled: isTrue(text('API_ENABLED')),
    source: text('SOURCE') || 'id',
    claim: text('CLAIM'),
    rolePriority: text('ROLE_PRIORITY').split(',').map((role) => role.trim()).filter(Boolean),
    fallbackRole: text('FALLBACK_ROLE') || undefined,
  };
  if (options.apiEnabled && !options.enabled) {
    throw new Error('OPENID_ROLE_SYNC_API_ENABLED is true, but OPENID_ROLE_SYNC_ENABLED is not');
  }
  if (options.enabled) check(options);
  return /** @type {RoleSyncOptions} */ (options);
}

/**
 * Whether there is nothing to do, and nothing that could be wrong: asked for every request, so two variables instead
 * of six.
 * @param {Environment} [env]
 */
function isRoleSyncOff(env = process.env) {
  return !isTrue(env.OPENID_ROLE_SYNC_ENABLED) && !isTrue(env.OPENID_ROLE_SYNC_API_ENABLED);
}

/** @param {string | undefined} value */
function isTrue(value) {
  return value !== undefined && value.trim().toLowerCase() === 'true';
}

/** @param {{ source: string, claim: string, rolePriority: string[], fallbackRole?: string }} options */
function check({ source, claim, rolePriority, fallbackRole }) {
  if (!SOURCES.includes(source)) {
    throw new Error(`OPENID_ROLE_SYNC_SOURCE must be one of ${SOURCES.join(', ')}`);
  }
  if (claim === '') throw new Error('OPENID_ROLE_SYNC_CLAIM is empty, but OPENID_ROLE_SYNC_ENABLED is true');
  // A provider's group must never make an administrator.
  if (rolePriority.some(isAdmin)) throw new Error('OPENID_ROLE_SYNC_ROLE_PRIORITY must not contain ADMIN');
  if (fallbackRole !== undefined && isAdmin(fallbackRole)) {
    throw new Error('OPENID_ROLE_SYNC_FALLBACK_ROLE must not be ADMIN');
  }
}

/**
 * Whether the provider has left the groups out because they are too many (Entra ID).
 * @param {Record<string, any>} claims
 * @param {string} claim
 */
function isGroupOverage(claims, claim) {
  if (claim !== 'groups') return false;
  if (claims.hasgroups) return true;
  const source = claims._claim_names?.groups;
  return typeof source === 'string' && claims._claim_sources?.[source] !== undefined;
}

/**
 * @param {unknown} value of a claim
 * @returns {string[]} the roles it names: a text is split at blanks and commas, items of a list are whole
 */
function rolesIn(value) {
  const items = typeof value === 'string' ? value.split(/[\s,]+/) : Array.isArray(value) ? value : [];
  return items.filter((item) => typeof item === 'string').map((item) => item.trim()).filter(Boolean);
}

/**
 * Checks that the configured roles exist and gives them as they are stored.
 * @param {Pick<RoleSyncOptions, 'rolePriority' | 'fallbackRole'>} options
 * @param {(names: string[]) => Promise<Array<{ name?: unknown }> | null | undefined>} findRoles
 * @returns {Promise<Pick<RoleSyncOptions, 'rolePriority' | 'fallbackRole'>>}
 * @throws {Error} naming a role that does not exist
 */
async function asStored({ rolePriority, fallbackRole }, findRoles) {
  /** @type {Map<string, string>} first spelling of each name */
  const names = new Map();
  for (const name of [...rolePriority, fallbackRole ?? ''].map((role) => role.trim())) {
    if (name !== '' && !names.has(fold(name))) names.set(fold(name), name);
  }
  if (names.size === 0) return { rolePriority: [], fallbackRole: undefined };
  const stored = new Map(SYSTEM_ROLES.map((name) => [fold(name), name]));
  for (const role of (await findRoles([...names.values()])) ?? []) {
    if (typeof role?.name === 'string') stored.set(fold(role.name), role.name);
  }
  /** @param {string} name */
  const spelling = (name) => {
    const found = stored.get(fold(name));
    if (found === undefined) throw new Error(`the role "${name}" of OPENID_ROLE_SYNC_* does not exist`);
    return found;
  };
  return {
    rolePriority: rolePriority.map(spelling),
    fallbackRole: fallbackRole === undefined ? undefined : spelling(fallbackRole),
  };
}

/**
 * The first role of the priority list that the token carries; else the current role, where it is the fallback and
 * the token carries it; else the fallback. `ADMIN` is never selected.
 * @param {{ roles: unknown, rolePriority: string[], fallbackRole?: string, currentRole?: string | null }} choice
 * @returns {RoleSelection}
 */
function selectRole({ roles, rolePriority, fallbackRole, currentRole }) {
  const carried = new Set(rolesIn(roles).map(fold));
  const wanted = rolePriority.find((role) => !isAdmin(role) && carried.has(fold(role)));
  if (wanted !== undefined) return { role: wanted, reason: 'priority_match' };
  if (fallbackRole === undefined || isAdmin(fallbackRole)) return { role: null, reason: 'no_matching_role' };
  if (currentRole && fold(currentRole) === fold(fallbackRole) && carried.has(fold(fallbackRole))) {
    return { role: currentRole, reason: 'kept_current' };
  }
  return { role: fallbackRole, reason: 'fallback' };
}

/**
 * The role a remote caller should have by the access token: role sync as the Remote Agent API does it.
 * @param {{
 *   userId: string,
 *   currentRole: string,
 *   readClaims: () => Record<string, unknown>,
 *   findRoles: (names: string[]) => Promise<Array<{ name?: unknown }> | null | undefined>,
 *   log: Log,
 * }} caller
 * @returns {Promise<string>} the current role where nothing changes
 * @throws {Error} for a wrong configuration
 */
async function syncRole({ userId, currentRole, readClaims, findRoles, log }) {
  const options = readRoleSyncOptions();
  if (!options.apiEnabled) return currentRole;
  if (currentRole === ADMIN) {
    log.info(`role sync leaves user ${userId} alone: an administrator's role is never synchronized`);
    return currentRole;
  }
  if (options.source !== 'access') {
    log.warn(`role sync is skipped: OPENID_ROLE_SYNC_SOURCE is ${options.source}, and there is only an access token`);
    return currentRole;
  }
  const claims = readClaims();
  if (isGroupOverage(claims, options.claim)) {
    log.warn(`role sync is skipped for user ${userId}: the token has too many groups to carry them`);
    return currentRole;
  }
  const stored = await asStored(options, findRoles);
  return selectRole({ ...stored, roles: claimAt(claims, options.claim), currentRole }).role ?? currentRole;
}

/** @param {string} name */
function fold(name) {
  return name.trim().toLowerCase();
}

/** @param {string} name */
function isAdmin(name) {
  return fold(name) === 'admin';
}

module.exports = { asStored, isGroupOverage, isRoleSyncOff, readRoleSyncOptions, rolesIn, selectRole, syncRole };
