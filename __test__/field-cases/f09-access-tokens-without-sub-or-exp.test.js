'use strict';

// LibreChat's own verifyOidcAccessToken resolves tokens without `sub` or `exp`: its callers check these claims themselves.

process.env.LOG_TO_FILE = 'false';

const { createRemoteAgentAuth, verifyRemoteToken } = require('../..');
const { clearOidcAccessTokenCache, verifyOidcAccessToken } = require('remote-agent-auth/librechat');
const { World, expectRefused, isolateEnvironment } = require('../parity/world');
const { issuerWhileTesting } = require('../support/surroundings');

isolateEnvironment();
const issuer = issuerWhileTesting();
const config = () => ({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
const verify = (claims, options) => verifyOidcAccessToken(issuer.token(claims), config(), options);

test.each([
  ['no sub', { sub: undefined }],
  ['a blank sub', { sub: ' ' }],
  ['an empty sub', { sub: '' }],
  ['a sub of another type', { sub: 7 }],
  ['no exp', { exp: undefined }],
  ['neither', { sub: undefined, exp: undefined }],
])('F9 a token with %s resolves to its claims', async (_name, claims) => {
  const expected = JSON.parse(JSON.stringify({ iss: issuer.url, aud: 'agents', ...claims }));
  expect(await verify(claims)).toMatchObject(expected);
  expect(await verify(claims, { useOpenIdJwksEnv: true })).toMatchObject(expected);
  expect(await verify(claims, {})).toMatchObject(expected);
});

test.each([
  ['requireSubject', { sub: undefined }, 'ERR_TOKEN_SUBJECT'],
  ['requireSubject', { sub: ' ' }, 'ERR_TOKEN_SUBJECT'],
  ['requireExp', { exp: undefined }, 'ERR_TOKEN_CLAIMS'],
])('F9 %s: true refuses %j', async (option, claims, code) => {
  await expect(verify(claims, { [option]: true })).rejects.toMatchObject({ code });
  // The other answer is another policy's: neither may be remembered for the other.
  await expect(verify(claims)).resolves.toBeDefined();
  await expect(verify(claims, { [option]: true })).rejects.toMatchObject({ code });
});

test.each([
  ['an exp that has passed', { exp: 1 }, 'ERR_TOKEN_EXPIRED'],
  ['an exp that is no number', { exp: '1' }, 'ERR_TOKEN_CLAIMS'],
  ['an exp of null', { exp: null }, 'ERR_TOKEN_CLAIMS'],
  ['another audience', { aud: 'x', sub: undefined }, 'ERR_TOKEN_AUDIENCE'],
])('F9 %s is refused as ever', async (_name, claims, code) => {
  await expect(verify(claims)).rejects.toMatchObject({ code });
});

describe('F9 elsewhere both stay', () => {
  test('F9 verifyRemoteToken wants them, unless its policy says otherwise', async () => {
    await expect(verifyRemoteToken(issuer.token({ sub: undefined }), config())).rejects.toMatchObject({
      code: 'ERR_TOKEN_SUBJECT',
    });
    await expect(verifyRemoteToken(issuer.token({ exp: undefined }), config())).rejects.toMatchObject({
      code: 'ERR_TOKEN_CLAIMS',
    });
    const { subject, claims } = await verifyRemoteToken(issuer.token({ sub: undefined }), {
      ...config(),
      requireSubject: false,
    });
    expect([subject, claims.sub]).toEqual(['', undefined]);
    await expect(verifyRemoteToken(issuer.token(), { ...config(), requireSubject: 'no' })).rejects.toMatchObject({
      code: 'ERR_POLICY_OPTION',
    });
  });

  test('F9 the middleware always wants a subject: anybody could be meant without', async () => {
    const { deps } = new World(issuer);
    for (const policy of [{ requireSubject: false }, { requireSubject: true }]) {
      expect(() => createRemoteAgentAuth(deps, { policy })).toThrow(
        expect.objectContaining({ code: 'ERR_POLICY_OPTION', message: expect.stringContaining('requireSubject') }),
      );
    }
    const world = new World(issuer, { options: { policy: { requireExp: false } } });
    clearOidcAccessTokenCache();
    const token = issuer.token({ sub: ' ', exp: undefined });
    await verifyOidcAccessToken(token, config());
    expectRefused(world, await world.send(token));
    expect(world.logged('warn', 'missing_sub_claim')).toHaveLength(1);
  });
});
