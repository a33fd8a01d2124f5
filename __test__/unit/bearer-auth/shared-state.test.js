'use strict';

// What an application is given can be written to by any of its code; it decides nothing, in this request and in the next.

const { RemoteTokenVerifier, createBearerAuth, requirePermissions, requireRoles, requireScopes } = require('../../..');
const { requestVerifier } = require('../../../lib/adapters/hono');
const { createTestIssuer } = require('../../../lib/testing');

/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());

const claims = { roles: ['user'], permissions: ['read'], scope: 'a', act: { sub: 'agent' } };
const GUARDS = [requireRoles('admin'), requirePermissions('admin'), requireScopes('admin')];
const codesOf = async (auth) => Promise.all(GUARDS.map(async (guard) => (await guard.evaluate(auth))?.code));
const REFUSED = ['ERR_ROLE_MISSING', 'ERR_PERMISSION_MISSING', 'ERR_SCOPE_MISSING'];

/** Whatever code can do to it without being able to take it apart. */
function tampered(auth) {
  for (const list of [auth.roles, auth.permissions, auth.scopes]) {
    for (const write of [() => list.push('admin'), () => (list[0] = 'admin'), () => (list.length = 0)]) {
      expect(write).toThrow(TypeError);
    }
  }
  expect(() => (auth.actor.subject = 'other')).toThrow(TypeError);
  auth.claims.roles.push('admin');
  auth.claims.act.sub = 'other';
}

async function authOf(ask) {
  const { auth } = await ask();
  return auth;
}

test.each([
  [
    'createBearerAuth',
    (options) => {
      const handler = createBearerAuth(options);
      return (headers) => {
        const req = { method: 'GET', url: '/', headers };
        return new Promise((resolve) => handler(req, {}, () => resolve(req)));
      };
    },
  ],
  [
    'requestVerifier',
    (options) => {
      const verify = requestVerifier(options);
      return (headers) => verify(new Request('http://h/', { headers }));
    },
  ],
])('%s: req.auth shares nothing that can be changed with guards', async (_name, make) => {
  const send = make({ ...issuer.policy(), verifier: new RemoteTokenVerifier({ clock: issuer.clock }) });
  const headers = { authorization: `Bearer ${issuer.token(claims)}` };
  for (let round = 0; round < 3; round += 1) {
    const auth = await authOf(() => send(headers));
    expect([auth.roles, auth.permissions, auth.scopes, auth.actor]).toEqual([
      ['user'],
      ['read'],
      ['a'],
      { subject: 'agent' },
    ]);
    expect(auth.claims.roles).toEqual(['user']);
    tampered(auth);
    expect(await codesOf(auth)).toEqual(REFUSED);
  }
});

test('nor where a verifier of the host’s own gives one outcome again and again', async () => {
  const outcome = {
    ok: true,
    subject: 's',
    scopes: ['a'],
    claims: JSON.stringify({ ...claims, iss: 'x' }),
    header: '{}',
  };
  const verifier = { compile: () => ({}), check: () => outcome };
  const verify = requestVerifier({ issuer: 'https://a.example', audience: 'b', verifier });
  const ask = () => verify(new Request('http://h/', { headers: { authorization: 'Bearer x' } }));
  tampered(await authOf(ask));
  expect(await codesOf(await authOf(ask))).toEqual(REFUSED);
  expect(outcome.scopes).toEqual(['a']);
});
