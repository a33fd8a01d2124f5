'use strict';

// Kinds of TLS that Node speaks and this package does not: refused, each by the reason that docs/keys.md has for it.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { RemoteTokenVerifier } = require('../..');
const { certificates } = require('../support/certificates');
const { ROOT } = require('../support/markdown');

const made = certificates();
const ec = made.make('ec', { ca: true });
const withoutName = made.make('localhost', { ca: true, host: '' });
const rsa = withRsaKey('rsa', 2048);
const short = withRsaKey('short', 1024);

/** A certificate of its own for `localhost` with an RSA key. */
function withRsaKey(name, bits) {
  const args = [
    'req',
    '-x509',
    '-config',
    'openssl.cnf',
    '-newkey',
    `rsa:${bits}`,
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
  ];
  execFileSync(
    'openssl',
    [
      ...args,
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-out',
      `${name}.pem`,
    ],
    { cwd: made.folder, stdio: 'pipe' },
  );
  return {
    cert: fs.readFileSync(made.at(`${name}.pem`), 'utf8'),
    key: fs.readFileSync(made.at(`${name}.key`), 'utf8'),
  };
}

const servers = [];
afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
  made.remove();
});

/** @param {import('node:https').ServerOptions} options @returns {Promise<number>} the port of a server that speaks this TLS alone */
async function serving(options) {
  const server = https.createServer(options, (_req, res) => res.end('{"keys":[]}'));
  server.on('tlsClientError', () => {});
  servers.push(server);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return server.address().port;
}

/** What came of a look at the keys there: `undefined` where the connection came about. */
async function reasonAt(port, ca) {
  const policy = {
    issuer: 'https://op.example',
    audience: 'agents',
    jwksUri: `https://localhost:${port}/keys`,
    ca: [ca],
  };
  const error = await new RemoteTokenVerifier().prefetch(policy).catch((refused) => refused);
  return error.code === 'ERR_JWKS_FETCH' ? [error.reason, error.host, error.message] : undefined;
}

const TLS_1_2 = /** @type {const} */ ({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });

/** @type {[string, { cert: string, key: string }, import('node:https').ServerOptions, string][]} */
const KINDS = [
  ['TLS 1.1', ec, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }, 'tls-no-common'],
  ['RSA key exchange', rsa, { ...TLS_1_2, ciphers: 'AES128-GCM-SHA256' }, 'tls-no-common'],
  ['CBC', ec, { ...TLS_1_2, ciphers: 'ECDHE-ECDSA-AES128-SHA' }, 'tls-no-common'],
  ['DHE', rsa, { ...TLS_1_2, ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto' }, 'tls-no-common'],
  ['P-521 alone', ec, { ...TLS_1_2, ecdhCurve: 'P-521' }, 'tls-no-common'],
  ['a common name without a subjectAltName', withoutName, {}, 'tls-name'],
  ['an RSA key of 1024 bits', short, { ciphers: 'DEFAULT:@SECLEVEL=0' }, 'tls-untrusted'],
];

test.each(KINDS)(
  'A13 %s is refused by its reason, with the host, and stands in docs/keys.md',
  async (_what, { cert, key }, options, reason) => {
    const refusal = await reasonAt(await serving({ cert, key, ...options }), cert);
    expect(refusal).toEqual([reason, 'localhost', expect.any(String)]);
    const section = fs
      .readFileSync(path.join(ROOT, 'docs', 'keys.md'), 'utf8')
      .split('### ')
      .find((text) => text.startsWith('TLS that is not accepted'));
    expect(section).toContain(`\`${reason}\``);
  },
);

test('A13 what is spoken connects', async () => {
  for (const [{ cert, key }, options] of [
    [ec, {}],
    [rsa, {}],
    [rsa, { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }],
  ]) {
    expect(await reasonAt(await serving({ cert, key, ...options }), cert)).toBeUndefined();
  }
});
