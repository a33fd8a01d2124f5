'use strict';

// What is passed to native code for a token, and which arguments of JavaScript it believes: texts of every kind, and objects that pass
// themselves off as others.

const { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { Issuer } = require('../../support/issuer');
const binding = require('../../../binding');
const { ACCEPTED, FLAGS, REFUSED } = require('../../../lib/verifier/wire-layout');
const entry = require('../../../native');
const { RemoteTokenVerifier } = require('../../../lib/verifier');

const issuer = new Issuer();
const verifier = new RemoteTokenVerifier();
const plain = new RemoteTokenVerifier({ verdictCache: false });
const native = entry.createRemoteAgentAuth();
let options;
let policy;

beforeAll(async () => {
  await issuer.start();
  options = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
  policy = verifier.compile(options);
  await verifier.prefetch(options);
});
afterAll(async () => {
  verifier.clear();
  await issuer.stop();
});

/** The three ways a token goes in. */
const ways = [
  ['with the signature cache', (token, ...by) => verifier.check(token, ...(by.length > 0 ? by : [policy]))],
  ['without the signature cache', (token, ...by) => plain.check(token, ...(by.length > 0 ? by : [policy]))],
  ['remote-agent-auth/native', (token, ...by) => native.check(token, ...(by.length > 0 ? by : [policy]))],
];

describe.each(ways)('%s', (_name, check) => {
  test.each([
    ['ASCII', 'ada', 'ada@example.com', ['agents:use', 'b']],
    ['Latin-1 that is not ASCII', 'åda-é-ÿ', 'jürgen@exämple.com', ['lesen:ü', 'b']],
    ['the characters whose low byte is a letter', 'šŁāŁ', 'Łukasz@example.com', ['Ł']],
    ['characters of two UTF-16 units', '😀a😀', '𝒜@example.com', ['𝒜', 'b😀']],
    ['characters of three bytes', '王小明', '明@例え.jp', []],
    ['an escaped astral character and quotes', '"\\😀', '"a b"@example.com', ['"']],
  ])('hands over what the claims say: %s', async (_kind, sub, email, scopes) => {
    const claims = {
      sub,
      email,
      oid: `oid-${sub}`,
      email_verified: true,
      scope: scopes.join(' '),
      pad: `${sub} ${email}`,
    };
    const outcome = await check(issuer.token(claims));
    const { subject, email: address, oid, emailVerified, emailClaimProblem, scopes: granted } = outcome;
    expect({ subject, address, oid, emailVerified, emailClaimProblem, granted: [...granted] }).toEqual({
      subject: sub,
      address: email,
      oid: `oid-${sub}`,
      emailVerified: true,
      emailClaimProblem: undefined,
      granted: scopes,
    });
    expect(JSON.parse(outcome.claims)).toMatchObject(claims);
  });

  test('what is not there is undefined, and the header is what was signed', async () => {
    const token = issuer.token({ exp: 4e9 }, { header: { extra: 'ü😀' } });
    const { oid, email, emailVerified, emailClaimProblem, expiresAt, scopes, header } = await check(token);
    expect([oid, email, emailVerified, emailClaimProblem, expiresAt]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      4e9,
    ]);
    expect(scopes).toEqual([]);
    expect(header).toBe(Buffer.from(token.split('.')[0], 'base64url').toString());
    expect((await check(issuer.token({ email_verified: 'true' }))).emailVerified).toBe(true);
    expect((await check(issuer.token({ email_verified: 'yes' }))).emailVerified).toBe(false);
  });

  test('distinguishes a token from the same with 0x100 added to all or to one of its characters', async () => {
    const token = issuer.token();
    expect(await check(token)).toMatchObject({ ok: true });
    const raised = (text) => String.fromCharCode(...Array.from(text, (character) => character.charCodeAt(0) + 0x100));
    expect(await check(raised(token))).toMatchObject({ ok: false, code: 'ERR_TOKEN_MALFORMED' });
    const codes = new Set();
    for (let at = 0; at < token.length; at += 1) {
      codes.add((await check(token.slice(0, at) + raised(token[at]) + token.slice(at + 1))).code);
    }
    expect([...codes]).toEqual(['ERR_TOKEN_MALFORMED']);
  });

  test.each(['\ud800', '\udc00', '\udbff\udbff', '\udc00\ud800', '\u0000', '\ufffd'])(
    'refuses a token with %j in it',
    async (text) => {
      const token = issuer.token();
      for (const at of [0, 5, token.indexOf('.'), token.lastIndexOf('.') + 1, token.length]) {
        const outcome = await check(token.slice(0, at) + text + token.slice(at));
        expect(outcome).toMatchObject({ ok: false, code: 'ERR_TOKEN_MALFORMED' });
      }
      expect(await check(text)).toMatchObject({ ok: false, code: 'ERR_TOKEN_MALFORMED' });
    },
  );

  test('takes the same characters for the same token, however the engine holds them', async () => {
    const token = issuer.token();
    const halves = [token.slice(0, 100), token.slice(100)];
    const wide = `\u0141${token}\u0141`;
    for (const same of [
      halves.join(''),
      halves[0] + halves[1],
      ` ${token}`.slice(1),
      wide.slice(1, -1),
      Buffer.from(token).toString('latin1'),
    ]) {
      expect(await check(same)).toMatchObject({ ok: true, subject: 'subject-1' });
    }
  });

  test('counts bytes: as many as the policy allows, and not one more', async () => {
    const size = 40 * 1024;
    const ofSize = (bytes) => {
      const short = issuer.token({ pad: '' }).length;
      for (let pad = Math.floor(((bytes - short) * 3) / 4) - 8; ; pad += 1) {
        const token = issuer.token({ pad: 'x'.repeat(pad) });
        if (token.length >= bytes) return token;
      }
    };
    const token = ofSize(size);
    const at = (maxTokenBytes) => verifier.compile({ ...options, maxTokenBytes });
    expect(await check(token, at(token.length))).toMatchObject({ ok: true });
    expect(await check(token, at(token.length - 1))).toMatchObject({ ok: false, code: 'ERR_TOKEN_TOO_LARGE' });
    expect(await check(token)).toMatchObject({ ok: false, code: 'ERR_TOKEN_TOO_LARGE' });
    // Few enough UTF-16 units, and too many bytes.
    for (const text of ['é'.repeat(8193), '王'.repeat(5462), '😀'.repeat(4097), `${'a'.repeat(16383)}é`]) {
      expect(await check(text)).toMatchObject({ ok: false, code: 'ERR_TOKEN_TOO_LARGE' });
    }
    expect(await check(`${'a'.repeat(16382)}é`)).toMatchObject({ ok: false, code: 'ERR_TOKEN_MALFORMED' });
    expect(await check('.'.repeat(1e6))).toMatchObject({ ok: false, code: 'ERR_TOKEN_TOO_LARGE' });
    expect(await check(issuer.token())).toMatchObject({ ok: true });
  });

  test.each([
    ['nothing', () => undefined],
    ['null', () => null],
    ['a number', () => 7],
    ['an empty object', () => ({})],
    ['a list', () => [policy]],
    ['an object that inherits from a policy', () => Object.create(policy)],
    ['an object with a policy’s prototype', () => Object.setPrototypeOf({ a: 1 }, Object.getPrototypeOf(policy))],
    ['a proxy of a policy', () => new Proxy(policy, {})],
    ['a native verifier', () => binding.createRemoteAgentAuth()],
    ['a verifier of remote-agent-auth/native', () => entry.createRemoteAgentAuth()],
    [
      'a native verifier that says it is a policy',
      () => Object.setPrototypeOf(binding.createRemoteAgentAuth(), Object.getPrototypeOf(policy)),
    ],
    ['a recheck handle', async () => (await native.check(issuer.token(), policy)).verdict],
    [
      'a recheck handle that says it is a policy',
      async () =>
        Object.setPrototypeOf((await native.check(issuer.token(), policy)).verdict, Object.getPrototypeOf(policy)),
    ],
    ['an outcome', () => verifier.check(issuer.token(), policy)],
    ['a class', () => Object.getPrototypeOf(policy).constructor],
  ])('takes %s for no policy', async (_what, make) => {
    expect(await check(issuer.token(), await make())).toMatchObject({
      ok: false,
      fault: 'config',
      code: expect.stringMatching(/^ERR_POLICY_/),
    });
  });

  test('a policy is itself whatever its prototype says', async () => {
    const disguised = verifier.compile(options);
    Object.setPrototypeOf(disguised, null);
    expect(await check(issuer.token(), disguised)).toMatchObject({ ok: true });
  });
});

/** That of the checkout, or of the platform package npm has installed. */
function nativeFile() {
  const installed = module.paths
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.startsWith('remote-agent-auth-'))
        .map((name) => path.join(folder, name)),
    );
  const files = [path.join(__dirname, '..', '..', '..'), ...installed].flatMap((folder) =>
    readdirSync(folder).map((name) => path.join(folder, name)),
  );
  return files.find((file) => file.endsWith('.node'));
}

test('what another addon has wrapped is taken for no policy and no recheck handle', async () => {
  // The very same file, loaded from another place: same classes, same sizes, and none of ours.
  const folder = mkdtempSync(path.join(tmpdir(), 'foreign-addon-'));
  const copy = path.join(folder, 'copy.node');
  copyFileSync(nativeFile(), copy);
  try {
    const foreign = require(copy);
    const foreignPolicy = foreign.compilePolicy(options);
    const [, verdict] = await foreign.createRemoteAgentAuth().check(issuer.token(), foreignPolicy);
    expect(verdict.constructor.name).toBe('RecheckHandle');
    const { constructor } = (await native.check(issuer.token(), policy)).verdict;
    for (const disguised of [foreignPolicy, Object.setPrototypeOf(foreignPolicy, Object.getPrototypeOf(policy))]) {
      for (const [, check] of ways) {
        expect(await check(issuer.token(), disguised)).toMatchObject({ ok: false, fault: 'config' });
      }
    }
    for (const disguised of [verdict, Object.setPrototypeOf(verdict, constructor.prototype)]) {
      expect(await native.recheck(disguised, policy)).toMatchObject({ ok: false, code: 'ERR_TOKEN_ARGUMENT' });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('recheck', () => {
  /** An outcome, and a native recheck handle. */
  let good;
  let verdict;
  const impostors = [
    ['nothing', () => undefined],
    ['a text', () => 'verdict'],
    ['an empty object', () => ({})],
    ['a policy', () => policy],
    [
      'a policy that says it is a recheck handle',
      () => Object.setPrototypeOf(verifier.compile(options), Object.getPrototypeOf(verdict)),
    ],
    ['an object with an outcome’s prototype', () => Object.create(Object.getPrototypeOf(good))],
    ['an object that inherits from an outcome', () => Object.create(good.verdict)],
    ['a proxy of an outcome', () => new Proxy(good.verdict, {})],
    ['a failure', () => verifier.check('a.b.c', policy)],
  ];
  test.each(impostors)('takes %s for no recheck handle', async (_what, make) => {
    good = await verifier.check(issuer.token(), policy);
    verdict = (await native.check(issuer.token(), policy)).verdict;
    for (const recheck of [verifier.recheck.bind(verifier), plain.recheck.bind(plain), native.recheck.bind(native)]) {
      expect(await recheck(make(), policy)).toMatchObject({
        ok: false,
        code: 'ERR_TOKEN_ARGUMENT',
        fault: 'request',
        message: expect.stringMatching(/`recheck`.*`verdict`/),
      });
    }
  });

  test('checks by the other policy, and verifies no signature again', async () => {
    const [scoped, strange] = [{ scope: 'x' }, { audience: 'others' }].map((more) =>
      verifier.compile({ ...options, ...more }),
    );
    for (const [by, forRecheck] of [
      [verifier, undefined],
      [plain, { forRecheck: true }],
    ]) {
      const outcome = await by.check(issuer.token(), policy, forRecheck);
      const before = by.stats().signatureChecks;
      expect(await by.recheck(outcome.verdict, policy)).toMatchObject({ ok: true, subject: 'subject-1' });
      expect(await by.recheck(outcome.verdict, scoped)).toMatchObject({ ok: false, code: 'ERR_SCOPE_MISSING' });
      expect(await by.recheck(outcome.verdict, strange)).toMatchObject({ ok: false, code: 'ERR_TOKEN_AUDIENCE' });
      expect(by.stats().signatureChecks).toBe(before);
    }
  });

  test('without the signature cache, and not announced, it verifies the signature again', async () => {
    const outcome = await plain.check(issuer.token(), policy);
    const before = plain.stats().signatureChecks;
    expect(await plain.recheck(outcome.verdict, policy)).toMatchObject({ ok: true });
    expect(plain.stats().signatureChecks).toBe(before + 1);
  });
});

describe('the call into Rust itself', () => {
  const NOW = Math.floor(Date.now() / 1000);
  const { USE_SIGNATURE_CACHE, WITH_FRESHNESS, WITH_HANDLE } = FLAGS;
  const SLOTS = Object.keys(ACCEPTED).length;
  const slots = (flags) => new Float64Array(SLOTS).fill(NaN).fill(NOW, 0, 1).fill(flags, 1, 2).fill(8192, 2, 3);

  test('gives a text; a handle only when it is asked for', async () => {
    const token = issuer.token();
    await native.check(token, policy);
    // By what is known of it: nothing goes to another thread.
    for (const flags of [USE_SIGNATURE_CACHE, USE_SIGNATURE_CACHE | WITH_FRESHNESS]) {
      expect(typeof binding.checkToken(token, policy, slots(flags))).toBe('string');
    }
    const list = binding.checkToken(token, policy, slots(USE_SIGNATURE_CACHE | WITH_HANDLE));
    expect(list).toHaveLength(2 + ACCEPTED.freshFor);
    expect(await native.recheck(list[1], policy)).toMatchObject({ ok: true });
    expect(typeof binding.checkToken('a.b.c', policy, slots(WITH_HANDLE))).toBe('string');
  });

  test('gives text, handle and numbers as a list when they come later', async () => {
    verifier.clear();
    const later = binding.checkToken(issuer.token(), policy, slots(0));
    expect(await later).toEqual([
      expect.any(String),
      undefined,
      ...new Array(ACCEPTED.freshFor).fill(expect.any(Number)),
    ]);
    verifier.clear();
    expect(await binding.checkToken(issuer.token(), policy, slots(WITH_FRESHNESS))).toHaveLength(2 + SLOTS);
    verifier.clear();
    const [text, handle, ...numbers] = await binding.checkToken(issuer.token(), policy, slots(WITH_HANDLE));
    expect([typeof text, handle.constructor.name, numbers.length]).toEqual([
      'string',
      'RecheckHandle',
      ACCEPTED.freshFor,
    ]);
    verifier.clear();
    const refused = await binding.checkToken(issuer.token({ sub: ' ' }), policy, slots(WITH_HANDLE));
    expect(refused).toHaveLength(2 + REFUSED.retryAfter);
    expect(refused.slice(0, 3)).toEqual([expect.stringMatching(/^ERR_TOKEN_SUBJECTtoken/), undefined, -1]);
  });

  test('says for how long the answer is good, if asked', async () => {
    const token = issuer.token();
    const numbers = (flags) => {
      const given = slots(flags);
      expect(binding.checkToken(token, policy, given)).toMatch(/^\{.*"alg":"ES256"/);
      return [given[ACCEPTED.freshFor], given[ACCEPTED.epoch]];
    };
    await verifier.check(token, policy);
    expect(numbers(USE_SIGNATURE_CACHE)).toEqual([NaN, NaN]);
    const [freshFor, epoch] = numbers(USE_SIGNATURE_CACHE | WITH_FRESHNESS);
    expect(freshFor).toBeGreaterThan(0);
    expect(epoch).toBe(binding.keyChanges());
  });

  test.each([
    ['nothing', () => undefined],
    ['a list', () => new Array(SLOTS).fill(0)],
    ['too few', () => new Float64Array(SLOTS - 1)],
    ['numbers of another kind', () => new Float32Array(SLOTS)],
    ['bytes', () => Buffer.alloc(8 * SLOTS)],
    ['a view', () => new DataView(new ArrayBuffer(8 * SLOTS))],
    [
      'numbers whose memory is gone',
      () => {
        const gone = new Float64Array(SLOTS);
        structuredClone(gone.buffer, { transfer: [gone.buffer] });
        return gone;
      },
    ],
  ])('is refused with %s for its numbers', (_what, make) => {
    expect(() => binding.checkToken(issuer.token(), policy, make())).toThrow(/slots/);
  });

  test('asks no member of what is given for a policy: a getter could take the memory of the numbers away', async () => {
    const given = slots(USE_SIGNATURE_CACHE);
    let asked = 0;
    const take = () => {
      asked += 1;
      if (asked === 1) structuredClone(given.buffer, { transfer: [given.buffer] });
      return issuer.url;
    };
    const traps = { get: take, has: take, ownKeys: take, getPrototypeOf: take, getOwnPropertyDescriptor: take };
    const getters = Object.defineProperties(
      { ...options },
      { issuer: { get: take, enumerable: true }, then: { get: take } },
    );
    for (const trap of [getters, new Proxy({}, traps), new Proxy(policy, traps)]) {
      expect(binding.checkToken(issuer.token(), trap, given)).toMatch(/^ERR_POLICY_OPTIONconfig/);
    }
    expect(asked).toBe(0);
    expect(given).toHaveLength(SLOTS);
    expect(given[0]).toBe(-1);
  });

  test('a policy that was not compiled is no policy here', () => {
    expect(verifier.check(issuer.token(), options)).toMatchObject({
      ok: false,
      code: 'ERR_POLICY_OPTION',
      message: expect.stringMatching(/`policy`.*compilePolicy/),
    });
  });

  test.each([NaN, Infinity, undefined, '7', 7n, null])('a clock that says %p is refused, and says so', async (now) => {
    const wrong = new RemoteTokenVerifier({ clock: () => now });
    expect(await wrong.check(issuer.token(), policy)).toMatchObject({
      ok: false,
      code: 'ERR_POLICY_OPTION',
      message: expect.stringMatching(/`now`/),
    });
  });
});
