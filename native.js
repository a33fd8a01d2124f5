'use strict';

// What Rust exports, for middlewares that keep their own flow. Node's certificates are handed over at load: whoever takes
// this entry calls Rust without anything in between.

const binding = require('./binding');
const { trustedCertificates } = require('./lib/trust');

binding.trustCertificates(trustedCertificates());

module.exports = {
  compilePolicy: binding.compilePolicy,
  createRemoteAgentAuth: binding.createRemoteAgentAuth,
  verifyRemoteToken: binding.verifyRemoteToken,
};
