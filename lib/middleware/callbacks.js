'use strict';

const { inTenantOf } = require('./tenant');
const { createTimeLimit } = require('../events/time-limit');

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
    /** @param {AppConfigOptions} options @returns {unknown} */
    getAppConfig: (options) => within('getAppConfig', () => deps.getAppConfig(options)),

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

    /** @param {string} email @param {any} config the host's @returns {unknown} */
    isEmailDomainAllowed: (email, config) =>
      within('isEmailDomainAllowed', () => deps.isEmailDomainAllowed?.(email, config)),

    /**
     * In the request's own context, whose tenant the new user is of.
     * @param {import('../../index').RemoteAgentNewUser} fields
     * @param {object | undefined} balance
     * @returns {unknown}
     */
    createUser: (fields, balance) => within('createUser', () => deps.createUser?.(fields, balance, true, true)),

    /**
     * The stored groups of the user's tenant. Each call enters it: it may come long after the request was answered.
     * @param {string | null | undefined} tenantId the user's
     */
    groupsOf(tenantId) {
      const source = 'entra';
      /** @param {string} name @param {() => unknown} call */
      const inTenant = async (name, call) =>
        /** @type {any} */ (within(name, () => inTenantOf(deps, tenantId, async () => call())));
      return {
        /** @param {string[]} ids */
        find: (ids) => inTenant('findGroupsByExternalIds', () => deps.findGroupsByExternalIds?.(ids, source)),
        /** @param {string} id @param {import('../../index').RemoteAgentGroup} fields */
        upsert: (id, fields) =>
          inTenant('upsertGroupByExternalId', () => deps.upsertGroupByExternalId?.(id, source, fields, undefined)),
        /** @param {object} filter @param {object} change */
        update: (filter, change) => inTenant('bulkUpdateGroups', () => deps.bulkUpdateGroups?.(filter, change)),
      };
    },

    /**
     * @param {string | null | undefined} tenantId the user's
     * @param {string[]} names
     * @returns {Promise<Array<{ name?: unknown }> | null | undefined>}
     */
    async getRolesByNames(tenantId, names) {
      if (deps.getRolesByNames === undefined)
        throw new TypeError('deps.getRolesByNames is missing, which role sync needs');
      const { getRolesByNames } = deps;
      const find = async () => getRolesByNames.call(deps, names, 'name');
      return /** @type {any} */ (await within('getRolesByNames', () => inTenantOf(deps, tenantId, find)));
    },
  };
}

module.exports = { createCallbacks };
