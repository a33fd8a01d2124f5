'use strict';

// LibreChat's login, with its imports of role sync changed to ours and nothing else: the role it selects must be the one LibreChat
// selects. Before, other names of arguments and results made it select nothing, silently.

const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('remote-agent-auth/librechat');

const ENV = {
  OPENID_ROLE_SYNC_ENABLED: 'true',
  OPENID_ROLE_SYNC_SOURCE: 'id',
  OPENID_ROLE_SYNC_CLAIM: 'realm_access.roles',
  OPENID_ROLE_SYNC_ROLE_PRIORITY: 'standard-user, basic-user',
  OPENID_ROLE_SYNC_FALLBACK_ROLE: 'USER',
};

/** The steps of a login by ID token, as LibreChat's strategy takes them. */
async function loginRole(
  claims,
  { user = { role: 'USER' }, env = {}, stored = ['STANDARD-USER', ' BASIC-USER '], resolveGroupOverage } = {},
) {
  const options = getOpenIdRoleSyncOptions({ ...ENV, ...env });
  if (!options.enabled) return undefined;
  const openIdRoleValues = await getOpenIdRolesForOpenIdSync({
    options,
    idToken: JSON.stringify(claims),
    accessToken: 'opaque',
    decodeToken: JSON.parse,
    resolveGroupOverage,
  });
  if (openIdRoleValues === undefined) return undefined;
  const { rolePriority, fallbackRole } = await getLibreChatRolesForOpenIdSync({
    rolePriority: options.rolePriority,
    fallbackRole: options.fallbackRole,
    getRolesByNames: async () => stored.map((name) => ({ name })),
    logPrefix: '[openidStrategy]',
  });
  return selectOpenIdRole({ currentRole: user.role, openIdRoleValues, rolePriority, fallbackRole });
}

const roles = (value) => ({ realm_access: { roles: value } });

test.each([
  ['a list', roles(['basic-user', 'offline_access']), { selectedRole: 'BASIC-USER', reason: 'matched_priority' }],
  ['a text', roles('basic-user,Standard-User'), { selectedRole: 'STANDARD-USER', reason: 'matched_priority' }],
  ['none of the configured', roles(['offline_access']), { selectedRole: 'USER', reason: 'fallback' }],
  ['the fallback, which the user has', roles(['user']), { selectedRole: 'USER', reason: 'kept_current' }],
  ['no such claim', {}, { selectedRole: 'USER', reason: 'fallback' }],
  ['an object of roles', roles({ 'basic-user': true }), { selectedRole: 'USER', reason: 'fallback' }],
])('F2 a login whose token has %s', async (_name, claims, selection) => {
  expect(await loginRole(claims)).toEqual(selection);
});

test('F2 an administrator’s role is never the provider’s to give', async () => {
  expect(await loginRole(roles(['ADMIN']), { env: { OPENID_ROLE_SYNC_FALLBACK_ROLE: '' } })).toStrictEqual({
    reason: 'no_matching_role',
  });
  await expect(loginRole({}, { env: { OPENID_ROLE_SYNC_FALLBACK_ROLE: 'ADMIN' } })).rejects.toThrow(
    'FALLBACK_ROLE cannot be ADMIN',
  );
});

test('F2 groups that are too many for the token are asked for, or leave the role alone', async () => {
  const env = { OPENID_ROLE_SYNC_CLAIM: 'groups' };
  const resolveGroupOverage = jest.fn(async () => ['basic-user']);
  expect(await loginRole({ hasgroups: true }, { env, resolveGroupOverage })).toMatchObject({
    selectedRole: 'BASIC-USER',
  });
  expect(await loginRole({ hasgroups: true }, { env })).toBeUndefined();
});

test('F2 every configured role that is not stored is named behind the strategy’s prefix', async () => {
  const text = '[openidStrategy] OpenID role sync configured roles do not exist: standard-user, basic-user';
  await expect(loginRole({}, { stored: [] })).rejects.toThrow(new Error(text));
});

test('F2 switched off, or without a variable, there is nothing to select', async () => {
  expect(await loginRole({}, { env: { OPENID_ROLE_SYNC_ENABLED: '' } })).toBeUndefined();
  expect(getOpenIdRoleSyncOptions({})).toEqual({
    enabled: false,
    apiEnabled: false,
    claimSource: 'id',
    rolePriority: [],
  });
});
