'use strict';

// LibreChat's suites of its tenant middlewares (scenarios 330 to 359), through the adapter, on data-schemas' own tenant storage.

process.env.LOG_TO_FILE = 'false';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { getTenantId, logger, tenantStorage } = require('@librechat/data-schemas');
const adapter = require('./librechat');
const { createTenantMiddlewares } = require('remote-agent-auth');
const { bareResponse } = require('../support/fakes');
const { isolateEnvironment } = require('./world');

const { preAuthTenantMiddleware, resolveRequestTenantId, restoreTenantContextFromReq, tenantContextMiddleware } =
  adapter;

const SYSTEM = '__SYSTEM__';
const SYSTEM_REFUSED = { error: 'System tenant is not allowed for request-scoped routes' };
const TENANT_REQUIRED = { error: 'Tenant context required in strict isolation mode' };

isolateEnvironment();
beforeEach(() => {
  adapter._resetTenantMiddlewareStrictCache();
  jest.spyOn(logger, 'warn').mockImplementation(() => logger);
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => adapter._resetTenantMiddlewareStrictCache());

const strict = () => {
  process.env.TENANT_ISOLATION_STRICT = 'true';
};

/** Runs one middleware; gives what it answered, or the context what follows ran in. */
async function run(middleware, { headers = {}, ...req }) {
  const res = bareResponse();
  const contexts = [];
  await middleware({ headers, ...req }, res, () => void contexts.push(tenantStorage.getStore()));
  expect(contexts.length + res.sent.length).toBe(1);
  return res.sent[0] ?? { context: contexts[0] };
}

const passedWith = (context) => ({ context });
const refused = (body) => ({ status: 403, body });

describe('the tenant’s context after authentication', () => {
  const run1 = (req) => run(tenantContextMiddleware, req);

  test('[330] the user’s tenant', async () => {
    expect(await run1({ user: { tenantId: 'acme' } })).toEqual(passedWith({ tenantId: 'acme' }));
  });

  test('[331] with the user’s id and the request’s', async () => {
    const req = { user: { id: 'u1', tenantId: 'acme' }, headers: { 'x-request-id': 'r1' } };
    expect(await run1(req)).toEqual(passedWith({ tenantId: 'acme', userId: 'u1', requestId: 'r1' }));
  });

  test('[332] no user: none', async () => {
    expect(await run1({})).toEqual(passedWith(undefined));
  });

  test('[333] a user without a tenant passes', async () => {
    expect(await run1({ user: {} })).toEqual(passedWith(undefined));
  });

  test('[334] and keeps the user’s id and the request’s', async () => {
    const req = { user: { _id: { toString: () => 'u1' } }, headers: { 'x-correlation-id': ['r1', 'r2'] } };
    expect(await run1(req)).toEqual(passedWith({ userId: 'u1', requestId: 'r1' }));
  });

  test('[335] strict: a user without a tenant is refused', async () => {
    strict();
    expect(await run1({ user: { id: 'u1' } })).toEqual(refused(TENANT_REQUIRED));
  });

  test('[336] strict: a user of a tenant passes', async () => {
    strict();
    expect(await run1({ user: { tenantId: 'acme' } })).toEqual(passedWith({ tenantId: 'acme' }));
  });

  test('[337] the system tenant, with blanks around, is refused', async () => {
    expect(await run1({ user: { tenantId: ` ${SYSTEM} ` } })).toEqual(refused(SYSTEM_REFUSED));
  });

  test('[338] requests at once stay apart', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `tenant-${index % 7}`);
    const seen = await Promise.all(
      names.map(
        (tenantId) =>
          new Promise((resolve) => {
            tenantContextMiddleware({ headers: {}, user: { tenantId } }, bareResponse(), () => {
              setImmediate(() => resolve(getTenantId()));
            });
          }),
      ),
    );
    expect(seen).toEqual(names);
  });
});

describe('the tenant’s context restored', () => {
  const run1 = (req) => run(restoreTenantContextFromReq, req);
  let folder;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'uploads-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** Two uploads as multer leaves them: one single, one of several. */
  const uploads = () => {
    const [one, two] = ['one', 'two'].map((name) => path.join(folder, name));
    fs.writeFileSync(one, '');
    fs.writeFileSync(two, '');
    return { file: { path: one }, files: [{ path: two }] };
  };
  const left = () => fs.readdirSync(folder);

  test('[339] from the user’s tenant', async () => {
    expect(await run1({ user: { tenantId: 'acme' } })).toEqual(passedWith({ tenantId: 'acme' }));
  });

  test('[340] with the user’s id and the request’s', async () => {
    const req = { user: { id: 'u1', tenantId: 'acme' }, headers: { 'x-request-id': 'r1' } };
    expect(await run1(req)).toEqual(passedWith({ tenantId: 'acme', userId: 'u1', requestId: 'r1' }));
  });

  test('[341] the request’s own tenant comes first', async () => {
    expect(await run1({ tenantId: 'bolt', user: { tenantId: 'acme' } })).toEqual(passedWith({ tenantId: 'bolt' }));
  });

  test('[342] strict, without a tenant: refused', async () => {
    strict();
    expect(await run1({ user: { id: 'u1' } })).toEqual(refused(TENANT_REQUIRED));
  });

  test('[343] and its uploads are gone before the answer', async () => {
    strict();
    expect(await run1({ user: { id: 'u1' }, ...uploads() })).toEqual(refused(TENANT_REQUIRED));
    expect(left()).toEqual([]);
  });

  test('[344] while they go the context holds', async () => {
    strict();
    const during = [];
    const middlewares = createTenantMiddlewares({
      tenantStorage,
      deleteFile: async () => void during.push(tenantStorage.getStore()),
    });
    await run(middlewares.restoreTenantContextFromReq, { user: { id: 'u1' }, ...uploads() });
    expect(during).toEqual([{ userId: 'u1' }, { userId: 'u1' }]);
  });

  test.each([
    ['[345] the system tenant', SYSTEM],
    ['[346] the same with blanks', ` ${SYSTEM}\t`],
  ])('%s is refused', async (_title, tenantId) => {
    expect(await run1({ tenantId })).toEqual(refused(SYSTEM_REFUSED));
  });

  test('[347] strict, a blank tenant: refused', async () => {
    strict();
    expect(await run1({ tenantId: '  ' })).toEqual(refused(TENANT_REQUIRED));
  });

  test('[348] uploads go for the system tenant, too', async () => {
    expect(await run1({ tenantId: SYSTEM, ...uploads() })).toEqual(refused(SYSTEM_REFUSED));
    expect(left()).toEqual([]);
  });

  test('[349] resolved: the request’s tenant first', () => {
    expect(resolveRequestTenantId({ tenantId: 'bolt', user: { tenantId: 'acme' } })).toBe('bolt');
  });

  test('[350] resolved: the user’s next', () => {
    expect(resolveRequestTenantId({ user: { tenantId: ' acme ' } })).toBe('acme');
  });
});

describe('the tenant’s context before authentication', () => {
  const run1 = (tenant, more = {}) => run(preAuthTenantMiddleware, { headers: { 'x-tenant-id': tenant, ...more } });

  test('[351] no header: none', async () => {
    expect(await run1(undefined)).toEqual(passedWith(undefined));
  });

  test('[352] an empty header: none', async () => {
    expect(await run1('  ')).toEqual(passedWith(undefined));
  });

  test('[353] a tenant', async () => {
    expect(await run1('acme')).toEqual(passedWith({ tenantId: 'acme' }));
  });

  test('[354] with the request’s id', async () => {
    expect(await run1('acme', { 'x-request-id': 'r1' })).toEqual(passedWith({ tenantId: 'acme', requestId: 'r1' }));
  });

  test.each([
    ['[355] the system tenant', SYSTEM],
    ['[357] other characters than letters, digits and -_.', 'acme/../bolt'],
    ['[359] more than 128 characters', 'a'.repeat(129)],
  ])('%s: ignored, with a warning', async (_title, tenant) => {
    expect(await run1(tenant)).toEqual(passedWith(undefined));
    expect(logger.warn).toHaveBeenCalledTimes(1);
  });

  test('[356] a list: ignored', async () => {
    expect(await run1(['acme', 'bolt'])).toEqual(passedWith(undefined));
  });

  test('[358] blanks are cut off', async () => {
    expect(await run1(' acme ')).toEqual(passedWith({ tenantId: 'acme' }));
  });
});
