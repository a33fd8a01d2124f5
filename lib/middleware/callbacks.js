'use strict';

const { inTenantOf } = require('./tenant');
const { createTimeLimit } = require('./time-limit');

/**
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentUserFilter} Filter
 * @typedef {import('../../index').RemoteAgentUserUpdate} Update
 * @typedef {import('../../index').AppConfigOptions} AppConfigOptions
 * @typedef {ReturnType<typeof createCallbacks>} Callbacks
 */

/**
 * The host's callbacks as the flow calls them: on the dependency object, in the request's async context or the
 * user's tenant, and not waited for beyond the limit.
 * @param {Deps} deps
 * @param {number} timeout milliseconds; 0: no limit
 */
function createCallbacks(deps, timeout) {
  const within = createTimeLimit(timeout);
  return {
    /** @param {AppConfigOptions} scope @returns {unknown} */
    getAppConfig: (scope) => within('getAppConfig', () => deps.getAppConfig(scope)),

    /** @param {Filter} filter @returns {unknown} */
    findUser: (filter) => within('findUser', () => deps.findUser(filter)),

    /** @param {string} userId @returns {unknown} */
    isPrincipalActive: (userId) => within('isPrincipalActive', () => deps.isPrincipalActive?.(userId)),

    /**
     * @param {string | null | undefined} tenantId the user's
     * @param {string} userId
     * @param {Update} fields
     * @returns {unknown}
     */
    updateUser: (tenantId, userId, fields) =>
      // `async`: a query that only begins when it is awaited must begin inside.
      within('updateUser', () => inTenantOf(deps, tenantId, async () => deps.updateUser(userId, fields))),

    /**
     * @param {string | null | undefined} tenantId the user's
     * @param {string[]} names
     * @returns {Promise<Array<{ name?: unknown }> | null | undefined>}
     */
    async getRolesByNames(tenantId, names) {
      if (deps.getRolesByNames === undefined) throw new TypeError('deps.getRolesByNames is missing, which role sync needs');
      const { getRolesByNames } = deps;
      const find = async () => getRolesByNames.call(deps, names, 'name');
      return /** @type {any} */ (await within('getRolesByNames', () => inTenantOf(deps, tenantId, find)));
    },
  };
}

module.exports = { createCallbacks };
