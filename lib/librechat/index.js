'use strict';

// LibreChat's own names and signatures over this package: a host changes its imports and nothing else. Logger and tenant
// storage come from @librechat/data-schemas when that is installed.

const { createAccessTokenVerifier } = require('./access-token');
const { bearerToken } = require('../middleware/bearer');
const conversation = require('./conversation-auth');
const compat = require('./compat');
const { hostLookupRecorder, logger, runInTenant, tenantStorage } = require('./data-schemas');
const { createSafeUser } = require('./safe-user');
const { normalizeIssuer } = require('../policy/issuer');
const management = require('./management-auth');
const { createOpenId } = require('./openid');
const remote = require('../middleware/remote-agent-auth');
const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('../middleware/role-sync');
const { sharedVerifier } = require('../verifier/shared-verifier');
const { createTenantMiddlewares } = require('./tenant-middlewares');

// Loaded with this entry, not with the first request: a server that cannot verify must not start.
require('../verifier');

/** @typedef {import('../../librechat')} LibreChat */

/** @type {LibreChat['createRemoteAgentAuth']} */
function createRemoteAgentAuth(deps, options) {
  const host = compat.followHost(deps, options, tenantContextMiddleware);
  return remote.createRemoteAgentAuth(host.deps, host.options);
}

/** @type {LibreChat['createAgentManagementAuth']} */
function createAgentManagementAuth(deps, options) {
  if (deps?.runInTenant === undefined) compat.requireTenantStorage('createAgentManagementAuth');
  compat.noteNewerFactory();
  const whole = compat.withDefaults(deps, { logger, runInTenant, tenantContextMiddleware });
  const isOptions = options === undefined || (typeof options === 'object' && options !== null);
  return management.createAgentManagementAuth(
    whole,
    isOptions ? { ...options, policy: compat.requiringKid(options?.policy) } : options,
  );
}

/** @type {LibreChat['createConversationManagementAuth']} */
function createConversationManagementAuth(deps) {
  compat.noteNewerFactory();
  return conversation.createConversationManagementAuth(compat.withDefaults(deps, { logger }));
}

// LibreChat has this function from the line on that looks at no token without a key's name.
const verifyAccessToken = createAccessTokenVerifier({
  factory: 'verifyOidcAccessToken',
  verifier: sharedVerifier,
  logger,
  prefix: '[oidc] ',
  policy: compat.REQUIRE_KID,
});

/** @type {LibreChat['verifyOidcAccessToken']} */
async function verifyOidcAccessToken(token, config, options) {
  // Both are the caller's to ask for, as in LibreChat.
  return verifyAccessToken(token, config, { requireExp: false, requireSubject: false, ...options });
}

/** @type {LibreChat['isRemoteOidcUrlAllowed']} */
function isRemoteOidcUrlAllowed(value) {
  if (typeof value !== 'string' && Object.prototype.toString.call(value) !== '[object URL]') return false;
  // An empty text would be no jwksUri at all; an issuer with a jwksUri beside it would only be compared.
  if (String(value) === '') return false;
  try {
    sharedVerifier().compile({ issuer: 'http://localhost', audience: 'none', jwksUri: String(value) });
    return true;
  } catch {
    return false;
  }
}

const { findOpenIDUser, getIssuerBoundConditions, getOpenIdEmail, getOpenIdIssuer, isUserIssuerAllowed } = createOpenId(
  logger,
  hostLookupRecorder,
);
const {
  _resetTenantMiddlewareStrictCache,
  buildTenantContext,
  preAuthTenantMiddleware,
  resolveRequestTenantId,
  restoreTenantContextFromReq,
  runWithTenantContext,
  tenantContextMiddleware,
} = createTenantMiddlewares({ tenantStorage, logger, trustTenantHeader: compat.trustsTenantHeader });
const { clearRemoteAgentAuthCache } = remote;
const { getMachineClientId } = management;
const clearOidcAccessTokenCache = clearRemoteAgentAuthCache;
const extractBearerToken = bearerToken;
const normalizeOpenIdIssuer = normalizeIssuer;

// Plain names, so that `import { ... }` finds them without running this file.
/** @type {typeof import('../../librechat')} */
module.exports = {
  _resetTenantMiddlewareStrictCache,
  buildTenantContext,
  clearOidcAccessTokenCache,
  clearRemoteAgentAuthCache,
  createAgentManagementAuth,
  createConversationManagementAuth,
  createRemoteAgentAuth,
  createSafeUser,
  extractBearerToken,
  findOpenIDUser,
  getIssuerBoundConditions,
  getLibreChatRolesForOpenIdSync,
  getMachineClientId,
  getOpenIdEmail,
  getOpenIdIssuer,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  isRemoteOidcUrlAllowed,
  isUserIssuerAllowed,
  normalizeOpenIdIssuer,
  preAuthTenantMiddleware,
  resolveRequestTenantId,
  restoreTenantContextFromReq,
  runWithTenantContext,
  selectOpenIdRole,
  tenantContextMiddleware,
  verifyOidcAccessToken,
};
