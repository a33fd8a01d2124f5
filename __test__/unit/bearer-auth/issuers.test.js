'use strict';

// Which policy a token is checked by, natively verified, over keys at hand.

const { generateKeyPairSync, sign } = require('node:crypto');
const { RemoteTokenVerifier, createBearerAuth } = require('../../..');
const { createAuthenticator } = require('../../../lib/bearer-auth');
const { Issuer } = require('../../support/issuer');
const { seeded } = require('../../support/seeded');

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

/** An issuer whose keys are at hand: nothing is fetched. All of them name their key `k`. */
function party(issuer) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { format: 'jwk' },
  });
  const jwks = { keys: [{ ...publicKey, kid: 'k', alg: 'ES256', use: 'sig' }] };
  return {
    issuer,
    policy: { issuer, audience: 'api', jwks },
    token(claims = {}) {
      const signed = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })}.${part({ iss: issuer, aud: 'api', sub: 's', exp: now() + 300, ...claims })}`;
      const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${signed}.${signature.toString('base64url')}`;
    },
  };
}

const parties = Array.from({ length: 12 }, (_, place) => party(`https://issuer-${place}.example/realms/r`));
const requestOf = (token) => ({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } });
const outcomeOf = async (authenticator, token) => {
  const result = await authenticator.authenticate(requestOf(token));
  return result.ok ? result.auth.issuer : result.code;
};

test('in 1,000 random pairs no issuer’s token is accepted by another’s keys', async () => {
  const random = seeded(14);
  const pick = () => parties[Math.floor(random() * parties.length)];
  const all = createAuthenticator({
    issuers: parties.map(({ policy }) => policy),
    verifier: new RemoteTokenVerifier(),
  });
  let forged = 0;
  for (let round = 0; round < 1000; round += 1) {
    const [signer, named] = [pick(), pick()];
    const outcome = await outcomeOf(all, signer.token({ iss: named.issuer }));
    expect(outcome).toBe(signer === named ? signer.issuer : 'ERR_SIGNATURE_INVALID');
    forged += signer === named ? 0 : 1;
  }
  expect(forged).toBeGreaterThan(800);
});

test.each([
  ['an issuer of nobody', () => parties[0].token({ iss: 'https://evil.example' }), 'ERR_TOKEN_ISSUER'],
  ['one that differs by a slash', () => parties[0].token({ iss: `${parties[0].issuer}/` }), 'ERR_TOKEN_ISSUER'],
  ['no issuer', () => parties[0].token({ iss: undefined }), 'ERR_TOKEN_ISSUER'],
  ['a list of issuers', () => parties[0].token({ iss: [parties[0].issuer, parties[1].issuer] }), 'ERR_TOKEN_ISSUER'],
  ['the name of an object’s own machinery', () => parties[0].token({ iss: '__proto__' }), 'ERR_TOKEN_ISSUER'],
  [
    'two issuers',
    () =>
      `${part({ alg: 'ES256' })}.${Buffer.from(`{"iss":"${parties[0].issuer}","iss":"${parties[1].issuer}"}`).toString('base64url')}.AA`,
    'ERR_TOKEN_MALFORMED',
  ],
  ['claims that are no object', () => `${part({ alg: 'ES256' })}.${part([])}.AA`, 'ERR_TOKEN_CLAIMS'],
  ['no JWT', () => 'opaque', 'ERR_TOKEN_OPAQUE'],
  ['a token too long', () => `${'A'.repeat(70_000)}.e30.AA`, 'ERR_TOKEN_TOO_LARGE'],
])('%s chooses no policy', async (_case, token, code) => {
  const issuers = parties.slice(0, 2).map(({ policy }) => policy);
  expect(await outcomeOf(createAuthenticator({ issuers, verifier: new RemoteTokenVerifier() }), token())).toBe(code);
});

test('each issuer has its own audience and algorithms', async () => {
  const [a, b] = parties;
  const issuers = [
    { ...a.policy, audience: 'for-a' },
    { ...b.policy, algorithms: ['RS256'] },
  ];
  const authenticator = createAuthenticator({ issuers, verifier: new RemoteTokenVerifier() });
  expect(await outcomeOf(authenticator, a.token())).toBe('ERR_TOKEN_AUDIENCE');
  expect(await outcomeOf(authenticator, a.token({ aud: 'for-a' }))).toBe(a.issuer);
  expect(await outcomeOf(authenticator, b.token())).toBe('ERR_TOKEN_ALGORITHM');
});

test('of many tenants each that is let in leads to the one policy', async () => {
  const [a, b] = parties;
  const issuer = 'https://login.example/{tenantid}/v2.0';
  const many = { ...a.policy, issuer, allowedTenants: ['t1', 't2'] };
  const authenticator = createAuthenticator({ issuers: [many, b.policy], verifier: new RemoteTokenVerifier() });
  const of = (tid, iss = `https://login.example/${tid}/v2.0`) => outcomeOf(authenticator, a.token({ iss, tid }));
  expect(await of('t1')).toBe('https://login.example/t1/v2.0');
  expect(await of('t2')).toBe('https://login.example/t2/v2.0');
  expect(await of('t3')).toBe('ERR_TOKEN_ISSUER');
  expect(await of('t1', 'https://login.example/t2/v2.0')).toBe('ERR_TOKEN_ISSUER');
});

test.each([
  ['an empty list', []],
  ['two policies of one issuer', [parties[0].policy, parties[0].policy]],
  [
    'two that accept one spelling',
    [
      { ...parties[0].policy, issuer: 'https://a.example' },
      { ...parties[1].policy, issuer: 'https://a.example/' },
    ],
  ],
  ['an option nobody knows', [{ ...parties[0].policy, audiense: 'x' }]],
  ['a path that is no text', [{ ...parties[0].policy, claimPaths: { roles: [7] } }]],
  ['a path of nothing', [{ ...parties[0].policy, claimPaths: { role: 'x' } }]],
])('%s is an error at the factory, and changes nothing later', async (_case, issuers) => {
  const wrong = expect.objectContaining({ code: expect.stringMatching(/^ERR_POLICY_/) });
  expect(() => createBearerAuth({ issuers })).toThrow(wrong);
  const authenticator = createAuthenticator({ issuers: [parties[2].policy], verifier: new RemoteTokenVerifier() });
  expect(() => authenticator.setIssuers(issuers)).toThrow(wrong);
  expect(await outcomeOf(authenticator, parties[2].token())).toBe(parties[2].issuer);
});

test('a policy beside a list is an error that says where it belongs', () => {
  const { policy } = parties[0];
  expect(() => createBearerAuth({ issuers: [policy], audience: 'x' })).toThrow('"audience" belongs into a policy');
});

describe('a function', () => {
  const [a, b] = parties;
  const withFunction = (resolvePolicy, more = {}) =>
    createAuthenticator({ resolvePolicy, verifier: new RemoteTokenVerifier(), ...more });

  test('is asked for issuers that are in no list, with the request', async () => {
    const resolvePolicy = jest.fn(async () => b.policy);
    const authenticator = withFunction(resolvePolicy, { issuers: [a.policy, parties[2].policy] });
    expect(await outcomeOf(authenticator, a.token())).toBe(a.issuer);
    expect(resolvePolicy).not.toHaveBeenCalled();
    expect(await outcomeOf(authenticator, b.token())).toBe(b.issuer);
    expect(resolvePolicy).toHaveBeenCalledWith(b.issuer, expect.objectContaining({ url: '/' }));
  });

  test('is asked where there is one policy beside it', async () => {
    const authenticator = withFunction(() => b.policy, { issuers: [a.policy] });
    expect(await outcomeOf(authenticator, a.token())).toBe(a.issuer);
    expect(await outcomeOf(authenticator, b.token())).toBe(b.issuer);
  });

  test('cannot have a token checked by another issuer’s keys', async () => {
    expect(
      await outcomeOf(
        withFunction(() => b.policy),
        a.token(),
      ),
    ).toBe('ERR_TOKEN_ISSUER');
    expect(
      await outcomeOf(
        withFunction(() => ({ ...b.policy, issuer: a.issuer })),
        a.token(),
      ),
    ).toBe('ERR_SIGNATURE_INVALID');
  });

  test.each([
    ['knows no policy', () => undefined, 'ERR_TOKEN_ISSUER', 401],
    [
      'throws',
      () => {
        throw new Error('database');
      },
      'ERR_INTERNAL',
      500,
    ],
    ['rejects', () => Promise.reject(new Error('database')), 'ERR_INTERNAL', 500],
    ['gives a policy that cannot be used', () => ({ issuer: 'https://a.example' }), 'ERR_POLICY_AUDIENCE', 500],
  ])('that %s', async (_case, resolvePolicy, code, status) => {
    const result = await withFunction(resolvePolicy).authenticate(requestOf(a.token()));
    expect(result).toMatchObject({ ok: false, code, status });
    expect(JSON.stringify(result.body)).not.toContain('database');
  });
});

test('a list is replaced without dropping a request, and without asking for keys again', async () => {
  const [kept, gone, come] = await Promise.all(
    [1, 2, 3].map((place) => new Issuer({ path: `/realms/${place}` }).start()),
  );
  try {
    const policyOf = (issuer, more) => ({ issuer: issuer.url, audience: 'agents', ...more });
    const authenticator = createAuthenticator({
      issuers: [policyOf(kept), policyOf(gone)],
      verifier: new RemoteTokenVerifier(),
    });
    expect(await outcomeOf(authenticator, kept.token())).toBe(kept.url);
    let asked;
    let open;
    const isAsked = new Promise((resolve) => (asked = resolve));
    const isOpen = new Promise((resolve) => (open = resolve));
    gone.gate = () => (asked(), isOpen);
    const underWay = outcomeOf(authenticator, gone.token());
    await isAsked;
    authenticator.setIssuers([policyOf(kept), policyOf(come, { scope: 'read' })]);
    // What has begun ends by the policy it began with.
    open();
    expect(await underWay).toBe(gone.url);
    expect(await outcomeOf(authenticator, gone.token())).toBe('ERR_TOKEN_ISSUER');
    expect(await outcomeOf(authenticator, come.token())).toBe('ERR_SCOPE_MISSING');
    expect(await outcomeOf(authenticator, kept.token())).toBe(kept.url);
    expect(kept.requests).toEqual({ discovery: 1, keys: 1 });
  } finally {
    await Promise.all([kept, gone, come].map((issuer) => issuer.stop()));
  }
});

describe('delegated tokens', () => {
  const [a] = parties;
  const authenticator = (more) => createAuthenticator({ ...a.policy, ...more, verifier: new RemoteTokenVerifier() });
  const actorOf = async (act, more) => {
    const result = await authenticator(more).authenticate(requestOf(a.token({ act })));
    return result.ok ? (result.auth.actor ?? 'nobody') : result.code;
  };

  test('name their actor', async () => {
    expect(await actorOf(undefined)).toBe('nobody');
    expect(await actorOf({ sub: 'agent', act: { sub: 'earlier' } })).toEqual({ subject: 'agent' });
    expect(await actorOf({ client_id: 'cli', iss: 'https://b.example' })).toEqual({
      clientId: 'cli',
      issuer: 'https://b.example',
    });
  });

  test.each([[{}], ['agent'], [null], [[{ sub: 'agent' }]], [{ sub: 7 }], [{ sub: ' ' }]])(
    'are refused where act is %j',
    async (act) => {
      expect(await actorOf(act)).toBe('ERR_TOKEN_ACTOR');
    },
  );

  test.each([
    [{ sub: 'agent' }, { subject: 'agent' }],
    [{ sub: 'agent', iss: a.issuer }, { subject: 'agent' }],
    [{ sub: 'agent', iss: 'https://b.example' }, 'ERR_TOKEN_ACTOR'],
    [{ sub: 'Agent' }, 'ERR_TOKEN_ACTOR'],
    [{ client_id: 'agent' }, 'ERR_TOKEN_ACTOR'],
    [{ sub: 'other', act: { sub: 'agent' } }, 'ERR_TOKEN_ACTOR'],
    [undefined, 'nobody'],
  ])('with allowedActors, act %j', async (act, expected) => {
    expect(await actorOf(act, { allowedActors: ['agent'] })).toEqual(expected);
  });

  test('of nobody, where allowedActors is empty', async () => {
    expect(await actorOf({ sub: 'agent' }, { allowedActors: [] })).toBe('ERR_TOKEN_ACTOR');
    expect(await actorOf(undefined, { allowedActors: [] })).toBe('nobody');
  });
});

describe('of a token that was accepted the issuer is not read again', () => {
  const native = require('../../../lib/verifier/native-check');
  const [a, b] = parties;
  let read;
  beforeEach(() => (read = jest.spyOn(native, 'untrustedIssuer')));
  afterEach(() => read.mockRestore());
  const both = (more) =>
    createAuthenticator({ issuers: [a.policy, b.policy], verifier: new RemoteTokenVerifier(), ...more });

  test('nor does another that ends alike go by it', async () => {
    const authenticator = both();
    const token = a.token();
    for (let round = 0; round < 3; round += 1) expect(await outcomeOf(authenticator, token)).toBe(a.issuer);
    expect(read).toHaveBeenCalledTimes(1);
    const [header, , signature] = token.split('.');
    const [, claims] = b.token().split('.');
    expect(await outcomeOf(authenticator, `${header}.${claims}.${signature}`)).toBe('ERR_SIGNATURE_INVALID');
    expect(read).toHaveBeenCalledTimes(2);
  });

  test('one that was refused is not remembered', async () => {
    const authenticator = both();
    const token = a.token({ aud: 'other' });
    for (let round = 0; round < 2; round += 1) expect(await outcomeOf(authenticator, token)).toBe('ERR_TOKEN_AUDIENCE');
    expect(read).toHaveBeenCalledTimes(2);
  });

  test('a list that is replaced counts for it at once, also for a check that ends later', async () => {
    const token = a.token();
    let settle;
    const inner = new RemoteTokenVerifier();
    const verifier = {
      compile: (options) => inner.compile(options),
      check: (text, policy) => new Promise((resolve) => (settle = () => resolve(inner.check(text, policy)))),
    };
    const authenticator = both({ verifier });
    const underWay = outcomeOf(authenticator, token);
    authenticator.setIssuers([b.policy, parties[2].policy]);
    settle();
    expect(await underWay).toBe(a.issuer);
    expect(await outcomeOf(authenticator, token)).toBe('ERR_TOKEN_ISSUER');
    const kept = both();
    expect(await outcomeOf(kept, token)).toBe(a.issuer);
    kept.setIssuers([b.policy, parties[2].policy]);
    expect(await outcomeOf(kept, token)).toBe('ERR_TOKEN_ISSUER');
  });

  test('what is kept has a bound', () => {
    const { KnownTokens } = require('../../../lib/bearer-auth/known-tokens');
    const known = new KnownTokens();
    const tokenOf = (n) => `x.${String(n).padStart(40, '0')}`;
    for (let n = 0; n < 20_000; n += 1) known.keep(tokenOf(n), a);
    const kept = Array.from({ length: 20_000 }, (_, n) => known.find(tokenOf(n))).filter(Boolean).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(10_000);
    for (let n = 0; n < 20; n += 1) known.keep(`${'y'.repeat(4_000_000)}${tokenOf(n)}`, a);
    expect(known.find(tokenOf(19_999))).toBe(undefined);
  });
});
