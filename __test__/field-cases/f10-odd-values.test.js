'use strict';

// Values of odd types, where LibreChat's JavaScript takes them in its own way.

process.env.LOG_TO_FILE = 'false';

const {
  World,
  U,
  expectAnswered,
  expectPassed,
  expectRefused,
  isolateEnvironment,
  knownUser,
} = require('../parity/world');
const { issuerWhileTesting } = require('../support/surroundings');
const {
  getLibreChatRolesForOpenIdSync,
  getOpenIdRoleSyncOptions,
  selectOpenIdRole,
} = require('remote-agent-auth/librechat');

isolateEnvironment();
const issuer = issuerWhileTesting();

describe('F10 a scope claim', () => {
  const send = (claims) => {
    const world = new World(issuer).configure({ oidc: { scope: 'agents:use' } });
    return world.send(world.token(claims)).then((result) => ({ world, result }));
  };

  test.each([
    ['0', { scp: 0, scope: 'agents:use' }],
    ['-0', { scp: -0, scope: 'agents:use' }],
    ['false', { scp: false, scope: 'agents:use' }],
    ['an empty text', { scp: '', scope: 'agents:use' }],
    ['an empty list', { scp: [], scope: 'agents:use' }],
    ['a list with an empty text', { scp: [''], scope: 'agents:use' }],
    ['a scope of 0', { scope: 0 }],
    ['a scope of false', { scope: false }],
    ['scp null, scope 0', { scp: null, scope: 0 }],
  ])('F10 of %s is no scope: row 8, no API key is tried', async (_name, claims) => {
    const { world, result } = await send(claims);
    expectRefused(world, result);
    expect(world.logged('warn', 'lacks a required scope')).toHaveLength(1);
  });

  test.each([
    ['1', { scp: 1 }],
    ['true', { scp: true }],
    ['an object', { scp: {} }],
    ['a list with a number', { scp: ['agents:use', 0] }],
    ['a list with false', { scp: [false] }],
    ['a list with null', { scope: ['agents:use', null] }],
    ['a list in a list', { scope: [['agents:use']] }],
  ])('F10 of %s is a failed verification: rows 6 and 7', async (_name, claims) => {
    const { world, result } = await send(claims);
    expectPassed(result);
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
    expect(world.deps.findUser).not.toHaveBeenCalled();
  });

  test('F10 nobody looks at it where no scope is required', async () => {
    const world = new World(issuer);
    for (const scp of [0, 1, true, {}, [null]]) expectPassed(await world.send(world.token({ scp })));
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });
});

describe('F10 an audience in the configuration that is no text', () => {
  // A documented difference: LibreChat compares it with `aud` as it is, so a number may match a number.
  test.each([[7], [true], [['agents', 7]], [{}]])('F10 %j is refused whatever the token says', async (audience) => {
    for (const aud of ['agents', '7', 7, true, ['agents', 7]]) {
      const world = new World(issuer).configure({ apiKey: false, oidc: { audience } });
      expectAnswered(await world.send(world.token({ aud })), 401, U);
      expect(world.logged('error').map(([, , error]) => error.code)).toEqual(['ERR_POLICY_AUDIENCE']);
    }
  });

  test.each([[0], [false], [null], ['']])('F10 %j is a missing one: row 3a', async (audience) => {
    const world = new World(issuer).configure({ oidc: { audience } });
    expectAnswered(await world.send(world.token()), 500, { error: 'Internal server error' });
  });
});

describe('F10 role sync', () => {
  const stored = (...names) => jest.fn(async () => names.map((name) => ({ name })));

  test('F10 stored names lose their blanks, configured ones find them all the same', async () => {
    const input = {
      rolePriority: ['basic', ' Standard'],
      fallbackRole: ' user ',
      getRolesByNames: stored(' BASIC ', '\tStandard\n', 'User '),
    };
    expect(await getLibreChatRolesForOpenIdSync(input)).toEqual({
      rolePriority: ['BASIC', 'Standard'],
      fallbackRole: 'User',
    });
  });

  test('F10 an empty list of names is looked up, too', async () => {
    const getRolesByNames = stored();
    expect(await getLibreChatRolesForOpenIdSync({ rolePriority: [], getRolesByNames })).toEqual({ rolePriority: [] });
    expect(getRolesByNames.mock.calls).toEqual([[[], 'name']]);
  });

  test.each([[null], [undefined], [[null, undefined, {}, { name: null }, { name: 7 }]]])(
    'F10 a storage that says %j knows the system roles',
    async (answer) => {
      const input = { rolePriority: ['user'], fallbackRole: 'USER', getRolesByNames: async () => answer };
      expect(await getLibreChatRolesForOpenIdSync(input)).toEqual({ rolePriority: ['USER'], fallbackRole: 'USER' });
    },
  );

  test.each([[null], [undefined], [''], [[]], [[null, 7, {}, ['BASIC']]], [[' ']]])(
    'F10 values of %j select the fallback',
    (openIdRoleValues) => {
      const choice = { rolePriority: ['BASIC'], fallbackRole: 'USER', currentRole: null, openIdRoleValues };
      expect(selectOpenIdRole(choice)).toEqual({ selectedRole: 'USER', reason: 'fallback' });
    },
  );

  test('F10 a flag may be a boolean', () => {
    expect(getOpenIdRoleSyncOptions({ OPENID_ROLE_SYNC_ENABLED: true, OPENID_ROLE_SYNC_CLAIM: 'roles' })).toMatchObject(
      { enabled: true },
    );
    expect(getOpenIdRoleSyncOptions({ OPENID_ROLE_SYNC_ENABLED: false })).toMatchObject({ enabled: false });
  });

  test.each([[null], [7], [{}], [true]])(
    'F10 a roles claim of %j: the fallback is written by the middleware',
    async (roles) => {
      Object.assign(process.env, {
        OPENID_ROLE_SYNC_ENABLED: 'true',
        OPENID_ROLE_SYNC_API_ENABLED: 'true',
        OPENID_ROLE_SYNC_SOURCE: 'access',
        OPENID_ROLE_SYNC_CLAIM: 'roles',
        OPENID_ROLE_SYNC_FALLBACK_ROLE: 'user',
      });
      const deps = { findUser: async () => knownUser(issuer, { role: 'BASIC' }), getRolesByNames: stored(' USER ') };
      const world = new World(issuer, { deps });
      expectPassed(await world.send(world.token({ roles })));
      expect(world.deps.updateUser.mock.calls).toEqual([['user-1', { role: 'USER' }]]);
    },
  );
});
