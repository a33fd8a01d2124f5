'use strict';

// Every way to configure which certificates Node trusts, each in every Node this package is for, compared with Node's own https.

const { execFile } = require('node:child_process');
const { generateKeyPairSync } = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { certificates } = require('../support/certificates');
const { nodeOf } = require('../support/nodes');
const { score } = require('../support/score');

const CHILD = path.join(__dirname, '..', 'support', 'children', 'trust.js');
const MAJORS = [20, 22, 24];
const jwk = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), kid: 'k' };

const made = certificates();
const root = made.make('root', { ca: true, host: '' });
const between = made.make('between', { ca: true, host: '', issuer: 'root', more: ['authorityKeyIdentifier=keyid'] });
const ofRoot = made.make('of-root', { issuer: 'root', more: ['authorityKeyIdentifier=keyid'] });
const ofBetween = made.make('of-between', { issuer: 'between', more: ['authorityKeyIdentifier=keyid'] });
const ownCa = made.make('own-ca', { ca: true });
const own = made.make('own');
const wrongName = made.make('wrong-name', { ca: true, host: 'other.test' });
const signing = made.make('signing', { ca: true, more: ['keyUsage=critical,keyCertSign,cRLSign'] });
const rootHashed = made.hashed('hashed', root.file);
const plainFolder = path.join(made.folder, 'plain');
fs.mkdirSync(plainFolder);
fs.copyFileSync(root.file, path.join(plainFolder, 'root.pem'));
const file = (name, text) => (fs.writeFileSync(made.at(name), text), made.at(name));
const both = file('both.pem', root.cert + between.cert);
const garbage = file('garbage.pem', 'no certificate');
const brokenSecond = file('broken.pem', `${root.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
const goodSecond = file('second.pem', `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${root.cert}`);
const label = file('label.pem', root.cert.replace(/CERTIFICATE/g, 'X509 CERTIFICATE'));
const marked = file('marked.pem', `\ufeff${root.cert}`);
const lines = file('lines.pem', root.cert.replace(/\n/g, '\r\n'));
const keyed = file('keyed.pem', own.key + root.cert);
const nowhere = made.at('nowhere.pem');

const extra = (where) => ({ env: { NODE_EXTRA_CA_CERTS: where } });
const openssl = (env, args = ['--use-openssl-ca']) => ({ env, args });

/** The server's certificate, and Node's settings; `needs` a switch of newer Nodes. */
const ROWS = [
  ['nothing', ofRoot, {}],
  ['the root, NODE_EXTRA_CA_CERTS', ofRoot, extra(root.file)],
  ['another root, NODE_EXTRA_CA_CERTS', ofRoot, extra(ownCa.file)],
  ['a file that is not there, NODE_EXTRA_CA_CERTS', ofRoot, extra(nowhere)],
  ['a file without certificates, NODE_EXTRA_CA_CERTS', ofRoot, extra(garbage)],
  ['the root before one that is broken, NODE_EXTRA_CA_CERTS', ofRoot, extra(brokenSecond)],
  ['the root behind one that is broken, NODE_EXTRA_CA_CERTS', ofRoot, extra(goodSecond)],
  ['the server itself, CA:TRUE', ownCa, extra(ownCa.file)],
  ['the server itself, CA:FALSE', own, extra(own.file)],
  ['the server itself, for another name', wrongName, extra(wrongName.file)],
  ['the server itself, made for signing certificates alone', signing, extra(signing.file)],
  ['a self-signed server nobody listed', own, extra(ownCa.file)],
  ['a leaf without its issuer', ofRoot, extra(ofRoot.file)],
  ['an intermediate without its root', ofBetween, extra(between.file)],
  ['an intermediate with its root, neither sent', ofBetween, extra(both)],
  ['the root, and no intermediate sent', ofBetween, extra(root.file)],
  ['SSL_CERT_FILE alone', ofRoot, { env: { SSL_CERT_FILE: root.file } }],
  ['--use-openssl-ca, SSL_CERT_FILE', ofRoot, openssl({ SSL_CERT_FILE: root.file })],
  ['--use_openssl_ca, SSL_CERT_FILE', ofRoot, openssl({ SSL_CERT_FILE: root.file }, ['--use_openssl_ca'])],
  [
    'NODE_OPTIONS=--use-openssl-ca, SSL_CERT_FILE',
    ofRoot,
    openssl({ SSL_CERT_FILE: root.file, NODE_OPTIONS: '--no-warnings --use-openssl-ca' }, []),
  ],
  ['--use-openssl-ca, SSL_CERT_FILE of a server itself', ownCa, openssl({ SSL_CERT_FILE: ownCa.file })],
  [
    '--use-openssl-ca, a file that is not there',
    ofRoot,
    openssl({ SSL_CERT_FILE: nowhere, SSL_CERT_DIR: made.at('nowhere') }),
  ],
  ['--use-openssl-ca, SSL_CERT_DIR of c_rehash', ofRoot, openssl({ SSL_CERT_DIR: rootHashed })],
  ['--use-openssl-ca, two folders', ofRoot, openssl({ SSL_CERT_DIR: `${made.at('nowhere')}:${rootHashed}` })],
  ['--use-openssl-ca, SSL_CERT_DIR without hashes', ofRoot, openssl({ SSL_CERT_DIR: plainFolder })],
  ...[
    ['the label X509 CERTIFICATE', label],
    ['a byte order mark', marked],
    ['lines that end as on Windows', lines],
    ['a private key before it', keyed],
  ].flatMap(([what, where]) => [
    [`the root with ${what}, NODE_EXTRA_CA_CERTS`, ofRoot, extra(where)],
    [`the root with ${what}, SSL_CERT_FILE`, ofRoot, openssl({ SSL_CERT_FILE: where })],
  ]),
  [
    '--use-openssl-ca, SSL_CERT_FILE empty, SSL_CERT_DIR',
    ofRoot,
    openssl({ SSL_CERT_FILE: '', SSL_CERT_DIR: rootHashed }),
  ],
  ['--use-openssl-ca, both', ofRoot, openssl({ SSL_CERT_FILE: own.file, SSL_CERT_DIR: rootHashed })],
  [
    'NODE_OPTIONS=--use-openssl-ca, --no-use-openssl-ca',
    ofRoot,
    openssl({ SSL_CERT_FILE: root.file, NODE_OPTIONS: '--use-openssl-ca' }, ['--no-use-openssl-ca']),
  ],
  [
    '--use-openssl-ca --no-use-openssl-ca',
    ofRoot,
    openssl({ SSL_CERT_FILE: root.file }, ['--use-openssl-ca', '--no-use-openssl-ca']),
  ],
  ['--use-openssl-ca, NODE_EXTRA_CA_CERTS', ofRoot, openssl({ NODE_EXTRA_CA_CERTS: root.file })],
  ['--use-openssl-ca, and nothing said', ofRoot, openssl({})],
  ['--use-bundled-ca, SSL_CERT_FILE', ofRoot, openssl({ SSL_CERT_FILE: root.file }, ['--use-bundled-ca'])],
  [
    '--use-system-ca, SSL_CERT_FILE',
    ofRoot,
    { ...openssl({ SSL_CERT_FILE: root.file }, ['--use-system-ca']), needs: '--use-system-ca' },
  ],
  ['NODE_USE_SYSTEM_CA=1, SSL_CERT_FILE', ofRoot, { env: { NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: root.file } }],
  ['tls.setDefaultCACertificates of the root', ofRoot, { set: [root.cert] }],
  ['tls.setDefaultCACertificates of another', ofRoot, { set: [ownCa.cert], env: { NODE_EXTRA_CA_CERTS: root.file } }],
  [
    'tls.setDefaultCACertificates, --use-openssl-ca',
    ofRoot,
    { set: [ownCa.cert], ...openssl({ SSL_CERT_FILE: root.file }) },
  ],
];

/** @returns {Promise<string>} stdout, or '' where this Node does not know the switch */
const run = (node, args, env = {}) =>
  new Promise((resolve, reject) => {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(NODE_|SSL_CERT|JEST)|proxy$/i.test(name)),
    );
    execFile(node, args, { env: { ...clean, ...env }, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error && !/bad option|is not a function/.test(stderr)) return reject(new Error(stderr));
      resolve(error ? '' : stdout);
    });
  });

/**
 * As many at a time as there are processors: thirty Nodes at once would leave the servers, which are in this process, no time to
 * answer within the time for a connection.
 * @template T, R
 * @param {T[]} rows
 * @param {(row: T) => Promise<R>} ask
 * @returns {Promise<R[]>} in the order of the rows
 */
async function inTurn(rows, ask) {
  const answers = [];
  const left = [...rows.entries()];
  const one = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) answers[next[0]] = await ask(next[1]);
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, one));
  return answers;
}

/** @type {Map<object, Promise<https.Server>>} each begun once, however many rows ask for it at a time */
const servers = new Map();

async function start(identity) {
  const server = https.createServer(identity, (req, res) => res.end(JSON.stringify({ keys: [jwk] })));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The URL of a server that shows this certificate. */
async function urlOf(identity) {
  if (!servers.has(identity)) servers.set(identity, start(identity));
  return `https://localhost:${(await servers.get(identity)).address().port}/`;
}

afterAll(async () => {
  for (const server of await Promise.all(servers.values())) server.close(() => {}).closeAllConnections();
  made.remove();
});

test('A11, A12 every certificate that Node accepts is accepted, and no other', async () => {
  const wrong = [];
  let asked = 0;
  const accepted = new Set();
  for (const major of MAJORS) {
    const { node, reason } = nodeOf(major);
    if (node === undefined) throw new Error(`Node ${major}: ${reason}`);
    const answers = await inTurn(ROWS, async ([name, identity, { env, args = [], set }]) => {
      const answer = await run(
        node,
        [...args, CHILD, await urlOf(identity), ...(set ? [JSON.stringify(set)] : [])],
        env,
      );
      return [name, answer === '' ? undefined : JSON.parse(answer)];
    });
    for (const [name, answer] of answers) {
      if (answer === undefined) continue;
      asked += 1;
      if (answer.node === 'ok') accepted.add(name);
      if ((answer.node === 'ok') !== (answer.ours === 'ok'))
        wrong.push(`Node ${major}, ${name}: Node ${answer.node}, we ${answer.ours}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(accepted.has('the server itself, CA:TRUE')).toBe(true);
  expect(asked).toBeGreaterThan(2.5 * ROWS.length);
  score(
    'S44',
    `${asked} rows of ${ROWS.length} ways on Node ${MAJORS.join(', ')}: ${asked - wrong.length} as Node`,
    'all rows as Node',
    wrong.length === 0,
  );
}, 300_000);
