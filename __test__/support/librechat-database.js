'use strict';

// LibreChat's own models and methods on a database, and a middleware over them as its adapter makes it, in this process.

process.env.LOG_TO_FILE = 'false';

const { createMethods, createModels, tenantStorage } = require('@librechat/data-schemas');
const mongoose = require('mongoose');
const { createRemoteAgentAuth } = require('remote-agent-auth/librechat');
const { bareResponse, configOf } = require('./fakes');

/** What LibreChat's routes would pass, where accounts are kept. @param {any} methods */
const depsOf = (methods) => ({
  findUser: methods.findUser,
  updateUser: methods.updateUser,
  createUser: methods.createUser,
  findGroupsByExternalIds: methods.findGroupsByExternalIds,
  upsertGroupByExternalId: methods.upsertGroupByExternalId,
  bulkUpdateGroups: methods.bulkUpdateGroups,
  isPrincipalActive: methods.isAgentTriggerPrincipalActive,
  apiKeyMiddleware: (_req, res) => res.status(418).json({}),
});

/** @param {string} uri */
async function connect(uri) {
  await mongoose.connect(uri);
  createModels(mongoose);
  const { User, Group } = mongoose.models;
  await Promise.all([User.init(), Group.init()]);
  return { methods: createMethods(mongoose), models: mongoose.models, disconnect: () => mongoose.disconnect() };
}

/**
 * Sends requests to a middleware, each in its tenant.
 * @param {object} deps
 * @param {{ oidc: object, options?: object }} given
 */
function sender(deps, { oidc, options }) {
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const handler = createRemoteAgentAuth(
    { logger, getAppConfig: async () => configOf({ oidc: { enabled: true, ...oidc } }), ...deps },
    options,
  );
  /** @returns {Promise<{ status: number, user?: any, tenant?: string }>} */
  return async (token, tenantId) => {
    const req = { headers: { authorization: `Bearer ${token}` } };
    const res = bareResponse();
    let tenant;
    const next = () => {
      tenant = tenantStorage.getStore()?.tenantId;
    };
    await tenantStorage.run({ tenantId }, () => handler(req, res, next));
    return res.sent[0] ?? { status: 200, user: req.user, tenant };
  };
}

module.exports = { connect, depsOf, sender, tenantStorage };
