'use strict';

// LibreChat's later suite (scenarios 78 to 82): the tenant's context for what follows, and the conflict of two tenants, by nothing but
// the dependency object of LibreChat's newer line.

const { expectPassed, expectRefused, knownUser, suiteIssuer, World } = require('./world');

const issuer = suiteIssuer();
let world;

beforeEach(() => {
  world = new World(issuer, { deps: { isPrincipalActive: jest.fn(async () => true) } });
  world.configure({ tenant: 'acme' }).configure({ tenant: 'bolt' });
});

const apiUser = (over) =>
  world.deps.apiKeyMiddleware.mockImplementation(async (req, res, next) => {
    req.user = { id: 'key-user', ...over };
    next();
  });
const oidcUser = (over) => world.deps.findUser.mockImplementation(async () => knownUser(issuer, over));

test('[78] an API user of a tenant, no tenant on the request: what follows is in that tenant', async () => {
  apiUser({ tenantId: 'acme' });
  const result = await world.send();
  expectPassed(result);
  expect(result.tenantsSeen).toEqual(['acme']);
});

test('[79] an API user without a tenant, under a tenant: what follows stays in it', async () => {
  apiUser({});
  const result = await world.send(undefined, { tenant: 'acme' });
  expectPassed(result);
  expect(result.tenantsSeen).toEqual(['acme']);
  expect(result.req.tenantId).toBe('acme');
});

test('[80] an OIDC user of a tenant: what follows is in that tenant', async () => {
  oidcUser({ tenantId: 'acme' });
  const result = await world.send(world.token());
  expectPassed(result);
  expect(result.tenantsSeen).toEqual(['acme']);
  expect(result.req).not.toHaveProperty('tenantId');
});

test('[81] an OIDC user without a tenant, under a tenant: what follows stays in it', async () => {
  oidcUser({});
  const result = await world.send(world.token(), { tenant: 'acme' });
  expectPassed(result);
  expect(result.tenantsSeen).toEqual(['acme']);
  expect(result.req.tenantId).toBe('acme');
});

test('[82] another tenant than the user’s: 401, the pending binding is not written', async () => {
  world.deps.findUser.mockImplementation(async ({ email }) =>
    email ? { _id: 'user-1', email, tenantId: 'bolt' } : null,
  );
  expectRefused(world, await world.send(world.token({ email: 'ada@example.com' }), { tenant: 'acme' }));
});
