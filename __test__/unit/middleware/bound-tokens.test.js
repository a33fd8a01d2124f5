'use strict';

// A token bound to a key of its holder's passes as a bearer token, and the operator is warned once; revoked ones do not pass.

const { RemoteTokenVerifier, revoke } = require('../../../index');
const { ISSUER, Signer } = require('../../support/signer');
const { isolateEnvironment } = require('../../support/flow');
const { warningApp } = require('../../support/warning-app');

isolateEnvironment();
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const app = warningApp(verifier, signer, 'cnf');
afterAll(() => verifier.clear());

test.each([{ jkt: 'a' }, { 'x5t#S256': 'a' }])(
  'a token with cnf %j passes, with one warning for its issuer',
  async (cnf) => {
    const call = app();
    expect((await call({ cnf })).passed).toBe(true);
    const { passed, warnings } = await call({ cnf });
    expect(passed).toBe(true);
    expect(warnings).toEqual([['warn', expect.stringContaining(ISSUER)]]);
    expect(warnings[0][1]).toContain('requireUnbound: true');
  },
);

test('it is refused with requireUnbound, and an unbound one is not warned of', async () => {
  const call = app({ requireUnbound: true });
  expect((await call({ cnf: { jkt: 'a' } })).passed).toBe(false);
  expect(await call({})).toEqual({ passed: true, warnings: [] });
});

test('a session that is revoked between two requests does not pass the second time', async () => {
  const call = app();
  const sid = `bound-tokens-${process.pid}`;
  expect((await call({ sid })).passed).toBe(true);
  revoke({ sid, issuer: ISSUER, until: Math.floor(Date.now() / 1000) + 600 });
  expect((await call({ sid })).passed).toBe(false);
  expect((await call({})).passed).toBe(true);
});
