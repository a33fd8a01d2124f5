'use strict';

const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('./role-sync');

/** @typedef {import('./log').Log} Log */

const ADMIN = 'ADMIN';

/**
 * The role a remote caller should have by the access token: role sync as the Remote Agent API does it.
 * @param {{
 *   userId: string,
 *   currentRole: string,
 *   readClaims: () => Record<string, unknown>,
 *   getRolesByNames: (names: string[], field: 'name') => any,
 *   groupOverage: 'keep' | 'fallback',
 *   log: Log,
 * }} caller `groupOverage`: what becomes of somebody whose groups are too many for the token
 * @returns {Promise<string>} the current role where nothing changes
 * @throws {Error} for a wrong configuration
 */
async function syncRole({ userId, currentRole, readClaims, getRolesByNames, groupOverage, log }) {
  const options = getOpenIdRoleSyncOptions();
  const { apiEnabled, claimSource, rolePriority, fallbackRole } = options;
  if (!apiEnabled) return currentRole;
  if (currentRole === ADMIN) {
    log.info(`role sync leaves user ${userId} alone: an administrator's role is never synchronized`);
    return currentRole;
  }
  if (claimSource !== 'access') {
    log.warn(`role sync is skipped: OPENID_ROLE_SYNC_SOURCE is ${claimSource}, and there is only an access token`);
    return currentRole;
  }
  const resolveGroupOverage = async () => (groupOverage === 'fallback' ? [] : null);
  const accessClaims = readClaims();
  const openIdRoleValues = await getOpenIdRolesForOpenIdSync({
    options,
    accessClaims,
    decodeToken: () => accessClaims,
    resolveGroupOverage,
  });
  if (openIdRoleValues === undefined) {
    log.warn(`role sync is skipped for user ${userId}: the token has too many groups to carry them`);
    return currentRole;
  }
  const stored = await getLibreChatRolesForOpenIdSync({
    rolePriority,
    fallbackRole,
    getRolesByNames,
    logPrefix: '[remoteAgentAuth]',
  });
  return selectOpenIdRole({ currentRole, openIdRoleValues, ...stored }).selectedRole ?? currentRole;
}

module.exports = { syncRole };
