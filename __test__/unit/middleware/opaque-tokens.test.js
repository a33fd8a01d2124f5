'use strict';

// Opaque tokens through LibreChat's middleware: whose they are, when they are bound to a key, and when nobody can say.

const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../../index');
const { configOf, fullResponse, recordingLogger } = require('../../support/fakes');
const { isolateEnvironment } = require('../../support/flow');
const { closeProviders, good, opaque, provider } = require('../../support/introspecting');

isolateEnvironment();
afterAll(closeProviders);

/** A middleware of a known user, before a provider that says `said` of tokens. */
async function app(said, { apiKey = false, policy = {} } = {}) {
  const {
    asked,
    issuer,
    policy: own,
    server,
    verifier,
  } = await provider((_token, from) => ({ ...good(from), ...said }));
  const logger = recordingLogger();
  const apiKeyMiddleware = jest.fn((_req, _res, next) => next());
  const deps = {
    apiKeyMiddleware,
    findUser: async ({ openidId }) => ({ _id: 'id-1', openidId, openidIssuer: issuer, role: 'USER' }),
    updateUser: jest.fn(async () => null),
    getAppConfig: async () =>
      configOf({ apiKey: { enabled: apiKey }, oidc: { enabled: true, issuer, audience: 'agents' } }),
    logger,
  };
  const options = { verifier, policy: () => ({ introspection: own.introspection, ...policy }) };
  const auth = createRemoteAgentAuth(deps, options);
  const call = async (token) => {
    const [req, res, next] = [{ headers: { authorization: `Bearer ${token}` } }, fullResponse(), jest.fn()];
    await auth(req, res, next);
    return { passed: next.mock.calls.length === 1, user: req.user, status: res.statusCode };
  };
  return { apiKeyMiddleware, asked, call, logger, server };
}

test('its user is the one that the provider names', async () => {
  const { asked, call } = await app({});
  const token = opaque();
  for (let time = 0; time < 2; time += 1) {
    const { passed, user } = await call(token);
    expect({ passed, subject: user.openidId }).toEqual({ passed: true, subject: 'ada' });
  }
  expect(asked).toHaveLength(1);
});

test.each([{ jkt: 'a' }, { 'x5t#S256': 'a' }])(
  'one with cnf %j passes, with one warning, or not at all',
  async (cnf) => {
    const { call, logger } = await app({ cnf });
    for (let time = 0; time < 2; time += 1) expect((await call(opaque())).passed).toBe(true);
    const warnings = logger.lines.filter(([level, text]) => level === 'warn' && text.includes('cnf'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0][1]).toContain('requireUnbound: true');
    const unbound = await app({ cnf }, { policy: { requireUnbound: true } });
    expect((await unbound.call(opaque())).passed).toBe(false);
  },
);

test('an inactive one is refused, or falls back to API keys where they are on; so is one nobody can be asked about', async () => {
  const [off, on] = [await app({ active: false }), await app({ active: false }, { apiKey: true })];
  expect((await off.call(opaque())).passed).toBe(false);
  await on.call(opaque());
  expect([off.apiKeyMiddleware, on.apiKeyMiddleware].map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
  const down = await app({});
  down.server.close();
  down.server.closeAllConnections();
  expect((await down.call(opaque())).passed).toBe(false);
});

test.each([true, false])(
  'one is shown to no other provider than its own, whatever its user’s configuration says (verdictCache %s)',
  async (verdictCache) => {
    const [own, other] = [await provider((_token, from) => good(from)), await provider((_token, from) => good(from))];
    const oidcOf = ({ issuer }) => ({ enabled: true, issuer, audience: 'agents' });
    let users = other;
    const deps = {
      apiKeyMiddleware: jest.fn(),
      findUser: async ({ openidId }) => ({
        _id: 'id-1',
        openidId,
        openidIssuer: own.issuer,
        role: 'USER',
        tenantId: 'acme',
      }),
      updateUser: jest.fn(async () => null),
      getAppConfig: async ({ tenantId } = {}) =>
        configOf({ apiKey: { enabled: false }, oidc: oidcOf(tenantId === undefined ? own : users) }),
      logger: recordingLogger(),
    };
    const policy = ({ issuer }, { tenantId }) => ({
      introspection: (issuer === own.issuer ? own : other).policy.introspection,
      // Another policy than the first, so that the token is checked again.
      ...(tenantId && { maxTokenBytes: 16_000 }),
    });
    const verifier = new RemoteTokenVerifier({ verdictCache });
    const auth = createRemoteAgentAuth(deps, { verifier, policy });
    const passes = async () => {
      const [req, res, next] = [{ headers: { authorization: `Bearer ${opaque()}` } }, fullResponse(), jest.fn()];
      await auth(req, res, next);
      return next.mock.calls.length === 1;
    };
    expect(await passes()).toBe(false);
    expect([own.asked.length, other.asked.length]).toEqual([1, 0]);
    expect(deps.logger.lines.at(-1)[1]).toContain('ERR_TOKEN_ISSUER');
    users = own;
    expect(await passes()).toBe(true);
  },
);
