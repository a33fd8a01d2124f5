'use strict';

// Loaded at once is what verifies a token, for a server that cannot must not start, and what requests may call. The
// factories are loaded by their first call, so that nobody waits for what they do not use.

const { enabledAuthMethods } = require('./lib/policy/oidc-config');
const { RemoteAuthError } = require('./lib/verifier/errors');
const { createSafeUser, toolIdentity } = require('./lib/librechat/safe-user');
const { RemoteTokenVerifier } = require('./lib/verifier');

/** @typedef {typeof import('./index')} Package */

/** @type {RemoteTokenVerifier | undefined} */
let verifier;

/** @type {Package['verifyRemoteToken']} */
async function verifyRemoteToken(token, policy) {
  verifier ??= new RemoteTokenVerifier();
  return verifier.verify(token, policy);
}

/** @type {Package['createRemoteAgentAuth']} */
const createRemoteAgentAuth = (deps, options) =>
  require('./lib/middleware/remote-agent-auth').createRemoteAgentAuth(deps, options);

/** @type {Package['clearRemoteAgentAuthCache']} */
const clearRemoteAgentAuthCache = () => require('./lib/middleware/remote-agent-auth').clearRemoteAgentAuthCache();

/** @type {Package['invalidateFederatedAuth']} */
const invalidateFederatedAuth = (issuer, subject, tenantId) =>
  require('./lib/accounts/federated-cache').invalidate(issuer, subject, tenantId);

/** @type {Package['createAgentManagementAuth']} */
const createAgentManagementAuth = (deps, options) =>
  require('./lib/librechat/management-auth').createAgentManagementAuth(deps, options);

/** @type {Package['createConversationManagementAuth']} */
const createConversationManagementAuth = (deps) =>
  require('./lib/librechat/conversation-auth').createConversationManagementAuth(deps);

/** @type {Package['getMachineClientId']} */
const getMachineClientId = (claims) => require('./lib/librechat/management-auth').getMachineClientId(claims);

/** @type {Package['createTenantMiddlewares']} */
const createTenantMiddlewares = (deps) => require('./lib/librechat/tenant-middlewares').createTenantMiddlewares(deps);

// Plain names, so that `import { ... }` finds them without running this file.
/** @type {Package} */
module.exports = {
  RemoteAuthError,
  RemoteTokenVerifier,
  clearRemoteAgentAuthCache,
  createAgentManagementAuth,
  createConversationManagementAuth,
  createRemoteAgentAuth,
  createSafeUser,
  createTenantMiddlewares,
  enabledAuthMethods,
  getMachineClientId,
  invalidateFederatedAuth,
  toolIdentity,
  verifyRemoteToken,
};
