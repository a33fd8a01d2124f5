'use strict';

// LibreChat's suite of role sync in the middleware (scenarios 69 to 77).

const { expectPassed, expectRefused, knownUser, suiteIssuer, World } = require('./world');

const issuer = suiteIssuer();
let world;

beforeEach(() => {
  Object.assign(process.env, {
    OPENID_ROLE_SYNC_ENABLED: 'true',
    OPENID_ROLE_SYNC_API_ENABLED: 'true',
    OPENID_ROLE_SYNC_SOURCE: 'access',
    OPENID_ROLE_SYNC_CLAIM: 'roles',
    OPENID_ROLE_SYNC_ROLE_PRIORITY: 'STANDARD-USER,BASIC-USER',
    OPENID_ROLE_SYNC_FALLBACK_ROLE: 'USER',
  });
  world = new World(issuer, {
    deps: { getRolesByNames: jest.fn(async (names) => names.map((name) => ({ name }))) },
  });
  user({});
});

const user = (over) => world.deps.findUser.mockImplementation(async () => knownUser(issuer, over));

/** The role was written, and stands on the request. */
function expectRole(result, role) {
  expectPassed(result);
  expect(world.deps.updateUser.mock.calls).toEqual([['user-1', { role }]]);
  expect(result.req.user.role).toBe(role);
}

/** Nothing was written, the role is what it was. */
function expectUnchanged(result, role) {
  expectPassed(result);
  expect(world.deps.updateUser).not.toHaveBeenCalled();
  expect(result.req.user.role).toBe(role);
}

test('[69] the flag for the API off: no lookup of roles, no update', async () => {
  process.env.OPENID_ROLE_SYNC_API_ENABLED = 'false';
  expectUnchanged(await world.send(world.token({ roles: ['BASIC-USER'] })), 'USER');
  expect(world.deps.getRolesByNames).not.toHaveBeenCalled();
});

test('[70] two configured roles in the token: the first priority is written', async () => {
  expectRole(await world.send(world.token({ roles: ['BASIC-USER', 'STANDARD-USER'] })), 'STANDARD-USER');
});

test('[71] a role nobody configured: the fallback is written', async () => {
  user({ role: 'STANDARD-USER' });
  expectRole(await world.send(world.token({ roles: ['UNKNOWN'] })), 'USER');
});

test('[72] an empty roles claim: the fallback is written', async () => {
  user({ role: 'STANDARD-USER' });
  expectRole(await world.send(world.token({ roles: '' })), 'USER');
});

test('[73] an administrator keeps the role, and no role is looked up', async () => {
  user({ role: 'ADMIN' });
  expectUnchanged(await world.send(world.token({ roles: ['BASIC-USER'] })), 'ADMIN');
  expect(world.deps.getRolesByNames).not.toHaveBeenCalled();
});

test('[74] roles are to come from the id token: nothing happens', async () => {
  process.env.OPENID_ROLE_SYNC_SOURCE = 'id';
  expectUnchanged(await world.send(world.token({ roles: ['BASIC-USER'] })), 'USER');
  expect(world.deps.getRolesByNames).not.toHaveBeenCalled();
});

test.each([
  ['by hasgroups', { hasgroups: true }],
  [
    'by claim names',
    { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } },
  ],
])('[75] more groups than the token can carry (%s): the role stays', async (_name, claims) => {
  process.env.OPENID_ROLE_SYNC_CLAIM = 'groups';
  user({ role: 'STANDARD-USER' });
  expectUnchanged(await world.send(world.token(claims)), 'STANDARD-USER');
});

test('[76] a tenant’s user: the names are looked up, and the role is written, in that tenant', async () => {
  user({ tenantId: 'acme' });
  world.configure({ tenant: 'acme' });
  const places = [];
  world.deps.getRolesByNames.mockImplementation(async (names) => {
    places.push(world.tenants.getStore());
    return names.map((name) => ({ name }));
  });
  world.deps.updateUser.mockImplementation(async () => void places.push(world.tenants.getStore()));
  expectRole(await world.send(world.token({ roles: ['basic-user'] })), 'BASIC-USER');
  expect(world.deps.getRolesByNames.mock.calls).toEqual([[['STANDARD-USER', 'BASIC-USER', 'USER'], 'name']]);
  expect(places).toEqual(['acme', 'acme']);
});

test('[77] the policy of the new role has OIDC off: 401, nothing is written', async () => {
  user({ tenantId: 'acme' });
  world.deps.getAppConfig.mockImplementation(async ({ tenantId, role }) => {
    world.configure({ tenant: 'acme', oidc: role === 'BASIC-USER' ? null : {} });
    return world.configs[tenantId ?? 'base'];
  });
  expectRefused(world, await world.send(world.token({ roles: ['BASIC-USER'] })));
  expect(world.deps.getAppConfig.mock.calls.map(([scope]) => scope.role)).toEqual([undefined, 'USER', 'BASIC-USER']);
});
