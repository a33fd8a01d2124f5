'use strict';

const { createPublicKey, verify } = require('node:crypto');
const { RemoteTokenVerifier, verifyRemoteToken } = require('../../..');
const { createTestIssuer, expectRefusal } = require('../../../lib/testing');
const { POISONS } = require('../../../lib/testing/poisons');
const { PRESETS } = require('../../../lib/testing/presets');

const started = [];
afterEach(() => Promise.all(started.splice(0).map((issuer) => issuer.stop())));

/** @param {object} [options] */
async function issuerWith(options) {
  const issuer = await createTestIssuer(options);
  started.push(issuer);
  return issuer;
}
const read = (token, part = 1) => JSON.parse(Buffer.from(token.split('.')[part], 'base64url').toString());

test('a token of it is accepted, with the claims that were given', async () => {
  const issuer = await issuerWith();
  const token = issuer.token({ sub: 'ada', scope: 'agents:use', iss: issuer.issuer });
  const { subject, scopes, header } = await verifyRemoteToken(token, issuer.policy({ scope: 'agents:use' }));
  expect({ subject, scopes, kid: header.kid }).toEqual({ subject: 'ada', scopes: ['agents:use'], kid: issuer.kid });
  expect(issuer.requests).toEqual({ metadata: 1, keys: 1 });
});

test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
  'signs with %s, by a key of its own type that is published',
  async (alg) => {
    const issuer = await issuerWith();
    await verifyRemoteToken(issuer.token({}, { alg }), issuer.policy({ algorithms: [alg] }));
    expect(issuer.jwks().keys.some((key) => key.alg === alg && key.d === undefined)).toBe(true);
  },
);

test.each(['none', 'HS256', 'HS384', 'HS512'])('makes a token of %s, which is refused', async (alg) => {
  const issuer = await issuerWith();
  const token = issuer.token({}, { alg });
  expect(read(token, 0)).toMatchObject({ alg, kid: issuer.kid });
  await issuer.expectRefusal('ERR_TOKEN_ALGORITHM', verifyRemoteToken(token, issuer.policy()));
});

test('typ, kid, header, lifetime and absent claims are as asked for', async () => {
  const issuer = await issuerWith();
  const token = issuer.token({ sub: undefined }, { typ: null, kid: 'unheard-of', header: { x: 1 }, expiresIn: -1 });
  expect(read(token, 0)).toEqual({ alg: 'RS256', kid: 'unheard-of', x: 1 });
  const { sub, iat, exp } = read(token);
  expect([sub, exp - iat]).toEqual([undefined, -1]);
  await expectRefusal(
    'ERR_TOKEN_TYPE',
    verifyRemoteToken(issuer.token({}, { typ: 'x' }), issuer.policy({ typ: 'preferred' })),
  );
  await expectRefusal('ERR_TOKEN_EXPIRED', () =>
    verifyRemoteToken(issuer.token({}, { expiresIn: -1 }), issuer.policy()),
  );
});

test('a forged token has the right kid and the wrong signature', async () => {
  const issuer = await issuerWith();
  await expectRefusal('ERR_SIGNATURE_INVALID', verifyRemoteToken(issuer.token({}, { forged: true }), issuer.policy()));
});

test('a rotation signs with a new key; the old one holds until it is withdrawn, and can still sign', async () => {
  const issuer = await issuerWith();
  const before = issuer.kid;
  const after = issuer.rotate();
  expect(after).not.toBe(before);
  expect(read(issuer.token(), 0).kid).toBe(after);
  const policy = issuer.policy();
  await verifyRemoteToken(issuer.token({}, { kid: before }), policy);
  issuer.withdraw(before);
  expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([after]);
  const verifier = new RemoteTokenVerifier();
  verifier.clear();
  await expectRefusal('ERR_KEY_NOT_FOUND', verifier.verify(issuer.token({}, { kid: before }), policy));
  const third = issuer.rotate({ withdraw: true });
  expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([third]);
});

test('its clock is the one of its tokens, and that of a verifier that is given it', async () => {
  const issuer = await issuerWith();
  const verifier = new RemoteTokenVerifier({ clock: issuer.clock });
  const token = issuer.token({}, { expiresIn: 60 });
  await verifier.verify(token, issuer.policy());
  issuer.clock.advance(61);
  await expectRefusal('ERR_TOKEN_EXPIRED', verifier.verify(token, issuer.policy()));
  await verifier.verify(issuer.token(), issuer.policy());
  issuer.clock.set(2_000_000_000);
  expect(read(issuer.token()).iat).toBe(2_000_000_000);
  issuer.clock.advance(-10);
  expect(issuer.clock()).toBe(1_999_999_990);
  issuer.clock.reset();
  expect(Math.abs(issuer.clock() - Date.now() / 1000)).toBeLessThan(5);
  expect(() => issuer.clock.advance(Number.NaN)).toThrow(TypeError);
});

test('an outage is one by connection, or by status, until it is restored', async () => {
  const issuer = await issuerWith();
  issuer.outage();
  const policy = issuer.policy();
  await expectRefusal('ERR_DISCOVERY_FETCH', verifyRemoteToken(issuer.token(), policy));
  issuer.outage({ status: 503 });
  expect((await fetch(issuer.jwksUri)).status).toBe(503);
  issuer.restore();
  expect((await (await fetch(issuer.jwksUri)).json()).keys).toHaveLength(1);
});

test('slow answers come later, and stopping does not wait for them', async () => {
  const issuer = await issuerWith();
  issuer.slow(60_000);
  const waiting = fetch(issuer.jwksUri).catch((error) => error.name);
  while (issuer.requests.keys === 0) await new Promise((resolve) => setImmediate(resolve));
  await issuer.stop();
  expect(await waiting).toBe('TypeError');
  for (const wrong of [-1, Number.NaN, 1e9]) expect(() => issuer.slow(wrong)).toThrow(TypeError);
});

test.each(Object.keys(POISONS).filter((kind) => kind !== 'never'))(
  'keys answered by %s let nobody in, and restored they do',
  async (kind) => {
    const issuer = await issuerWith();
    issuer.poison(kind, { of: kind === 'wrong-issuer' ? 'metadata' : 'keys' });
    const refused = await verifyRemoteToken(issuer.token(), issuer.policy()).catch((error) => error);
    expect(refused.code).toMatch(/^ERR_(JWKS|DISCOVERY|KEY)_/);
    issuer.restore();
    const verifier = new RemoteTokenVerifier();
    verifier.clear();
    await verifier.verify(issuer.token(), issuer.policy());
  },
);

test('what is never answered hangs until it is stopped', async () => {
  const issuer = await issuerWith();
  issuer.poison('never', { of: 'metadata' });
  const waiting = fetch(`${issuer.issuer}/.well-known/openid-configuration`).catch((error) => error.name);
  while (issuer.requests.metadata === 0) await new Promise((resolve) => setImmediate(resolve));
  await issuer.stop();
  expect(await waiting).toBe('TypeError');
});

describe('a profile', () => {
  const kinds = Object.entries(PRESETS).flatMap(([profile, { kinds }]) =>
    Object.keys(kinds).map((kind) => [profile, kind]),
  );

  test.each(kinds)(
    '%s: a token of kind %s is signed by the published key and has its claims',
    async (profile, kind) => {
      const issuer = await issuerWith({ profile, alg: 'ES256' });
      const token = issuer.token({}, { kind });
      const { claims, header = {} } = PRESETS[profile].kinds[kind];
      expect(read(token)).toMatchObject(JSON.parse(JSON.stringify(claims)));
      expect(read(token, 0)).toMatchObject(JSON.parse(JSON.stringify(header)));
      const [jwk] = issuer.jwks().keys;
      const [head, payload, signature] = token.split('.');
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      const signed = Buffer.from(`${head}.${payload}`);
      const ieee = { key, dsaEncoding: 'ieee-p1363' };
      expect(verify('sha256', signed, ieee, Buffer.from(signature, 'base64url'))).toBe(true);
    },
  );

  test('has the issuer at the provider’s path, found by metadata in either place', async () => {
    const { issuer } = await issuerWith({ profile: 'keycloak' });
    expect(issuer).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/realms\/chat$/);
    const { origin, pathname } = new URL(issuer);
    for (const place of [
      `${issuer}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${pathname}`,
    ]) {
      expect(await (await fetch(place)).json()).toMatchObject({ issuer });
    }
  });
});

test('what is wrong is said at once', async () => {
  const issuer = await issuerWith();
  await expect(createTestIssuer({ algorithm: 'RS256' })).rejects.toThrow(/algorithm is no option; there are alg/);
  await expect(createTestIssuer({ profile: 'constructor' })).rejects.toThrow(/profile is one of entra/);
  await expect(createTestIssuer({ alg: 'HS256' })).rejects.toThrow(/alg is one of RS256/);
  await expect(createTestIssuer({ path: 'x' })).rejects.toThrow(/path/);
  expect(() => issuer.token({}, { alg: 'toString' })).toThrow(/alg is one of/);
  expect(() => issuer.token({}, { kind: 'user' })).toThrow(/kind needs a profile/);
  expect(() => issuer.token({}, { alg: 'ES256', kid: issuer.kid })).toThrow(/cannot sign with ES256/);
  expect(() => issuer.withdraw('x')).toThrow(/no key/);
  expect(() => issuer.poison('toString')).toThrow(/poison is one of/);
});

describe('expectRefusal', () => {
  test('gives the error, or the outcome that is no error', async () => {
    const error = Object.assign(new Error('x'), { code: 'ERR_A' });
    expect(await expectRefusal('ERR_A', Promise.reject(error))).toBe(error);
    expect(await expectRefusal('ERR_A', { ok: false, code: 'ERR_A' })).toEqual({ ok: false, code: 'ERR_A' });
  });

  test.each([
    ['another code', () => Promise.reject(Object.assign(new Error(), { code: 'ERR_B' })), /ERR_A, and got ERR_B/],
    ['no code', () => Promise.reject(new Error('broken')), /got Error: broken/],
    ['an accepted token', async () => ({ claims: { email: 'ada@example.com' } }), /got accepted$/],
    ['an accepted outcome with that claim', async () => ({ ok: true, code: 'ERR_A' }), /got ERR_A/],
  ])('fails with %s, and shows no claim', async (_name, attempt, message) => {
    await expect(expectRefusal('ERR_A', attempt)).rejects.toThrow(message);
  });
});
