'use strict';

// An ID token whose audience is the configured one passes, as in LibreChat; the operator is warned once.

const { RemoteTokenVerifier } = require('../../index');
const { AUDIENCE, ISSUER, Signer } = require('../support/signer');
const { isolateEnvironment } = require('../support/flow');
const { warningApp } = require('../support/warning-app');

isolateEnvironment();
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const app = warningApp(verifier, signer, 'ID token', { typ: 'JWT' });
afterAll(() => verifier.clear());

const LOOKS = [{ nonce: 'n' }, { at_hash: 'h' }, { typ: 'ID' }, { token_use: 'id' }, { auth_time: 1, azp: AUDIENCE }];

test.each(LOOKS)('B2 a token with %j passes, with one warning for its issuer', async (claims) => {
  const call = app();
  expect((await call(claims)).passed).toBe(true);
  const { passed, warnings } = await call(claims);
  expect(passed).toBe(true);
  expect(warnings).toEqual([['warn', expect.stringContaining(ISSUER)]]);
  expect(warnings[0][1]).toContain("typ: 'preferred'");
});

test.each(LOOKS)("B2 a token with %j is refused under typ: 'preferred'", async (claims) => {
  expect(await app({ typ: 'preferred' })(claims)).toEqual({ passed: false, warnings: [] });
});

test("B2 an access token passes under typ: 'preferred' without a warning", async () => {
  for (const claims of [
    { scope: 'read' },
    { auth_time: 1, azp: 'cli', scope: 'read' },
    { typ: 'Bearer', nonce: 'n' },
  ]) {
    expect(await app({ typ: 'preferred' })(claims)).toEqual({ passed: true, warnings: [] });
    expect(await app()(claims)).toEqual({ passed: true, warnings: [] });
  }
});
