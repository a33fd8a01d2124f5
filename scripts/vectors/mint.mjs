// Makes a compact JWS from a recipe. Only node:crypto is used, and for ML-DSA a library in JavaScript, so that nothing of ours vouches
// for itself.
import crypto from 'node:crypto';
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';

export const b64u = (bytes) => Buffer.from(bytes).toString('base64url');
export const unb64u = (text) => Buffer.from(text, 'base64url');

/** Node has ML-DSA from version 24 on; this library is another one than the one that is tested. */
export const ML_DSA = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 };

const HASH = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };
const ORDER = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  Ed25519: (1n << 252n) + 27742317777372353535851937790883648493n,
};

/** An object is serialised; `$text`, `$hex` and `$parts` give exact characters or bytes. */
export function bytesOf(source) {
  if (source === null || typeof source !== 'object' || Array.isArray(source)) return Buffer.from(JSON.stringify(source));
  if ('$text' in source) return Buffer.from(source.$text, 'utf8');
  if ('$hex' in source) return Buffer.from(source.$hex, 'hex');
  if ('$parts' in source) {
    return Buffer.from(source.$parts.map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times))).join(''), 'utf8');
  }
  return Buffer.from(JSON.stringify(source));
}

const toBig = (bytes) => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
const fromBig = (value, length) => {
  const hex = value.toString(16);
  if (hex.length > length * 2) throw new Error('value does not fit');
  return Buffer.from(hex.padStart(length * 2, '0'), 'hex');
};

function mgf1(seed, length, hash) {
  const blocks = [];
  for (let i = 0; i * crypto.createHash(hash).digest().length < length; i += 1) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(i);
    blocks.push(crypto.createHash(hash).update(seed).update(counter).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** RFC 8017 9.1.1 with an MGF1 hash of one's own choice, which node:crypto.sign does not offer. */
function pssWithForeignMgf(input, key, hash, mgfHash) {
  const emLength = unb64u(key.export({ format: 'jwk' }).n).length;
  const mHash = crypto.createHash(hash).update(input).digest();
  const salt = crypto.randomBytes(mHash.length);
  const h = crypto.createHash(hash).update(Buffer.alloc(8)).update(mHash).update(salt).digest();
  const db = Buffer.concat([Buffer.alloc(emLength - salt.length - h.length - 2), Buffer.from([1]), salt]);
  const mask = mgf1(h, db.length, mgfHash);
  const masked = Buffer.from(db.map((byte, i) => byte ^ mask[i]));
  masked[0] &= 0x7f;
  const em = Buffer.concat([masked, h, Buffer.from([0xbc])]);
  return crypto.privateEncrypt({ key, padding: crypto.constants.RSA_NO_PADDING }, em);
}

function hmacSecret(sign, jwk) {
  const pub = crypto.createPublicKey({ key: jwk, format: 'jwk' });
  if (sign.secret === 'spki-pem') return pub.export({ type: 'spki', format: 'pem' });
  if (sign.secret === 'spki-der') return pub.export({ type: 'spki', format: 'der' });
  if (sign.secret === 'modulus-text') return jwk.n;
  if (sign.secret === 'jwk-json') return JSON.stringify(pub.export({ format: 'jwk' }));
  if (sign.secret === 'empty') return '';
  return unb64u(jwk.k);
}

const imported = new WeakMap();

/** Importing an RSA key takes longer than signing with it. */
function privateKey(jwk) {
  if (!imported.has(jwk)) imported.set(jwk, crypto.createPrivateKey({ key: jwk, format: 'jwk' }));
  return imported.get(jwk);
}

export function signatureOf(sign, input, keys) {
  if (sign === 'none') return Buffer.alloc(0);
  const jwk = keys[sign.key];
  if (!jwk) throw new Error(`no key ${sign.key}`);
  const hash = HASH[sign.alg.slice(2)];
  const data = Buffer.from(input);
  if (sign.alg in ML_DSA) return mlDsaSignature(sign, data, jwk);
  if (sign.alg.startsWith('HS')) {
    const secret = sign.secret ? hmacSecret(sign, jwk) : unb64u(jwk.k);
    return crypto.createHmac(hash, secret).update(data).digest();
  }
  const key = privateKey(jwk);
  if (sign.alg === 'EdDSA') return crypto.sign(null, data, key);
  if (sign.alg.startsWith('ES')) return crypto.sign(hash, data, { key, dsaEncoding: sign.encoding === 'der' ? 'der' : 'ieee-p1363' });
  if (sign.alg.startsWith('RS')) return crypto.sign(hash, data, { key, padding: crypto.constants.RSA_PKCS1_PADDING });
  if (sign.mgf) return pssWithForeignMgf(data, key, hash, sign.mgf);
  const saltLength = sign.salt ?? crypto.constants.RSA_PSS_SALTLEN_DIGEST;
  return crypto.sign(hash, data, { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength });
}

/** FIPS 204 5.2, without the random bytes, so that rows can be made again. RFC 9964 5: the context is empty. */
function mlDsaSignature({ alg, context }, data, { priv }) {
  const { secretKey } = ML_DSA[alg].keygen(unb64u(priv));
  const given = context === undefined ? {} : { context: Buffer.from(context) };
  return Buffer.from(ML_DSA[alg].sign(data, secretKey, { extraEntropy: false, ...given }));
}

/** Signature arithmetic that a forger may try. */
function reshape(bytes, step, keys) {
  const half = bytes.length / 2;
  switch (step.how) {
    case 'prepend-zero': return Buffer.concat([Buffer.from([0]), bytes]);
    case 'append-zero': return Buffer.concat([bytes, Buffer.from([0])]);
    case 'strip-leading-zero':
      if (bytes[0] !== 0) throw new Error('signature does not start with a zero byte');
      return bytes.subarray(1);
    case 'drop-last': return bytes.subarray(0, -1);
    case 'all-zero': return Buffer.alloc(bytes.length);
    case 'zero-r': return Buffer.concat([Buffer.alloc(half), bytes.subarray(half)]);
    case 'zero-s': return Buffer.concat([bytes.subarray(0, half), Buffer.alloc(half)]);
    case 'swap-halves': return Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]);
    case 'negate-s': return Buffer.concat([bytes.subarray(0, half), fromBig(ORDER['P-256'] - toBig(bytes.subarray(half)), half)]);
    case 'r-plus-order': return Buffer.concat([fromBig((toBig(bytes.subarray(0, half)) + ORDER['P-256']) % (1n << 256n), half), bytes.subarray(half)]);
    case 'add-modulus': return fromBig(toBig(bytes) + toBig(unb64u(keys[step.key].n)), bytes.length);
    case 'ed25519-s-plus-order': {
      const s = toBig(Buffer.from(bytes.subarray(32)).reverse()) + ORDER.Ed25519;
      return Buffer.concat([bytes.subarray(0, 32), fromBig(s, 32).reverse()]);
    }
    default: throw new Error(`unknown reshaping ${step.how}`);
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function changed(part, step, keys) {
  switch (step.op) {
    case 'set': return step.text;
    case 'append': return part + step.text;
    case 'prepend': return step.text + part;
    case 'insert': return part.slice(0, step.at) + step.text + part.slice(step.at);
    case 'pad': return part + '='.repeat((4 - (part.length % 4)) % 4);
    case 'standard-alphabet': return part.replaceAll('-', '+').replaceAll('_', '/');
    case 'trailing-bit': {
      if (part.length % 4 === 0) throw new Error('no unused bits in this part');
      return part.slice(0, -1) + ALPHABET[ALPHABET.indexOf(part.at(-1)) ^ 1];
    }
    case 'widen-char': return part.slice(0, step.at) + String.fromCharCode(0x100 + part.charCodeAt(step.at)) + part.slice(step.at + 1);
    case 'flip-bit': {
      const bytes = unb64u(part);
      bytes[step.byte < 0 ? bytes.length + step.byte : step.byte] ^= 1 << step.bit;
      return b64u(bytes);
    }
    case 'reshape': return b64u(reshape(unb64u(part), step, keys));
    default: throw new Error(`unknown mutation ${step.op}`);
  }
}

function mutated(token, step, keys) {
  const parts = token.split('.');
  switch (step.op) {
    case 'surround': return (step.before ?? '') + token + (step.after ?? '');
    case 'token': return step.text;
    case 'keep-parts': return parts.slice(0, step.count).join('.');
    case 'add-part': return [...parts, step.text].join('.');
    default:
      parts[step.part] = changed(parts[step.part], step, keys);
      return parts.join('.');
  }
}

export function mint(recipe, keys) {
  const input = `${b64u(bytesOf(recipe.header))}.${b64u(bytesOf(recipe.claims))}`;
  let token = `${input}.${b64u(signatureOf(recipe.sign, input, keys))}`;
  for (const step of recipe.mutate ?? []) {
    const next = mutated(token, step, keys);
    if (next === token) throw new Error(`mutation ${JSON.stringify(step)} changed nothing`);
    token = next;
  }
  return token;
}

/** Whether minting twice gives the same bytes: PS and ES signatures are randomised. */
export const isDeterministic = (recipe) => recipe.sign === 'none' || /^(RS|HS|EdDSA|ML-DSA)/.test(recipe.sign.alg);
