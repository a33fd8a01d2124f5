'use strict';

// Introspection of JWTs (`also`): what an answer may leave out, whose it must be, and what is left of the grant.

const { createBearerAuth, requireScopes } = require('../../..');
const { closeProviders, codeOf, now, provider } = require('../../support/introspecting');
const { fullResponse } = require('../../support/fakes');
const { Signer } = require('../../support/signer');

afterAll(closeProviders);

const signer = new Signer();
const keys = { jwks: { keys: [signer.jwk] } };

/** @param {(issuer: string) => object} said beside `active` @param {object} [more] of the policy */
async function alsoProvider(said, more = {}) {
  const made = await provider((_token, issuer) => ({ active: true, ...said(issuer) }));
  const also = { ...made.policy.introspection, also: true };
  const policy = { ...made.policy, ...keys, introspection: also, ...(typeof more === 'function' ? more(made) : more) };
  const compiled = made.verifier.compile(policy);
  const judge = (claims) => codeOf(made.check(signer.token({ iss: made.issuer, ...claims }), compiled));
  return { ...made, judge, policy, compiled };
}

test.each([
  ['maxTokenAge', { maxTokenAge: 3600 }],
  ['maxTokenLifetime', { maxTokenLifetime: 3600 }],
])('an answer that names no time is asked for none by %s, which the JWT itself has satisfied', async (_name, rule) => {
  const { judge } = await alsoProvider(() => ({}), rule);
  expect(await judge()).toBe('ok');
  expect(await judge({ iat: now() - 7200, exp: now() + 9000 })).toMatch(/^ERR_TOKEN_(TOO_OLD|LIFETIME|AGE)/);
});

test.each([
  ['too old', { iat: now() - 7200 }, { maxTokenAge: 3600 }],
  ['in the future', { iat: now() + 600 }, { maxTokenAge: 3600 }],
  ['too long ago for its end', { iat: now() - 60, exp: now() + 7200 }, { maxTokenLifetime: 3600 }],
])('an answer whose `iat` is %s is refused by the rule', async (_name, said, rule) => {
  const { judge } = await alsoProvider(() => said, rule);
  expect(await judge()).toMatch(/^ERR_TOKEN_/);
});

test('an answer that names another of the policy’s issuers is of another token', async () => {
  let named = (issuer) => issuer;
  const list = (made) => ({ issuer: [made.issuer, `${made.issuer}/other`] });
  const { judge } = await alsoProvider((issuer) => ({ iss: named(issuer) }), list);
  expect(await judge()).toBe('ok');
  named = (issuer) => `${issuer}/other`;
  expect(await judge({ jti: 'another token' })).toBe('ERR_TOKEN_ISSUER');
});

test('an answer that names another of the policy’s tenants is of another token', async () => {
  let tid = 'one';
  const { verifier, policy, issuer, check } = await provider(() => ({ active: true, tid, iss: `${issuer}/${tid}` }));
  const endpoint = `${issuer}/introspect`;
  const introspection = { ...policy.introspection, also: true, cacheMs: 0, endpoint };
  const many = { issuer: `${issuer}/{tenantid}`, allowedTenants: ['one', 'two'] };
  const compiled = verifier.compile({ ...policy, ...keys, ...many, introspection });
  const token = signer.token({ iss: `${issuer}/one`, tid: 'one' });
  expect(await codeOf(check(token, compiled))).toBe('ok');
  tid = 'two';
  expect(await codeOf(check(token, compiled))).toBe('ERR_TOKEN_ISSUER');
});

test('a spelling of the issuer that the policy takes for the same is the same', async () => {
  const { judge } = await alsoProvider(
    (issuer) => ({ iss: issuer }),
    (made) => ({ issuer: `${made.issuer}/` }),
  );
  expect(await judge()).toBe('ok');
  const { judge: other } = await alsoProvider(
    (issuer) => ({ iss: `${issuer}/` }),
    (made) => ({ issuer: `${made.issuer}/` }),
  );
  expect(await other()).toBe('ok');
});

test.each([
  ['says nothing of scopes', {}, ['read', 'write']],
  ['has all of them and more', { scope: 'write admin read' }, ['read', 'write']],
  ['has one of them', { scope: 'read admin' }, ['read']],
  ['has one of them in scp', { scp: ['write'] }, ['write']],
  ['has none of them', { scope: 'admin' }, []],
  ['has no scope left', { scope: '' }, []],
  ['has a scope of a wrong type', { scope: 7 }, []],
])('of a JWT whose answer %s, those scopes count that both have', async (_name, said, scopes) => {
  const { check, compiled, issuer } = await alsoProvider(() => said);
  const outcome = await check(signer.token({ iss: issuer, scope: 'read write' }), compiled);
  expect(outcome).toMatchObject({ ok: true, scopes });
});

test('a guard asks for scopes that the answer has taken away, and refuses', async () => {
  const { policy, verifier, issuer } = await alsoProvider(() => ({ scope: 'read' }));
  const bearer = createBearerAuth({ ...policy, verifier });
  const token = signer.token({ iss: issuer, scope: 'read write' });
  const req = { headers: { authorization: `Bearer ${token}` } };
  await new Promise((resolve) => bearer(req, fullResponse(), resolve));
  const passes = async (scope) => {
    const next = jest.fn();
    await requireScopes(scope)(req, { ...fullResponse(), end: () => {} }, next);
    return next.mock.calls.length === 1 && next.mock.calls[0].length === 0;
  };
  expect([await passes('read'), await passes('write')]).toEqual([true, false]);
});

test('outcomes that end at once take no place of those that are kept', async () => {
  const { asking, check, compiled, issuer, policy } = await alsoProvider(() => ({}));
  const kept = asking(policy.introspection && { ...policy.introspection, also: false }, keys);
  const known = await check(signer.token({ iss: issuer }), kept);
  const token = known.ok && signer.token({ iss: issuer, sub: 'another', more: 'x'.repeat(11_000) });
  const first = signer.token({ iss: issuer, jti: 'kept' });
  const outcome = check(first, kept);
  // More characters than two generations of the memory have.
  for (let time = 0; time < 3_000; time += 1) await check(token, compiled);
  expect(check(first, kept)).toBe(outcome);
});
