'use strict';

const { RemoteAuthError } = require('./lib/errors');
const { clearRemoteAgentAuthCache, createRemoteAgentAuth } = require('./lib/remote-agent-auth');
const { RemoteTokenVerifier } = require('./lib/verifier');

/** @type {import('./index').RemoteTokenVerifier | undefined} */
let verifier;

/** @type {typeof import('./index').verifyRemoteToken} */
async function verifyRemoteToken(token, policy) {
  verifier ??= new RemoteTokenVerifier();
  return verifier.verify(token, policy);
}

// Plain names, so that `import { ... }` finds them without running this file.
module.exports = {
  RemoteAuthError,
  RemoteTokenVerifier,
  clearRemoteAgentAuthCache,
  createRemoteAgentAuth,
  verifyRemoteToken,
};
