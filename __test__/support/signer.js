'use strict';

// A provider's key with what it signs, for policies that hold their keys themselves (`jwks`): no network, node:crypto alone.

const { constants, generateKeyPairSync, sign } = require('node:crypto');

// As JWK at once: Node 20 can wait for itself for ever when a key is exported later.
const publicKeyEncoding = { format: 'jwk' };
const ISSUER = 'https://issuer.example/realms/a';
const AUDIENCE = 'agents';
const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

class Signer {
  /** @param {{ kid?: string, alg?: string }} [options] `alg`: what it signs with, unless a token says otherwise */
  constructor({ kid = 'k', alg = 'ES256' } = {}) {
    const curve = CURVES[alg];
    const { publicKey, privateKey } = curve
      ? generateKeyPairSync('ec', { namedCurve: curve, publicKeyEncoding })
      : generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding });
    this.alg = alg;
    this.kid = kid;
    this.privateKey = privateKey;
    this.jwk = { ...publicKey, kid };
  }

  /**
   * @param {Record<string, unknown> | string} [claims] replace the usual ones, `undefined` leaves one out; text stands for all of them
   * @param {Record<string, unknown> | string} [header]
   */
  token(claims = {}, header = {}) {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: ISSUER, aud: AUDIENCE, sub: 'subject-1', iat: now, exp: now + 300 };
    const alg = (typeof header === 'object' && header.alg) || this.alg;
    const head = typeof header === 'string' ? header : { alg, kid: this.kid, ...header };
    const signed = `${encode(head)}.${encode(typeof claims === 'string' ? claims : { ...usual, ...claims })}`;
    return `${signed}.${this.#signature(alg, signed).toString('base64url')}`;
  }

  #signature(alg, text) {
    const isPss = alg.startsWith('PS');
    const padding = isPss
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {};
    return sign(`sha${alg.slice(2)}`, Buffer.from(text), {
      key: this.privateKey,
      dsaEncoding: 'ieee-p1363',
      ...padding,
    });
  }
}

/** A policy whose keys are these entries. @param {object[]} keys @param {object} [more] */
const policyOf = (keys, more = {}) => ({ issuer: ISSUER, audience: AUDIENCE, jwks: { keys }, ...more });

/**
 * The result of verifying a token: `ok`, or the error.
 * @param {import('../../index').RemoteTokenVerifier} verifier
 */
const resultOf = async (verifier, token, policy) =>
  verifier.verify(token, policy).then(
    () => 'ok',
    (error) => error,
  );

module.exports = { AUDIENCE, ISSUER, Signer, resultOf, policyOf };
