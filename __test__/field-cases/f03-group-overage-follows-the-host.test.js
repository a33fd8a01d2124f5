'use strict';

// Entra ID leaves the groups out of a token that would have too many of them: v0.8.7 of LibreChat then keeps the role, v0.8.8 gives the
// fallback.

process.env.LOG_TO_FILE = 'false';

const main = require('../..');
const librechat = require('remote-agent-auth/librechat');
const { logger } = require('@librechat/data-schemas');
const { World, expectPassed, isolateEnvironment, knownUser } = require('../parity/world');
const { bareResponse } = require('../support/fakes');
const { issuerWhileTesting, linesOf } = require('../support/surroundings');

const OVERAGE = [
  ['hasgroups', { hasgroups: true }],
  [
    'claim names',
    { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } },
  ],
];

isolateEnvironment();
const issuer = issuerWhileTesting();
linesOf(logger);
beforeEach(() => {
  Object.assign(process.env, {
    OPENID_ROLE_SYNC_ENABLED: 'true',
    OPENID_ROLE_SYNC_API_ENABLED: 'true',
    OPENID_ROLE_SYNC_SOURCE: 'access',
    OPENID_ROLE_SYNC_CLAIM: 'groups',
    OPENID_ROLE_SYNC_ROLE_PRIORITY: 'STANDARD-USER',
    OPENID_ROLE_SYNC_FALLBACK_ROLE: 'USER',
  });
});

/** The role on the request and what was written, for a user with a role the groups once gave. */
async function roleAfter({ from = librechat, claims = { hasgroups: true }, options, newer = false } = {}) {
  const { deps } = new World(issuer, {
    deps: {
      findUser: jest.fn(async () => knownUser(issuer, { role: 'STANDARD-USER' })),
      getRolesByNames: jest.fn(async (names) => names.map((name) => ({ name }))),
      ...(newer && { isPrincipalActive: async () => true }),
    },
  });
  const next = jest.fn();
  const token = issuer.token({ sub: 'sub-1', ...claims });
  const req = { headers: { authorization: `Bearer ${token}` } };
  const res = bareResponse();
  await from.createRemoteAgentAuth(deps, options)(req, res, next);
  expectPassed({ next, sent: res.sent });
  return { role: req.user.role, written: deps.updateUser.mock.calls.map(([, fields]) => fields) };
}

const KEPT = { role: 'STANDARD-USER', written: [] };
const FALLEN_BACK = { role: 'USER', written: [{ role: 'USER' }] };

describe.each(OVERAGE)('F3 %s', (_name, claims) => {
  test.each([
    ['v0.8.7’s dependencies: kept', {}, KEPT],
    ['v0.8.8’s dependencies: the fallback', { newer: true }, FALLEN_BACK],
    ['compat says v0.8.8', { options: { compat: 'v0.8.8' } }, FALLEN_BACK],
    ['compat says v0.8.7', { newer: true, options: { compat: 'v0.8.7' } }, KEPT],
    ['the option says fallback to v0.8.7', { options: { groupOverage: 'fallback' } }, FALLEN_BACK],
    ['the option says keep to v0.8.8', { newer: true, options: { groupOverage: 'keep' } }, KEPT],
    ['an option that is undefined says nothing', { newer: true, options: { groupOverage: undefined } }, FALLEN_BACK],
    ['the main entry keeps', { from: main }, KEPT],
    ['the main entry falls back by option', { from: main, options: { groupOverage: 'fallback' } }, FALLEN_BACK],
  ])('F3 %s', async (_title, over, expected) => {
    expect(await roleAfter({ ...over, claims })).toMatchObject(expected);
  });
});

test('F3 a claim that is simply missing, and overage of another claim, are the fallback in every line', async () => {
  for (const newer of [false, true]) expect(await roleAfter({ newer, claims: {} })).toMatchObject(FALLEN_BACK);
  process.env.OPENID_ROLE_SYNC_CLAIM = 'roles';
  expect(await roleAfter()).toMatchObject(FALLEN_BACK);
});

test('F3 groups in a token beside the claim names of another claim count', async () => {
  const claims = { groups: ['standard-user'], _claim_names: { other: 'src1' }, _claim_sources: { src1: {} } };
  expect(await roleAfter({ claims })).toMatchObject(KEPT);
});

test('F3 another value is an error that names the option', () => {
  const { deps } = new World(issuer);
  expect(() => librechat.createRemoteAgentAuth(deps, { groupOverage: 'drop' })).toThrow(
    /groupOverage must be 'keep' or 'fallback'/,
  );
});
