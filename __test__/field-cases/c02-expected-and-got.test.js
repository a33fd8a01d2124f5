'use strict';

// A refusal says what was expected and what came, to the operator alone.

const { RemoteTokenVerifier, createAgentManagementAuth, createRemoteAgentAuth } = require('../../index');
const { AUDIENCE, ISSUER, Signer, resultOf, policyOf } = require('../support/signer');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');

const verifier = new RemoteTokenVerifier();
const signer = new Signer({ alg: 'RS256' });
const of = (claims, more, header) => resultOf(verifier, signer.token(claims, header), policyOf([signer.jwk], more));
afterAll(() => verifier.clear());

/** What, claims, policy, header; code, expected, got, what the message points out. */
const TABLE = [
  ['audience', { aud: 'other' }, {}, {}, 'ERR_TOKEN_AUDIENCE', `"${AUDIENCE}"`, '"other"', ''],
  ['audiences', { aud: ['a', 'b'] }, { audience: ['x', 'y'] }, {}, 'ERR_TOKEN_AUDIENCE', '"x", "y"', '"a", "b"', ''],
  ['no audience', { aud: undefined }, {}, {}, 'ERR_TOKEN_AUDIENCE', `"${AUDIENCE}"`, 'nothing', ''],
  [
    'audience with a slash',
    { aud: 'https://api.example/' },
    { audience: 'https://api.example' },
    {},
    'ERR_TOKEN_AUDIENCE',
    '"https://api.example"',
    '"https://api.example/"',
    'trailing slash',
  ],
  [
    'audience in capitals',
    { aud: 'AGENTS' },
    {},
    {},
    'ERR_TOKEN_AUDIENCE',
    `"${AUDIENCE}"`,
    '"AGENTS"',
    'upper and lower case',
  ],
  [
    'audience with a blank',
    { aud: 'agents ' },
    {},
    {},
    'ERR_TOKEN_AUDIENCE',
    `"${AUDIENCE}"`,
    '"agents "',
    'white space',
  ],
  [
    'audience as URI',
    { aud: '11-22' },
    { audience: 'api://11-22' },
    {},
    'ERR_TOKEN_AUDIENCE',
    '"api://11-22"',
    '"11-22"',
    'api://',
  ],
  [
    'issuer',
    { iss: 'https://other.example' },
    {},
    {},
    'ERR_TOKEN_ISSUER',
    `"${ISSUER}"`,
    '"https://other.example"',
    '',
  ],
  [
    'issuer with a slash',
    { iss: `${ISSUER}/` },
    {},
    {},
    'ERR_TOKEN_ISSUER',
    `"${ISSUER}"`,
    `"${ISSUER}/"`,
    'trailing slash',
  ],
  [
    'issuer by http',
    { iss: ISSUER.replace('https', 'http') },
    {},
    {},
    'ERR_TOKEN_ISSUER',
    `"${ISSUER}"`,
    `"${ISSUER.replace('https', 'http')}"`,
    'http',
  ],
  [
    'issuer with suffix',
    { iss: `${ISSUER}/.well-known/openid-configuration` },
    {},
    {},
    'ERR_TOKEN_ISSUER',
    `"${ISSUER}"`,
    `"${ISSUER}/.well-known/openid-configuration"`,
    'discovery',
  ],
  ['no issuer', { iss: 5 }, {}, {}, 'ERR_TOKEN_ISSUER', `"${ISSUER}"`, 'nothing', ''],
  ['algorithm', {}, { algorithms: ['ES256', 'ES384'] }, {}, 'ERR_TOKEN_ALGORITHM', '"ES256", "ES384"', '"RS256"', ''],
  [
    'unknown algorithm',
    {},
    {},
    `{"alg":"HS256","kid":"k"}`,
    'ERR_TOKEN_ALGORITHM',
    expect.stringContaining('"RS256"'),
    '"HS256"',
    '',
  ],
  ['scope', { scope: 'write' }, { scope: 'read' }, {}, 'ERR_SCOPE_MISSING', '"read"', '"write"', ''],
  [
    'scope in capitals',
    { scope: 'READ' },
    { scope: 'read' },
    {},
    'ERR_SCOPE_MISSING',
    '"read"',
    '"READ"',
    'upper and lower case',
  ],
  [
    'role',
    { realm_access: { roles: ['user'] } },
    { requiredRoles: ['admin'] },
    {},
    'ERR_ROLE_MISSING',
    '"admin"',
    '"user"',
    '',
  ],
  [
    'roles',
    { realm_access: { roles: ['user'] } },
    { requiredRoles: ['user', 'admin'] },
    {},
    'ERR_ROLE_MISSING',
    '"admin"',
    '"user"',
    '',
  ],
  [
    'any role',
    { roles: [] },
    { requiredAppRoles: { any: ['a', 'b'] } },
    {},
    'ERR_ROLE_MISSING',
    '"a", "b"',
    'nothing',
    '',
  ],
  [
    'no claim of roles',
    {},
    { requiredRoles: ['admin'] },
    {},
    'ERR_ROLE_MISSING',
    '"admin"',
    'nothing',
    'no such claim',
  ],
  [
    'permission',
    { permissions: ['read'] },
    { requiredPermissions: ['write'] },
    {},
    'ERR_PERMISSION_MISSING',
    '"write"',
    '"read"',
    '',
  ],
  ['client', { azp: 'cli' }, { allowedClients: ['web'] }, {}, 'ERR_TOKEN_CLIENT', '"web"', '"cli"', ''],
  [
    'lifetime',
    { iat: 1_000, exp: Math.floor(Date.now() / 1000) + 60 },
    { maxTokenLifetime: 600 },
    {},
    'ERR_TOKEN_LIFETIME',
    expect.stringContaining('600 s (`maxTokenLifetime`)'),
    expect.stringMatching(/^\d+ s$/),
    '',
  ],
  ['type', {}, { typ: 'required' }, { typ: 'JWT' }, 'ERR_TOKEN_TYPE', '"at+jwt"', '"JWT"', ''],
];

test.each(TABLE)(
  'C2 %s: expected and got stand in the error and its message',
  async (what, claims, more, header, code, expected, got, near) => {
    const error = await of(claims, more, header);
    expect(error).toMatchObject({ code, expected, got });
    expect(error.message).toContain(error.expected);
    expect(error.message).toContain(`got ${error.got}`);
    expect(error.message).toContain(near);
  },
);

test('C2 the key of the kid says which algorithms it is for', async () => {
  const error = await resultOf(
    verifier,
    signer.token({}, { alg: 'PS256' }),
    policyOf([{ ...signer.jwk, alg: 'RS512' }]),
  );
  expect(error).toMatchObject({ code: 'ERR_KEY_UNSUITABLE', expected: '"RS512"', got: '"PS256"' });
});

test('C2 what came is bounded and cannot forge a log line, and neither subject nor address is ever in it', async () => {
  for (const aud of [
    'x'.repeat(5000),
    Array.from({ length: 300 }, (_, index) => `audience-${index}`),
    'a\nlevel=error forged\u001b[31m\u202e',
  ]) {
    const error = await of({ aud, sub: 'subject-of-ada', email: 'ada@example.com' });
    expect(error.got.length).toBeLessThanOrEqual(200);
    // eslint-disable-next-line no-control-regex
    expect(`${error.got}${error.message}`).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(`${error.got}${error.message}`).not.toMatch(/ada/);
  }
});

test.each([
  ['a trailing slash', (url) => `${url}/`, (url) => `"${url}/"`, 'trailing slash'],
  [
    'upper case',
    (url) => url.replace('realms', 'Realms'),
    (url) => `"${url.replace('realms', 'Realms')}"`,
    'upper and lower case',
  ],
  ['another scheme', (url) => url.replace('http:', 'https:'), (url) => `"${url.replace('http:', 'https:')}"`, 'http'],
  ['another issuer altogether', () => 'https://other.example', () => '"https://other.example"', ''],
  ['none', () => undefined, () => 'nothing', ''],
  ['a number', () => 7, () => 'nothing', ''],
])('C2 metadata with %s for its issuer', async (_what, written, shown, near) => {
  const provider = await new Issuer().start();
  try {
    provider.metadata = { issuer: written(provider.url) };
    const error = await resultOf(verifier, provider.token(), { issuer: provider.url, audience: AUDIENCE });
    expect(error).toMatchObject({
      code: 'ERR_DISCOVERY_ISSUER',
      expected: `"${provider.url}"`,
      got: shown(provider.url),
      host: '127.0.0.1',
    });
    for (const part of [error.expected, error.got, near]) expect(error.message).toContain(part);
    const { lastFailure } = verifier.stats().sources.find(({ url }) => url === provider.url);
    expect(lastFailure.message).toContain(error.got);
  } finally {
    await provider.stop();
  }
});

test.each([
  ['an issuer of 300 characters', `https://other.example/${'x'.repeat(300)}`],
  ['one that forges a line', 'https://other.example/\nlevel=error\u001b[31m\u202e'],
])('C2 metadata with %s stays bounded and printable', async (_what, issuer) => {
  const provider = await new Issuer().start();
  try {
    provider.metadata = { issuer };
    const error = await resultOf(verifier, provider.token(), { issuer: provider.url, audience: AUDIENCE });
    expect(error.code).toBe('ERR_DISCOVERY_ISSUER');
    expect(error.got.length).toBeLessThanOrEqual(200);
    // eslint-disable-next-line no-control-regex
    expect(`${error.got}${error.message}`).not.toMatch(/[\u0000-\u001f\u202e]/);
  } finally {
    await provider.stop();
  }
});

test('C2 machine clients: their log says it too, and their caller hears nothing', async () => {
  const logger = recordingLogger();
  const oidc = {
    enabled: true,
    issuer: 'https://machines.example',
    audience: 'https://api.example',
    jwksUri: 'http://127.0.0.1:9/keys',
  };
  const deps = {
    findUser: async () => null,
    getAppConfig: async () => ({ endpoints: { agents: { managementApi: { auth: { oidc, clients: [] } } } } }),
    runInTenant: (_tenant, fn) => fn(),
    logger,
  };
  const res = fullResponse();
  const token = signer.token({ iss: oidc.issuer, aud: oidc.audience, sub: 'subject-that-came' });
  await createAgentManagementAuth(deps, { verifier })(
    { headers: { authorization: `Bearer ${token}` } },
    res,
    jest.fn(),
  );
  expect(logger.lines).toEqual([
    ['warn', expect.stringMatching(/machine client refused: ERR_JWKS_FETCH: .*nothing listens.*127\.0\.0\.1/)],
  ]);
  expect(JSON.stringify([res.sent, res.headers])).not.toMatch(/ERR_|127/);
  expect(JSON.stringify(logger.lines)).not.toContain('that-came');
});

test.each(['librechat', 'standard'])('C2 the caller hears nothing of it: responses %s', async (responses) => {
  const logger = recordingLogger();
  const deps = {
    apiKeyMiddleware: jest.fn(),
    findUser: async () => null,
    updateUser: async () => null,
    getAppConfig: async () =>
      configOf({
        apiKey: { enabled: false },
        oidc: { enabled: true, issuer: ISSUER, audience: AUDIENCE, scope: 'read' },
      }),
    logger,
  };
  const auth = createRemoteAgentAuth(deps, { verifier, responses, policy: () => ({ jwks: { keys: [signer.jwk] } }) });
  for (const claims of [
    { aud: 'audience-that-came' },
    { scope: 'scope-that-came' },
    { iss: 'https://issuer-that-came' },
  ]) {
    const res = fullResponse();
    await auth({ headers: { authorization: `Bearer ${signer.token(claims)}` } }, res, jest.fn());
    expect(JSON.stringify([res.sent, res.headers])).not.toContain('that-came');
    const logged = logger.lines
      .at(-1)
      .map((part) => (part instanceof Error ? part.message : part))
      .join(' ');
    expect(logged).toContain('that-came');
  }
});
