'use strict';

// `remote-agent-auth/testing`: a real OpenID issuer on loopback for tests. Requires nothing else of this package.

const { createTestIssuer } = require('./issuer');
const { expectRefusal } = require('./refusal');

module.exports = { createTestIssuer, expectRefusal };
