'use strict';

// What strangers can cause of `resolvePolicy`: how many calls at once, and for how long.

const { generateKeyPairSync, sign } = require('node:crypto');
const { RemoteTokenVerifier } = require('../../..');
const { createAuthenticator } = require('../../../lib/bearer-auth');
const { MOST_OPEN, MOST_PROVEN, ResolveLanes } = require('../../../lib/bearer-auth/resolve-lanes');

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
});
const jwks = { keys: [{ ...publicKey, kid: 'k', alg: 'ES256', use: 'sig' }] };
const policyOf = (issuer) => ({ issuer, audience: 'api', jwks });
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const [A, B] = ['https://a.example', 'https://b.example'];

function tokenOf(iss) {
  const claims = { iss, aud: 'api', sub: 's', exp: Math.floor(Date.now() / 1000) + 300 };
  const signed = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
const junkOf = (iss) => `${part({ alg: 'ES256', kid: 'k' })}.${part({ iss })}.AA`;
const requestOf = (token) => ({ method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } });

/** An authenticator whose function answers for an issuer when `answer` is called, and at once for those in `known`. */
function setUp(options) {
  const waiting = [];
  const known = new Set();
  const resolvePolicy = jest.fn((issuer) =>
    known.has(issuer) ? policyOf(issuer) : new Promise((resolve) => waiting.push(resolve)),
  );
  const authenticator = createAuthenticator({ resolvePolicy, verifier: new RemoteTokenVerifier(), ...options });
  const ask = (token) => authenticator.authenticate(requestOf(token));
  return { ask, known, resolvePolicy, answer: (policy) => waiting.splice(0).forEach((resolve) => resolve(policy)) };
}

test('a call that never settles is a 500 that says so to the operator alone', async () => {
  const onRefusal = jest.fn();
  const { ask } = setUp({ callbackTimeout: 5, onRefusal });
  const result = await ask(tokenOf(A));
  expect(result).toMatchObject({ ok: false, status: 500, code: 'ERR_INTERNAL', headers: {} });
  expect(result.body).not.toContain('resolvePolicy');
  expect(onRefusal.mock.calls[0][0].cause.message).toBe('resolvePolicy has not settled within 5 ms');
});

test('a call that was given up makes room for another', async () => {
  const { ask, known } = setUp({ callbackTimeout: 5 });
  const calls = Array.from({ length: MOST_OPEN }, (_, place) => ask(junkOf(`https://${place}.example`)));
  expect((await Promise.all(calls)).every(({ code }) => code === 'ERR_INTERNAL')).toBe(true);
  known.add(A);
  expect(await ask(tokenOf(A))).toMatchObject({ ok: true });
});

test('beyond so many calls under way the answer is 503 at once, and the function is not called', async () => {
  const { ask, answer, resolvePolicy } = setUp({ callbackTimeout: 0 });
  const calls = Array.from({ length: MOST_OPEN }, (_, place) => ask(junkOf(`https://${place}.example`)));
  expect(await ask(junkOf('https://one-more.example'))).toMatchObject({
    status: 503,
    code: 'ERR_OVERLOADED',
    headers: { 'Retry-After': '1' },
  });
  expect(resolvePolicy).toHaveBeenCalledTimes(MOST_OPEN);
  answer(undefined);
  expect(new Set((await Promise.all(calls)).map(({ code }) => code))).toEqual(new Set(['ERR_TOKEN_ISSUER']));
  const later = ask(tokenOf(A));
  answer(policyOf(A));
  expect(await later).toMatchObject({ ok: true });
});

test('a flood of made-up issuers takes nothing from issuers whose tokens were accepted, nor does junk in the name of another', async () => {
  const { ask, answer, known } = setUp({ callbackTimeout: 0 });
  known.add(A).add(B);
  for (const issuer of [A, B]) expect(await ask(tokenOf(issuer))).toMatchObject({ ok: true });
  known.clear();
  const flood = Array.from({ length: MOST_OPEN }, (_, place) => ask(junkOf(`https://${place}.example`)));
  const junk = Array.from({ length: MOST_OPEN }, () => ask(junkOf(A)));
  expect(await ask(tokenOf(A))).toMatchObject({ code: 'ERR_OVERLOADED' });
  known.add(B);
  expect(await ask(tokenOf(B))).toMatchObject({ ok: true });
  answer(null);
  await Promise.all([...flood, ...junk]);
});

test('a refused token gives its issuer no lane of its own', async () => {
  const { ask, answer, known } = setUp({ callbackTimeout: 0 });
  known.add(A);
  expect(await ask(junkOf(A))).toMatchObject({ ok: false, status: 401 });
  const flood = Array.from({ length: MOST_OPEN }, (_, place) => ask(junkOf(`https://${place}.example`)));
  expect(await ask(tokenOf(A))).toMatchObject({ code: 'ERR_OVERLOADED' });
  answer(null);
  await Promise.all(flood);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('x');
    },
  ],
  ['rejects', () => Promise.reject(new Error('x'))],
  ['gives no policy', () => null],
  ['gives one that cannot be used', () => ({ issuer: 7 })],
])('a call that %s is over', async (_, resolvePolicy) => {
  const authenticator = createAuthenticator({ resolvePolicy, verifier: new RemoteTokenVerifier() });
  for (let call = 0; call <= MOST_OPEN; call += 1) {
    const { code } = await authenticator.authenticate(requestOf(junkOf(A)));
    if (code === 'ERR_OVERLOADED') throw new Error(`at call ${call}`);
  }
});

test('of very many issuers those that were accepted longest ago share the lane of strangers again', () => {
  const lanes = new ResolveLanes();
  for (let issuer = 0; issuer < MOST_PROVEN; issuer += 1) lanes.prove(`https://${issuer}.example`);
  lanes.prove('https://0.example');
  lanes.prove('https://new.example');
  for (let call = 0; call < MOST_OPEN; call += 1) lanes.enter('https://stranger.example');
  expect(lanes.enter('https://0.example')).toBeInstanceOf(Function);
  expect(lanes.enter('https://1.example')).toBeUndefined();
});

test.each([-1, NaN, '5', null, 2 ** 31])('callbackTimeout %j is an error that names it', (callbackTimeout) => {
  expect(() => createAuthenticator({ resolvePolicy: () => null, callbackTimeout })).toThrow(
    /createBearerAuth: callbackTimeout must be a number of milliseconds/,
  );
});
