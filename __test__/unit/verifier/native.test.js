'use strict';

// The two Rust exports themselves, called as `remote-agent-auth/native` offers them, against a real provider.

const { startProvider } = require('../../../examples/demo/provider.js');
const { decode, flipped, resigned, signedWithPublicKey, unsigned } = require('../../../examples/demo/tokens.js');
const { createRemoteAgentAuth, verifyRemoteToken } = require('remote-agent-auth/native');

const AUDIENCE = 'https://chat.example.com/api';
const SCOPE = 'agents:use';

/** @type {import('../../../examples/demo/provider.js').Provider} */
let provider;
/** @type {string} */
let token;
/** @type {any} */
let key;
/** @type {import('../../../native').PolicyOptions} */
let policy;

beforeAll(async () => {
  provider = await startProvider();
  token = await provider.token({ user: 'ada', audience: AUDIENCE, scope: SCOPE });
  key = await provider.key();
  policy = { issuer: provider.issuer, audience: AUDIENCE, scope: SCOPE };
}, 30_000);
afterAll(() => provider.stop());

/** Both exports, as one kind of call. */
const entries = /** @type {const} */ ([
  ['verifyRemoteToken', (/** @type {any} */ ...args) => /** @type {any} */ (verifyRemoteToken)(...args)],
  [
    'createRemoteAgentAuth().check',
    (/** @type {any} */ ...args) => /** @type {any} */ (createRemoteAgentAuth()).check(...args),
  ],
]);

describe.each(entries)('%s', (_name, check) => {
  test('accepts a token of the provider and hands over what it says', async () => {
    const outcome = await check(token, policy);
    expect(outcome).toMatchObject({
      ok: true,
      subject: 'ada',
      email: 'ada@example.com',
      emailVerified: true,
      scopes: [SCOPE],
      expiresAt: decode(token).claims.exp,
    });
    expect(JSON.parse(outcome.claims)).toEqual(decode(token).claims);
    expect(JSON.parse(outcome.header)).toEqual(decode(token).header);
  });

  /** @type {[string, string, string, () => string][]} */
  const refused = [
    ['a flipped bit in the signature', 'ERR_SIGNATURE_INVALID', 'token', () => flipped(token)],
    ['no signature', 'ERR_TOKEN_ALGORITHM', 'token', () => unsigned(token)],
    ['HS256 with the public key', 'ERR_TOKEN_ALGORITHM', 'token', () => signedWithPublicKey(token, key)],
    ['a kid nobody has', 'ERR_KEY_NOT_FOUND', 'token', () => resigned(token, key, { header: { kid: 'x' } })],
    [
      'a critical header',
      'ERR_TOKEN_CRITICAL',
      'token',
      () => resigned(token, key, { header: { crit: ['b64'], b64: false } }),
    ],
    ['an expired token', 'ERR_TOKEN_EXPIRED', 'token', () => resigned(token, key, { claims: { exp: 1 } })],
    ['no exp', 'ERR_TOKEN_CLAIMS', 'token', () => resigned(token, key, { claims: { exp: undefined } })],
    ['a token for later', 'ERR_TOKEN_NOT_YET_VALID', 'token', () => resigned(token, key, { claims: { nbf: 9e9 } })],
    ['another audience', 'ERR_TOKEN_AUDIENCE', 'token', () => resigned(token, key, { claims: { aud: 'x' } })],
    [
      'another issuer',
      'ERR_TOKEN_ISSUER',
      'token',
      () => resigned(token, key, { claims: { iss: 'https://x.example' } }),
    ],
    ['no subject', 'ERR_TOKEN_SUBJECT', 'token', () => resigned(token, key, { claims: { sub: ' ' } })],
    ['a scope that is a number', 'ERR_SCOPE_MALFORMED', 'token', () => resigned(token, key, { claims: { scope: 7 } })],
    ['the scope missing', 'ERR_SCOPE_MISSING', 'scope', () => resigned(token, key, { claims: { scope: 'x' } })],
    ['an API key instead of a token', 'ERR_TOKEN_OPAQUE', 'token', () => 'sk-demo-agent-key'],
    ['20 KiB of token', 'ERR_TOKEN_TOO_LARGE', 'token', () => `${token}${'A'.repeat(20 * 1024)}`],
  ];
  test.each(refused)('refuses %s with %s', async (_what, code, fault, make) => {
    const outcome = await check(make(), policy);
    expect(outcome).toMatchObject({ ok: false, code, fault });
    expect(outcome.message).not.toContain(token.split('.')[1]);
  });

  /** @type {[string, string, () => object][]} */
  const settings = [
    ['without an issuer', 'ERR_POLICY_ISSUER', () => ({ ...policy, issuer: undefined })],
    [
      'with an issuer over plain http elsewhere',
      'ERR_POLICY_ISSUER',
      () => ({ ...policy, issuer: 'http://example.com' }),
    ],
    ['without an audience', 'ERR_POLICY_AUDIENCE', () => ({ ...policy, audience: undefined })],
    ['with an empty list of audiences', 'ERR_POLICY_AUDIENCE', () => ({ ...policy, audience: [] })],
    [
      'with keys over plain http elsewhere',
      'ERR_POLICY_JWKS_URI',
      () => ({ ...policy, jwksUri: 'http://example.com/jwks' }),
    ],
    ['with a scope that is no string', 'ERR_POLICY_SCOPE', () => ({ ...policy, scope: 7 })],
    ['with the algorithm none', 'ERR_POLICY_ALGORITHMS', () => ({ ...policy, algorithms: ['none'] })],
    ['with an HMAC algorithm', 'ERR_POLICY_ALGORITHMS', () => ({ ...policy, algorithms: ['HS256'] })],
    ['with a clock tolerance that is not a number', 'ERR_POLICY_OPTION', () => ({ ...policy, clockTolerance: NaN })],
    ['with a clock tolerance of a day', 'ERR_POLICY_OPTION', () => ({ ...policy, clockTolerance: 86_400 })],
  ];
  test.each(settings)('answers a policy %s with %s, fault config', async (_what, code, make) => {
    expect(await check(token, make())).toMatchObject({ ok: false, code, fault: 'config' });
  });

  test('answers an unknown option with its name and the nearest one there is', async () => {
    const outcome = await check(token, { ...policy, audiance: AUDIENCE });
    expect(outcome).toMatchObject({ ok: false, code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(outcome.message).toMatch(/audiance.*audience/s);
  });

  test.each([undefined, null, 7, {}, ['a.b.c'], Symbol('token')])(
    'answers a token argument that is no string (%p) with ERR_TOKEN_ARGUMENT',
    async (argument) => {
      expect(await check(argument, policy)).toMatchObject({
        ok: false,
        code: 'ERR_TOKEN_ARGUMENT',
        fault: 'request',
      });
    },
  );

  test.each([NaN, Infinity, -Infinity])('does not take %p for the time, and says so', async (now) => {
    const outcome = await check(token, policy, now);
    expect(outcome).toMatchObject({ ok: false, code: 'ERR_POLICY_OPTION', fault: 'config' });
    expect(outcome.message).toMatch(/`now`/);
  });

  test('checks exp by the clock it is given', async () => {
    const { exp } = decode(token).claims;
    expect(await check(token, policy, exp - 1)).toMatchObject({ ok: true });
    expect(await check(token, policy, exp)).toMatchObject({ ok: false, code: 'ERR_TOKEN_EXPIRED' });
  });

  test.each([undefined, null, 7, 'https://issuer.example'])(
    'answers a policy that is no object (%p) as one without an issuer',
    async (argument) => {
      const outcome = await check(token, argument);
      expect(outcome).toMatchObject({ ok: false, code: 'ERR_POLICY_ISSUER', fault: 'config' });
    },
  );
});

test('check answers at once, without a promise, when the keys are at hand', async () => {
  const auth = createRemoteAgentAuth();
  await auth.check(token, policy);
  expect(auth.check(token, policy)).toMatchObject({ ok: true, subject: 'ada' });
});

test('recheck checks the same token by another policy', async () => {
  const auth = createRemoteAgentAuth();
  const passed = await auth.check(token, policy);
  if (!passed.ok) throw new Error(passed.code);
  expect(await auth.recheck(passed.verdict, policy)).toMatchObject({ ok: true, subject: 'ada' });
  expect(await auth.recheck(passed.verdict, { ...policy, scope: 'agents:write' })).toMatchObject({
    ok: false,
    code: 'ERR_SCOPE_MISSING',
  });
});
