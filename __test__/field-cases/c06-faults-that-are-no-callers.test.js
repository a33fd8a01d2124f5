'use strict';

// With API keys on, a refused token is logged at debug alone. Where the configuration or the provider is at fault, the operator is warned.

const { createRemoteAgentAuth } = require('../../lib/middleware/remote-agent-auth');
const { configOf, failure, fakeVerifier, fullResponse, recordingLogger } = require('../support/fakes');
const { auth, isolateEnvironment, oidcOf, setUp } = require('../support/flow');

isolateEnvironment();
afterEach(() => jest.restoreAllMocks());

const warnings = ({ lines }) => lines.filter(([level]) => level === 'warn');

test('C6 a provider that cannot be reached, API keys on, default logger: one warning on the console that names issuer and cause', async () => {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  const middleware = createRemoteAgentAuth(
    {
      apiKeyMiddleware: (_req, _res, next) => next(),
      findUser: async () => null,
      updateUser: async () => null,
      getAppConfig: async () =>
        configOf({ apiKey: { enabled: true }, oidc: oidcOf({ issuer: 'https://console.example' }) }),
    },
    { verifier: fakeVerifier({ agents: failure('ERR_JWKS_FETCH', 'upstream', 'the host was not found') }) },
  );
  for (let n = 0; n < 20; n += 1)
    await middleware({ headers: { authorization: 'Bearer a.b.c' } }, fullResponse(), () => {});
  expect(warn.mock.calls).toEqual([
    [
      expect.stringMatching(
        /^\[remoteAgentAuth\] no token of issuer https:\/\/console\.example can be checked.*provider.*Check network, DNS/,
      ),
      expect.objectContaining({ code: 'ERR_JWKS_FETCH', message: 'the host was not found' }),
    ],
  ]);
});

test.each([
  ['ERR_DISCOVERY_FETCH', 'upstream', /the provider does not answer as it should/],
  ['ERR_DISCOVERY_ISSUER', 'upstream', /Write the policy's `issuer` as the metadata does/],
  ['ERR_JWKS_DOCUMENT', 'upstream', /must be a JWK Set/],
  ['ERR_ADDRESS_REFUSED', 'upstream', /check DNS/],
  ['ERR_POLICY_OPTION', 'config', /the configuration is wrong/],
])(
  'C6 %s is a warning once a minute, and the caller is passed to the API keys as before',
  async (code, fault, text) => {
    const app = setUp({ answers: { agents: failure(code, fault) } });
    const now = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    for (let n = 0; n < 50; n += 1) await app.call();
    expect(warnings(app)).toEqual([['warn', expect.stringMatching(text), expect.objectContaining({ code, fault })]]);
    expect(app.apiKeyMiddleware).toHaveBeenCalledTimes(50);
    now.mockReturnValue(61_000);
    await app.call();
    expect(warnings(app)).toHaveLength(2);
  },
);

test('C6 a policy that cannot be used is a warning once a minute', async () => {
  const logger = recordingLogger();
  const app = setUp({
    config: auth({ oidc: oidcOf({ issuer: 'ftp://wrong.example' }) }),
    deps: { logger },
    options: { verifier: undefined },
  });
  for (let n = 0; n < 5; n += 1) await app.call();
  expect(warnings(logger)).toEqual([
    [
      'warn',
      expect.stringMatching(/issuer ftp:\/\/wrong\.example.*the configuration is wrong/),
      expect.objectContaining({ code: 'ERR_POLICY_ISSUER' }),
    ],
  ]);
});

test('C6 causes are distinguished by code, reason, host and issuer', async () => {
  let issuer = 'https://a.example';
  const answers = { agents: failure('ERR_JWKS_FETCH', 'upstream') };
  const app = setUp({ config: () => auth({ oidc: oidcOf({ issuer }) }), answers });
  const warned = async () => {
    await app.call();
    return warnings(app).length;
  };
  expect(await warned()).toBe(1);
  issuer = 'https://b.example';
  expect([await warned(), await warned()]).toEqual([2, 2]);
  answers.agents = { ...failure('ERR_JWKS_FETCH', 'upstream'), reason: 'refused', host: 'b.example' };
  expect([await warned(), await warned()]).toEqual([3, 3]);
});

test('C6 what is the token’s fault stays a line at debug', async () => {
  for (const code of ['ERR_TOKEN_EXPIRED', 'ERR_KEY_NOT_FOUND', 'ERR_SIGNATURE_INVALID', 'ERR_TOKEN_OPAQUE']) {
    const app = setUp({ answers: { agents: failure(code, 'token') } });
    await app.call();
    expect(app.lines.map(([level]) => level)).toEqual(['debug']);
  }
});

test('C6 middlewares made for each request warn once between them', async () => {
  const logger = recordingLogger();
  for (let n = 0; n < 10; n += 1) {
    const app = setUp({ answers: { agents: failure('ERR_JWKS_FETCH', 'upstream') }, deps: { logger } });
    await app.call();
  }
  expect(warnings(logger)).toHaveLength(1);
});
