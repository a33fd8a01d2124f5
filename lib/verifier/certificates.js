'use strict';

// Whom https connections trust: what Node trusts. Slim images have no certificate store, so Node's own list is handed to
// the native side, once, before the first fetch that needs it.

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

/** Where OpenSSL looks as Node's own releases build it, unless SSL_CERT_FILE and SSL_CERT_DIR say otherwise. */
const OPENSSL_FOLDER = process.platform === 'darwin' ? '/System/Library/OpenSSL' : '/etc/ssl';
/** How `c_rehash` names the files of a folder. OpenSSL sees no others. */
const HASHED = /^[0-9a-f]{8}\.\d+$/;

/** @returns {string[]} PEM texts, each with one certificate or more */
function trustedCertificates() {
  const tls = /** @type {typeof import('node:tls') & { getCACertificates?: (type: string) => string[] }} */ (
    require('node:tls')
  );
  const openssl = usesOpenSslStore();
  // Node 22.15 and later: bundled, system and extra certificates as this very process is configured to trust them.
  if (tls.getCACertificates) {
    const known = tls.getCACertificates('default');
    if (!openssl) return known;
    const extra = tls.getCACertificates('extra');
    // It leaves OpenSSL's store out, and names the bundled ones where `--no-use-openssl-ca` follows, which changes nothing else.
    // After `tls.setDefaultCACertificates` what it names is all that Node trusts.
    const replaced = ![extra, [...tls.getCACertificates('bundled'), ...extra]].some((list) => isSame(known, list));
    return replaced ? known : [...extra, ...opensslStore()];
  }
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  const known = openssl ? opensslStore() : [...tls.rootCertificates];
  return extra ? [...known, read(extra)] : known;
}

/** @param {string[]} a @param {string[]} b */
const isSame = (a, b) => a.length === b.length && a.every((pem, index) => pem === b[index]);

/** Whether `--use-openssl-ca` is on, in NODE_OPTIONS or on the command line: `--no-use-openssl-ca` does not take it back. */
function usesOpenSslStore() {
  const given = [...words(process.env.NODE_OPTIONS ?? ''), ...process.execArgv];
  return given.some((option) => option.replace(/_/g, '-') === '--use-openssl-ca');
}

/** The words of NODE_OPTIONS: blanks separate, double quotes hold together, a backslash within them escapes. @param {string} text */
function words(text) {
  return [...text.matchAll(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g)].map(([word]) =>
    word.replace(/"((?:\\.|[^"\\])*)"/g, '$1'),
  );
}

/** @returns {string[]} what OpenSSL trusts by its environment variables or by itself */
function opensslStore() {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders } = process.env;
  const found = (folders ?? path.join(OPENSSL_FOLDER, 'certs')).split(path.delimiter).filter(Boolean).flatMap(hashed);
  return [file ?? path.join(OPENSSL_FOLDER, 'cert.pem'), ...found].filter(Boolean).map(read);
}

/** @param {string} folder */
function hashed(folder) {
  try {
    return readdirSync(folder)
      .filter((name) => HASHED.test(name))
      .map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Node goes on without it: of NODE_EXTRA_CA_CERTS it warns when it starts.
    return '';
  }
}

module.exports = { trustedCertificates };
