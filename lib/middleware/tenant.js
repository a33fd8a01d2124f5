'use strict';

/**
 * @typedef {import('../../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 */

/**
 * Which configuration decides about a request before its user is known (row 0): the tenant the host has
 * put on the request, else the one of the async context. After the API-key middleware has set a user, the
 * same rule gives that user's tenant.
 * @param {{ user?: any }} req
 * @param {string | undefined} contextTenant
 * @returns {AppConfigOptions}
 */
function requestConfigOptions(req, contextTenant) {
  const tenantId = req.user?.tenantId ?? contextTenant;
  return tenantId ? { tenantId } : { baseOnly: true };
}

/**
 * Whether request and user belong to two tenants. Who has none is in conflict with nobody.
 * @param {string | null | undefined} requestTenant
 * @param {string | null | undefined} userTenant
 */
function isTenantConflict(requestTenant, userTenant) {
  return Boolean(requestTenant) && Boolean(userTenant) && requestTenant !== userTenant;
}

/**
 * Which configuration decides about a resolved user. A user without a tenant belongs to the base
 * configuration, even when the request came in under a tenant.
 * @param {string | null | undefined} tenantId
 * @param {{ role: string, userId: string }} user
 * @returns {AppConfigOptions}
 */
function userConfigOptions(tenantId, { role, userId }) {
  return tenantId ? { role, userId, tenantId } : { baseOnly: true };
}

/**
 * Whether one configuration serves both. Role and user count: a tenant may override its policy for
 * either.
 * @param {AppConfigOptions} a
 * @param {AppConfigOptions} b
 */
function sameConfigOptions(a, b) {
  return a.tenantId === b.tenantId && a.baseOnly === b.baseOnly && a.role === b.role && a.userId === b.userId;
}

/**
 * Runs a write about a user in that user's tenant: under another tenant the host's isolation would not
 * find the user, or would write into the wrong tenant.
 * @template T
 * @param {Deps} deps
 * @param {string | null | undefined} tenantId the user's
 * @param {() => T} write
 * @returns {T}
 */
function inTenantOf(deps, tenantId, write) {
  if (!tenantId || deps.runInTenant === undefined || tenantId === deps.getTenantId?.()) return write();
  return deps.runInTenant(tenantId, write);
}

module.exports = { inTenantOf, isTenantConflict, requestConfigOptions, sameConfigOptions, userConfigOptions };
