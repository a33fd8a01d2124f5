'use strict';

// Whom tools and subagents act for. In brackets: the number of LibreChat's own scenario.

const { createSafeUser, toolIdentity } = require('../../../lib/librechat/safe-user');

const tokens = { access_token: 'token' };
const user = {
  _id: 'object-id',
  id: 'id-1',
  name: 'Ada',
  email: 'ada@example.com',
  provider: 'openid',
  openidId: 'subject-1',
  openidIssuer: 'https://issuer.example',
  role: 'USER',
  tenantId: 'acme',
  idOnTheSource: 'oid',
  password: 'hash',
  avatar: 'data:',
  openidTokens: {},
  federatedTokens: tokens,
};

test('a safe user has the known fields that are there, and the very tokens', () => {
  const safe = createSafeUser(user);
  expect(safe).toEqual({
    id: 'id-1',
    name: 'Ada',
    email: 'ada@example.com',
    provider: 'openid',
    openidId: 'subject-1',
    role: 'USER',
    federatedTokens: tokens,
  });
  expect(safe.federatedTokens).toBe(tokens);
});

test('every field LibreChat copies is copied, undefined and inherited ones too', () => {
  const names =
    'id name username email provider role googleId facebookId openidId samlId ldapId githubId discordId appleId emailVerified twoFactorEnabled termsAccepted'.split(
      ' ',
    );
  const all = Object.fromEntries(names.map((name) => [name, undefined]));
  expect(Object.keys(createSafeUser(Object.create(all)))).toEqual(names);
});

test.each([null, undefined])('a safe user of %s is empty', (nobody) => {
  expect(createSafeUser(nobody)).toEqual({});
});

test('[360] a user with an id: both keys', () => {
  expect(toolIdentity(user)).toEqual({ user: createSafeUser(user), user_id: 'id-1' });
});

test.each([
  ['[361] undefined', undefined],
  ['[362] null', null],
  ['[363] without an id', { name: 'Ada' }],
  ['with an empty id', { id: '' }],
])('a user that is %s: neither key, so that an outer default survives', (_name, nobody) => {
  expect({ user_id: 'api-user', ...toolIdentity(nobody) }).toEqual({ user_id: 'api-user' });
});
