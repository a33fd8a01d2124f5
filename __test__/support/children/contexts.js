'use strict';

// 2,000 requests of seven tenants at once, on whichever Node runs this file: every callback, before and after what it awaits,
// must be in its own request's tenant. Prints { node, requests, observations, places,
// wrong } as JSON.

const { AsyncLocalStorage } = require('node:async_hooks');
const { setImmediate: turn } = require('node:timers/promises');
const { createRemoteAgentAuth } = require('../../..');
const { bareResponse } = require('../fakes');
const { Issuer } = require('../issuer');

const REQUESTS = 2000;
const TENANTS = ['acme', 'bolt', 'cove', 'dune', 'echo', 'fern', 'gulf'];
const tenants = new AsyncLocalStorage();

const seen = { observations: 0, wrong: {} };
const places = new Set();

/** @param {string} where @param {string} expected */
function observe(where, expected) {
  seen.observations += 1;
  places.add(where);
  if (tenants.getStore() !== expected) seen.wrong[where] = (seen.wrong[where] ?? 0) + 1;
}

/** A callback that waits in three ways, and looks where it is around each. */
const watched =
  (where, tenantOf, work) =>
  async (...args) => {
    const expected = tenantOf(...args);
    observe(where, expected);
    await null;
    observe(where, expected);
    await turn();
    observe(where, expected);
    const result = await work(...args);
    observe(where, expected);
    return result;
  };

/** Users are named after their tenant, so that each callback knows which tenant it should be in. */
const tenantOfName = (name) => name.split(':')[0];

async function main() {
  Object.assign(process.env, {
    OPENID_ROLE_SYNC_ENABLED: 'true',
    OPENID_ROLE_SYNC_API_ENABLED: 'true',
    OPENID_ROLE_SYNC_SOURCE: 'access',
    OPENID_ROLE_SYNC_CLAIM: 'roles',
    OPENID_ROLE_SYNC_ROLE_PRIORITY: 'MEMBER',
  });
  const issuer = await new Issuer().start();
  const auth = (audience) => ({
    endpoints: { agents: { remoteApi: { auth: { oidc: { enabled: true, issuer: issuer.url, audience } } } } },
  });
  const handler = createRemoteAgentAuth(
    {
      getAppConfig: watched(
        'getAppConfig',
        (scope) => scope.tenantId,
        async () => auth('agents'),
      ),
      findUser: watched(
        'findUser',
        (filter) => tenantOfName(filter.openidId ?? filter.email),
        async ({ openidId, openidIssuer }) =>
          openidId && { _id: openidId, openidId, openidIssuer, tenantId: tenantOfName(openidId) },
      ),
      updateUser: watched('updateUser', tenantOfName, async () => ({})),
      // Its names are the same for all tenants: what counts is that it stays where it began.
      getRolesByNames: watched(
        'getRolesByNames',
        () => tenants.getStore(),
        async (names) => names.map((name) => ({ name })),
      ),
      isPrincipalActive: watched('isPrincipalActive', tenantOfName, async () => true),
      tenantContextMiddleware: (req, res, next) => {
        observe('tenantContextMiddleware', req.user.tenantId);
        next();
      },
      onUserLookup: watched(
        'onUserLookup',
        () => tenants.getStore(),
        async () => {},
      ),
      apiKeyMiddleware: watched(
        'apiKeyMiddleware',
        (req) => req.tenant,
        async (req, res, next) => {
          req.user = { id: 'key', tenantId: req.tenant };
          next();
        },
      ),
      logger: {},
      getTenantId: () => tenants.getStore(),
      runInTenant: (tenant, work) => tenants.run(tenant, work),
    },
    { tenantConflict: 'allow' },
  );

  const request = (index) => {
    const tenant = TENANTS[index % TENANTS.length];
    // One in eight without a token: the API-key path.
    const token = index % 8 === 7 ? undefined : issuer.token({ sub: `${tenant}:user-${index}`, roles: ['MEMBER'] });
    const req = { tenant, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } };
    const res = bareResponse();
    let passed = 0;
    const next = () => {
      observe('next', tenant);
      passed += 1;
    };
    return tenants.run(tenant, async () => {
      await handler(req, res, next);
      observe('after the handler', tenant);
      if (passed !== 1 || res.sent.length > 0 || req.user.tenantId !== tenant)
        seen.wrong.outcome = (seen.wrong.outcome ?? 0) + 1;
    });
  };
  await Promise.all(Array.from({ length: REQUESTS }, (_, index) => request(index)));
  const { requests } = issuer;
  await issuer.stop();
  console.log(
    JSON.stringify({
      node: process.versions.node,
      requests: REQUESTS,
      fetches: requests,
      ...seen,
      places: [...places].sort(),
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
