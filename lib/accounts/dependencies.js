'use strict';

/**
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 */

const GROUP_METHODS = /** @type {const} */ (['findGroupsByExternalIds', 'upsertGroupByExternalId', 'bulkUpdateGroups']);
const STORE_METHODS = ['get', 'set', 'delete'];

/**
 * Which dependencies a plan needs, each with the feature that needs it.
 * @param {Plan} plan
 * @returns {Array<[name: string, feature: string]>}
 */
function neededBy({ provisioning, profile, groups }) {
  /** @type {Array<[string, string]>} */
  const needed = [];
  if (provisioning)
    needed.push(['createUser', 'provisioning.enabled'], ['isEmailDomainAllowed', 'provisioning.enabled']);
  if (profile.forExisting) needed.push(['isEmailDomainAllowed', 'profileSync.forExisting']);
  const lifecycle = groups.forExisting ? 'forExisting' : 'onCreate';
  if (groups.forExisting || (groups.onCreate && provisioning)) {
    for (const name of GROUP_METHODS) needed.push([name, `groupSync.${lifecycle}`]);
  }
  return needed;
}

/**
 * @param {Plan} plan
 * @param {Deps} deps
 * @returns {string | undefined} what is missing and what needs it, all of it in one sentence
 */
function missingFor(plan, deps) {
  const missing = neededBy(plan).filter(([name]) => typeof (/** @type {any} */ (deps)[name]) !== 'function');
  const problems = missing.map(([name, feature]) => `deps.${name} must be a function, which ${feature} needs`);
  const store = plan.cache.enabled ? storeProblem(deps.federatedAuthStore) : undefined;
  if (store !== undefined) problems.push(store);
  return problems.length === 0 ? undefined : [...new Set(problems)].join('; ');
}

/** @param {any} store @returns {string | undefined} */
function storeProblem(store) {
  if (store === undefined) return undefined;
  const missing = STORE_METHODS.find((method) => typeof store?.[method] !== 'function');
  return missing && `deps.federatedAuthStore.${missing} must be a function, which federatedAuthCache.enabled needs`;
}

module.exports = { missingFor };
