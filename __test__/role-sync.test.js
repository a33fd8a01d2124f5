'use strict';

// Role sync by itself, rule by rule. In brackets: the number of LibreChat's own scenario.

const { claimAt } = require('../lib/claim-path');
const { asStored, isGroupOverage, readRoleSyncOptions, rolesIn, selectRole } = require('../lib/role-sync');

const env = (over = {}) => ({ OPENID_ROLE_SYNC_ENABLED: 'true', OPENID_ROLE_SYNC_CLAIM: 'roles', ...over });
const prefixed = (over) => env(Object.fromEntries(Object.entries(over).map(([name, value]) => [`OPENID_ROLE_SYNC_${name}`, value])));

describe('the variables', () => {
  test('[151] without any role sync is off, the source is id, the list empty', () => {
    expect(readRoleSyncOptions({})).toEqual({
      enabled: false,
      apiEnabled: false,
      source: 'id',
      claim: '',
      rolePriority: [],
      fallbackRole: undefined,
    });
  });

  test('[152] are read, names trimmed', () => {
    const variables = { ENABLED: ' True ', API_ENABLED: 'TRUE', SOURCE: 'access', CLAIM: ' realm_access.roles ', ROLE_PRIORITY: ' A , B C,, ', FALLBACK_ROLE: ' USER ' };
    expect(readRoleSyncOptions(prefixed(variables))).toEqual({
      enabled: true,
      apiEnabled: true,
      source: 'access',
      claim: 'realm_access.roles',
      rolePriority: ['A', 'B C'],
      fallbackRole: 'USER',
    });
  });

  test.each([
    ['[153] without a claim', { CLAIM: ' ' }, 'OPENID_ROLE_SYNC_CLAIM'],
    ['[154] with an unknown source', { SOURCE: 'token' }, 'OPENID_ROLE_SYNC_SOURCE'],
    ['with a source in other letters', { SOURCE: 'Access' }, 'OPENID_ROLE_SYNC_SOURCE'],
    ['[157] with ADMIN in the list', { ROLE_PRIORITY: 'A, admin' }, 'ADMIN'],
    ['[158] with ADMIN as fallback', { FALLBACK_ROLE: ' Admin ' }, 'ADMIN'],
    ['[156] with the API flag and not the other', { ENABLED: 'false', API_ENABLED: 'true' }, 'OPENID_ROLE_SYNC_API_ENABLED'],
  ])('%s are wrong, and the error names what', (_name, variables, named) => {
    expect(() => readRoleSyncOptions(prefixed(variables))).toThrow(named);
  });

  test('[155] that are wrong harm nobody while role sync is off', () => {
    const variables = { ENABLED: 'no', SOURCE: 'x', CLAIM: '', ROLE_PRIORITY: 'ADMIN', FALLBACK_ROLE: 'ADMIN' };
    expect(readRoleSyncOptions(prefixed(variables)).enabled).toBe(false);
  });
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
  [false, 'groups', { _claim_names: { groups: 'src1' } }],
  [false, 'groups', { groups: [] }],
  [false, 'roles', { hasgroups: true }],
  [false, 'Groups', { hasgroups: true }],
])('group overage is %s for the claim %s of %j', (overage, claim, claims) => {
  expect(isGroupOverage(claims, claim)).toBe(overage);
});

test.each([
  ['A B,C', ['A', 'B', 'C']],
  [' ,, ', []],
  [['A', ' B ', 'C D', '', 7, null], ['A', 'B', 'C D']],
  [{ A: true }, []],
  [7, []],
  [null, []],
  [undefined, []],
])('the roles in %j are %j', (value, roles) => {
  expect(rolesIn(value)).toEqual(roles);
});

describe('the configured roles', () => {
  const find = (stored) => jest.fn(async () => stored);

  test('[167] are looked up once, without doubles, list first; what is stored gives the spelling', async () => {
    const findRoles = find([{ name: 'Standard' }, { name: 'BASIC' }]);
    const stored = await asStored({ rolePriority: ['standard', ' Standard ', 'Basic'], fallbackRole: 'basic' }, findRoles);
    expect(findRoles.mock.calls).toEqual([[['standard', 'Basic']]]);
    expect(stored).toEqual({ rolePriority: ['Standard', 'Standard', 'BASIC'], fallbackRole: 'BASIC' });
  });

  test.each([[[]], [null], [undefined], [[{ name: 7 }, null]]])('[168] that are not stored (%j) are an error naming the role', async (stored) => {
    await expect(asStored({ rolePriority: ['Missing'] }, find(stored))).rejects.toThrow('"Missing"');
  });

  test('[169] need no storage for USER', async () => {
    expect(await asStored({ rolePriority: [], fallbackRole: 'user' }, find([]))).toEqual({ rolePriority: [], fallbackRole: 'USER' });
  });

  test('that are none are not looked up', async () => {
    const findRoles = find([]);
    await asStored({ rolePriority: [] }, findRoles);
    expect(findRoles).not.toHaveBeenCalled();
  });
});

describe('the choice', () => {
  const PRIORITY = ['STANDARD', 'BASIC'];
  test.each([
    ['[170] a text with two roles: the first of the list', { roles: 'BASIC STANDARD' }, 'STANDARD', 'priority_match'],
    ['[171] letters count for nothing', { roles: ['basic'] }, 'BASIC', 'priority_match'],
    ['[172] the list goes before the current role', { roles: ['BASIC', 'STANDARD'], currentRole: 'BASIC' }, 'STANDARD', 'priority_match'],
    ['[173] no list and no fallback', { roles: ['X'], rolePriority: [] }, null, 'no_matching_role'],
    ['[174] no match', { roles: ['X'], fallbackRole: 'USER' }, 'USER', 'fallback'],
    ['[175] a match goes before the fallback', { roles: ['BASIC'], fallbackRole: 'USER' }, 'BASIC', 'priority_match'],
    ['[176] the current role is the fallback and carried', { roles: ['user'], fallbackRole: 'USER', currentRole: 'User' }, 'User', 'kept_current'],
    ['[177] a current role outside of all', { roles: [], fallbackRole: 'USER', currentRole: 'OLD' }, 'USER', 'fallback'],
    ['[178] the fallback carried, the current another', { roles: ['USER'], fallbackRole: 'USER', currentRole: 'OLD' }, 'USER', 'fallback'],
    ['[179] ADMIN everywhere', { roles: ['ADMIN'], rolePriority: ['ADMIN'], fallbackRole: 'ADMIN', currentRole: 'ADMIN' }, null, 'no_matching_role'],
    ['[180] unknown values mixed in', { roles: ['x', 7, 'BASIC'] }, 'BASIC', 'priority_match'],
    ['an item with a blank is one name', { roles: ['BASIC STANDARD'] }, null, 'no_matching_role'],
  ])('%s', (_name, choice, role, reason) => {
    expect(selectRole({ rolePriority: PRIORITY, ...choice })).toEqual({ role, reason });
  });
});
