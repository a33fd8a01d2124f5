'use strict';

// Loaded at once is what verifies a token, for a server that cannot must not start. Everything else is loaded by its first call, so that
// nobody waits for what they do not use.

const { RemoteAuthError } = require('./lib/verifier/errors');
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

/** @type {Package['createSafeUser']} */
const createSafeUser = (user) => require('./lib/librechat/safe-user').createSafeUser(user);

/** @type {Package['toolIdentity']} */
const toolIdentity = (user) => require('./lib/librechat/safe-user').toolIdentity(user);

/** @type {Package['enabledAuthMethods']} */
const enabledAuthMethods = (config) => require('./lib/policy/oidc-config').enabledAuthMethods(config);

/** @type {Package['createTenantMiddlewares']} */
const createTenantMiddlewares = (deps) => require('./lib/librechat/tenant-middlewares').createTenantMiddlewares(deps);

/** @type {Package['createBearerAuth']} */
const createBearerAuth = (options) => require('./lib/bearer-auth/middleware').createBearerAuth(options);

/** @type {Package['protectedResourceMetadata']} */
const protectedResourceMetadata = (resources) =>
  require('./lib/bearer-auth/resource-metadata').protectedResourceMetadata(resources);

/** @type {Package['requireScopes']} */
const requireScopes = (scopes) => require('./lib/guards').requireScopes(scopes);

/** @type {Package['requireAnyScope']} */
const requireAnyScope = (scopes) => require('./lib/guards').requireAnyScope(scopes);

/** @type {Package['requirePermissions']} */
const requirePermissions = (...permissions) => require('./lib/guards').requirePermissions(...permissions);

/** @type {Package['requireRoles']} */
const requireRoles = (...roles) => require('./lib/guards').requireRoles(...roles);

/** @type {Package['requireClaim']} */
const requireClaim = (path, wanted) => require('./lib/guards').requireClaim(path, wanted);

/** @type {Package['requireAuthentication']} */
const requireAuthentication = (requirement) => require('./lib/guards').requireAuthentication(requirement);

/** @type {Package['check']} */
const check = (decide, options) => require('./lib/guards').check(decide, options);

/** @type {Package['allOf']} */
const allOf = (...guards) => require('./lib/guards').allOf(...guards);

/** @type {Package['anyOf']} */
const anyOf = (...guards) => require('./lib/guards').anyOf(...guards);

/** @type {Package['backchannelLogout']} */
const backchannelLogout = (options) => require('./lib/logout').backchannelLogout(options);

/** @type {Package['revoke']} */
const revoke = (revocation) => require('./lib/verifier/revocation').revoke(revocation);

// Plain names, so that `import { ... }` finds them without running this file.
/** @type {Package} */
module.exports = {
  RemoteAuthError,
  RemoteTokenVerifier,
  allOf,
  anyOf,
  check,
  backchannelLogout,
  clearRemoteAgentAuthCache,
  createAgentManagementAuth,
  createBearerAuth,
  createConversationManagementAuth,
  createRemoteAgentAuth,
  createSafeUser,
  createTenantMiddlewares,
  enabledAuthMethods,
  getMachineClientId,
  invalidateFederatedAuth,
  protectedResourceMetadata,
  requireAnyScope,
  requireAuthentication,
  requireClaim,
  requirePermissions,
  requireRoles,
  requireScopes,
  revoke,
  toolIdentity,
  verifyRemoteToken,
};
