'use strict';

// LibreChat's suite of role sync's parts (scenarios 151 to 180), through the adapter's functions of the same names, called as
// LibreChat's login and its middleware call them.

process.env.LOG_TO_FILE = 'false';

const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  getOpenIdRolesForOpenIdSync,
  selectOpenIdRole,
} = require('./librechat');
const { isolateEnvironment } = require('./world');

isolateEnvironment();

/** An environment with these OPENID_ROLE_SYNC_* variables. */
const variables = (over) =>
  Object.fromEntries(Object.entries(over).map(([name, value]) => [`OPENID_ROLE_SYNC_${name}`, value]));
const on = (over = {}) => variables({ ENABLED: 'true', CLAIM: 'roles', ...over });

describe('the variables', () => {
  test('[151] none: off, id token, no claim, no priorities, no fallback', () => {
    const nothing = {
      enabled: false,
      apiEnabled: false,
      claimSource: 'id',
      claim: undefined,
      rolePriority: [],
      fallbackRole: undefined,
    };
    expect(getOpenIdRoleSyncOptions({})).toStrictEqual(nothing);
    expect(
      getOpenIdRoleSyncOptions(variables({ SOURCE: ' ', CLAIM: ' ', ROLE_PRIORITY: ' , ', FALLBACK_ROLE: ' ' })),
    ).toStrictEqual(nothing);
  });

  test('[152] all of them, trimmed; without an argument those of the process', () => {
    const env = variables({
      ...{ ENABLED: ' TRUE ', API_ENABLED: 'true', SOURCE: 'access', CLAIM: ' realm_access.roles ' },
      ...{ ROLE_PRIORITY: ' STANDARD-USER , BASIC-USER ,', FALLBACK_ROLE: ' USER ' },
    });
    const options = {
      ...{ enabled: true, apiEnabled: true, claimSource: 'access', claim: 'realm_access.roles' },
      ...{ rolePriority: ['STANDARD-USER', 'BASIC-USER'], fallbackRole: 'USER' },
    };
    expect(getOpenIdRoleSyncOptions(env)).toStrictEqual(options);
    Object.assign(process.env, env);
    expect(getOpenIdRoleSyncOptions()).toStrictEqual(options);
  });

  test.each([
    ['[153] on without a claim', on({ CLAIM: ' ' }), 'OPENID_ROLE_SYNC_CLAIM is required when role sync is enabled'],
    [
      '[154] on with a source nobody knows',
      on({ SOURCE: 'profile' }),
      'OPENID_ROLE_SYNC_SOURCE must be one of: access, id, userinfo',
    ],
    [
      '[156] the API without the login',
      variables({ API_ENABLED: 'true' }),
      'OPENID_ROLE_SYNC_API_ENABLED requires OPENID_ROLE_SYNC_ENABLED=true',
    ],
    [
      '[157] ADMIN among the priorities',
      on({ ROLE_PRIORITY: 'STANDARD-USER,admin' }),
      'OPENID_ROLE_SYNC_ROLE_PRIORITY cannot include ADMIN',
    ],
    ['[158] ADMIN as fallback', on({ FALLBACK_ROLE: 'Admin' }), 'OPENID_ROLE_SYNC_FALLBACK_ROLE cannot be ADMIN'],
  ])('%s: throws, in LibreChat’s words', (_title, env, problem) => {
    expect(() => getOpenIdRoleSyncOptions(env)).toThrow(new Error(`[openidRoleSync] ${problem}`));
  });

  test('[155] switched off nothing is checked, and all options keep their values', () => {
    const env = variables({ SOURCE: 'profile', ROLE_PRIORITY: 'ADMIN', FALLBACK_ROLE: 'ADMIN' });
    const options = {
      enabled: false,
      apiEnabled: false,
      claimSource: 'profile',
      rolePriority: ['ADMIN'],
      fallbackRole: 'ADMIN',
    };
    expect(getOpenIdRoleSyncOptions(env)).toMatchObject(options);
  });
});

describe('roles of a login', () => {
  const options = (over) => ({
    enabled: true,
    apiEnabled: false,
    claimSource: 'id',
    claim: 'roles',
    rolePriority: ['A'],
    ...over,
  });
  const decodeToken = jest.fn();
  beforeEach(() => void decodeToken.mockReset());
  const decodes = (claims) => decodeToken.mockReturnValue(claims);
  const fromGraph = () => jest.fn(async () => ['group-a']);

  test('[159] the ID token’s list', async () => {
    decodes({ roles: ['A', 'B'] });
    expect(
      await getOpenIdRolesForOpenIdSync({ options: options(), idToken: 'id', accessToken: 'access', decodeToken }),
    ).toEqual(['A', 'B']);
    expect(decodeToken.mock.calls).toEqual([['id']]);
  });

  test.each([[{ A: true }], [7], [true], [null], [undefined]])(
    '[160] a claim of another type (%j) gives an empty list',
    async (roles) => {
      decodes({ roles });
      expect(await getOpenIdRolesForOpenIdSync({ options: options(), idToken: 'id', decodeToken })).toEqual([]);
    },
  );

  test.each([
    ['no token of the source', { options: options() }],
    ['an empty token', { options: options({ claimSource: 'access' }), accessToken: '', idToken: 'id' }],
    ['no userinfo', { options: options({ claimSource: 'userinfo' }), idToken: 'id' }],
    ['no claim is configured', { options: options({ claim: undefined }), claims: { roles: ['A'] } }],
    ['a source nobody knows', { options: options({ claimSource: 'profile' }), idToken: 'id' }],
  ])('[161] %s: undefined, nothing decoded', async (_name, input) => {
    expect(await getOpenIdRolesForOpenIdSync({ ...input, decodeToken })).toBeUndefined();
    expect(decodeToken).not.toHaveBeenCalled();
  });

  test('[162] hasgroups in the ID token: what the resolver says, and it is asked without arguments', async () => {
    decodes({ hasgroups: true, groups: ['part'] });
    const resolveGroupOverage = fromGraph();
    const input = { options: options({ claim: 'groups' }), idToken: 'id', decodeToken };
    expect(await getOpenIdRolesForOpenIdSync({ ...input, resolveGroupOverage })).toEqual(['group-a']);
    expect(resolveGroupOverage.mock.calls).toEqual([[]]);
    expect(await getOpenIdRolesForOpenIdSync(input)).toBeUndefined();
    expect(await getOpenIdRolesForOpenIdSync({ ...input, resolveGroupOverage: async () => null })).toBeUndefined();
  });

  test('[163] of the access token only that is decoded, once; a missing claim gives an empty list', async () => {
    decodes({ other: 1 });
    const input = { options: options({ claimSource: 'access' }), accessToken: 'access', idToken: 'id', decodeToken };
    expect(await getOpenIdRolesForOpenIdSync(input)).toEqual([]);
    expect(decodeToken.mock.calls).toEqual([['access']]);
  });

  test('[164] claim names in the access token’s claims: what the resolver says; the claims are not decoded again', async () => {
    const accessClaims = {
      _claim_names: { groups: 's' },
      _claim_sources: { s: { endpoint: 'https://graph.example' } },
    };
    const input = {
      options: options({ claimSource: 'access', claim: 'groups' }),
      accessClaims,
      accessToken: 'access',
      decodeToken,
    };
    expect(await getOpenIdRolesForOpenIdSync({ ...input, resolveGroupOverage: fromGraph() })).toEqual(['group-a']);
    expect(decodeToken).not.toHaveBeenCalled();
  });

  test('[165] without an ID token its claims are used, nothing is decoded', async () => {
    expect(await getOpenIdRolesForOpenIdSync({ options: options(), claims: { roles: ['A'] }, decodeToken })).toEqual([
      'A',
    ]);
    expect(decodeToken).not.toHaveBeenCalled();
  });

  test('[166] userinfo is read as it is: a text stays one, and overage is none of its business', async () => {
    const resolveGroupOverage = fromGraph();
    const of = (claim, userinfo) =>
      getOpenIdRolesForOpenIdSync({
        options: options({ claimSource: 'userinfo', claim }),
        userinfo,
        idToken: 'id',
        decodeToken,
        resolveGroupOverage,
      });
    expect(await of('roles', { roles: 'A, B' })).toBe('A, B');
    expect(await of('groups', { hasgroups: true, groups: ['A'] })).toEqual(['A']);
    expect(decodeToken).not.toHaveBeenCalled();
    expect(resolveGroupOverage).not.toHaveBeenCalled();
  });
});

describe('configured roles', () => {
  const stored = (...names) => jest.fn(async () => names.map((name) => ({ name })));

  test('[167] are looked up once, trimmed and without doubles, and come back as they are stored', async () => {
    const getRolesByNames = stored('STANDARD-USER', 'USER');
    const input = { getRolesByNames, rolePriority: [' standard-user ', 'STANDARD-USER'], fallbackRole: 'USER' };
    expect(await getLibreChatRolesForOpenIdSync(input)).toStrictEqual({
      rolePriority: ['STANDARD-USER', 'STANDARD-USER'],
      fallbackRole: 'USER',
    });
    expect(getRolesByNames.mock.calls).toEqual([[['standard-user', 'USER'], 'name']]);
  });

  test('[168] that do not exist are all named, behind the caller’s prefix', async () => {
    const asked = (over) =>
      getLibreChatRolesForOpenIdSync({
        getRolesByNames: stored('A'),
        rolePriority: ['A', 'MISSING', ' Gone '],
        ...over,
      });
    const text = 'OpenID role sync configured roles do not exist: MISSING, Gone';
    await expect(asked({ logPrefix: '[openidStrategy]' })).rejects.toThrow(new Error(`[openidStrategy] ${text}`));
    await expect(asked()).rejects.toThrow(new Error(`[openidRoleSync] ${text}`));
  });

  test('[169] USER as fallback need not be stored in the tenant', async () => {
    const input = { rolePriority: ['STANDARD-USER'], fallbackRole: 'USER', getRolesByNames: stored('STANDARD-USER') };
    expect(await getLibreChatRolesForOpenIdSync(input)).toEqual({
      rolePriority: ['STANDARD-USER'],
      fallbackRole: 'USER',
    });
  });
});

describe('the selection', () => {
  const PRIORITY = ['STANDARD-USER', 'BASIC-USER'];
  const ADMIN = 'ADMIN';
  test.each([
    [
      '[170] two in one text: the higher priority',
      { currentRole: 'USER', openIdRoleValues: 'BASIC-USER STANDARD-USER' },
      'matched_priority',
      'STANDARD-USER',
    ],
    [
      '[171] in another case: spelt as configured',
      { openIdRoleValues: ['standard-user'] },
      'matched_priority',
      'STANDARD-USER',
    ],
    [
      '[172] the priority counts more than the current role',
      { currentRole: 'BASIC-USER', openIdRoleValues: ['BASIC-USER', 'STANDARD-USER'] },
      'matched_priority',
      'STANDARD-USER',
    ],
    [
      '[173] nothing configured: nothing',
      { currentRole: 'USER', openIdRoleValues: ['BASIC-USER'], rolePriority: [] },
      'no_matching_role',
    ],
    [
      '[174] no match: the fallback',
      { currentRole: 'BASIC-USER', openIdRoleValues: ['UNKNOWN'], fallbackRole: 'USER' },
      'fallback',
      'USER',
    ],
    [
      '[175] a match: not the fallback',
      { openIdRoleValues: ['BASIC-USER'], fallbackRole: 'USER' },
      'matched_priority',
      'BASIC-USER',
    ],
    [
      '[176] the current role is the fallback and in the token: kept as it is spelt',
      { currentRole: 'User', openIdRoleValues: ['user'], fallbackRole: 'USER' },
      'kept_current',
      'User',
    ],
    [
      '[177] the current role is none of the configured: the fallback',
      { currentRole: 'LOCAL', openIdRoleValues: ['LOCAL'], fallbackRole: 'USER' },
      'fallback',
      'USER',
    ],
    [
      '[178] the token has the fallback, the user another: the fallback',
      { currentRole: 'BASIC-USER', openIdRoleValues: ['USER'], fallbackRole: 'USER' },
      'fallback',
      'USER',
    ],
    [
      '[179] ADMIN everywhere: nothing',
      { currentRole: ADMIN, openIdRoleValues: [ADMIN], rolePriority: [ADMIN], fallbackRole: ADMIN },
      'no_matching_role',
    ],
    [
      '[180] unknown ones beside a known one: the known one',
      { openIdRoleValues: ['UNKNOWN', 7, null, 'BASIC-USER'] },
      'matched_priority',
      'BASIC-USER',
    ],
  ])('%s', (_title, choice, ...[reason, selectedRole]) => {
    const selection = typeof selectedRole === 'string' ? { selectedRole, reason } : { reason };
    expect(selectOpenIdRole({ rolePriority: PRIORITY, ...choice })).toStrictEqual(selection);
  });
});
