'use strict';

// Tenant isolation rests on the async context: a callback that ran in another request's context would read
// and write another tenant's data. Many tenants at once, some of them waiting for keys, none may mix.

const { App, tenants } = require('../support/app');
const { Issuer } = require('../support/issuer');

const NAMES = ['acme', 'bolt', 'cove', 'dune', 'echo', 'fern'];
const ROUNDS = 10;

let issuers;
let app;
let seen;

/** Notes the context at the start of a callback and after it has waited, which tenant it should be, and where. */
const spied =
  (where, expected, work) =>
  async (...args) => {
    const before = tenants.getStore();
    const result = await work(...args);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push({ where, expected: expected(...args), before, after: tenants.getStore() });
    return result;
  };

beforeEach(async () => {
  seen = [];
  issuers = Object.fromEntries(
    await Promise.all(NAMES.map(async (name) => [name, await new Issuer({ path: `/realms/${name}` }).start()])),
  );
  const tenantOf = (url) => NAMES.find((name) => issuers[name].url === url);
  const configs = Object.fromEntries(
    NAMES.map((name) => [
      name,
      {
        endpoints: {
          agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: issuers[name].url, audience: 'agents' } } } },
        },
      },
    ]),
  );
  app = await new App({
    deps: {
      getAppConfig: spied(
        'getAppConfig',
        (scope) => scope.tenantId,
        async (scope) => configs[scope.tenantId],
      ),
      findUser: spied(
        'findUser',
        (filter) => tenantOf(filter.openidIssuer),
        async ({ openidId, openidIssuer }) => ({
          _id: openidId,
          openidId,
          openidIssuer,
          tenantId: tenantOf(openidIssuer),
        }),
      ),
      // The id carries its tenant, so that an update in the wrong place shows.
      updateUser: spied(
        'updateUser',
        (id) => id.split(':')[0],
        async () => null,
      ),
      apiKeyMiddleware: spied(
        'apiKeyMiddleware',
        (req) => req.headers['x-tenant-id'],
        async (req, res, next) => {
          req.user = { id: 'key', tenantId: req.headers['x-tenant-id'] };
          next();
        },
      ),
    },
  }).start();
});

afterEach(() => Promise.all([app.stop(), ...Object.values(issuers).map((issuer) => issuer.stop())]));

/** One request of each tenant, over and over, all at once. */
const everybody = (send) => Promise.all(Array.from({ length: ROUNDS }, () => NAMES.map(send)).flat());

/** Asserts that each callback was called so often, always in the context it belongs to. */
function expectContexts(counts) {
  expect(seen.filter(({ expected, before, after }) => before !== expected || after !== expected)).toEqual([]);
  const found = {};
  for (const { where } of seen) found[where] = (found[where] ?? 0) + 1;
  expect(found).toEqual(counts);
}

test('every callback, and what comes after the middleware, runs in its own request’s tenant', async () => {
  const answers = await everybody((name) => app.get(issuers[name].token({ sub: `${name}:user` }), { tenant: name }));
  expect(answers.map(({ status, body }) => [status, body.id])).toEqual(
    Array.from({ length: ROUNDS }, () => NAMES.map((name) => [200, `${name}:user`])).flat(),
  );
  const requests = ROUNDS * NAMES.length;
  expectContexts({ getAppConfig: 2 * requests, findUser: requests, updateUser: requests });
  expect(app.passed.filter(({ user, tenant }) => user.tenantId !== tenant)).toEqual([]);
  // One shared fetch each: most of these requests were waiting for a fetch another request had begun.
  expect(NAMES.map((name) => issuers[name].requests)).toEqual(NAMES.map(() => ({ discovery: 1, keys: 1 })));
});

test('a request that begins the shared fetch does not lend its context to those that wait for it', async () => {
  // All tenants have one provider here, held back until every request is waiting for its keys.
  const [first] = NAMES;
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  let arrived = 0;
  issuers[first].gate = () => opened;
  await app.stop();
  const auth = { oidc: { enabled: true, issuer: issuers[first].url, audience: 'agents' } };
  app = await new App({
    deps: {
      getAppConfig: spied(
        'getAppConfig',
        (scope) => scope.tenantId,
        async () => {
          arrived += 1;
          if (arrived === NAMES.length) setImmediate(open);
          return { endpoints: { agents: { remoteApi: { auth } } } };
        },
      ),
      findUser: spied(
        'findUser',
        (filter) => filter.openidId,
        async ({ openidId }) => ({
          _id: openidId,
          openidId,
          openidIssuer: issuers[first].url,
          role: 'USER',
          tenantId: openidId,
        }),
      ),
    },
  }).start();
  const answers = await Promise.all(
    NAMES.map((name) => app.get(issuers[first].token({ sub: name }), { tenant: name })),
  );
  expect(answers.map(({ status }) => status)).toEqual(NAMES.map(() => 200));
  expectContexts({ getAppConfig: 2 * NAMES.length, findUser: NAMES.length });
  expect(issuers[first].requests).toEqual({ discovery: 1, keys: 1 });
});

test('the API-key path keeps the context, too', async () => {
  const answers = await everybody((name) => app.get('sk-1', { tenant: name }));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  const requests = ROUNDS * NAMES.length;
  expectContexts({ getAppConfig: 2 * requests, apiKeyMiddleware: requests });
  expect(app.passed.filter(({ user, tenant }) => user.tenantId !== tenant)).toEqual([]);
});

test('the update of another tenant’s user runs in that user’s tenant, and the request stays in its own', async () => {
  // Under the tenant of the request, a user of its neighbour: state R lets that user's own policy decide.
  const neighbour = (name) => NAMES[(NAMES.indexOf(name) + 1) % NAMES.length];
  await app.stop();
  seen = [];
  const auth = (name) => ({
    endpoints: {
      agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: issuers[name].url, audience: 'agents' } } } },
    },
  });
  const [shared] = NAMES;
  app = await new App({
    deps: {
      getAppConfig: async () => auth(shared),
      findUser: async ({ openidId, openidIssuer }) => ({
        _id: `${openidId}:user`,
        openidId,
        openidIssuer,
        tenantId: openidId,
      }),
      updateUser: spied(
        'updateUser',
        (id) => id.split(':')[0],
        async () => null,
      ),
    },
  }).start();
  await everybody((name) => app.get(issuers[shared].token({ sub: neighbour(name) }), { tenant: name }));
  expectContexts({ updateUser: ROUNDS * NAMES.length });
  expect(app.passed).toHaveLength(ROUNDS * NAMES.length);
  expect(app.passed.filter(({ user, tenant }) => user.tenantId !== neighbour(tenant))).toEqual([]);
});
