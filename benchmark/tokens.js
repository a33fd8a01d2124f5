'use strict';

// Keys and tokens. Signed by node:crypto, which shares no code with any verifier but the reference line.

const { createPublicKey, generateKeyPairSync, randomUUID, sign } = require('node:crypto');

const AUDIENCE = 'https://agents.example/api';
const SCOPE = 'agents:use';
/** Seconds; no run takes that long, and every peer looks at `exp`. */
const LIFETIME = 24 * 3600;

// Not exported afterwards: Node 20 can wait for itself for ever when garbage is collected in the midst of that.
const publicKeyEncoding = { format: 'jwk' };
const ec = (namedCurve) => () => generateKeyPairSync('ec', { namedCurve, publicKeyEncoding });
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding });

/** How each algorithm is signed. `dsaEncoding` and `padding` are node:crypto's names. */
const ALGORITHMS = {
  RS256: { pair: rsa, digest: 'sha256', options: {} },
  PS256: { pair: rsa, digest: 'sha256', options: { padding: 6, saltLength: 32 } },
  ES256: { pair: ec('P-256'), digest: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  ES384: { pair: ec('P-384'), digest: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { pair: () => generateKeyPairSync('ed25519', { publicKeyEncoding }), digest: null, options: {} },
};

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** One key pair per algorithm and the set that publishes them. */
class Keys {
  /** @param {string[]} algorithms */
  constructor(algorithms) {
    this.pairs = Object.fromEntries(algorithms.map((alg) => [alg, ALGORITHMS[alg].pair()]));
    this.jwks = { keys: algorithms.map((alg) => this.jwk(alg)) };
  }

  kid(alg) {
    return `2026-${alg.toLowerCase()}-7f3b5c1e9a`;
  }

  jwk(alg) {
    return { ...this.pairs[alg].publicKey, kid: this.kid(alg), use: 'sig', alg };
  }

  publicKey(alg) {
    return createPublicKey({ key: this.pairs[alg].publicKey, format: 'jwk' });
  }

  pem(alg) {
    return this.publicKey(alg).export({ format: 'pem', type: 'spki' });
  }

  /** A signed token as the bytes a socket would deliver. */
  mint(alg, payload) {
    const input = `${encode({ alg, typ: 'JWT', kid: this.kid(alg) })}.${encode(payload)}`;
    const { digest, options } = ALGORITHMS[alg];
    const signature = sign(digest, Buffer.from(input), { key: this.pairs[alg].privateKey, ...options });
    return Buffer.from(`${input}.${signature.toString('base64url')}`);
  }
}

/** About 900 bytes as JSON, in the manner of Keycloak. */
function claimsFor(issuer, serial) {
  const now = Math.floor(Date.now() / 1000);
  return {
    exp: now + LIFETIME,
    iat: now - 5,
    nbf: now - 5,
    jti: randomUUID(),
    iss: issuer,
    aud: [AUDIENCE, 'account'],
    sub: `f:${randomUUID()}:${serial % 500}`,
    typ: 'Bearer',
    azp: 'agents-frontend',
    sid: randomUUID(),
    acr: '1',
    'allowed-origins': ['https://agents.example', 'https://chat.example'],
    realm_access: { roles: ['default-roles-main', 'offline_access', 'uma_authorization', 'agent-user', 'reporting'] },
    resource_access: {
      agents: { roles: ['use-agents', 'read-history'] },
      account: { roles: ['manage-account', 'manage-account-links', 'view-profile'] },
    },
    scope: `openid profile email ${SCOPE} offline_access`,
    email_verified: true,
    name: 'Ada King, Countess of Lovelace',
    groups: ['/engineering/analytical', '/staff'],
    preferred_username: `ada.${serial}`,
    given_name: 'Ada',
    family_name: 'King',
    email: `ada.${serial}@example.com`,
  };
}

/**
 * Good tokens of one algorithm, each another one.
 * @returns {Buffer[]}
 */
function mintPool(keys, alg, issuer, size) {
  return Array.from({ length: size }, (_, serial) => keys.mint(alg, claimsFor(issuer, serial)));
}

/** One character of a part changed, in its middle: well formed, and signed by nobody. */
function altered(token, part) {
  const parts = token.toString('latin1').split('.');
  const middle = parts[part].length >> 1;
  const other = parts[part][middle] === 'A' ? 'B' : 'A';
  parts[part] = parts[part].slice(0, middle) + other + parts[part].slice(middle + 1);
  return Buffer.from(parts.join('.'));
}

/** Claims as they were, and a signature that is none: everything up to the check itself must be done. */
const forged = (token) => altered(token, 2);
/** Claims that were not signed; not even JSON any more, as the case may be. */
const tampered = (token) => altered(token, 1);

/** Right in everything but the hour. */
function expired(keys, alg, issuer) {
  const now = Math.floor(Date.now() / 1000);
  return keys.mint(alg, { ...claimsFor(issuer, 0), exp: now - 600, iat: now - 4000, nbf: now - 4000 });
}

/** What a port scan sends: three parts that are no JWS. */
const JUNK = Buffer.from(`${'Zm9v'.repeat(20)}.${'YmFyYmF6'.repeat(150)}.${'c2ln'.repeat(80)}`);

module.exports = { ALGORITHMS, AUDIENCE, JUNK, Keys, SCOPE, claimsFor, expired, forged, mintPool, tampered };
