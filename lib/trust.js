'use strict';

// Whom https connections trust: what Node trusts. Slim images have no certificate store, so Node's own list is handed to
// the native side, once, before the first fetch that needs it.

const { readFileSync } = require('node:fs');

/** @returns {string[]} PEM texts, each with one certificate or more */
function trustedCertificates() {
  const tls = require('node:tls');
  // Node 22.15 and later: bundled, system and extra certificates as this very process was told to trust them.
  const getCACertificates = /** @type {{ getCACertificates?: (type: string) => string[] }} */ (tls).getCACertificates;
  if (getCACertificates) return getCACertificates('default');
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  return extra ? [...tls.rootCertificates, readExtra(extra)] : [...tls.rootCertificates];
}

/** @param {string} path */
function readExtra(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Node itself warns of this file when it starts, and goes on.
    return '';
  }
}

module.exports = { trustedCertificates };
