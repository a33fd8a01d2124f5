// Fixed test keys. Existing ones are kept for ever, so that committed tokens stay valid; only missing ones are generated.
import crypto from 'node:crypto';
import { b64u, ML_DSA, unb64u } from './mint.mjs';

const rsa = (modulusLength, publicExponent = 65537) => () => crypto.generateKeyPairSync('rsa', { modulusLength, publicExponent });
const ec = (namedCurve) => () => crypto.generateKeyPairSync('ec', { namedCurve });

/** Providers that drop leading zero bytes of a coordinate are only met one key in 256: look for one. */
function ecWithLeadingZero() {
  for (;;) {
    const pair = ec('P-256')();
    if (unb64u(pair.privateKey.export({ format: 'jwk' }).x)[0] === 0) return pair;
  }
}

const MAKERS = {
  'rsa-a': rsa(2048),
  'rsa-b': rsa(2048),
  'rsa-c': rsa(2048),
  'rsa-3072': rsa(3072),
  'rsa-4096': rsa(4096),
  'rsa-1024': rsa(1024),
  'rsa-2047': rsa(2047),
  'rsa-e3': rsa(2048, 3),
  'ec-256': ec('P-256'),
  'ec-256-b': ec('P-256'),
  'ec-256-short': ecWithLeadingZero,
  'ec-384': ec('P-384'),
  'ec-521': ec('P-521'),
  'ec-k1': ec('secp256k1'),
  'ed-25519': () => crypto.generateKeyPairSync('ed25519'),
  'ed-448': () => crypto.generateKeyPairSync('ed448'),
  'x-25519': () => crypto.generateKeyPairSync('x25519'),
};

/** RFC 9964 4: the private key is its seed. */
export function akp(alg, seed = crypto.randomBytes(32)) {
  return { kty: 'AKP', alg, pub: b64u(ML_DSA[alg].keygen(seed).publicKey), priv: b64u(seed) };
}

export function completeKeys(existing) {
  const keys = { ...existing };
  for (const [name, make] of Object.entries(MAKERS)) keys[name] ??= make().privateKey.export({ format: 'jwk' });
  for (const alg of Object.keys(ML_DSA)) keys[alg.toLowerCase()] ??= akp(alg);
  keys['ml-dsa-44-b'] ??= akp('ML-DSA-44');
  keys['oct-a'] ??= { kty: 'oct', k: b64u(crypto.randomBytes(32)) };
  return keys;
}

export const publicJwk = ({ d, p, q, dp, dq, qi, k, priv, ...rest }) => rest;

/** The public point of a tiny private scalar: cheap, reproducible filler keys. */
export function fillerPoint(scalar) {
  const ecdh = crypto.createECDH('prime256v1');
  const secret = Buffer.alloc(32);
  secret.writeUInt32BE(scalar, 28);
  ecdh.setPrivateKey(secret);
  const point = ecdh.getPublicKey();
  return { kty: 'EC', crv: 'P-256', x: b64u(point.subarray(1, 33)), y: b64u(point.subarray(33)) };
}
