'use strict';

// LibreChat's routes before and after v0.8.8 call the adapter with nothing but their own dependency object: tenants are kept apart
// as that LibreChat keeps them.

process.env.LOG_TO_FILE = 'false';

const { AsyncLocalStorage } = require('node:async_hooks');
const { getTenantId, logger, tenantStorage } = require('@librechat/data-schemas');
const main = require('remote-agent-auth');
const adapter = require('remote-agent-auth/librechat');
const { bareResponse, configOf } = require('../support/fakes');
const { issuerWhileTesting, linesOf } = require('../support/surroundings');

const U = { error: 'Unauthorized' };
const TENANT_REQUIRED = { error: 'Tenant context required in strict isolation mode' };

const issuer = issuerWhileTesting();
const lines = linesOf(logger);
beforeEach(() => {
  delete process.env.TENANT_ISOLATION_STRICT;
  adapter._resetTenantMiddlewareStrictCache();
});
afterEach(() => {
  delete process.env.TENANT_ISOLATION_STRICT;
  adapter._resetTenantMiddlewareStrictCache();
});

/** The object LibreChat v0.8.7's routes pass. */
function olderDeps(userTenant, over = {}) {
  return {
    apiKeyMiddleware: jest.fn(async (req, res, next) => {
      req.user = { id: 'key-user', role: 'USER', ...(userTenant === undefined ? {} : { tenantId: userTenant }) };
      next();
    }),
    findUser: jest.fn(async () => ({
      _id: 'u1',
      openidId: 'subject-1',
      openidIssuer: issuer.url,
      tenantId: userTenant,
    })),
    getRolesByNames: jest.fn(async () => []),
    updateUser: jest.fn(async () => null),
    getAppConfig: jest.fn(async () =>
      configOf({ apiKey: { enabled: true }, oidc: { enabled: true, issuer: issuer.url, audience: 'agents' } }),
    ),
    ...over,
  };
}

/** And what v0.8.8's pass: the same with the deletion fence. */
const newerDeps = (userTenant, over) =>
  olderDeps(userTenant, { isPrincipalActive: jest.fn(async () => true), ...over });

/** One request, as it comes behind the pre-authentication middleware of a host that trusts the tenant header. */
async function send(
  deps,
  { requestTenant, path = 'oidc', token = issuer.token(), options, storage = tenantStorage } = {},
) {
  const handler = adapter.createRemoteAgentAuth(deps, options);
  const headers = { 'x-tenant-id': requestTenant, ...(path === 'oidc' ? { authorization: `Bearer ${token}` } : {}) };
  const req = { headers };
  const res = bareResponse();
  const seen = [];
  const next = jest.fn(() => void seen.push(getTenantId()));
  const call = () => handler(req, res, next);
  await (requestTenant === undefined ? call() : storage.run({ tenantId: requestTenant }, call));
  return { req, next, sent: res.sent, seen };
}

describe.each(['oidc', 'api-key'])('F1 v0.8.8, %s', (path) => {
  test('F1 a user of another tenant than the request’s: 401, nothing written', async () => {
    const deps = newerDeps('tenant-a');
    const { next, sent } = await send(deps, { requestTenant: 'tenant-b', path });
    expect(sent).toEqual([{ status: 401, body: U }]);
    expect(next).not.toHaveBeenCalled();
    expect(deps.updateUser).not.toHaveBeenCalled();
    expect(lines).toContainEqual(['warn', expect.stringContaining('another tenant')]);
  });

  test('F1 no tenant on the request: what follows runs in the user’s', async () => {
    const { seen, sent } = await send(newerDeps('tenant-a'), { path });
    expect(sent).toEqual([]);
    expect(seen).toEqual(['tenant-a']);
  });

  test('F1 the same tenant: it stays, and is on the request', async () => {
    const { req, seen } = await send(newerDeps('tenant-a'), { requestTenant: 'tenant-a', path });
    expect(seen).toEqual(['tenant-a']);
    expect(req.tenantId).toBe('tenant-a');
  });

  test('F1 a user without a tenant stays in the request’s, or in none', async () => {
    const under = await send(newerDeps(undefined), { requestTenant: 'tenant-b', path });
    expect([under.seen, under.req.tenantId]).toEqual([['tenant-b'], 'tenant-b']);
    const without = await send(newerDeps(undefined), { path });
    expect([without.seen, without.sent]).toEqual([[undefined], []]);
    expect(without.req).not.toHaveProperty('tenantId');
  });

  test('F1 strict isolation: a user without a tenant is refused, one of a tenant passes', async () => {
    process.env.TENANT_ISOLATION_STRICT = 'true';
    expect((await send(newerDeps(undefined), { path })).sent).toEqual([{ status: 403, body: TENANT_REQUIRED }]);
    expect((await send(newerDeps('tenant-a'), { path })).seen).toEqual(['tenant-a']);
  });

  test('F1 the header alone, with no tenant context behind it, decides nothing', async () => {
    const deps = newerDeps('tenant-a');
    const handler = adapter.createRemoteAgentAuth(deps);
    const headers = {
      'x-tenant-id': 'tenant-b',
      ...(path === 'oidc' ? { authorization: `Bearer ${issuer.token()}` } : {}),
    };
    const seen = [];
    await handler({ headers }, bareResponse(), () => void seen.push(getTenantId()));
    expect(seen).toEqual(['tenant-a']);
  });

  test('F1 a host’s own tenant storage is the one that is read and entered', async () => {
    const own = new AsyncLocalStorage();
    const deps = newerDeps('tenant-a', {
      getTenantId: () => own.getStore()?.tenantId,
      runInTenant: (tenantId, fn) => own.run({ tenantId }, fn),
    });
    expect((await send(deps, { requestTenant: 'tenant-b', path, storage: own })).sent).toEqual([
      { status: 401, body: U },
    ]);
    const seen = [];
    const headers = path === 'oidc' ? { authorization: `Bearer ${issuer.token()}` } : {};
    await adapter.createRemoteAgentAuth(deps)({ headers }, bareResponse(), () => void seen.push(own.getStore()));
    expect(seen).toEqual([{ tenantId: 'tenant-a' }]);
  });

  test('F1 v0.8.7 as before: its users pass under another tenant, which stays', async () => {
    const { seen, sent } = await send(olderDeps('tenant-a'), { requestTenant: 'tenant-b', path });
    expect([seen, sent]).toEqual([['tenant-b'], []]);
    expect((await send(olderDeps('tenant-a'), { path })).seen).toEqual([undefined]);
  });
});

test('F1 v0.8.8 looks at no token that does not name its key; v0.8.7 does', async () => {
  const token = issuer.token({}, { header: { kid: undefined } });
  const refusing = {
    getAppConfig: async () =>
      configOf({ apiKey: { enabled: false }, oidc: { enabled: true, issuer: issuer.url, audience: 'agents' } }),
  };
  expect((await send(newerDeps('tenant-a', refusing), { token })).sent).toEqual([{ status: 401, body: U }]);
  expect(lines).toContainEqual(['error', expect.any(String), expect.objectContaining({ code: 'ERR_TOKEN_KID' })]);
  expect((await send(olderDeps('tenant-a', refusing), { token })).next).toHaveBeenCalled();
  for (const policy of [{ requireKid: false }, () => ({ requireKid: false })]) {
    expect((await send(newerDeps('tenant-a', refusing), { token, options: { policy } })).next).toHaveBeenCalled();
  }
  for (const policy of [{ clockTolerance: 1 }, () => ({ clockTolerance: 1 }), () => undefined]) {
    expect((await send(newerDeps('tenant-a', refusing), { token, options: { policy } })).sent).toEqual([
      { status: 401, body: U },
    ]);
  }
});

test('F1 a promise in place of a policy is no empty policy', async () => {
  expect(() => adapter.createRemoteAgentAuth(newerDeps(), { policy: Promise.resolve({}) })).toThrow('asynchronous');
  const { next, sent } = await send(newerDeps('tenant-a'), { options: { policy: async () => ({ audience: 'x' }) } });
  expect(sent).toMatchObject([{ status: 500 }]);
  expect(next).not.toHaveBeenCalled();
});

describe('F1 the option compat', () => {
  test('F1 states the line, whatever the object carries', async () => {
    const conflict = (deps, compat) => send(deps, { requestTenant: 'tenant-b', options: { compat } });
    expect((await conflict(olderDeps('tenant-a'), 'v0.8.8')).sent).toEqual([{ status: 401, body: U }]);
    expect((await conflict(newerDeps('tenant-a'), 'v0.8.7')).seen).toEqual(['tenant-b']);
    expect((await conflict(newerDeps('tenant-a'), 'auto')).sent).toEqual([{ status: 401, body: U }]);
    expect((await conflict(newerDeps('tenant-a'), undefined)).sent).toEqual([{ status: 401, body: U }]);
  });

  test('F1 what the host says itself counts more', async () => {
    const options = { tenantConflict: 'allow' };
    expect((await send(newerDeps('tenant-a'), { requestTenant: 'tenant-b', options })).seen).toEqual(['tenant-b']);
  });

  test.each(['v0.8.9', null, 'V0.8.8', 7])('F1 %p is an error that names the values', (compat) => {
    expect(() => adapter.createRemoteAgentAuth(newerDeps(), { compat })).toThrow(
      "compat must be 'auto' or 'v0.8.7' or 'v0.8.8'",
    );
  });

  test('F1 the fence named and missing is an error', () => {
    expect(() => adapter.createRemoteAgentAuth({ ...newerDeps(), isPrincipalActive: undefined })).toThrow(
      'deps.isPrincipalActive must be a function',
    );
  });

  test('F1 the log says once which line it is', () => {
    jest.isolateModules(() => {
      const fresh = require('remote-agent-auth/librechat');
      const lines = [];
      const ownLogger = { info: (text) => lines.push(text) };
      for (let index = 0; index < 3; index++) {
        fresh.createRemoteAgentAuth(newerDeps('a', { logger: ownLogger }));
        fresh.createRemoteAgentAuth(olderDeps('a', { logger: ownLogger }));
      }
      expect(lines).toEqual([
        expect.stringMatching(
          /^\[remoteAgentAuth\] behaves as LibreChat v0\.8\.8 \(deps\.isPrincipalActive is given\)/,
        ),
        expect.stringMatching(
          /^\[remoteAgentAuth\] behaves as LibreChat v0\.8\.7 \(deps\.isPrincipalActive is not given\)/,
        ),
      ]);
    });
  });
});

test('F1 without any tenant storage the newer line does not start', () => {
  jest.isolateModules(() => {
    jest.doMock('@librechat/data-schemas', () => ({ logger }));
    try {
      const fresh = require('remote-agent-auth/librechat');
      expect(() => fresh.createRemoteAgentAuth(newerDeps())).toThrow(
        /tenant storage was not found.*@librechat\/data-schemas.*deps\.getTenantId and deps\.runInTenant/,
      );
      expect(() => fresh.createAgentManagementAuth(newerDeps())).toThrow('tenant storage was not found');
      expect(() =>
        fresh.createRemoteAgentAuth(newerDeps('a', { getTenantId() {}, runInTenant: (_tenant, fn) => fn() })),
      ).not.toThrow();
      expect(() => fresh.createRemoteAgentAuth(olderDeps())).not.toThrow();
    } finally {
      jest.dontMock('@librechat/data-schemas');
    }
  });
});

describe('F1 the main entry', () => {
  test('F1 isPrincipalActive without a decision on tenants is an error that names the options', () => {
    let error;
    try {
      main.createRemoteAgentAuth(newerDeps());
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'ERR_POLICY_OPTION', fault: 'config' });
    for (const name of [
      'isPrincipalActive',
      'tenantConflict',
      "'reject'",
      "'allow'",
      'getTenantId',
      'tenantContextMiddleware',
      'compat',
    ]) {
      expect(error.message).toContain(name);
    }
  });

  test('F1 either decision starts', () => {
    expect(() => main.createRemoteAgentAuth(newerDeps(), { tenantConflict: 'allow' })).not.toThrow();
    expect(() =>
      main.createRemoteAgentAuth(newerDeps('a', { getTenantId() {} }), { tenantConflict: 'reject' }),
    ).not.toThrow();
    expect(() => main.createRemoteAgentAuth(olderDeps())).not.toThrow();
  });
});
