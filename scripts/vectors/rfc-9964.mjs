// The examples of RFC 9964 A.1: keys of a seed of zeros, and the payload of RFC 7520 signed without random bytes. All of it follows from that,
// and is made here by a library that is not ours; the thumbprints, and how the signatures begin and end, are those printed there.
import crypto from 'node:crypto';
import { akp } from './keys.mjs';
import { b64u, signatureOf } from './mint.mjs';

const PAYLOAD = 'It\u2019s a dangerous business, Frodo, going out your door.';
const PRINTED = {
  'ML-DSA-44': ['T4xl70S7MT6Zeq6r9V9fPJGVn76wfnXJ21-gyo0Gu6o', 'knI1Q_9CIzLH5Xy94Kkc7WVKqZcAgtJ3', 'AAAABIfMEQ'],
  'ML-DSA-65': ['Suiu29qbfuaBaR4Ats-c6XQBePB_OpAxAwcTR_0KXVM', 'zmO9_0bLgJAegoVNymfRo4nGPK5lVtSF', ''],
  'ML-DSA-87': ['tRn1JNIkgMsABVQBlXeDHxAIcclh-2IX0UdDEzPt5XU', 'hmMrKkUgZwGPQV_WUoXUVq_Z9WOenDZb', 'AALGSAlKzg7Qw'],
};

function example(alg) {
  const { priv, ...jwk } = akp(alg, Buffer.alloc(32));
  // RFC 9964 6.
  const canonical = JSON.stringify({ alg, kty: jwk.kty, pub: jwk.pub });
  const kid = crypto.createHash('sha256').update(canonical).digest('base64url');
  const input = `${b64u(JSON.stringify({ alg, kid }))}.${b64u(PAYLOAD)}`;
  const signature = b64u(signatureOf({ key: 'zeros', alg }, input, { zeros: { ...jwk, priv } }));
  const [thumbprint, start, end] = PRINTED[alg];
  if (kid !== thumbprint || !signature.startsWith(start) || !signature.endsWith(end)) throw new Error(`${alg} is not as RFC 9964 prints it`);
  return { jwk: { ...jwk, kid }, token: `${input}.${signature}` };
}

export function examplesOfRfc9964() {
  const examples = Object.fromEntries(Object.keys(PRINTED).map((alg) => [alg, example(alg)]));
  return { comment: 'The examples of RFC 9964 A.1. Made by scripts/vectors/make.mjs.', examples };
}
