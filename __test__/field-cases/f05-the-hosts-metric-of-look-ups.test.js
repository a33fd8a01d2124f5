'use strict';

// A host with METRICS_SECRET counts user look-ups; remote calls must still be counted after the import has changed.

process.env.LOG_TO_FILE = 'false';

const mockRecord = jest.fn();
let mockApi = () => ({ recordOpenIDUserLookup: mockRecord });
jest.mock('@librechat/api', () => mockApi(), { virtual: true });

const { World, isolateEnvironment, knownUser } = require('../parity/world');
const { bareResponse } = require('../support/fakes');
const { issuerWhileTesting } = require('../support/surroundings');

isolateEnvironment();
const issuer = issuerWhileTesting();
beforeEach(() => {
  jest.resetModules();
  mockRecord.mockReset();
  mockApi = () => ({ recordOpenIDUserLookup: mockRecord });
  process.env.METRICS_SECRET = 'secret';
  const { logger } = require('@librechat/data-schemas');
  for (const level of ['info', 'warn', 'error']) jest.spyOn(logger, level).mockImplementation(() => logger);
});
afterEach(() => {
  delete process.env.METRICS_SECRET;
  jest.restoreAllMocks();
});

/** One request through the adapter's middleware; whether it passed. */
async function request(findUser, deps = {}) {
  const { createRemoteAgentAuth } = require('../../lib/librechat');
  const next = jest.fn();
  const world = new World(issuer, { deps: { findUser, ...deps } }).configure({ apiKey: false });
  const req = { headers: { authorization: `Bearer ${issuer.token({ sub: 'sub-1', email: 'ada@example.com' })}` } };
  await createRemoteAgentAuth(world.deps)(req, bareResponse(), next);
  return next.mock.calls.length === 1;
}
const results = () => mockRecord.mock.calls.map(([result]) => result);

describe('F5 with METRICS_SECRET', () => {
  test.each([
    ['found', async () => knownUser(issuer)],
    ['migration', async ({ email }) => (email ? { _id: 'user-1', email, role: 'USER' } : null)],
    ['auth_failed', async ({ email }) => (email ? { _id: 'user-1', provider: 'google' } : null)],
    ['not_found', async () => null],
    ['error', async () => Promise.reject(new Error('database down'))],
  ])('F5 a look-up is recorded as %s, with its seconds', async (result, findUser) => {
    await request(findUser);
    expect(mockRecord.mock.calls).toEqual([[result, expect.any(Number)]]);
    expect(mockRecord.mock.calls[0][1]).toBeLessThan(10);
  });

  test('F5 findOpenIDUser is counted too, as LibreChat’s own is', async () => {
    const { findOpenIDUser } = require('../../lib/librechat');
    await findOpenIDUser({ findUser: async () => null, openidId: 'sub', openidIssuer: issuer.url });
    expect(results()).toEqual(['not_found']);
  });

  test('F5 what the host gives as onUserLookup counts instead', async () => {
    const onUserLookup = jest.fn();
    expect(await request(async () => knownUser(issuer), { onUserLookup })).toBe(true);
    expect(onUserLookup.mock.calls.map(([result]) => result)).toEqual(['found']);
    expect(mockRecord).not.toHaveBeenCalled();
  });

  test.each([
    [
      'the package is not installed',
      () => {
        throw Object.assign(new Error("Cannot find module '@librechat/api'"), { code: 'MODULE_NOT_FOUND' });
      },
    ],
    [
      'it does not load',
      () => {
        throw new SyntaxError('broken');
      },
    ],
    ['it has no recorder', () => ({})],
    ['its recorder is none', () => ({ recordOpenIDUserLookup: true })],
    [
      'its recorder throws',
      () => ({
        recordOpenIDUserLookup: () => {
          throw new Error('no registry');
        },
      }),
    ],
  ])('F5 %s: the request passes', async (_name, api) => {
    mockApi = api;
    expect(await request(async () => knownUser(issuer))).toBe(true);
  });
});

test('F5 without METRICS_SECRET nothing is recorded, and the package is not even loaded', async () => {
  delete process.env.METRICS_SECRET;
  mockApi = jest.fn(() => ({ recordOpenIDUserLookup: mockRecord }));
  expect(await request(async () => knownUser(issuer))).toBe(true);
  expect(mockApi).not.toHaveBeenCalled();
  expect(mockRecord).not.toHaveBeenCalled();
});

test('F5 the main entry knows nothing of it', async () => {
  const world = new World(issuer, { deps: { findUser: async () => knownUser(issuer) } });
  const next = jest.fn();
  const req = { headers: { authorization: `Bearer ${world.token()}` } };
  await require('../..').createRemoteAgentAuth(world.deps)(req, bareResponse(), next);
  expect(next).toHaveBeenCalledTimes(1);
  expect(mockRecord).not.toHaveBeenCalled();
});
