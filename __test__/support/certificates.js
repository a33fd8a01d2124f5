'use strict';

// Certificates for servers on this machine, made by the `openssl` command for the test at hand.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** A folder of certificates, and how to make more. */
function certificates() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'certificates-'));
  const at = (/** @type {string} */ name) => path.join(folder, name);
  const openssl = (/** @type {string[]} */ ...args) =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe', encoding: 'utf8' });

  /**
   * `name.pem` and `name.key`.
   * @param {string} name its common name, too
   * @param {{ issuer?: string, ca?: boolean, host?: string, more?: string[] }} [how] without an issuer it signs itself
   */
  function make(name, { issuer, ca = false, host = 'localhost', more = [] } = {}) {
    const extensions = [
      `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`,
      'subjectKeyIdentifier=hash',
      ...(host === '' ? [] : [`subjectAltName=DNS:${host}`]),
      ...more,
    ].flatMap((extension) => ['-addext', extension]);
    const from = issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
    fs.writeFileSync(at('openssl.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n');
    openssl(
      'req',
      '-x509',
      '-config',
      'openssl.cnf',
      ...key,
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
      ...extensions,
      ...from,
      '-out',
      `${name}.pem`,
    );
    return {
      cert: fs.readFileSync(at(`${name}.pem`), 'utf8'),
      key: fs.readFileSync(at(`${name}.key`), 'utf8'),
      file: at(`${name}.pem`),
    };
  }

  /** A folder as `c_rehash` leaves it, with this certificate in it. @param {string} name @param {string} file */
  function hashed(name, file) {
    fs.mkdirSync(at(name));
    const hash = openssl('x509', '-hash', '-noout', '-in', file).trim();
    fs.copyFileSync(file, path.join(at(name), `${hash}.0`));
    return at(name);
  }

  return { folder, at, hashed, make, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

module.exports = { certificates };
