'use strict';

// Tokens as Keycloak 26.7 made them, to the letter: header and claims are its own text, only host, key and time are ours.

const { generateKeyPairSync, sign } = require('node:crypto');
const { RemoteTokenVerifier } = require('../..');
const { encode } = require('../support/issuer');
const vectors = require('./vectors/keycloak-26.json');

const ISSUER = 'https://keycloak.example.com/realms/chat';
const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { format: 'jwk' },
});
const jwks = { keys: [{ ...publicKey, kid: 'keycloak-1', alg: 'RS256', use: 'sig' }] };

test.each(vectors)('E $kind is $expected', async ({ header, claims, policy, expected }) => {
  const signed = `${encode(header)}.${encode(claims)}`;
  const token = `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  // Half a minute after the first of them was made; all live longer.
  const verifier = new RemoteTokenVerifier({ clock: () => 1_795_745_805 });
  const verified = verifier.verify(token, { issuer: ISSUER, audience: 'librechat', typ: 'preferred', jwks, ...policy });
  expect(
    await verified.then(
      () => 'accepted',
      (error) => error.code,
    ),
  ).toBe(expected);
});
