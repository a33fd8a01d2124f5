'use strict';

// LibreChat's role sync: its four functions, under its names and with its results and texts.

const { claimAt } = require('../policy/claim-path');

/**
 * @typedef {import('../../librechat')} LibreChat
 * @typedef {import('../../index').RoleSyncOptions} RoleSyncOptions
 * @typedef {{ [name: string]: string | undefined }} Environment
 */

/** They exist without being stored. */
const SYSTEM_ROLES = ['USER', 'ADMIN'];
const SOURCES = ['access', 'id', 'userinfo'];
const PREFIX = '[openidRoleSync]';

/**
 * The `OPENID_ROLE_SYNC_*` variables. What is wrong counts only once role sync is on.
 * @type {LibreChat['getOpenIdRoleSyncOptions']}
 */
function getOpenIdRoleSyncOptions(env = process.env) {
  // Some hosts keep flags as booleans.
  const text = (/** @type {string} */ name) => String(env[`OPENID_ROLE_SYNC_${name}`] ?? '').trim() || undefined;
  const options = {
    enabled: isTrue(text('ENABLED')),
    apiEnabled: isTrue(text('API_ENABLED')),
    claimSource: text('SOURCE') ?? 'id',
    claim: text('CLAIM'),
    rolePriority: (text('ROLE_PRIORITY') ?? '')
      .split(',')
      .map((role) => role.trim())
      .filter(Boolean),
    fallbackRole: text('FALLBACK_ROLE'),
  };
  const problem = problemOf(options);
  if (problem !== undefined) throw new Error(`${PREFIX} OPENID_ROLE_SYNC_${problem}`);
  return /** @type {RoleSyncOptions} */ (options);
}

/**
 * @param {{ enabled: boolean, apiEnabled: boolean, claimSource: string, claim?: string, rolePriority: string[],
 *   fallbackRole?: string }} options
 * @returns {string | undefined} in LibreChat's words
 */
function problemOf({ enabled, apiEnabled, claimSource, claim, rolePriority, fallbackRole }) {
  if (apiEnabled && !enabled) return 'API_ENABLED requires OPENID_ROLE_SYNC_ENABLED=true';
  if (!enabled) return undefined;
  if (!SOURCES.includes(claimSource)) return `SOURCE must be one of: ${SOURCES.join(', ')}`;
  if (claim === undefined) return 'CLAIM is required when role sync is enabled';
  // A provider's group must never make an administrator.
  if (rolePriority.some(isAdmin)) return 'ROLE_PRIORITY cannot include ADMIN';
  if (fallbackRole !== undefined && isAdmin(fallbackRole)) return 'FALLBACK_ROLE cannot be ADMIN';
  return undefined;
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

/**
 * What the configured source says of somebody's roles: the claim as it is where it is a text or a list, an empty list where
 * it is anything else or missing, undefined without that source.
 * @type {LibreChat['getOpenIdRolesForOpenIdSync']}
 */
async function getOpenIdRolesForOpenIdSync({ options, decodeToken, resolveGroupOverage, ...given }) {
  const { claimSource, claim } = options;
  const source = sourceOf(claimSource, given, decodeToken);
  if (!source || !claim) return undefined;
  if (claimSource !== 'userinfo' && isGroupOverage(source, claim)) return (await resolveGroupOverage?.()) ?? undefined;
  const value = claimAt(source, claim);
  return typeof value === 'string' || Array.isArray(value) ? value : [];
}

/**
 * @param {string} claimSource
 * @param {{ accessToken?: string, accessClaims?: unknown, idToken?: string, claims?: unknown, userinfo?: unknown }} given
 * @param {(token: string) => unknown} decodeToken
 * @returns {any}
 */
function sourceOf(claimSource, { accessToken, accessClaims, idToken, claims, userinfo }, decodeToken) {
  if (claimSource === 'access') return accessClaims ?? (accessToken ? decodeToken(accessToken) : undefined);
  if (claimSource === 'id') return idToken ? decodeToken(idToken) : claims;
  return claimSource === 'userinfo' ? userinfo : undefined;
}

/**
 * Whether the provider has left the groups out because they are too many (Entra ID), and says where they are instead
 * (OpenID Connect Core 5.6.2).
 * @param {any} claims
 * @param {string} claim
 */
function isGroupOverage(claims, claim) {
  if (claim !== 'groups') return false;
  const source = claims._claim_names?.groups;
  return Boolean(claims.hasgroups || (source && claims._claim_sources?.[source]));
}

/**
 * The configured roles as they are stored, looked up in one call.
 * @type {LibreChat['getLibreChatRolesForOpenIdSync']}
 */
async function getLibreChatRolesForOpenIdSync({ rolePriority, fallbackRole, getRolesByNames, logPrefix = PREFIX }) {
  /** @type {Map<string, string>} first spelling of each name */
  const names = new Map();
  for (const name of [...rolePriority, fallbackRole || ''].map((role) => role.trim())) {
    if (name !== '' && !names.has(fold(name))) names.set(fold(name), name);
  }
  const stored = new Map(SYSTEM_ROLES.map((name) => [fold(name), name]));
  for (const role of (await getRolesByNames([...names.values()], 'name')) ?? []) {
    if (typeof role?.name === 'string') stored.set(fold(role.name), role.name.trim());
  }
  const missing = [...names].filter(([folded]) => !stored.has(folded)).map(([, name]) => name);
  if (missing.length > 0) {
    throw new Error(`${logPrefix} OpenID role sync configured roles do not exist: ${missing.join(', ')}`);
  }
  const spelling = (/** @type {string} */ name) => stored.get(fold(name)) ?? name.trim();
  return { rolePriority: rolePriority.map(spelling), fallbackRole: fallbackRole ? spelling(fallbackRole) : undefined };
}

/**
 * The first role of the priority list that the token carries; else the current role, where it is the fallback and
 * the token carries it; else the fallback. `ADMIN` is never selected.
 * @type {LibreChat['selectOpenIdRole']}
 */
function selectOpenIdRole({ currentRole, openIdRoleValues, rolePriority, fallbackRole }) {
  const carried = new Set(rolesIn(openIdRoleValues).map(fold));
  const wanted = rolePriority.find((role) => isAssignable(role) && carried.has(fold(role)));
  if (wanted !== undefined) return { selectedRole: wanted.trim(), reason: 'matched_priority' };
  if (!fallbackRole || !isAssignable(fallbackRole)) return { reason: 'no_matching_role' };
  if (currentRole && fold(currentRole) === fold(fallbackRole) && carried.has(fold(fallbackRole))) {
    return { selectedRole: currentRole, reason: 'kept_current' };
  }
  return { selectedRole: fallbackRole.trim(), reason: 'fallback' };
}

/**
 * @param {unknown} value of a claim
 * @returns {string[]} the roles it names: a text is split at blanks and commas, items of a list are whole
 */
function rolesIn(value) {
  const items = typeof value === 'string' ? value.split(/[\s,]+/) : Array.isArray(value) ? value : [];
  return items.filter((item) => typeof item === 'string');
}

/** @param {string} name */
function fold(name) {
  return name.trim().toLowerCase();
}

/** @param {string} name */
function isAdmin(name) {
  return fold(name) === 'admin';
}

/** @param {string} name */
function isAssignable(name) {
  return fold(name) !== '' && !isAdmin(name);
}

module.exports = {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  isRoleSyncOff,
  selectOpenIdRole,
};
