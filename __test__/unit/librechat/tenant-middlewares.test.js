'use strict';

// The tenant middlewares over an AsyncLocalStorage. In brackets: the number of LibreChat's own scenario.

const { AsyncLocalStorage } = require('node:async_hooks');
const { createTenantMiddlewares } = require('../../../lib/librechat/tenant-middlewares');
const { fullResponse, recordingLogger } = require('../../support/fakes');

const SYSTEM = { error: 'System tenant is not allowed for request-scoped routes' };
const REQUIRED = { error: 'Tenant context required in strict isolation mode' };

let saved;
let tenantStorage;
let logger;
let deleted;
let tenants;
beforeEach(() => {
  saved = process.env.TENANT_ISOLATION_STRICT;
  delete process.env.TENANT_ISOLATION_STRICT;
  tenantStorage = new AsyncLocalStorage();
  logger = recordingLogger();
  deleted = [];
  const deleteFile = async (path) => {
    await null;
    deleted.push([path, tenantStorage.getStore()]);
    if (path === '/bad') throw new Error('no such file');
  };
  tenants = createTenantMiddlewares({ tenantStorage, logger, deleteFile });
});
afterEach(() => {
  if (saved === undefined) delete process.env.TENANT_ISOLATION_STRICT;
  else process.env.TENANT_ISOLATION_STRICT = saved;
});

/** Runs a middleware and says in which context `next` ran, or what was answered. */
async function run(name, req) {
  const res = fullResponse();
  let context = 'next was not called';
  const next = jest.fn(() => void (context = tenantStorage.getStore()));
  await tenants[name]({ headers: {}, ...req }, res, next);
  expect(next.mock.calls.length + res.sent.length).toBe(1);
  if (next.mock.calls.length === 1) expect(next.mock.calls).toEqual([[]]);
  return res.sent[0] ?? { context };
}

describe('tenantContextMiddleware', () => {
  const cases = [
    ['[330] a user of a tenant', { user: { tenantId: 'acme' } }, {}, { context: { tenantId: 'acme' } }],
    [
      '[331] with user and request id',
      { user: { id: 'u', tenantId: 'acme' }, headers: { 'x-request-id': 'r' } },
      {},
      { context: { tenantId: 'acme', userId: 'u', requestId: 'r' } },
    ],
    ['[332] no user', {}, {}, { context: undefined }],
    ['[333] a user without a tenant', { user: {} }, {}, { context: undefined }],
    [
      '[334] a user without a tenant, with ids',
      { user: { _id: 7 }, headers: { 'x-correlation-id': ['c', 'd'] } },
      {},
      { context: { userId: '7', requestId: 'c' } },
    ],
    ['[335] a user without a tenant, strict', { user: {} }, { strict: true }, { status: 403, body: REQUIRED }],
    ['no user, strict', {}, { strict: true }, { context: undefined }],
    [
      '[336] a user of a tenant, strict',
      { user: { tenantId: 'acme' } },
      { strict: true },
      { context: { tenantId: 'acme' } },
    ],
    ['[337] the system tenant, padded', { user: { tenantId: ' __SYSTEM__ ' } }, {}, { status: 403, body: SYSTEM }],
    [
      'the request’s tenant first',
      { tenantId: 'bolt', user: { tenantId: 'acme' } },
      {},
      { context: { tenantId: 'bolt' } },
    ],
  ];
  test.each(cases)('%s', async (_name, req, { strict }, expected) => {
    if (strict) process.env.TENANT_ISOLATION_STRICT = 'true';
    expect(await run('tenantContextMiddleware', req)).toEqual(expected);
    if (expected.body === SYSTEM) expect(logger.lines.map(([level]) => level)).toEqual(['warn']);
  });

  test('[338] requests at the same time keep apart', async () => {
    const names = ['acme', 'bolt', 'cove'];
    const seen = await Promise.all(
      names.map(
        (tenantId) =>
          new Promise((resolve) => {
            tenants.tenantContextMiddleware({ headers: {}, user: { tenantId } }, fullResponse(), async () => {
              await new Promise(setImmediate);
              resolve(tenantStorage.getStore().tenantId);
            });
          }),
      ),
    );
    expect(seen).toEqual(names);
  });

  test('strictness is read once, and anew after a reset; only exactly true counts', async () => {
    process.env.TENANT_ISOLATION_STRICT = 'TRUE';
    expect(await run('tenantContextMiddleware', { user: {} })).toEqual({ context: undefined });
    process.env.TENANT_ISOLATION_STRICT = 'true';
    expect(await run('tenantContextMiddleware', { user: {} })).toEqual({ context: undefined });
    tenants._resetTenantMiddlewareStrictCache();
    expect(await run('tenantContextMiddleware', { user: {} })).toMatchObject({ status: 403 });
  });

  test('what next throws comes out', () => {
    const next = () => {
      throw new Error('downstream');
    };
    expect(() =>
      tenants.tenantContextMiddleware({ headers: {}, user: { tenantId: 'acme' } }, fullResponse(), next),
    ).toThrow('downstream');
  });
});

describe('restoreTenantContextFromReq', () => {
  test.each([
    ['[339] the user’s tenant', { user: { tenantId: 'acme' } }, { tenantId: 'acme' }],
    [
      '[340] with user and request id',
      { user: { id: 'u', tenantId: 'acme' }, headers: { 'x-request-id': 'r' } },
      { tenantId: 'acme', userId: 'u', requestId: 'r' },
    ],
    ['[341] the request’s tenant first', { tenantId: 'bolt', user: { tenantId: 'acme' } }, { tenantId: 'bolt' }],
  ])('%s', async (_name, req, context) => {
    expect(await run('restoreTenantContextFromReq', req)).toEqual({ context });
    expect(deleted).toEqual([]);
  });

  test.each([
    ['[342] [343] [344] no tenant, strict', { user: { id: 'u' } }, REQUIRED, { userId: 'u' }],
    ['[347] a blank tenant, strict', { user: { id: 'u', tenantId: '  ' } }, REQUIRED, { userId: 'u' }],
    ['[345] [348] the system tenant', { tenantId: '__SYSTEM__' }, SYSTEM, undefined],
    ['[346] the system tenant, padded', { user: { tenantId: ' __SYSTEM__ ' } }, SYSTEM, undefined],
  ])(
    '%s is refused, and the uploads are deleted first, in the request’s context',
    async (_name, req, body, context) => {
      process.env.TENANT_ISOLATION_STRICT = 'true';
      const uploads = { file: { path: '/one' }, files: { a: [{ path: '/two' }, {}], b: [{ path: '/bad' }] } };
      expect(await run('restoreTenantContextFromReq', { ...req, ...uploads })).toEqual({ status: 403, body });
      expect(deleted).toEqual([
        ['/one', context],
        ['/two', context],
        ['/bad', context],
      ]);
      expect(logger.lines.at(-1)[2]).toEqual({
        path: '/bad',
        error: expect.objectContaining({ message: 'no such file' }),
      });
    },
  );
});

test.each([
  ['[349] the request’s first', { tenantId: ' bolt ', user: { tenantId: 'acme' } }, 'bolt'],
  ['[350] then the user’s', { user: { tenantId: 'acme' } }, 'acme'],
  ['blank is none', { tenantId: ' ', user: {} }, undefined],
])('resolveRequestTenantId: %s', (_name, req, tenantId) => {
  expect(tenants.resolveRequestTenantId(req)).toBe(tenantId);
});

describe('preAuthTenantMiddleware', () => {
  const header = (value, more = {}) => ({ headers: { 'x-tenant-id': value, ...more } });
  test.each([
    ['[351] no header', { headers: {} }, undefined, 0],
    ['no header, a request id', { headers: { 'x-request-id': 'r' } }, { requestId: 'r' }, 0],
    ['[352] an empty header', header(' '), undefined, 0],
    ['[353] a header', header('acme'), { tenantId: 'acme' }, 0],
    ['[354] with a request id', header('acme', { 'x-request-id': 'r' }), { tenantId: 'acme', requestId: 'r' }, 0],
    ['[355] the system tenant', header('__SYSTEM__'), undefined, 1],
    ['[356] a list', header(['acme']), undefined, 0],
    ['[357] other characters', header('acme/../bolt'), undefined, 1],
    ['[358] padded', header('  acme '), { tenantId: 'acme' }, 0],
    ['[359] too long', header('a'.repeat(129)), undefined, 1],
    ['just long enough', header('a'.repeat(128)), { tenantId: 'a'.repeat(128) }, 0],
  ])('%s', async (_name, req, context, warnings) => {
    expect(await run('preAuthTenantMiddleware', req)).toEqual({ context });
    expect(logger.lines.map(([level]) => level)).toEqual(Array(warnings).fill('warn'));
  });
});
