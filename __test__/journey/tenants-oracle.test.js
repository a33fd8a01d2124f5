'use strict';

// Eight tenants, five issuers that use the same kid and the same subjects, and a login provider whose keys the environment
// offers to everybody: 20,000 random pairs of token and tenant, each compared with an oracle that knows how the token was made
// and nothing of the code. Row S20.

const { AsyncLocalStorage } = require('node:async_hooks');
const { clearRemoteAgentAuthCache, createRemoteAgentAuth } = require('../..');
const { bareResponse, configOf } = require('../support/fakes');
const { Issuer } = require('../support/issuer');
const { score } = require('../support/score');
const { seeded } = require('../support/seeded');

const PAIRS = 20_000;
const AT_ONCE = 500;
const SUBJECTS = ['ada', 'bea', 'cyd'];
const AUDIENCES = ['agents', 'chat'];
const SCOPES = [undefined, 'agents:use'];

const saved = ['OPENID_JWKS_URL', 'OPENID_ISSUER'].map((name) => [name, process.env[name]]);
const tenants = new AsyncLocalStorage();

/** The sixth signer is the browser login's own key server; it issues no tokens of its own name. */
const LOGIN = 5;
let signers;

beforeAll(async () => {
  clearRemoteAgentAuthCache();
  signers = await Promise.all(
    Array.from({ length: 6 }, (_, index) => new Issuer({ path: `/realms/${index}` }).start()),
  );
});
afterAll(async () => {
  await Promise.all(signers.map((signer) => signer.stop()));
  for (const [name, value] of saved) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/**
 * Who trusts whom. Tenants 5 to 7 share an issuer with another one and differ in audience, scope, API keys or in where the keys
 * come from.
 */
const POLICIES = {
  base: { issuer: 0, audience: 'agents', keysOf: 0, apiKey: true },
  t0: { issuer: 0, audience: 'agents', apiKey: true },
  t1: { issuer: 1, audience: 'agents', apiKey: false },
  t2: { issuer: 2, audience: 'agents', keysOf: 2, apiKey: true },
  t3: { issuer: 3, audience: 'agents', scope: 'agents:use', apiKey: false },
  t4: { issuer: 4, audience: 'agents', apiKey: false },
  t5: { issuer: 0, audience: 'chat', keysOf: 0, apiKey: false },
  t6: { issuer: 1, audience: 'agents', scope: 'agents:use', keysOf: 1, apiKey: true },
  t7: { issuer: 0, audience: 'agents', apiKey: false },
};

/** The tenants an issuer's accounts may live in; one of them trusts another issuer. */
const HOMES = [
  ['t0', undefined, 't5', 't7'],
  ['t1', 't6', 't2'],
  ['t2', undefined, 't2'],
  ['t3', 't3', 't4'],
  ['t4', 't4', 't0'],
];

/** One account for most pairs of subject and issuer, in one of the tenants or in none. */
const ACCOUNTS = SUBJECTS.flatMap((sub, s) =>
  HOMES.map((homes, issuer) => ({ _id: `${sub}@${issuer}`, sub, issuer, tenantId: homes[s % homes.length] })),
).filter((_account, index) => index % 7 !== 6);

/** Where the environment lets a policy's keys come from. */
const PHASES = [
  { name: 'the login provider is issuer 0', loginIssuer: 0 },
  { name: 'the login provider is not named', loginIssuer: undefined },
];

/** The signer whose keys a policy believes. */
function believed({ issuer, keysOf }, { loginIssuer }) {
  if (keysOf !== undefined) return keysOf;
  return loginIssuer === undefined || loginIssuer === issuer ? LOGIN : issuer;
}

/** @returns {'ok' | 'scope' | 'no'} */
function expectedResult(policy, made, phase) {
  if (made.expired || made.signer !== believed(policy, phase)) return 'no';
  if (made.iss !== policy.issuer || made.aud !== policy.audience) return 'no';
  return policy.scope !== undefined && made.scope !== policy.scope ? 'scope' : 'ok';
}

/** What must happen to a token under a tenant: an account's id, `key` (the API-key middleware) or `401`. */
function oracle(tenant, made, phase) {
  const policy = POLICIES[tenant ?? 'base'];
  const result = expectedResult(policy, made, phase);
  if (result === 'scope') return '401';
  const otherwise = policy.apiKey ? 'key' : '401';
  if (result === 'no') return otherwise;
  const account = ACCOUNTS.find(({ sub, issuer }) => sub === made.sub && issuer === policy.issuer);
  if (account === undefined) return otherwise;
  return expectedResult(POLICIES[account.tenantId ?? 'base'], made, phase) === 'ok' ? account._id : '401';
}

function mintAll() {
  const pool = [];
  for (let signer = 0; signer < 6; signer++) {
    for (let iss = 0; iss < 5; iss++) {
      // Strangers' keys under every issuer's name are a third of the pool; the rest is what issuers really sign.
      const likely = signer === iss || signer === LOGIN;
      for (const sub of SUBJECTS) {
        for (const aud of AUDIENCES) {
          for (const scope of SCOPES) {
            const expired = likely && pool.length % 11 === 0;
            const claims = { iss: signers[iss].url, sub, aud, scope, ...(expired ? { exp: 1 } : {}) };
            const made = { signer, iss, sub, aud, scope, expired };
            pool.push({ made, token: signers[signer].token(claims) });
            if (likely) pool.push({ made, token: signers[signer].token(claims) });
          }
        }
      }
    }
  }
  return pool;
}

function middleware() {
  const configs = Object.fromEntries(
    Object.entries(POLICIES).map(([name, { issuer, audience, scope, keysOf, apiKey }]) => {
      const jwksUri = keysOf === undefined ? undefined : signers[keysOf].jwksUri;
      return [
        name,
        configOf({
          apiKey: { enabled: apiKey },
          oidc: { enabled: true, issuer: signers[issuer].url, audience, scope, jwksUri },
        }),
      ];
    }),
  );
  return createRemoteAgentAuth({
    getAppConfig: async (scope) => configs[scope.tenantId ?? 'base'],
    findUser: async ({ openidId, openidIssuer }) => {
      const account = ACCOUNTS.find(({ sub, issuer }) => sub === openidId && signers[issuer].url === openidIssuer);
      return account ? { _id: account._id, openidId, openidIssuer, role: 'USER', tenantId: account.tenantId } : null;
    },
    updateUser: async () => {
      throw new Error('nothing was to be written');
    },
    apiKeyMiddleware: (req, res) => res.status(403).json({ error: 'key' }),
    logger: {},
    getTenantId: () => tenants.getStore(),
    runInTenant: (tenant, work) => tenants.run(tenant, work),
  });
}

/** What did happen, in the oracle's words. */
async function outcomeOf(handler, tenant, token) {
  const req = { headers: { authorization: `Bearer ${token}` } };
  const res = bareResponse();
  let passed = 0;
  await tenants.run(tenant, () => handler(req, res, () => void (passed += 1)));
  if (passed === 1 && res.sent.length === 0) return req.user.id;
  if (passed > 0 || res.sent.length !== 1) return 'more than one answer';
  return res.sent[0].status === 403 ? 'key' : String(res.sent[0].status);
}

test('20,000 random pairs of token and tenant end as an independent oracle says', async () => {
  const random = seeded(20);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const pool = mintAll();
  const names = [undefined, 't0', 't1', 't2', 't3', 't4', 't5', 't6', 't7'];
  const count = { passed: 0, key: 0, refused: 0 };
  const wrong = [];
  process.env.OPENID_JWKS_URL = signers[LOGIN].jwksUri;
  for (const phase of PHASES) {
    if (phase.loginIssuer === undefined) delete process.env.OPENID_ISSUER;
    else process.env.OPENID_ISSUER = signers[phase.loginIssuer].url;
    const handler = middleware();
    for (let done = 0; done < PAIRS / PHASES.length; done += AT_ONCE) {
      const batch = Array.from({ length: AT_ONCE }, () => {
        const tenant = pick(names);
        const own = pool.filter(({ made }) => made.iss === POLICIES[tenant ?? 'base'].issuer);
        return { tenant, ...pick(random() < 0.6 ? own : pool) };
      });
      const outcomes = await Promise.all(batch.map(({ tenant, token }) => outcomeOf(handler, tenant, token)));
      batch.forEach(({ tenant, made }, index) => {
        const expected = oracle(tenant, made, phase);
        if (outcomes[index] !== expected)
          wrong.push({ phase: phase.name, tenant, made, expected, found: outcomes[index] });
        count[expected === 'key' ? 'key' : expected === '401' ? 'refused' : 'passed'] += 1;
      });
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  const figure = `${PAIRS} pairs (${count.passed} passed, ${count.key} to the API keys, ${count.refused} refused), ${wrong.length} unlike the oracle`;
  // Each kind of outcome must have been met often, or the figure says little.
  score('S20', figure, '0 unlike the oracle', wrong.length === 0 && Math.min(...Object.values(count)) > 500);
}, 60_000);
