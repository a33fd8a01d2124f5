'use strict';

/** @type {import('./verifier').RemoteTokenVerifier | undefined} */
let shared;

/** One for the process, as LibreChat's caches are. Loaded here: who brings a verifier needs no native file. */
function sharedVerifier() {
  if (shared === undefined) {
    const { RemoteTokenVerifier } = require('./verifier');
    shared = new RemoteTokenVerifier();
  }
  return shared;
}

module.exports = { sharedVerifier };
