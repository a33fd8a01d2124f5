'use strict';

// Tokens no provider would issue. Each starts from a good one and differs from it in one thing.

const crypto = require('node:crypto');

/** @param {object} value */
function part(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/**
 * @param {string} token
 * @returns {{ header: Record<string, any>, claims: Record<string, any> }}
 */
function decode(token) {
  const [header, claims] = token.split('.').map((text) => Buffer.from(text, 'base64url').toString('utf8'));
  return { header: JSON.parse(header), claims: JSON.parse(claims) };
}

/**
 * The good token with other claims or another header, signed anew by the provider's own RS256 key.
 * @param {string} good
 * @param {crypto.JsonWebKey} key
 * @param {{ header?: object, claims?: object }} changes a member set to undefined is left out
 */
function resigned(good, key, { header = {}, claims = {} }) {
  const from = decode(good);
  const input = `${part({ ...from.header, ...header })}.${part({ ...from.claims, ...claims })}`;
  const privateKey = crypto.createPrivateKey({ key, format: 'jwk' });
  return `${input}.${crypto.sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

/**
 * One bit of the signature turned over.
 * @param {string} good
 */
function flipped(good) {
  const [header, claims, signature] = good.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[bytes.length >> 1] ^= 1;
  return `${header}.${claims}.${bytes.toString('base64url')}`;
}

/**
 * `alg: none` and no signature (RFC 8725 2.1).
 * @param {string} good
 */
function unsigned(good) {
  const { header } = decode(good);
  return `${part({ ...header, alg: 'none' })}.${good.split('.')[1]}.`;
}

/**
 * HS256 with the provider's public key as the secret: passes wherever the token chooses the algorithm (RFC 8725 2.1).
 * @param {string} good
 * @param {crypto.JsonWebKey} key
 */
function signedWithPublicKey(good, key) {
  const { header } = decode(good);
  const pem = crypto.createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  const input = `${part({ ...header, alg: 'HS256' })}.${good.split('.')[1]}`;
  return `${input}.${crypto.createHmac('sha256', pem).update(input).digest('base64url')}`;
}

module.exports = { decode, resigned, flipped, unsigned, signedWithPublicKey };
