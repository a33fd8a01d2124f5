'use strict';

// LibreChat's conversation routes make a middleware for every request.

const { createRemoteAgentAuth, createAgentManagementAuth } = require('remote-agent-auth');
const { bareResponse, configOf, fakeVerifier, recordingLogger, success } = require('../support/fakes');

const VARIABLES = ['ENABLED', 'API_ENABLED', 'SOURCE', 'CLAIM'].map((name) => `OPENID_ROLE_SYNC_${name}`);
afterEach(() => VARIABLES.forEach((name) => delete process.env[name]));

const oidc = (over = {}) => ({ enabled: true, issuer: 'https://issuer.example', audience: 'agents', ...over });
const depsOf = (logger, config = configOf({ oidc: oidc() })) => ({
  apiKeyMiddleware() {},
  findUser: async () => ({ _id: 'u', openidId: 'subject-1', openidIssuer: 'https://issuer.example', role: 'USER' }),
  updateUser: async () => null,
  getAppConfig: async () => config,
  logger,
});
const request = () => ({ headers: { authorization: 'Bearer header.payload.signature' } });

async function ask(handler) {
  const next = jest.fn();
  await handler(request(), bareResponse(), next);
  return next.mock.calls.length;
}

test('F8 equal settings share their policies', async () => {
  const verifier = fakeVerifier({ agents: success() });
  const logger = recordingLogger();
  for (let index = 0; index < 50; index++) {
    // Written anew each time, as such a host does.
    expect(await ask(createRemoteAgentAuth(depsOf(logger), { verifier, policy: { requireKid: true } }))).toBe(1);
  }
  // Once as a probe at the factory, once for the configuration.
  expect(verifier.calls.compile).toHaveLength(2);
});

test('F8 settings that differ do not', async () => {
  const verifier = fakeVerifier({ agents: success(), others: success() });
  const logger = recordingLogger();
  const asked = (over, policy) =>
    ask(createRemoteAgentAuth(depsOf(logger, configOf({ oidc: oidc(over) })), { verifier, policy }));
  await asked({});
  await asked({ audience: 'others' });
  await asked({}, { requireKid: true });
  await asked({}, () => ({ requireKid: true }));
  await asked({}, { requireKid: false });
  const forConfigs = verifier.calls.compile.filter(({ audience }) => audience !== 'probe');
  expect(forConfigs.map(({ audience, requireKid }) => [audience, requireKid])).toEqual([
    ['agents', undefined],
    ['others', undefined],
    ['agents', true],
    ['agents', false],
  ]);
});

test('F8 a wrong policy option is an error every time', () => {
  const verifier = fakeVerifier();
  verifier.compile = ({ algorithms }) => {
    if (algorithms?.includes('none')) throw new Error('none');
    return {};
  };
  const make = () => createRemoteAgentAuth(depsOf(recordingLogger()), { verifier, policy: { algorithms: ['none'] } });
  expect(make).toThrow('none');
  expect(make).toThrow('none');
});

test('F8 two verifiers share nothing', async () => {
  const logger = recordingLogger();
  for (const verifier of [fakeVerifier({ agents: success() }), fakeVerifier({ agents: success() })]) {
    await ask(createRemoteAgentAuth(depsOf(logger), { verifier }));
    expect(verifier.calls.compile).toHaveLength(1);
  }
});

test.each([
  ['a wrong source', { ENABLED: 'true', API_ENABLED: 'true', CLAIM: 'roles', SOURCE: 'Access' }],
  ['no claim', { ENABLED: 'true', API_ENABLED: 'true' }],
  ['the flag of the API alone', { API_ENABLED: 'true' }],
  ['no getRolesByNames', { ENABLED: 'true', API_ENABLED: 'true', CLAIM: 'roles', SOURCE: 'access' }],
])('F8 role sync with %s is one error line, however many middlewares are made', (_name, variables) => {
  for (const [name, value] of Object.entries(variables)) process.env[`OPENID_ROLE_SYNC_${name}`] = value;
  const logger = recordingLogger();
  const verifier = fakeVerifier();
  for (let index = 0; index < 20; index++) createRemoteAgentAuth(depsOf(logger), { verifier });
  expect(logger.lines).toEqual([
    ['error', expect.stringContaining('role sync')].concat(_name === 'no getRolesByNames' ? [] : [expect.any(Error)]),
  ]);
});

test('F8 another mistake is another line', () => {
  Object.assign(process.env, { OPENID_ROLE_SYNC_ENABLED: 'true', OPENID_ROLE_SYNC_API_ENABLED: 'true' });
  const logger = recordingLogger();
  const verifier = fakeVerifier();
  createRemoteAgentAuth(depsOf(logger), { verifier });
  process.env.OPENID_ROLE_SYNC_SOURCE = 'nowhere';
  createRemoteAgentAuth(depsOf(logger), { verifier });
  createRemoteAgentAuth(depsOf(logger), { verifier });
  expect(logger.lines.map(([level]) => level)).toEqual(['error', 'error']);
});

test('F8 an unknown key of the configuration is warned of once, and of a hundred at most', async () => {
  const logger = recordingLogger();
  const verifier = fakeVerifier({ agents: success() });
  const keys = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`unknown${index}`, 1]));
  for (let index = 0; index < 3; index++)
    await ask(createRemoteAgentAuth(depsOf(logger, configOf({ oidc: oidc(keys) })), { verifier }));
  expect(logger.lines).toHaveLength(100);
});

test('F8 machine clients share theirs as well', async () => {
  const verifier = fakeVerifier({
    agents: success({ claims: JSON.stringify({ azp: 'm', sub: 'm', exp: Date.now() / 1000 + 60 }) }),
  });
  const logger = recordingLogger();
  const auth = { oidc: oidc(), clients: [{ clientId: 'm', userId: 'u', tenantId: 't' }] };
  const deps = () => ({
    getAppConfig: async () => ({ endpoints: { agents: { managementApi: { auth } } } }),
    findUser: async () => ({ _id: 'u', tenantId: 't' }),
    runInTenant: (_tenant, fn) => fn(),
    logger,
  });
  for (let index = 0; index < 20; index++)
    expect(await ask(createAgentManagementAuth(deps(), { verifier, policy: { requireKid: true } }))).toBe(1);
  expect(verifier.calls.compile).toHaveLength(2);
});
