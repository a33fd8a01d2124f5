'use strict';

const { enabledAuthMethods } = require('./lib/auth-config');
const { RemoteAuthError } = require('./lib/errors');
const { createSafeUser, toolIdentity } = require('./lib/identity');
const { createAgentManagementAuth, getMachineClientId } = require('./lib/management-auth');
const { clearRemoteAgentAuthCache, createRemoteAgentAuth } = require('./lib/remote-agent-auth');
const { createTenantMiddlewares } = require('./lib/tenant-middlewares');
const { RemoteTokenVerifier } = require('./lib/verifier');

/** @type {RemoteTokenVerifier | undefined} */
let verifier;

/** @type {typeof import('./index').verifyRemoteToken} */
async function verifyRemoteToken(token, policy) {
  verifier ??= new RemoteTokenVerifier();
  return verifier.verify(token, policy);
}

// Plain names, so that `import { ... }` finds them without running this file.
/** @type {typeof import('./index')} */
module.exports = {
  RemoteAuthError,
  RemoteTokenVerifier,
  clearRemoteAgentAuthCache,
  createAgentManagementAuth,
  createRemoteAgentAuth,
  createSafeUser,
  createTenantMiddlewares,
  enabledAuthMethods,
  getMachineClientId,
  toolIdentity,
  verifyRemoteToken,
};
