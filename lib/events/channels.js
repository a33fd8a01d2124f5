'use strict';

const { channel } = require('node:diagnostics_channel');

/**
 * What is published, and where. Whoever publishes asks `hasSubscribers` before it makes an event: with nobody listening, that question
 * is all there is to pay for.
 */
module.exports = {
  decisions: channel('remote-agent-auth:decision'),
  keys: channel('remote-agent-auth:keys'),
  accounts: channel('remote-agent-auth:account'),
};
