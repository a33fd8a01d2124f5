'use strict';

// The tenant exports of the adapter, called as LibreChat's own callers and tests call them.

process.env.LOG_TO_FILE = 'false';

const { getRequestId, getTenantId, getUserId, logger, tenantStorage } = require('@librechat/data-schemas');
const { createTenantMiddlewares } = require('remote-agent-auth');
const { bareResponse } = require('../support/fakes');

let adapter;
let lines;
beforeEach(() => {
  delete process.env.TRUST_TENANT_HEADER;
  delete process.env.TENANT_ISOLATION_STRICT;
  jest.isolateModules(() => {
    jest.doMock('@librechat/data-schemas', () => ({ getTenantId, logger, tenantStorage }));
    adapter = require('remote-agent-auth/librechat');
  });
  lines = [];
  for (const level of ['warn', 'error']) {
    jest.spyOn(logger, level).mockImplementation((...args) => lines.push([level, ...args, getRequestId()]));
  }
});
afterEach(() => {
  delete process.env.TRUST_TENANT_HEADER;
  delete process.env.TENANT_ISOLATION_STRICT;
  jest.restoreAllMocks();
});

const contextOf = (middleware, req) => {
  let context = 'next was not called';
  middleware({ headers: {}, ...req }, bareResponse(), () => {
    context = { tenantId: getTenantId(), userId: getUserId(), requestId: getRequestId() };
  });
  return context;
};
const preAuth = (headers, over = {}) => contextOf(adapter.preAuthTenantMiddleware, { headers, ...over });
const NOTHING = { tenantId: undefined, userId: undefined, requestId: undefined };

describe('F6 buildTenantContext', () => {
  test('F6 a tenant given counts more than those of request and user, and is trimmed', () => {
    const req = { headers: {}, tenantId: 'bolt', user: { id: 'u', tenantId: 'acme' } };
    expect(adapter.buildTenantContext(req, ' cove ')).toStrictEqual({
      tenantId: 'cove',
      userId: 'u',
      requestId: undefined,
    });
    expect(adapter.buildTenantContext(req, '  ')).toStrictEqual({
      tenantId: undefined,
      userId: 'u',
      requestId: undefined,
    });
    expect(adapter.buildTenantContext(req, undefined)).toStrictEqual({
      tenantId: 'bolt',
      userId: 'u',
      requestId: undefined,
    });
    expect(adapter.buildTenantContext(req)).toStrictEqual({ tenantId: 'bolt', userId: 'u', requestId: undefined });
  });

  test.each([
    ['req.requestId', { requestId: ' r1 ', id: 'r2', headers: { 'x-request-id': 'r3' } }, 'r1'],
    ['req.id', { requestId: ' ', id: 'r2', headers: { 'x-request-id': 'r3' } }, 'r2'],
    ['the header', { id: '', headers: { 'x-request-id': ' r3 ', 'x-correlation-id': 'r4' } }, 'r3'],
    ['the other header beside a blank one', { headers: { 'x-request-id': '  ', 'x-correlation-id': 'r4' } }, 'r4'],
    [
      'the other header beside a blank list',
      { headers: { 'x-request-id': [' ', 'r0'], 'x-correlation-id': ['r4', 'r5'] } },
      'r4',
    ],
    ['nothing that is no text', { id: 7, headers: {} }, undefined],
  ])('F6 the request’s id: %s', (_name, req, requestId) => {
    expect(adapter.buildTenantContext(req).requestId).toBe(requestId);
  });

  test.each([
    ['id', { id: ' u1 ', _id: 'u2' }, 'u1'],
    ['_id beside a blank id', { id: ' ', _id: { toString: () => 'u2' } }, 'u2'],
    ['nothing', {}, undefined],
  ])('F6 the user’s id: %s', (_name, user, userId) => {
    expect(adapter.buildTenantContext({ headers: {}, user }).userId).toBe(userId);
  });
});

describe('F6 before authentication', () => {
  test.each([
    ['no tenant header', { 'x-request-id': 'r1' }],
    ['an empty one', { 'x-request-id': 'r1', 'x-tenant-id': ' ' }],
    ['a list', { 'x-request-id': 'r1', 'x-tenant-id': ['acme'] }],
    ['one that is ignored', { 'x-request-id': 'r1', 'x-tenant-id': 'acme/bolt' }],
  ])('F6 the request’s id goes along with %s', (_name, headers) => {
    expect(preAuth(headers)).toEqual({ ...NOTHING, requestId: 'r1' });
  });

  test('F6 with a tenant too, from the request itself as well', () => {
    expect(preAuth({ 'x-tenant-id': 'acme' }, { id: 'r1' })).toEqual({
      tenantId: 'acme',
      userId: undefined,
      requestId: 'r1',
    });
  });

  test('F6 who the request says it is does not count yet', () => {
    expect(preAuth({}, { tenantId: 'acme', user: { id: 'u', tenantId: 'acme' } })).toEqual(NOTHING);
  });

  test.each([
    ['the system tenant', ' __SYSTEM__ ', '__SYSTEM__', {}],
    ['other characters', 'tenant:injected', 'malformed', { length: 15 }],
    ['too many of them', 'a'.repeat(200), 'malformed', { length: 200 }],
  ])('F6 %s: a warning with ip, path and length, in the request’s context', (_name, tenant, fragment, more) => {
    const over = { ip: '10.0.0.1', path: '/api/config' };
    expect(preAuth({ 'x-tenant-id': tenant, 'x-request-id': 'r1' }, over)).toEqual({ ...NOTHING, requestId: 'r1' });
    expect(lines).toEqual([
      ['warn', expect.stringMatching(new RegExp(`^\\[preAuthTenant\\] .*${fragment}`)), { ...over, ...more }, 'r1'],
    ]);
  });
});

describe('F6 TRUST_TENANT_HEADER', () => {
  const deps = () => ({ apiKeyMiddleware() {}, findUser() {}, updateUser() {}, getAppConfig() {}, logger: {} });
  const older = (options) => adapter.createRemoteAgentAuth(deps(), options);
  const newer = (options) => adapter.createRemoteAgentAuth({ ...deps(), isPrincipalActive() {} }, options);
  const entered = () => preAuth({ 'x-tenant-id': 'acme' }).tenantId === 'acme';

  test('F6 v0.8.7, and before any line is known: the header counts', () => {
    expect(entered()).toBe(true);
    older();
    expect(entered()).toBe(true);
  });

  test.each([
    ['createConversationManagementAuth', { getAppConfig() {}, remoteAuth() {}, managementAuth() {} }],
    ['createAgentManagementAuth', { getAppConfig() {}, findUser() {} }],
  ])('F6 %s, which only the newer line has, shows it before the first middleware is made', (factory, given) => {
    adapter[factory](given);
    expect(entered()).toBe(false);
    older({ compat: 'v0.8.7' });
    expect(entered()).toBe(true);
  });

  test('F6 v0.8.8: it counts only where the variable is true', () => {
    newer();
    expect(entered()).toBe(false);
    for (const [value, trusted] of [
      ['true', true],
      [' TRUE ', true],
      ['1', false],
      ['false', false],
      ['', false],
    ]) {
      process.env.TRUST_TENANT_HEADER = value;
      expect([value, entered()]).toEqual([value, trusted]);
    }
  });

  test('F6 v0.8.8: that it does not count is said once', () => {
    newer();
    expect([entered(), entered()]).toEqual([false, false]);
    expect(lines).toEqual([
      ['warn', expect.stringContaining('TRUST_TENANT_HEADER=true'), expect.anything(), undefined],
    ]);
  });

  test('F6 v0.8.7 with the variable set: what it says counts', () => {
    older();
    process.env.TRUST_TENANT_HEADER = 'false';
    expect(entered()).toBe(false);
  });

  test('F6 compat and trustTenantHeader say it outright', () => {
    older({ compat: 'v0.8.8' });
    expect(entered()).toBe(false);
    older({ trustTenantHeader: true });
    expect(entered()).toBe(true);
    process.env.TRUST_TENANT_HEADER = 'true';
    newer({ trustTenantHeader: false });
    expect(entered()).toBe(false);
    older({ trustTenantHeader: true });
    expect(entered()).toBe(false);
    expect(() => older({ trustTenantHeader: 'yes' })).toThrow('trustTenantHeader must be a boolean');
  });

  test('F6 createTenantMiddlewares has the option as well', () => {
    const tenants = (trustTenantHeader) =>
      createTenantMiddlewares({ tenantStorage, trustTenantHeader }).preAuthTenantMiddleware;
    const tenantOf = (trust) => contextOf(tenants(trust), { headers: { 'x-tenant-id': 'acme' } }).tenantId;
    expect([undefined, true, false, () => false].map(tenantOf)).toEqual(['acme', 'acme', undefined, undefined]);
    process.env.TRUST_TENANT_HEADER = 'no';
    expect([undefined, true, () => true].map(tenantOf)).toEqual([undefined, 'acme', 'acme']);
  });
});

describe('F6 refused requests', () => {
  const unlinked = (tenantId) => {
    const during = [];
    const deleteFile = (path) => {
      during.push([path, tenantStorage.getStore()]);
      throw new Error('gone');
    };
    const tenants = createTenantMiddlewares({ tenantStorage, logger, deleteFile });
    const req = {
      headers: { 'x-request-id': 'r1' },
      path: '/files',
      user: { id: 'u' },
      tenantId,
      file: { path: '/one' },
      files: [{ path: '/one' }, { path: '/two' }],
    };
    return tenants.restoreTenantContextFromReq(req, bareResponse(), () => {}).then(() => during);
  };

  test('F6 uploads are deleted once each, in the request’s context; what fails is an error with its path', async () => {
    process.env.TENANT_ISOLATION_STRICT = 'true';
    const context = { tenantId: undefined, userId: 'u', requestId: 'r1' };
    expect(await unlinked(undefined)).toEqual([
      ['/one', context],
      ['/two', context],
    ]);
    const failed = (path) => [
      'error',
      '[restoreTenantContextFromReq] Failed to delete rejected upload:',
      { path, error: expect.objectContaining({ message: 'gone' }) },
      'r1',
    ];
    expect(lines).toEqual([failed('/one'), failed('/two')]);
  });

  test('F6 for the system tenant not inside the system tenant', async () => {
    expect(await unlinked(' __SYSTEM__ ')).toEqual([
      ['/one', undefined],
      ['/two', undefined],
    ]);
    expect(lines[0]).toEqual([
      'warn',
      expect.stringMatching(/^\[restoreTenantContextFromReq\] .*system tenant/),
      { path: '/files' },
      undefined,
    ]);
  });

  test('F6 the warning after authentication has the path', () => {
    const res = bareResponse();
    adapter.tenantContextMiddleware({ headers: {}, path: '/x', user: { tenantId: '__SYSTEM__' } }, res, () => {});
    expect(res.sent).toMatchObject([{ status: 403 }]);
    expect(lines).toEqual([
      ['warn', expect.stringMatching(/^\[tenantContextMiddleware\] .*system tenant/), { path: '/x' }, undefined],
    ]);
  });

  test('F6 a request with a blank tenant of its own stays in its user’s', () => {
    expect(contextOf(adapter.tenantContextMiddleware, { tenantId: '  ', user: { id: 'u', tenantId: 'acme' } })).toEqual(
      { tenantId: 'acme', userId: 'u', requestId: undefined },
    );
  });

  test('F6 a logger that throws costs the line only', () => {
    logger.warn.mockImplementation(() => {
      throw new Error('disk full');
    });
    expect(preAuth({ 'x-tenant-id': '__SYSTEM__' })).toEqual(NOTHING);
  });
});
