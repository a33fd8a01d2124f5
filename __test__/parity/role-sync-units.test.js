'use strict';

// LibreChat's suite of role sync's parts (scenarios 151 to 180), through the adapter's functions of the same names.

process.env.LOG_TO_FILE = 'false';

const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('remote-agent-auth/librechat');
const { isolateEnvironment } = require('./world');

isolateEnvironment();

const set = (over) => {
  for (const [name, value] of Object.entries(over)) process.env[`OPENID_ROLE_SYNC_${name}`] = value;
};
const on = (over = {}) => set({ ENABLED: 'true', CLAIM: 'roles', ...over });

describe('the variables', () => {
  test('[151] none: off, id token, no priorities', () => {
    expect(getOpenIdRoleSyncOptions()).toMatchObject({ enabled: false, apiEnabled: false, source: 'id', rolePriority: [] });
  });

  test('[152] all of them', () => {
    on({ ENABLED: ' TRUE ', API_ENABLED: 'true', SOURCE: 'access', CLAIM: 'realm_access.roles', ROLE_PRIORITY: ' A , B ,', FALLBACK_ROLE: 'USER' });
    expect(getOpenIdRoleSyncOptions()).toEqual({
      enabled: true,
      apiEnabled: true,
      source: 'access',
      claim: 'realm_access.roles',
      rolePriority: ['A', 'B'],
      fallbackRole: 'USER',
    });
  });

  test.each([
    ['[153] no claim', { CLAIM: ' ' }, 'OPENID_ROLE_SYNC_CLAIM'],
    ['[154] an unknown source', { SOURCE: 'Access' }, 'OPENID_ROLE_SYNC_SOURCE'],
    ['[157] ADMIN among the priorities', { ROLE_PRIORITY: 'A,admin' }, 'ADMIN'],
    ['[158] ADMIN as fallback', { FALLBACK_ROLE: 'Admin' }, 'ADMIN'],
  ])('%s: throws', (_title, over, fragment) => {
    on(over);
    expect(() => getOpenIdRoleSyncOptions()).toThrow(fragment);
  });

  test('[155] switched off nothing is judged', () => {
    set({ SOURCE: 'nonsense', ROLE_PRIORITY: 'ADMIN', FALLBACK_ROLE: 'ADMIN' });
    expect(getOpenIdRoleSyncOptions().enabled).toBe(false);
  });

  test('[156] the flag for the API without the general one: throws', () => {
    set({ API_ENABLED: 'true' });
    expect(() => getOpenIdRoleSyncOptions()).toThrow('OPENID_ROLE_SYNC_ENABLED');
  });
});

describe('roles of a login', () => {
  const decode = jest.fn();
  const resolveOverage = jest.fn(async () => ['from elsewhere']);
  beforeEach(() => {
    decode.mockReset();
    resolveOverage.mockClear();
  });
  const rolesOf = (source, over) =>
    getOpenIdRolesForOpenIdSync({ options: { source, claim: over.claim ?? 'roles' }, decode, resolveOverage, ...over });
  const tokenset = { access_token: 'access', id_token: 'id' };

  test('[159] the id token’s list', async () => {
    decode.mockReturnValue({ roles: ['A', 'B'] });
    expect(await rolesOf('id', { tokenset })).toEqual(['A', 'B']);
    expect(decode.mock.calls).toEqual([['id']]);
  });

  test('[160] an object gives none', async () => {
    decode.mockReturnValue({ roles: { A: true } });
    expect(await rolesOf('id', { tokenset })).toEqual([]);
  });

  test('[161] no token for the source: undefined', async () => {
    expect(await rolesOf('access', { tokenset: {} })).toBeUndefined();
  });

  test('[162] hasgroups in the id token: the resolver’s answer', async () => {
    decode.mockReturnValue({ hasgroups: true });
    expect(await rolesOf('id', { tokenset, claim: 'groups' })).toEqual(['from elsewhere']);
  });

  test('[163] the access token alone is read, once; a missing claim gives none', async () => {
    decode.mockReturnValue({});
    expect(await rolesOf('access', { tokenset })).toEqual([]);
    expect(decode.mock.calls).toEqual([['access']]);
  });

  test('[164] claim names in the access token: the resolver’s answer', async () => {
    decode.mockReturnValue({ _claim_names: { groups: 's' }, _claim_sources: { s: {} } });
    expect(await rolesOf('access', { tokenset, claim: 'groups' })).toEqual(['from elsewhere']);
  });

  test('[165] without an id token the claims are used, nothing is decoded', async () => {
    expect(await rolesOf('id', { tokenset: {}, claims: { roles: ['A'] } })).toEqual(['A']);
    expect(decode).not.toHaveBeenCalled();
  });

  test('[166] userinfo is read as it is', async () => {
    expect(await rolesOf('userinfo', { tokenset, userinfo: { roles: 'A, B' } })).toEqual(['A', 'B']);
    expect(decode).not.toHaveBeenCalled();
  });
});

describe('configured roles', () => {
  const stored = (...names) => jest.fn(async () => names.map((name) => ({ name })));

  test('[167] are looked up once, without doubles, and come back as they are stored', async () => {
    const getRolesByNames = stored('Standard', 'Basic');
    const options = { rolePriority: [' standard ', 'STANDARD', 'basic'], fallbackRole: 'Basic' };
    expect(await getLibreChatRolesForOpenIdSync({ options, getRolesByNames })).toEqual({
      rolePriority: ['Standard', 'Standard', 'Basic'],
      fallbackRole: 'Basic',
    });
    expect(getRolesByNames.mock.calls).toEqual([[['standard', 'basic'], 'name']]);
  });

  test('[168] that are not stored: throws with the caller’s prefix and the name', async () => {
    const options = { rolePriority: ['Missing'] };
    const lookup = getLibreChatRolesForOpenIdSync({ options, getRolesByNames: stored(), logPrefix: '[somewhere]' });
    await expect(lookup).rejects.toThrow(/\[somewhere\].*Missing/);
  });

  test('[169] USER as fallback need not be stored in the tenant', async () => {
    const options = { rolePriority: ['Basic'], fallbackRole: 'USER' };
    expect(await getLibreChatRolesForOpenIdSync({ options, getRolesByNames: stored('Basic') })).toMatchObject({ fallbackRole: 'USER' });
  });
});

describe('the selection', () => {
  const PRIORITY = ['STANDARD', 'BASIC'];
  test.each([
    ['[170] two in one text: the higher priority', { openIdRoles: 'BASIC STANDARD' }, 'STANDARD', 'priority_match'],
    ['[171] in another case: spelt as configured', { openIdRoles: ['standard'] }, 'STANDARD', 'priority_match'],
    ['[172] the priority counts more than the current role', { openIdRoles: ['BASIC', 'STANDARD'], currentRole: 'BASIC' }, 'STANDARD', 'priority_match'],
    ['[173] nothing configured: nothing', { openIdRoles: ['BASIC'], rolePriority: [] }, null, 'no_matching_role'],
    ['[174] no match: the fallback', { openIdRoles: ['X'], fallbackRole: 'USER' }, 'USER', 'fallback'],
    ['[175] a match: not the fallback', { openIdRoles: ['BASIC'], fallbackRole: 'USER' }, 'BASIC', 'priority_match'],
    ['[176] the current role is the fallback and in the token: kept', { openIdRoles: ['user'], fallbackRole: 'USER', currentRole: 'User' }, 'User', 'kept_current'],
    ['[177] the current role is none of the configured: the fallback', { openIdRoles: ['OTHER'], fallbackRole: 'USER', currentRole: 'OTHER' }, 'USER', 'fallback'],
    ['[178] the token has the fallback, the user another: the fallback', { openIdRoles: ['USER'], fallbackRole: 'USER', currentRole: 'BASIC' }, 'USER', 'fallback'],
    ['[179] ADMIN everywhere: nothing', { openIdRoles: ['ADMIN'], rolePriority: ['ADMIN'], fallbackRole: 'ADMIN', currentRole: 'ADMIN' }, null, 'no_matching_role'],
    ['[180] unknown ones beside a known one: the known one', { openIdRoles: ['X', 'BASIC', 7, null] }, 'BASIC', 'priority_match'],
  ])('%s', (_title, choice, role, reason) => {
    expect(selectOpenIdRole({ rolePriority: PRIORITY, ...choice })).toEqual({ role, reason });
  });
});
