'use strict';

// The Remote Agent API's routes in LibreChat's order: tenant, caller, configuration, feature, agent. The controllers are the
// host's.

const {
  checkAgentPermission,
  checkRemoteAgentsFeature,
  preAuthTenantMiddleware,
  requireRemoteAgentAuth,
} = require('./middleware.js');

/**
 * @param {any} express Express 4 or 5
 * @param {{ configMiddleware: Function, listModels: Function, complete: Function }} host
 * @returns {any} a router to mount at /api/agents/v1
 */
function createRoutes(express, { configMiddleware, listModels, complete }) {
  const router = express.Router();
  router.use(express.json());
  router.use(preAuthTenantMiddleware);
  router.use(requireRemoteAgentAuth);
  router.use(configMiddleware);
  router.use(checkRemoteAgentsFeature);
  router.get('/models', listModels);
  router.post('/chat/completions', checkAgentPermission, complete);
  return router;
}

module.exports = { createRoutes };
