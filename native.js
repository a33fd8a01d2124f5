'use strict';

// What Rust exports, for middlewares that keep their own flow. Node's certificates are handed over at load: whoever takes
// this entry calls Rust without anything in between.

const { compilePolicy, createRemoteAgentAuth, trustCertificates, verifyRemoteToken } = require('./binding');
const { trustedCertificates } = require('./lib/verifier/certificates');

trustCertificates(trustedCertificates());

// Plain names, so that `import { ... }` finds them without running this file.
module.exports = { compilePolicy, createRemoteAgentAuth, verifyRemoteToken };
