'use strict';

// What adapters are made of.

const { createAuthenticator } = require('./authenticator');
const { createBearerAuth, send } = require('./middleware');
const { handedOn } = require('./refusal');
const { protectedResourceMetadata } = require('./resource-metadata');

module.exports = { createAuthenticator, createBearerAuth, handedOn, protectedResourceMetadata, send };
