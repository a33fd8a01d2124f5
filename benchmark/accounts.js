'use strict';

// What accounts cost a request of a known user with a known token, in this process, with callbacks that answer at once:
//   node scripts/checks/bench.js accounts
// Rows: nothing about accounts; everything that needs no provider, its cache warm. Paired, each first by turns.

const { generateKeyPairSync, sign } = require('node:crypto');
const { performance } = require('node:perf_hooks');
const { ours } = require('./subject');

const ISSUER = 'https://id.example/realms/a';
const SUBJECT = 'subject-1';
const ROUNDS = 21;
const REQUESTS = 4000;
const WARM_UP = 20_000;
/** Microseconds that accounts may add to such a request. */
const MOST = 10;

const EVERYTHING = {
  provisioning: { enabled: true },
  profileSync: { onCreate: true, forExisting: true },
  groupSync: { onCreate: true, forExisting: true, source: 'token' },
  federatedAuthCache: { enabled: true },
};

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});

function mint() {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const claims = { iss: ISSUER, aud: 'agents', sub: SUBJECT, email: 'a@example.com', email_verified: true, exp };
  const signed = `${encode({ alg: 'ES256', kid: 'a' })}.${encode({ ...claims, groups: [] })}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function middleware(options) {
  const oidc = { enabled: true, issuer: ISSUER, audience: 'agents' };
  const config = { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
  const deps = {
    getAppConfig: async () => config,
    findUser: async () => ({ _id: '1', provider: 'openid', openidId: SUBJECT, openidIssuer: ISSUER, role: 'USER' }),
    updateUser: async (_id, fields) => fields,
    apiKeyMiddleware() {},
    createUser: async () => null,
    isEmailDomainAllowed: () => true,
    findGroupsByExternalIds: async () => [],
    upsertGroupByExternalId: async () => null,
    bulkUpdateGroups: async () => null,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
  const jwks = { keys: [{ ...publicKey, kid: 'a', alg: 'ES256', use: 'sig' }] };
  return ours().createRemoteAgentAuth(deps, { policy: () => ({ jwks }), ...options });
}

/** Microseconds a request. */
async function timed(handler, token, requests) {
  const res = { status: () => ({ json: () => {} }), setHeader() {} };
  const began = performance.now();
  for (let i = 0; i < requests; i++) {
    const req = { headers: { authorization: `Bearer ${token}` } };
    await new Promise((resolve) => handler(req, res, resolve));
    if (req.user?.id !== '1') throw new Error('a good token was refused');
  }
  return ((performance.now() - began) * 1000) / requests;
}

const shown = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[sorted.length >> 1].toFixed(2)} (${sorted[0].toFixed(2)} to ${sorted[sorted.length - 1].toFixed(2)}) us`;
};

async function main() {
  const token = mint();
  const handlers = { plain: middleware({}), accounts: middleware({ accounts: EVERYTHING }) };
  for (const handler of Object.values(handlers)) await timed(handler, token, WARM_UP);
  const plain = [];
  const accounts = [];
  for (let round = 0; round < ROUNDS; round++) {
    const into = { plain, accounts };
    const names = round % 2 === 0 ? ['plain', 'accounts'] : ['accounts', 'plain'];
    for (const name of names) into[name].push(await timed(handlers[name], token, REQUESTS));
  }
  const added = accounts.map((micros, round) => micros - plain[round]);
  console.log(`known user and token: ${shown(plain)}; with accounts ${shown(accounts)}`);
  console.log(`accounts add ${shown(added)}; at most ${MOST}`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
