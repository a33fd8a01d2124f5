'use strict';

// The same token again is answered without a call of native code, and never for longer than a fresh check
// would say the same.

const { Issuer } = require('../../support/issuer');
const { createRemoteAgentAuth } = require('../../../lib/middleware/remote-agent-auth');
const { RemoteTokenVerifier } = require('../../../lib/verifier');
const { configOf, failure, fullResponse } = require('../../support/fakes');

const issuer = new Issuer();
let seconds;
let verifier;
let policy;

beforeAll(() => issuer.start());
afterAll(() => issuer.stop());

beforeEach(async () => {
  seconds = Math.floor(Date.now() / 1000);
  verifier = new RemoteTokenVerifier({ clock: () => seconds });
  verifier.clear();
  policy = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  await verifier.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
});

const checks = () => verifier.stats().signatureChecks + verifier.stats().verdictsReused;

test('the second time the very same outcome comes back, frozen, and nothing is checked natively', async () => {
  const token = issuer.token();
  const first = await verifier.check(token, policy);
  const before = checks();
  const second = verifier.check(token, policy);
  expect(first).toMatchObject({ ok: true });
  expect(second).toBe(first);
  expect(checks()).toBe(before);
  expect(Object.isFrozen(second) && Object.isFrozen(second.scopes)).toBe(true);
});

test('claims are fresh objects every time', async () => {
  const token = issuer.token();
  const options = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
  const [a, b] = [await verifier.verify(token, options), await verifier.verify(token, options)];
  a.claims.sub = 'changed';
  expect(b.claims.sub).toBe('subject-1');
});

test.each([
  ['the second it expires', { exp: 10 }, 10, 'ERR_TOKEN_EXPIRED'],
  ['a clock that steps back before its time', { nbf: 0 }, -1, 'ERR_TOKEN_NOT_YET_VALID'],
])('is checked again at %s', async (_name, claims, step, code) => {
  const now = seconds;
  const token = issuer.token(Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, now + value])));
  expect((await verifier.check(token, policy)).ok).toBe(true);
  seconds = now + step;
  expect(await verifier.check(token, policy)).toMatchObject({ ok: false, code });
});

describe.each([true, false])('an outcome of a moment ago still holds (verdict cache: %s)', (verdictCache) => {
  let own;
  let outcome;
  beforeEach(() => {
    own = new RemoteTokenVerifier({ clock: () => seconds, verdictCache });
    outcome = own.check(issuer.token({ exp: seconds + 10 }), policy, { forRecheck: true });
  });

  test('for the policy it was given under, by the verifier that gave it', async () => {
    expect(own.stillHolds(outcome, policy)).toBe(true);
    const equal = own.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
    expect(own.stillHolds(outcome, equal)).toBe(false);
    expect(verifier.stillHolds(outcome, policy)).toBe(false);
  });

  test('until the token expires', async () => {
    seconds += 9;
    expect(own.stillHolds(outcome, policy)).toBe(true);
    seconds += 1;
    expect(own.stillHolds(outcome, policy)).toBe(false);
    expect(own.recheck(outcome.verdict, policy)).toMatchObject({ ok: false, code: 'ERR_TOKEN_EXPIRED' });
  });

  test('until any keys change', async () => {
    verifier.clear();
    expect(own.stillHolds(outcome, policy)).toBe(false);
  });

  test.each([undefined, null, {}, { ok: true }, 7])('and nothing else does (%j)', (other) => {
    expect(own.stillHolds(other, policy)).toBe(false);
  });
});

describe('a verifier that a host has made its own checks for', () => {
  const refused = failure('ERR_TOKEN_REVOKED', 'token');
  /** @type {Set<string>} */
  let denied;
  /** As a class of the host's, and as a function put in the place of one verifier's. */
  const made = {
    class: (name) => {
      class Denying extends RemoteTokenVerifier {
        [name](subject, ...rest) {
          return denied.has(name) ? refused : super[name](subject, ...rest);
        }
      }
      return new Denying({ clock: () => seconds });
    },
    function: (name) => {
      const own = new RemoteTokenVerifier({ clock: () => seconds });
      const before = own[name].bind(own);
      own[name] = (...values) => (denied.has(name) ? refused : before(...values));
      return own;
    },
  };
  beforeEach(() => {
    denied = new Set();
  });

  test.each(['class', 'function'])('is asked by the middleware about known tokens, too: a %s', async (how) => {
    const own = made[how]('check');
    const oidc = { enabled: true, issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
    const deps = {
      getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc }),
      findUser: async () => ({ _id: 'u1', role: 'USER', openidId: 'subject-1', openidIssuer: issuer.url }),
      updateUser: async () => null,
      apiKeyMiddleware: () => {},
      logger: {},
    };
    const middleware = createRemoteAgentAuth(deps, { verifier: own });
    const headers = { authorization: `Bearer ${issuer.token()}` };
    const statusOf = async () => {
      const res = fullResponse();
      const next = jest.fn();
      await middleware({ headers }, res, next);
      return next.mock.calls.length > 0 ? 'passed' : res.code;
    };
    expect([await statusOf(), await statusOf()]).toEqual(['passed', 'passed']);
    denied.add('check');
    expect(await statusOf()).toBe(401);
  });

  test.each(['class', 'function'])('is asked to recheck: a %s', async (how) => {
    for (const name of ['check', 'recheck']) {
      const own = made[how](name);
      const outcome = await own.check(issuer.token(), policy, { forRecheck: true });
      expect([outcome.ok, own.stillHolds(outcome, policy)]).toEqual([true, false]);
    }
  });
});

test('a token older than the policy allows is checked again', async () => {
  const aged = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri, maxTokenAge: 5 });
  const token = issuer.token({ iat: seconds });
  for (const [later, expected] of [
    [0, true],
    [5, true],
    [6, false],
  ]) {
    const outcome = await verifier.check(token, aged);
    expect(outcome.ok).toBe(true);
    seconds = Math.floor(seconds) + later;
    expect((await verifier.check(token, aged)).ok).toBe(expected);
    seconds -= later;
  }
});

test('a withdrawn key takes the outcome along with the first refresh', async () => {
  const token = issuer.token();
  expect((await verifier.check(token, policy)).ok).toBe(true);
  expect((await verifier.check(token, policy)).ok).toBe(true);
  issuer.rotate();
  await verifier.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  expect(await verifier.check(token, policy)).toMatchObject({ ok: false, code: 'ERR_KEY_NOT_FOUND' });
});

test('what another verifier of the process clears is forgotten here, too', async () => {
  const token = issuer.token();
  expect((await verifier.check(token, policy)).ok).toBe(true);
  const before = issuer.requests.keys;
  new RemoteTokenVerifier().clear();
  expect(await verifier.check(token, policy)).toMatchObject({ ok: true });
  expect(issuer.requests.keys).toBe(before + 1);
});

test('another policy checks for itself', async () => {
  const token = issuer.token();
  expect((await verifier.check(token, policy)).ok).toBe(true);
  const other = verifier.compile({ issuer: issuer.url, audience: 'others', jwksUri: issuer.jwksUri });
  expect(await verifier.check(token, other)).toMatchObject({ ok: false, code: 'ERR_TOKEN_AUDIENCE' });
  expect((await verifier.check(token, policy)).ok).toBe(true);
});

test('what came from another thread is kept as well', async () => {
  // More work than is ever done at once on this thread.
  const tokens = Array.from({ length: 1000 }, (_, n) => issuer.token({ sub: `subject ${n}` }));
  const pending = tokens.map((token) => verifier.check(token, policy));
  expect(pending.some((outcome) => 'then' in outcome)).toBe(true);
  const outcomes = await Promise.all(pending);
  expect(new Set(outcomes.map(({ subject }) => subject)).size).toBe(1000);
  tokens.forEach((token, n) => expect(verifier.check(token, policy)).toBe(outcomes[n]));
});

describe('known', () => {
  test('is the outcome of a check, until anything it rests on changes', async () => {
    const by = new RemoteTokenVerifier({ clock: () => seconds });
    const options = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
    const token = issuer.token({ nbf: seconds, exp: seconds + 10 });
    expect(by.known(token, policy)).toBeUndefined();
    const outcome = await by.check(token, policy);
    expect(by.known(token, policy)).toBe(outcome);
    expect(by.known(`${token} `, policy)).toBeUndefined();
    expect(by.known(token, by.compile(options))).toBeUndefined();
    const now = seconds;
    for (const [then, expected] of [
      [now - 1, undefined],
      [now + 10, undefined],
    ]) {
      await by.check(token, policy);
      seconds = then;
      expect(by.known(token, policy)).toBe(expected);
      seconds = now;
    }
    await by.check(token, policy);
    issuer.rotate();
    await by.prefetch(options);
    expect(by.known(token, policy)).toBeUndefined();
  });

  test('is nothing for what was refused, for no text, and without verdicts', async () => {
    const refused = issuer.token({ aud: 'x' });
    await verifier.check(refused, policy);
    expect(verifier.known(refused, policy)).toBeUndefined();
    expect(verifier.known(/** @type {any} */ (7), policy)).toBeUndefined();
    const by = new RemoteTokenVerifier({ clock: () => seconds, verdictCache: false });
    const token = issuer.token();
    await by.check(token, policy);
    expect(by.known(token, policy)).toBeUndefined();
  });
});

describe('stillHolds', () => {
  test.each([
    ['with the signature cache', undefined],
    ['without', { verdictCache: false }],
  ])('says whether the outcome would be given again, %s', async (_name, options) => {
    const by = new RemoteTokenVerifier({ clock: () => seconds, ...options });
    const equal = by.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
    const outcome = await by.check(issuer.token({ nbf: seconds, exp: seconds + 10 }), policy, { forRecheck: true });
    expect(by.stillHolds(outcome, policy)).toBe(true);
    expect(by.stillHolds(outcome, equal)).toBe(false);
    expect(verifier.stillHolds(outcome, policy)).toBe(false);
    const now = seconds;
    for (const [then, expected] of [
      [now - 1, false],
      [now + 9, true],
      [now + 10, false],
      [NaN, false],
      [now, true],
    ]) {
      seconds = then;
      expect(by.stillHolds(outcome, policy)).toBe(expected);
    }
    issuer.rotate();
    await by.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
    expect(by.stillHolds(outcome, policy)).toBe(false);
  });

  test('is no for whatever is no outcome of a check that was to be asked about', async () => {
    const token = issuer.token();
    const plain = new RemoteTokenVerifier({ verdictCache: false });
    const rejected = await verifier.check(issuer.token({ aud: 'x' }), policy);
    const outcomes = [await plain.check(token, policy), Object.create(await verifier.check(token, policy))];
    for (const other of [undefined, null, {}, 'ok', rejected, ...outcomes]) {
      expect(verifier.stillHolds(other, policy)).toBe(false);
    }
    verifier.clear();
    const later = verifier.check(token, policy);
    expect(verifier.stillHolds(later, policy)).toBe(false);
    expect(verifier.stillHolds(await later, policy)).toBe(false);
  });
});

describe('claims for everybody', () => {
  const claims = { nested: { list: [{ deep: [1] }, null], text: 'ü😀' }, ['__proto__']: { polluted: true }, big: 1e21 };
  let shared;
  beforeEach(() => {
    shared = new RemoteTokenVerifier({ clock: () => seconds, sharedClaims: true });
  });

  test('are one object, frozen to the last member, with sharedClaims', async () => {
    const options = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
    const token = issuer.token(claims);
    const [a, b] = [await shared.verify(token, options), await shared.verify(token, { ...options })];
    expect(b.claims).toBe(a.claims);
    expect(b).not.toBe(a);
    expect(a.claims).toEqual(JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()));
    expect(Object.getPrototypeOf(a.claims)).toBe(Object.prototype);
    expect({}.polluted).toBeUndefined();
    const left = [a.claims];
    let frozen = 0;
    while (left.length > 0) {
      const value = left.pop();
      expect(Object.isFrozen(value)).toBe(true);
      frozen += 1;
      left.push(...Object.values(value).filter((member) => typeof member === 'object' && member !== null));
    }
    expect(frozen).toBe(6);
    expect(() => {
      'use strict';
      a.claims.nested.list[0].deep.push(2);
    }).toThrow(TypeError);
  });

  test('are those of the very token, by whatever policy', async () => {
    const other = shared.compile({
      issuer: issuer.url,
      audience: 'agents',
      jwksUri: issuer.jwksUri,
      requireExp: false,
    });
    for (const sub of ['a', 'b']) {
      const token = issuer.token({ sub });
      for (const by of [policy, other, policy]) expect(shared.claimsOf(await shared.check(token, by)).sub).toBe(sub);
    }
  });

  test('go with the key that signed', async () => {
    const token = issuer.token();
    shared.claimsOf(await shared.check(token, policy));
    issuer.rotate();
    await shared.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
    expect(await shared.check(token, policy)).toMatchObject({ ok: false, code: 'ERR_KEY_NOT_FOUND' });
  });

  test('are each request’s own without it', async () => {
    const outcome = await verifier.check(issuer.token(claims), policy);
    expect(verifier.claimsOf(outcome)).not.toBe(verifier.claimsOf(outcome));
    expect(Object.isFrozen(verifier.claimsOf(outcome))).toBe(false);
  });

  test.each([
    ['sharedClaims', 1],
    ['verdictCache', 'yes'],
    ['clock', 7],
    ['shared', true],
  ])('refuses %s: %p', (name, value) => {
    expect(() => new RemoteTokenVerifier({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
    );
  });
});

test('verify compiles equal options once: the token is not checked again', async () => {
  const options = () => ({ issuer: issuer.url, audience: ['agents'], jwksUri: issuer.jwksUri });
  const token = issuer.token();
  await verifier.verify(token, options());
  const before = checks();
  await verifier.verify(token, options());
  expect(checks()).toBe(before);
  await expect(verifier.verify(token, { ...options(), audience: ['others'] })).rejects.toMatchObject({
    code: 'ERR_TOKEN_AUDIENCE',
  });
});

test('verify notices that the options were changed', async () => {
  const options = { issuer: issuer.url, audience: ['agents'], jwksUri: issuer.jwksUri };
  const token = issuer.token();
  await verifier.verify(token, options);
  options.audience[0] = 'others';
  await expect(verifier.verify(token, options)).rejects.toMatchObject({ code: 'ERR_TOKEN_AUDIENCE' });
});

test('with verdictCache off every signature is verified', async () => {
  const plain = new RemoteTokenVerifier({ verdictCache: false });
  const token = issuer.token();
  const before = plain.stats().signatureChecks;
  for (let n = 0; n < 3; n += 1) expect((await plain.check(token, policy)).ok).toBe(true);
  expect(plain.stats().signatureChecks).toBe(before + 3);
});
