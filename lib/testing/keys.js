'use strict';

// The keys of a test issuer: made when first needed, signed with by node:crypto alone.

const { createHmac, generateKeyPairSync, sign, constants } = require('node:crypto');

/** What signs with each algorithm (RFC 7518 3.1, RFC 8037 3.1, RFC 9964 5), and how its key is made. */
const RSA = { type: 'rsa', options: { modulusLength: 2048 } };
const curve = (/** @type {string} */ namedCurve) => ({ type: 'ec', options: { namedCurve } });
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const mlDsa = (/** @type {string} */ type) => ({ key: { type, options: {} }, hash: null, options: {} });
const P1363 = { dsaEncoding: 'ieee-p1363' };

/** @type {Record<string, { key: { type: string, options: object }, hash: string | null, options: object }>} */
const ALGORITHMS = {
  RS256: { key: RSA, hash: 'sha256', options: {} },
  RS384: { key: RSA, hash: 'sha384', options: {} },
  RS512: { key: RSA, hash: 'sha512', options: {} },
  PS256: { key: RSA, hash: 'sha256', options: PSS },
  PS384: { key: RSA, hash: 'sha384', options: PSS },
  PS512: { key: RSA, hash: 'sha512', options: PSS },
  ES256: { key: curve('P-256'), hash: 'sha256', options: P1363 },
  ES384: { key: curve('P-384'), hash: 'sha384', options: P1363 },
  ES512: { key: curve('P-521'), hash: 'sha512', options: P1363 },
  EdDSA: { key: { type: 'ed25519', options: {} }, hash: null, options: {} },
  'ML-DSA-44': mlDsa('ml-dsa-44'),
  'ML-DSA-65': mlDsa('ml-dsa-65'),
  'ML-DSA-87': mlDsa('ml-dsa-87'),
};

/** For tests that want them refused: `none` has no signature, HMAC signs with the published key (RFC 8725 2.1). */
const NEVER_ACCEPTED = ['none', 'HS256', 'HS384', 'HS512'];

/**
 * @typedef {import('node:crypto').KeyObject} KeyObject
 * @typedef {{ kid: string, alg: string, publicKey: KeyObject, privateKey: KeyObject, jwk: Record<string, unknown> }} TestKey
 */

/** @param {string} alg @param {string} kid @returns {TestKey} */
function createKey(alg, kid) {
  const wanted = ALGORITHMS[alg];
  if (wanted === undefined) {
    throw new TypeError(`alg is one of ${Object.keys(ALGORITHMS).join(', ')}, and is ${JSON.stringify(alg)}`);
  }
  const pair = pairOf(alg, wanted.key);
  return { kid, alg, ...pair, jwk: { ...membersOf(alg, pair.publicKey), kid, alg, use: 'sig' } };
}

/** @param {string} alg @param {{ type: string, options: object }} key @returns {{ publicKey: KeyObject, privateKey: KeyObject }} */
function pairOf(alg, { type, options }) {
  try {
    return /** @type {Function} */ (generateKeyPairSync)(type, options);
  } catch (cause) {
    if (!alg.startsWith('ML-DSA')) throw cause;
    throw new TypeError(
      `a test issuer signs with ${alg} from Node 24.6 on, and this is Node ${process.versions.node}`,
      { cause },
    );
  }
}

/** Bytes of a SubjectPublicKeyInfo before an ML-DSA key (RFC 9881 4). */
const ML_DSA_PREFIX = 22;

/** @param {string} alg @param {KeyObject} publicKey @returns {Record<string, unknown>} */
function membersOf(alg, publicKey) {
  if (!alg.startsWith('ML-DSA')) return { ...publicKey.export({ format: 'jwk' }) };
  // The first Nodes that have these keys do not write them as a JWK.
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { kty: 'AKP', pub: der.subarray(ML_DSA_PREFIX).toString('base64url') };
}

/**
 * The third part of a token.
 * @param {string} input the first two, as they are signed (RFC 7515 5.1)
 * @param {string} alg
 * @param {TestKey} key
 * @returns {string}
 */
function signatureOf(input, alg, key) {
  if (alg === 'none') return '';
  if (alg.startsWith('HS')) {
    const secret = key.publicKey.export({ format: 'pem', type: 'spki' });
    return createHmac(`sha${alg.slice(2)}`, secret)
      .update(input)
      .digest('base64url');
  }
  const { hash, options } = /** @type {typeof ALGORITHMS[string]} */ (ALGORITHMS[alg]);
  return sign(hash, Buffer.from(input), { key: key.privateKey, ...options }).toString('base64url');
}

module.exports = { ALGORITHMS, NEVER_ACCEPTED, createKey, signatureOf };
