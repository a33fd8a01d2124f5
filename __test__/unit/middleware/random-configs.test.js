'use strict';

// 5,000 random configurations, most of them nonsense: each is a typed error or a policy that accepts nothing its own words do not
// allow. Row S37.

const { generateKeyPairSync } = require('node:crypto');
const { RemoteAuthError, RemoteTokenVerifier, clearRemoteAgentAuthCache, createRemoteAgentAuth } = require('../../..');
const { codes } = require('../../../lib/verifier/codes');
const { bareResponse, configOf } = require('../../support/fakes');
const { Issuer, encode } = require('../../support/issuer');
const { score } = require('../../support/score');
const { seeded } = require('../../support/seeded');

const CONFIGS = 5000;
/** Another issuer, at which nobody listens. */
const ELSEWHERE = 'https://127.0.0.1:1';
const verifier = new RemoteTokenVerifier();
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

let issuer;
let battery;

beforeAll(async () => {
  clearRemoteAgentAuthCache();
  issuer = await new Issuer().start();
  const now = Math.floor(Date.now() / 1000);
  const base = { iss: issuer.url, aud: 'agents', scope: 'agents:use', sub: 'ada', exp: now + 600 };
  const made = (claims, options = {}) => ({
    claims: { ...base, ...claims },
    options,
    token: issuer.token({ ...base, ...claims }, options),
  });
  const good = made({});
  const [, payload] = good.token.split('.');
  battery = [
    good,
    made({ aud: ['chat', 'other'] }),
    made({ aud: 'agents2' }),
    made({ aud: undefined }),
    made({ iss: `${issuer.url}/` }),
    made({ iss: ELSEWHERE }),
    made({ exp: now - 10 }),
    made({ exp: undefined }),
    made({ scope: 'other' }),
    made({ nbf: now + 60 }),
    made({}, { header: { kid: undefined } }),
    { ...made({}, { key: stranger }), forged: true },
    { ...good, forged: true, token: `${encode({ alg: 'none' })}.${payload}.` },
    { ...good, forged: true, token: `${encode({ alg: 'HS256' })}.${payload}.${encode('x')}` },
  ];
});
afterAll(() => issuer.stop());

/** Values by key: some that mean something, and then anything. */
const sense = () => ({
  enabled: [true, true, false, 'true', 1],
  issuer: [
    issuer.url,
    issuer.url,
    `${issuer.url}/`,
    ` ${issuer.url}`,
    ELSEWHERE,
    'http://other.example',
    'nonsense',
    '/',
  ],
  audience: [
    'agents',
    'agents',
    'agents',
    ['agents', 'chat'],
    ['agents', 'chat'],
    ['chat'],
    '*',
    '',
    [],
    [''],
    ['*'],
    'Agents',
    ' agents',
  ],
  jwksUri: [undefined, undefined, issuer.jwksUri, 'http://other.example/keys', 'file:///etc/passwd', ''],
  scope: [undefined, undefined, 'agents:use', 'agents:use agents:run', '', ' ', 'agents,use'],
  algorithms: [
    undefined,
    undefined,
    ['ES256'],
    ['RS256'],
    ['none'],
    ['HS256'],
    ['ES256', 'none'],
    [],
    'ES256',
    ['es256'],
    ['*'],
  ],
  requireExp: [undefined, true, false, 'false', 0, null],
  requireKid: [undefined, true, false, 'false', 0],
  clockTolerance: [undefined, 0, 300, 301, -1, Infinity, NaN, '60', 1e9],
  audiance: ['agents'],
  allowedAlgorithms: [['none']],
});
const ANYTHING = [
  undefined,
  null,
  true,
  false,
  0,
  1,
  -1,
  NaN,
  Infinity,
  '',
  ' ',
  '*',
  '\u0000',
  [],
  {},
  [null],
  [[]],
  { $exists: true },
  { toString: () => 'agents' },
  Symbol('s'),
  10n,
  () => 'agents',
  new Date(0),
  'x'.repeat(5000),
];

/** Whether the words of a policy allow a token; written from docs/options.md, not from the code. */
function allows(
  { issuer: configured, audience, scope, algorithms, requireExp, requireKid, clockTolerance = 0 },
  { claims, options, forged },
) {
  if (forged) return false;
  const now = Date.now() / 1000;
  const text = typeof configured === 'string' ? configured : '';
  const plain = text.trim().replace(/\/+$/, '');
  if (claims.iss !== text && claims.iss !== plain) return false;
  const wanted = [audience].flat().filter((one) => typeof one === 'string' && one !== '');
  if (![claims.aud].flat().some((one) => wanted.includes(one))) return false;
  if (claims.exp === undefined ? requireExp !== false : claims.exp + clockTolerance <= now) return false;
  if (claims.nbf !== undefined && claims.nbf - clockTolerance > now + 1) return false;
  if (requireKid === true && 'kid' in (options.header ?? {})) return false;
  if (algorithms !== undefined && !algorithms.includes('ES256')) return false;
  // Falsy is none, as in LibreChat.
  const scopes = String(scope || '')
    .split(/\s+/)
    .filter(Boolean);
  return scopes.every((one) => claims.scope.split(' ').includes(one));
}

test('5,000 random configurations: a typed error, or a policy that keeps its word', async () => {
  const random = seeded(37);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const values = sense();
  const names = Object.keys(values);
  const silent = {};
  const count = { errors: 0, policies: 0, accepted: 0, passed: 0 };
  const wrong = [];

  /** Usually the four keys that make a policy, usually with valid values. */
  const randomOptions = () => {
    const nonsense = random() < 0.3 ? 0.2 : 0;
    const extra = random() < 0.4 ? 0.15 : 0;
    const options = {};
    for (const name of names) {
      const usual = ['issuer', 'audience'].includes(name) ? 0.97 : ['jwksUri', 'scope'].includes(name) ? 0.5 : extra;
      if (random() < usual) options[name] = random() < nonsense ? pick(ANYTHING) : pick(values[name]);
    }
    return options;
  };

  for (let index = 0; index < CONFIGS; index++) {
    const options = randomOptions();
    let policy;
    try {
      policy = verifier.compile(options);
    } catch (error) {
      count.errors += 1;
      if (!(error instanceof RemoteAuthError) || error.fault !== 'config' || !(error.code in codes))
        wrong.push({ options, error });
    }
    if (policy !== undefined) {
      count.policies += 1;
      for (const made of battery) {
        const { ok } = await verifier.check(made.token, policy);
        if (!ok) continue;
        count.accepted += 1;
        if (!allows(options, made)) wrong.push({ options, accepted: made });
      }
    }
    // The same block as the host's configuration, where unknown keys are not errors.
    const block = { ...options, enabled: random() < 0.8 ? true : pick(values.enabled) };
    const auth =
      random() < 0.8
        ? { oidc: block, apiKey: { enabled: false } }
        : pick([{ oidc: block }, { oidc: pick(ANYTHING) }, pick(ANYTHING)]);
    const made = random() < 0.5 ? battery[0] : pick(battery);
    const req = { headers: { authorization: `Bearer ${made.token}` } };
    const handler = createRemoteAgentAuth(
      {
        getAppConfig: () => configOf(auth),
        findUser: async ({ openidId }) => ({ _id: '1', openidId, openidIssuer: issuer.url, role: 'USER' }),
        updateUser: async () => null,
        apiKeyMiddleware: (_req, res) => res.status(403).json({}),
        logger: silent,
      },
      { verifier },
    );
    let passed = 0;
    const res = bareResponse();
    await handler(req, res, () => void (passed += 1));
    if (passed + res.sent.length !== 1) wrong.push({ auth, answers: [passed, res.sent] });
    if (passed === 0) continue;
    count.passed += 1;
    const { issuer: iss, audience, scope } = block;
    if (auth?.oidc !== block || block.enabled !== true || !allows({ issuer: iss, audience, scope }, made))
      wrong.push({ auth, passed: made });
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  const figure =
    `${CONFIGS} configurations: ${count.errors} typed errors, ${count.policies} policies, ` +
    `${count.accepted} tokens accepted and ${count.passed} requests passed, ${wrong.length} permissive or untyped`;
  score('S37', figure, '0 permissive or untyped', wrong.length === 0 && Math.min(...Object.values(count)) >= 100);
}, 60_000);
