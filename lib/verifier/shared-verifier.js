'use strict';

/** @type {import('.').RemoteTokenVerifier | undefined} */
let shared;

/** One for the process, as LibreChat's caches are. Loaded here: who brings a verifier needs no native file. */
function sharedVerifier() {
  if (shared === undefined) {
    const { RemoteTokenVerifier } = require('./index');
    shared = new RemoteTokenVerifier();
  }
  return shared;
}

module.exports = { sharedVerifier };
