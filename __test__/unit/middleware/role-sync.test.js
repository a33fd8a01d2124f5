'use strict';

// Role sync by itself, where LibreChat's own scenarios (parity/role-sync-units.test.js) leave off.

const { claimAt } = require('../../../lib/policy/claim-path');
const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('../../../lib/middleware/role-sync');

test('a source in other letters is no source', () => {
  const env = { OPENID_ROLE_SYNC_ENABLED: 'true', OPENID_ROLE_SYNC_CLAIM: 'roles', OPENID_ROLE_SYNC_SOURCE: 'Access' };
  expect(() => getOpenIdRoleSyncOptions(env)).toThrow('OPENID_ROLE_SYNC_SOURCE');
});

describe('the path of a claim', () => {
  const claims = {
    roles: ['A', 'B'],
    text: 'A B',
    realm_access: { roles: ['C'] },
    'realm_access.flat': ['D'],
    resource_access: { 'my.client': { roles: ['E'] } },
    'https://example.com/roles': ['F'],
    'a[0]': ['G'],
    list: [{ name: 'H' }],
    empty: { '': 'I' },
    none: null,
  };
  test.each([
    ['roles', ['A', 'B']],
    ['roles[0]', 'A'],
    ['roles.1', 'B'],
    ['roles[2]', undefined],
    ['realm_access.roles', ['C']],
    ['realm_access["roles"]', ['C']],
    ["realm_access['roles'][0]", 'C'],
    ['realm_access.flat', ['D']],
    ['resource_access["my.client"].roles', ['E']],
    ['resource_access.my.client.roles', undefined],
    ['https://example.com/roles', ['F']],
    ['a[0]', ['G']],
    ['list[0].name', 'H'],
    ['empty.', 'I'],
    ['text[0]', 'A'],
    ['none.roles', undefined],
    ['nothing', undefined],
    ['constructor', undefined],
    ['__proto__', undefined],
    ['roles.constructor.name', undefined],
    ['roles.__proto__', undefined],
  ])('%j leads to %j', (path, value) => {
    expect(claimAt(claims, path)).toEqual(value);
  });
});

test.each([
  [true, 'groups', { hasgroups: true }],
  [true, 'groups', { hasgroups: 'true' }],
  [true, 'groups', { _claim_names: { groups: 'src1' }, _claim_sources: { src1: {} } }],
  [false, 'groups', { _claim_names: { groups: 'src1' }, _claim_sources: {} }],
  [false, 'groups', { _claim_names: { groups: 'src1' }, _claim_sources: { src1: null } }],
  [false, 'groups', { _claim_names: { groups: 'src1' } }],
  [false, 'groups', { _claim_names: { groups: null }, _claim_sources: { null: {} } }],
  [false, 'groups', { hasgroups: false, groups: [] }],
  [false, 'roles', { hasgroups: true }],
  [false, 'Groups', { hasgroups: true }],
])('group overage is %s for the claim %s of %j', async (overage, claim, accessClaims) => {
  const options = { claimSource: 'access', claim };
  const resolveGroupOverage = async () => ['elsewhere'];
  const values = await getOpenIdRolesForOpenIdSync({
    options,
    accessClaims,
    decodeToken: () => ({}),
    resolveGroupOverage,
  });
  expect(values).toEqual(overage ? ['elsewhere'] : []);
});

test.each([
  ['A', 'X A,B'],
  ['A', ' ,B,,A '],
  ['A', ['X', ' a ', 'C D', '', 7, null, ['B']]],
  [undefined, ['A B']],
  [undefined, ''],
  [undefined, []],
  [undefined, { A: true }],
  [undefined, 7],
  [undefined, null],
  [undefined, undefined],
])('selects %j of %j', (role, openIdRoleValues) => {
  expect(selectOpenIdRole({ rolePriority: ['A', 'B'], openIdRoleValues }).selectedRole).toBe(role);
});

test.each([
  [' A ', 'A'],
  ['', undefined],
  [' ', undefined],
  [' admin ', undefined],
])('the fallback %j gives %j', (fallbackRole, role) => {
  expect(selectOpenIdRole({ rolePriority: [' ', 'ADMIN'], openIdRoleValues: 'ADMIN', fallbackRole }).selectedRole).toBe(
    role,
  );
});

describe('the configured roles', () => {
  const asked = (stored, over) => {
    const getRolesByNames = jest.fn(async () => stored);
    const answer = getLibreChatRolesForOpenIdSync({ rolePriority: [], getRolesByNames, ...over });
    return answer.then((roles) => ({ ...roles, calls: getRolesByNames.mock.calls }));
  };

  test.each([[[]], [null], [undefined], [[{ name: 7 }, null]]])(
    'that are not stored (%j) are an error',
    async (stored) => {
      await expect(asked(stored, { rolePriority: ['Missing'] })).rejects.toThrow('do not exist: Missing');
    },
  );

  test('need no storage for USER, whose stored spelling counts all the same', async () => {
    expect(await asked([], { fallbackRole: 'user' })).toMatchObject({ rolePriority: [], fallbackRole: 'USER' });
    expect(await asked([{ name: 'User' }], { fallbackRole: 'user' })).toMatchObject({ fallbackRole: 'User' });
  });
});
