'use strict';

// Mistakes that operators make, one by one. Each is set up for real on loopback; `check` is what failed and `setting` what is to be
// changed, as the log line, the doctor and the console's row must name them.

const { generateKeyPairSync } = require('node:crypto');

const CLOCK = /clock/i;
const PROVIDER = 'https://provider.invalid';

/** A world holds an issuer, its documents' server, and how to make others; a case sets one thing wrong in it. */
const CASES = [
  {
    mistake: 'another audience',
    token: ({ issuer }) => issuer.token({ aud: 'account' }),
    check: /ERR_TOKEN_AUDIENCE/,
    setting: /audience/,
  },
  {
    mistake: 'a slash at the end of the issuer that the tokens do not have',
    policy: ({ issuer, keys }) => ({ issuer: `${issuer.url}/x/`, jwksUri: keys }),
    check: /ERR_TOKEN_ISSUER/,
    setting: /issuer/,
  },
  {
    mistake: 'another realm',
    token: ({ issuer }) => issuer.token({ iss: `${issuer.url}/realms/master` }),
    check: /ERR_TOKEN_ISSUER/,
    setting: /issuer/,
  },
  {
    mistake: 'a clock that is 5 minutes behind',
    now: (now) => now - 300,
    documents: { clockOffset: 300 },
    token: ({ issuer }) => issuer.token({ nbf: Math.floor(Date.now() / 1000) }),
    check: /ERR_TOKEN_NOT_YET_VALID/,
    setting: CLOCK,
  },
  {
    mistake: 'a clock that is 5 minutes ahead',
    now: (now) => now + 300,
    documents: { clockOffset: -300 },
    token: ({ issuer }) => issuer.token({ exp: Math.floor(Date.now() / 1000) + 200 }),
    check: /ERR_TOKEN_EXPIRED/,
    setting: CLOCK,
  },
  {
    mistake: 'a private authority that nobody trusts',
    tls: true,
    check: /tls-untrusted|certificate/,
    setting: /NODE_EXTRA_CA_CERTS|`ca`/,
  },
  {
    mistake: 'an http issuer',
    policy: () => ({ issuer: 'http://login.example.com' }),
    check: /ERR_POLICY_ISSUER/,
    setting: /https URL/,
  },
  {
    mistake: 'a proxy that does not listen',
    policy: () => ({ issuer: 'https://login.example.com' }),
    token: ({ issuer }) => issuer.token({ iss: 'https://login.example.com' }),
    extra: ({ freePort }) => ({ proxy: { https: `http://127.0.0.1:${freePort}` } }),
    check: /ERR_DISCOVERY_FETCH/,
    setting: /HTTPS_PROXY/,
  },
  {
    mistake: 'a name that nobody has',
    policy: () => ({ issuer: PROVIDER }),
    token: ({ issuer }) => issuer.token({ iss: PROVIDER }),
    check: /ERR_DISCOVERY_FETCH/,
    setting: /DNS/,
  },
  {
    mistake: 'discovery that is blocked, while the keys are there',
    documents: { metadata: () => undefined },
    check: /ERR_DISCOVERY_FETCH/,
    setting: /jwksUri/,
  },
  {
    mistake: 'a key URL that is not there',
    policy: ({ documents, issuer }) => ({ issuer: issuer.url, jwksUri: `${documents.origin}/gone` }),
    check: /ERR_JWKS_FETCH/,
    setting: /jwksUri/,
  },
  {
    mistake: 'metadata of another issuer',
    documents: { metadata: (origin) => ({ issuer: `${origin}/other`, jwks_uri: `${origin}/keys` }) },
    check: /ERR_DISCOVERY_ISSUER/,
    setting: /issuer/,
  },
  {
    mistake: 'a scope that is not there',
    policy: ({ issuer }) => ({ issuer: issuer.url, scope: 'agents:use' }),
    token: ({ issuer }) => issuer.token({ scope: 'openid' }),
    check: /ERR_SCOPE_MISSING/,
    setting: /scope/,
  },
  {
    mistake: 'a scope in another claim',
    policy: ({ issuer }) => ({ issuer: issuer.url, scope: 'agents:use' }),
    token: ({ issuer }) => issuer.token({ permissions: ['agents:use'] }),
    check: /ERR_SCOPE_MISSING/,
    setting: /`scp`.*`scope`/,
  },
  {
    mistake: 'an ID token',
    extra: () => ({ typ: 'preferred' }),
    token: ({ issuer }) =>
      issuer.token({ nonce: 'n', at_hash: 'h', auth_time: 1, azp: 'agents' }, { header: { typ: 'JWT' } }),
    check: /ERR_ID_TOKEN/,
    setting: /access token/,
  },
  {
    mistake: 'a refresh token',
    token: ({ issuer }) => issuer.token({ typ: 'Refresh' }),
    check: /ERR_REFRESH_TOKEN/,
    setting: /access token/,
  },
  {
    mistake: 'an opaque token',
    token: () => 'ory_at_abcdef.ghijkl',
    check: /ERR_TOKEN_OPAQUE/,
    setting: /JWT access tokens/,
  },
  {
    mistake: 'a token for Microsoft Graph',
    // Its signature is over another header than the one that is sent.
    token: ({ issuer }) =>
      issuer.token(
        { aud: '00000003-0000-0000-c000-000000000000' },
        { header: { nonce: 'abc', typ: 'JWT' }, key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
      ),
    check: /ERR_GRAPH_TOKEN|ERR_TOKEN_AUDIENCE[^]*00000003-/,
    setting: /this API/,
  },
  {
    mistake: 'a kid that is not published yet',
    token: ({ issuer }) => issuer.token({}, { header: { kid: 'key-of-tomorrow' } }),
    check: /ERR_KEY_NOT_FOUND/,
    setting: /`kid`/,
  },
  {
    mistake: 'a key that was withdrawn',
    token: ({ issuer }) => {
      const old = issuer.token();
      issuer.rotate();
      return old;
    },
    check: /ERR_KEY_NOT_FOUND/,
    setting: /withdrawn/,
  },
  {
    mistake: 'an RSA key of 1024 bits',
    documents: { keys: () => ({ keys: [weakKey()] }) },
    check: /ERR_JWKS_DOCUMENT/,
    setting: /2048 bits/,
  },
  {
    mistake: 'keys for encryption alone',
    documents: { keys: (issuer) => ({ keys: issuer.jwks.map((jwk) => ({ ...jwk, use: 'enc' })) }) },
    check: /ERR_JWKS_DOCUMENT/,
    setting: /use: enc/,
  },
  { mistake: 'a user who is not there', users: () => null, check: /user/, setting: /provisioning/ },
  {
    mistake: 'an address that is not verified',
    token: ({ issuer }) => issuer.token({ email: 'ada@example.com', email_verified: false }),
    users: ({ email }) => (email ? { _id: '1', provider: 'openid' } : null),
    check: /not verified/,
    setting: /allowUnverifiedEmail/,
  },
  {
    mistake: 'an account of another issuer',
    users: ({ openidId }) => ({ _id: '1', provider: 'openid', openidId, openidIssuer: 'https://old.example' }),
    check: /user|account/,
    setting: /openidIssuer/,
  },
];

function weakKey() {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024, publicKeyEncoding: { format: 'jwk' } });
  return { ...publicKey, kid: 'key-1', alg: 'RS256', use: 'sig' };
}

module.exports = { CASES };
