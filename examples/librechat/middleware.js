'use strict';

// What LibreChat puts in front of its agents routes (api/server/routes/agents/middleware.js there), with the remote caller
// authenticated by this package. `~/...` and `@librechat/api` are LibreChat's own modules; README.md says what differs.

const { Permissions, PermissionTypes } = require('librechat-data-provider');
const {
  createCheckRemoteAgentAccess,
  createRequireApiKeyAuth,
  generateCheckAccess,
  preAuthTenantMiddleware,
} = require('@librechat/api');
const { createRemoteAgentAuth } = require('remote-agent-auth/librechat');
const { getAppConfig } = require('~/server/services/Config');
const db = require('~/models');

/** Agent API keys, which the middleware below falls back to where the configuration has them on. */
const requireApiKeyAuth = createRequireApiKeyAuth({
  validateAgentApiKey: db.validateAgentApiKey,
  findUser: db.findUser,
});

/** One for the process: whatever is mounted with it shares its keys. */
const requireRemoteAgentAuth = createRemoteAgentAuth({
  apiKeyMiddleware: requireApiKeyAuth,
  findUser: db.findUser,
  updateUser: db.updateUser,
  getAppConfig,
  getRolesByNames: db.findRolesByNames,
});

/** Whether the caller's role may use agents from outside at all. */
const checkRemoteAgentsFeature = generateCheckAccess({
  permissionType: PermissionTypes.REMOTE_AGENTS,
  permissions: [Permissions.USE],
  getRoleByName: db.getRoleByName,
});

/** Whether the caller may use this agent. */
const checkAgentPermission = createCheckRemoteAgentAccess({ getAgent: db.getAgent });

module.exports = {
  checkAgentPermission,
  checkRemoteAgentsFeature,
  preAuthTenantMiddleware,
  requireRemoteAgentAuth,
};
