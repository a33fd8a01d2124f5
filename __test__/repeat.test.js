'use strict';

// The same token again is answered without crossing into native code, and never for longer than a fresh judgement
// would say the same.

const { Issuer } = require('./support/issuer');
const { RemoteTokenVerifier } = require('../lib/verifier');

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

test('the second time the very same outcome comes back, frozen, and nothing is judged natively', () => {
  const token = issuer.token();
  const first = verifier.check(token, policy);
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
])('is judged afresh at %s', (_name, claims, step, code) => {
  const now = seconds;
  const token = issuer.token(Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, now + value])));
  expect(verifier.check(token, policy).ok).toBe(true);
  seconds = now + step;
  expect(verifier.check(token, policy)).toMatchObject({ ok: false, code });
});

describe.each([true, false])('an outcome of a moment ago still holds (verdict cache: %s)', (verdictCache) => {
  let own;
  let outcome;
  beforeEach(() => {
    own = new RemoteTokenVerifier({ clock: () => seconds, verdictCache });
    outcome = own.check(issuer.token({ exp: seconds + 10 }), policy, { forRecheck: true });
  });

  test('for the policy it was given under, by the verifier that gave it', () => {
    expect(own.stillHolds(outcome, policy)).toBe(true);
    const equal = own.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
    expect(own.stillHolds(outcome, equal)).toBe(false);
    expect(verifier.stillHolds(outcome, policy)).toBe(false);
  });

  test('until the token expires', () => {
    seconds += 9;
    expect(own.stillHolds(outcome, policy)).toBe(true);
    seconds += 1;
    expect(own.stillHolds(outcome, policy)).toBe(false);
    expect(own.recheck(outcome.verdict, policy)).toMatchObject({ ok: false, code: 'ERR_TOKEN_EXPIRED' });
  });

  test('until any keys change', () => {
    verifier.clear();
    expect(own.stillHolds(outcome, policy)).toBe(false);
  });

  test.each([undefined, null, {}, { ok: true }, 7])('and nothing else does (%j)', (other) => {
    expect(own.stillHolds(other, policy)).toBe(false);
  });
});

test('a token older than the policy allows is judged afresh', () => {
  const aged = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri, maxTokenAge: 5 });
  const token = issuer.token({ iat: seconds });
  for (const [later, expected] of [[0, true], [5, true], [6, false]]) {
    const outcome = verifier.check(token, aged);
    expect(outcome.ok).toBe(true);
    seconds = Math.floor(seconds) + later;
    expect(verifier.check(token, aged).ok).toBe(expected);
    seconds -= later;
  }
});

test('a withdrawn key takes the outcome along with the first refresh', async () => {
  const token = issuer.token();
  expect(verifier.check(token, policy).ok).toBe(true);
  expect(verifier.check(token, policy).ok).toBe(true);
  issuer.rotate();
  await verifier.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  expect(await verifier.check(token, policy)).toMatchObject({ ok: false, code: 'ERR_KEY_NOT_FOUND' });
});

test('what another verifier of the process clears is forgotten here, too', async () => {
  const token = issuer.token();
  expect(verifier.check(token, policy).ok).toBe(true);
  const before = issuer.requests.keys;
  new RemoteTokenVerifier().clear();
  expect(await verifier.check(token, policy)).toMatchObject({ ok: true });
  expect(issuer.requests.keys).toBe(before + 1);
});

test('another policy judges for itself', () => {
  const token = issuer.token();
  expect(verifier.check(token, policy).ok).toBe(true);
  const other = verifier.compile({ issuer: issuer.url, audience: 'others', jwksUri: issuer.jwksUri });
  expect(verifier.check(token, other)).toMatchObject({ ok: false, code: 'ERR_TOKEN_AUDIENCE' });
  expect(verifier.check(token, policy).ok).toBe(true);
});

test('with verdictCache off every signature is verified', () => {
  const plain = new RemoteTokenVerifier({ verdictCache: false });
  const token = issuer.token();
  const before = plain.stats().signatureChecks;
  for (let n = 0; n < 3; n += 1) expect(plain.check(token, policy).ok).toBe(true);
  expect(plain.stats().signatureChecks).toBe(before + 3);
});
