'use strict';

// Zitadel's roles claim is an object: its members' names are the roles, their values the organisations that grant them.

const { RemoteTokenVerifier } = require('../../index');
const { Signer, resultOf, policyOf } = require('../support/signer');

const CLAIM = 'urn:zitadel:iam:org:project:roles';
const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const code = async (claims, requiredRoles) => {
  const result = await resultOf(verifier, signer.token(claims), policyOf([signer.jwk], { requiredRoles }));
  return result.code ?? result;
};
afterAll(() => verifier.clear());

test('A16 the names of an object are roles', async () => {
  const claims = { [CLAIM]: { reader: { 123: 'x.example' }, admin: { 123: 'x.example' } } };
  expect(await code(claims, { all: ['reader', 'admin'], claim: CLAIM })).toBe('ok');
  expect(await code(claims, { any: ['writer', 'admin'], claim: CLAIM })).toBe('ok');
  expect(await code(claims, { all: ['writer'], claim: CLAIM })).toBe('ERR_ROLE_MISSING');
  // What grants a role is no role.
  expect(await code(claims, { all: ['123'], claim: CLAIM })).toBe('ERR_ROLE_MISSING');
});

test('A16 at a nested place, too', async () => {
  const claims = { realm_access: { roles: { reader: true } }, 'a.b': { c: { reader: {} } } };
  expect(await code(claims, ['reader'])).toBe('ok');
  expect(await code(claims, { all: ['reader'], claim: ['a.b', 'c'] })).toBe('ok');
});

test('A16 in a list, each in an object of its own, as some versions write them', async () => {
  const claims = { [CLAIM]: [{ reader: { 123: 'x.example' } }, { admin: { 123: 'x.example' }, writer: {} }, 'text'] };
  expect(await code(claims, { all: ['reader', 'admin', 'writer', 'text'], claim: CLAIM })).toBe('ok');
  expect(await code(claims, { all: ['123'], claim: CLAIM })).toBe('ERR_ROLE_MISSING');
});

test('A16 what a record says of a role is no role', async () => {
  const claims = { roles: [{ name: 'reader', isAdmin: true, description: 'x', groups: ['a'] }] };
  for (const name of ['name', 'isAdmin', 'description', 'groups', 'reader', 'a'])
    expect(await code(claims, { all: [name], claim: 'roles' })).toBe('ERR_ROLE_MISSING');
});

test.each([false, null, 0, ''])('A16 a member that is %j grants nothing', async (value) => {
  expect(await code({ roles: { admin: value } }, { all: ['admin'], claim: 'roles' })).toBe('ERR_ROLE_MISSING');
});

test('A16 lists and texts are read as before, and what an object inherits is no role', async () => {
  expect(await code({ roles: ['reader'] }, { all: ['reader'], claim: 'roles' })).toBe('ok');
  expect(await code({ roles: 'reader writer' }, { all: ['reader'], claim: 'roles' })).toBe('ok');
  for (const name of ['__proto__', 'constructor', 'toString']) {
    expect(await code({ roles: { reader: true } }, { all: [name], claim: 'roles' })).toBe('ERR_ROLE_MISSING');
  }
});
