'use strict';

// Ours and the peers, each as one function from a token to its claims (or a promise of them) that throws or rejects for a bad
// token. Every peer is set up as its own documentation advises for a known issuer with its keys at hand.

const crypto = require('node:crypto');
const { ALGORITHMS, AUDIENCE } = require('./tokens');
const { ours } = require('./subject');

/**
 * @typedef {object} Environment
 * @property {import('./tokens').Keys} keys
 * @property {string} alg
 * @property {string} issuer
 * @property {string} jwksUri
 *
 * @typedef {(token: string) => unknown} Verify
 * @typedef {object} Subject
 * @property {string} name npm's, but for `incumbent`, `ours` and the reference
 * @property {(alg: string) => boolean} [supports]
 * @property {boolean} [remembers] it may answer a token it has seen without verifying it again
 * @property {boolean} [reference] not a verifier: a lower bound
 * @property {boolean} [ours]
 * @property {() => boolean} [isThere] for what a version of the package may not have
 * @property {(environment: Environment) => Verify | Promise<Verify>} create
 * @property {(environment: Environment) => Verify | Promise<Verify>} [createConcurrent] where it has another way for many at once
 */

/** @param {Environment} environment */
async function ourVerify(
  { alg, issuer, jwksUri },
  options,
  // A version of the package that has no such method leaves it to its caller.
  claimsOf = (verifier, outcome) => verifier.claimsOf?.(outcome) ?? JSON.parse(outcome.claims),
) {
  const { RemoteTokenVerifier } = ours();
  const verifier = new RemoteTokenVerifier(options);
  const policy = { issuer, audience: AUDIENCE, jwksUri, ...(alg === 'EdDSA' && { algorithms: ['EdDSA'] }) };
  await verifier.prefetch(policy);
  const compiled = verifier.compile(policy);
  const counted = (outcome) => {
    if (!outcome.ok) throw new Error(outcome.code);
    return claimsOf(verifier, outcome);
  };
  return (token) => {
    const outcome = verifier.check(token, compiled);
    return 'then' in outcome ? outcome.then(counted) : counted(outcome);
  };
}

/** LibreChat's way: the key from jwks-rsa's cache as PEM, a key object made of it for every token. */
function incumbent({ alg, issuer, jwksUri }) {
  const jwt = require('jsonwebtoken');
  const jwksRsa = require('jwks-rsa');
  const client = jwksRsa({ jwksUri, cache: true, cacheMaxAge: 60_000 });
  const options = { algorithms: [alg], audience: AUDIENCE, issuer };
  return async (token) => {
    const decoded = jwt.decode(token, { complete: true });
    if (decoded === null) throw new Error('undecodable');
    const key = await client.getSigningKey(decoded.header.kid);
    return new Promise((resolve, reject) => {
      jwt.verify(token, key.getPublicKey(), options, (error, claims) => (error ? reject(error) : resolve(claims)));
    });
  };
}

function fastJwt({ keys, alg, issuer }, cache) {
  const { createVerifier } = require('fast-jwt');
  return createVerifier({ key: keys.pem(alg), algorithms: [alg], allowedAud: AUDIENCE, allowedIss: issuer, cache });
}

const nodeRs =
  (method) =>
  ({ keys, alg, issuer }) => {
    const verify = require('@node-rs/jsonwebtoken')[method];
    const key = keys.pem(alg);
    const validation = { algorithms: [alg], aud: [AUDIENCE], iss: [issuer], leeway: 0, validateNbf: true };
    return (token) => verify(token, key, validation);
  };

const REQUEST = {
  method: 'GET',
  protocol: 'http',
  originalUrl: '/',
  query: {},
  is: () => false,
  get: (name) => (name === 'Host' ? 'localhost' : undefined),
};

/** @type {Subject[]} */
const SUBJECTS = [
  { name: 'ours', ours: true, create: (environment) => ourVerify(environment, { verdictCache: false }) },
  { name: 'ours (cache)', ours: true, remembers: true, create: (environment) => ourVerify(environment, {}) },
  {
    // One deep-frozen object for all who send this token, where the package has that option.
    name: 'ours (cache, shared claims)',
    ours: true,
    remembers: true,
    isThere: () => 'claimsOf' in ours().RemoteTokenVerifier.prototype,
    create: (environment) =>
      ourVerify(environment, { sharedClaims: true }, (verifier, outcome) => verifier.claimsOf(outcome)),
  },
  {
    // The whole of what `verify` resolves to, as most callers use it: options and not a compiled policy, a promise in any case.
    name: 'ours (verify)',
    ours: true,
    remembers: true,
    create: async ({ alg, issuer, jwksUri }) => {
      const { RemoteTokenVerifier } = ours();
      const verifier = new RemoteTokenVerifier();
      const policy = { issuer, audience: AUDIENCE, jwksUri, ...(alg === 'EdDSA' && { algorithms: ['EdDSA'] }) };
      await verifier.prefetch(policy);
      return (token) => verifier.verify(token, policy);
    },
  },
  { name: 'incumbent', supports: (alg) => alg !== 'EdDSA', create: incumbent },
  {
    name: 'jose',
    create: async ({ alg, issuer, jwksUri }) => {
      const { createRemoteJWKSet, jwtVerify } = await import('jose');
      const set = createRemoteJWKSet(new URL(jwksUri));
      const options = { algorithms: [alg], audience: AUDIENCE, issuer };
      return async (token) => (await jwtVerify(token, set, options)).payload;
    },
  },
  { name: 'fast-jwt', create: (environment) => fastJwt(environment, false) },
  { name: 'fast-jwt (cache)', remembers: true, create: (environment) => fastJwt(environment, 5000) },
  {
    name: 'aws-jwt-verify',
    supports: (alg) => !alg.startsWith('PS'),
    create: ({ keys, issuer, jwksUri }) => {
      const { JwtVerifier } = require('aws-jwt-verify');
      const verifier = JwtVerifier.create({ issuer, audience: AUDIENCE, jwksUri });
      verifier.cacheJwks(keys.jwks);
      return (token) => verifier.verifySync(token);
    },
  },
  {
    name: 'express-oauth2-jwt-bearer',
    create: ({ alg, issuer, jwksUri }) => {
      const { auth } = require('express-oauth2-jwt-bearer');
      const middleware = auth({ issuer, jwksUri, audience: AUDIENCE, tokenSigningAlg: alg });
      return (token) =>
        new Promise((resolve, reject) => {
          // The least of an Express request it works with.
          const request = { ...REQUEST, headers: { authorization: `Bearer ${token}` } };
          middleware(request, {}, (error) => (error ? reject(error) : resolve(request.auth.payload)));
        });
    },
  },
  { name: '@node-rs/jsonwebtoken', create: nodeRs('verifySync'), createConcurrent: nodeRs('verify') },
  {
    // The signature alone, on a key object made once: no peer that uses Node's crypto can be faster.
    name: 'node:crypto verify',
    reference: true,
    create: ({ keys, alg }) => {
      const { digest, options } = ALGORITHMS[alg];
      const key = { key: keys.publicKey(alg), ...options };
      return (token) => {
        const dot = token.lastIndexOf('.');
        const signature = Buffer.from(token.slice(dot + 1), 'base64url');
        if (!crypto.verify(digest, Buffer.from(token.slice(0, dot)), key, signature)) throw new Error('invalid');
        return true;
      };
    },
  },
];

module.exports = { SUBJECTS };
