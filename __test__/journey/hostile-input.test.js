'use strict';

// Rows S2 and S5 of the scorecard at the boundary: the text as JavaScript has it, and real connections. The core's own
// part of both is in tests/suite/hostile_input.rs.

const { createServer } = require('node:http');
const { once } = require('node:events');
const { generateKeyPairSync, sign } = require('node:crypto');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { Issuer, encode } = require('../support/issuer');
const { score } = require('../support/score');
const { sets } = require('../../tests/vectors/key-sets.json');

const verifier = new RemoteTokenVerifier();
afterAll(() => verifier.clear());

/** Texts that somebody who reads carelessly might take for this one. */
function spellings(token) {
  const forms = [];
  const put = (at, text, skip = 0) => forms.push(token.slice(0, at) + text + token.slice(at + skip));
  for (let at = 0; at < token.length; at += 1) {
    const unit = token.charCodeAt(at);
    // The same low byte, the same low seven bits, the same after a fold to ASCII.
    for (const high of [0x80, 0x100, 0x200, 0x4e00, 0xff00 - 0x20]) put(at, String.fromCharCode(high + unit), 1);
  }
  const dots = [token.indexOf('.'), token.lastIndexOf('.')];
  for (const text of [
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '\u0085',
    '\u00a0',
    '\u200b',
    '\u2028',
    '\ufeff',
    '=',
    '==',
    '.',
    '..',
    '%3D',
    '\ud800',
    '\udc00',
    '"',
    ',',
  ]) {
    for (const at of [0, 7, dots[0], dots[0] + 1, dots[1], dots[1] + 1, token.length]) put(at, text);
  }
  const pad = (part) => part + '='.repeat((4 - (part.length % 4)) % 4);
  forms.push(
    token.split('.').map(pad).join('.'),
    token.replaceAll('-', '+').replaceAll('_', '/'),
    token.toUpperCase(),
    `Bearer ${token}`,
    encodeURIComponent(`${token}=`),
    Buffer.from(token).toString('base64'),
  );
  return forms.filter((form) => form !== token);
}

const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'],
  ...['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'],
];

test('no other spelling of a good token passes', async () => {
  const rows = require('../../tests/vectors/algorithms.json').filter(
    ({ expect, keys }) => expect === 'ok' && keys === 'main',
  );
  const server = createServer((request, response) => response.end(sets.main));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let forms = 0;
  const fewest = [];
  const accepted = [];
  try {
    for (const alg of ALGORITHMS) {
      const row = rows.find(({ recipe }) => recipe.sign.alg === alg);
      const fixed = new RemoteTokenVerifier({ clock: () => row.now });
      const policy = fixed.compile({ ...row.policy, jwksUri: `http://127.0.0.1:${server.address().port}/` });
      // Twice: the second time, the good token's signature is remembered.
      expect(await fixed.check(row.token, policy)).toMatchObject({ ok: true });
      const spelled = spellings(row.token);
      forms += spelled.length;
      fewest.push(spelled.length);
      for (const form of spelled) if ((await fixed.check(form, policy)).ok) accepted.push(form);
      expect(await fixed.check(row.token, policy)).toMatchObject({ ok: true });
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
  const figure = `JavaScript: ${forms} spellings of ${ALGORITHMS.length} tokens, at least ${Math.min(...fewest)} each, ${accepted.length} accepted`;
  score('S2', figure, '200 forms each, 0 accepted', accepted.length === 0 && Math.min(...fewest) >= 200);
});

test('no key and no URL that a token offers is used', async () => {
  const issuer = await new Issuer().start();
  let connections = 0;
  const canary = createServer((request, response) => response.end(JSON.stringify({ keys: [evilJwk] })));
  canary.on('connection', () => (connections += 1));
  canary.listen(0, '127.0.0.1');
  await once(canary, 'listening');
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { format: 'jwk' },
  });
  const evilJwk = { ...publicKey, kid: 'evil', alg: 'ES256', use: 'sig' };
  const url = `http://127.0.0.1:${canary.address().port}/keys`;
  try {
    const policy = verifier.compile({ issuer: issuer.url, audience: 'agents' });
    expect(await verifier.check(issuer.token(), policy)).toMatchObject({ ok: true });
    const offers = [
      { jwk: evilJwk },
      { jku: url },
      { x5u: url },
      { x5c: ['MIIB'] },
      { jku: url, x5u: url, jwk: evilJwk },
      { jwk: { keys: [evilJwk] } },
      { jku: [url] },
      { 'x5t#S256': 'AAAA', x5u: url },
      { iss: url, jku: url },
      { jwks_uri: url },
    ];
    const goodKid = JSON.parse(Buffer.from(issuer.token().split('.')[0], 'base64url')).kid;
    let tried = 0;
    let accepted = 0;
    for (const offer of offers) {
      for (const kid of [goodKid, 'evil', url, undefined]) {
        const now = Math.floor(Date.now() / 1000);
        // Claims that point there as well.
        const claims = { iss: issuer.url, aud: 'agents', sub: 'subject-1', exp: now + 300, jku: url, jwks_uri: url };
        const signed = `${encode({ alg: 'ES256', kid, ...offer })}.${encode(claims)}`;
        const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
        tried += 1;
        if ((await verifier.check(`${signed}.${signature.toString('base64url')}`, policy)).ok) accepted += 1;
      }
    }
    const figure = `JavaScript: ${tried} tokens, ${accepted} accepted, ${connections} connections`;
    score('S5', figure, '40 tokens, 0 accepted, 0 connections', tried >= 40 && accepted === 0 && connections === 0);
  } finally {
    canary.closeAllConnections();
    canary.close();
    await issuer.stop();
  }
});
