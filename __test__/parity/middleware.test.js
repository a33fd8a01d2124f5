'use strict';

// LibreChat's suite of the middleware as merged (scenarios 1 to 68), each replayed against the native verifier and a
// provider on loopback. Numbers in brackets are those of scenarios.json.

const { constants, createHmac, createPublicKey, generateKeyPairSync, sign } = require('node:crypto');
const {
  A,
  B,
  encode,
  expectAnswered,
  expectPassed,
  expectRefused,
  Http,
  knownUser,
  S,
  SUBJECT,
  suiteIssuer,
  U,
  World,
} = require('./world');

const issuer = suiteIssuer();
let world;

beforeEach(() => {
  issuer.requests = { discovery: 0, keys: 0 };
  issuer.metadata = {};
  issuer.gate = async () => {};
  world = new World(issuer);
});

const now = () => Math.floor(Date.now() / 1000);
const configCalls = () => world.deps.getAppConfig.mock.calls;

describe('which method is on', () => {
  test('[1] OIDC off, API keys off, no header: 401, nothing is asked', async () => {
    world.configure({ apiKey: false, oidc: null });
    const result = await world.send();
    expectAnswered(result, 401, A);
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('[2] OIDC off, API keys on: the API-key middleware is asked', async () => {
    world.configure({ oidc: null });
    expectPassed(await world.send());
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test('[3] without a tenant the base configuration is asked for, by exactly one key', async () => {
    world.configure({ oidc: null });
    await world.send();
    expect(configCalls()[0]).toEqual([{ baseOnly: true }]);
  });

  test('[4] an API user of a tenant without API keys is refused', async () => {
    world.configure({ oidc: null }).configure({ apiKey: false, oidc: null, tenant: 'acme' });
    world.deps.apiKeyMiddleware.mockImplementation(async (req, res, next) => {
      req.user = { id: 'user-1', tenantId: 'acme' };
      next();
    });
    const result = await world.send();
    expectAnswered(result, 401, U);
    expect(configCalls()).toEqual([[{ baseOnly: true }], [{ tenantId: 'acme' }]]);
  });

  test('[5] the tenant of the async context chooses the configuration', async () => {
    world.configure({ oidc: null, tenant: 'acme' });
    expectPassed(await world.send(undefined, { tenant: 'acme' }));
    expect(configCalls()[0]).toEqual([{ tenantId: 'acme' }]);
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test('[6] a tenant with both methods off is 401', async () => {
    world.configure({ apiKey: false, oidc: null, tenant: 'acme' });
    expectAnswered(await world.send(undefined, { tenant: 'acme' }), 401, A);
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('[7] the tenant of a user already on the request comes first', async () => {
    world.configure({ oidc: null, tenant: 'bolt' });
    await world.send(undefined, { user: { tenantId: 'bolt' }, tenant: 'acme' });
    expect(configCalls()[0]).toEqual([{ tenantId: 'bolt' }]);
  });

  test('[8] without a remoteApi block API keys are on', async () => {
    world.configure({ auth: null });
    expectPassed(await world.send());
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test('[9] API keys off and nothing said about OIDC: 401', async () => {
    world.configure({ auth: { apiKey: { enabled: false } } });
    expectAnswered(await world.send(), 401, A);
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('[10] OIDC on, no header, API keys on: the API-key middleware is called and the request passes', async () => {
    expectPassed(await world.send());
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test('[11] OIDC on, no header, API keys off: 401, asking for a Bearer token', async () => {
    world.configure({ apiKey: false });
    expectAnswered(await world.send(), 401, B);
  });

  test('[12] OIDC on without an issuer is 500', async () => {
    world.configure({ apiKey: false, oidc: { issuer: undefined } });
    expectAnswered(await world.send(world.token()), 500, S);
  });

  test('[13] OIDC on without an audience is 500', async () => {
    world.configure({ apiKey: false, oidc: { audience: undefined } });
    expectAnswered(await world.send(world.token()), 500, S);
  });
});

describe('a good token', () => {
  test('[14] sets the user, asks no API key, and counts only for the configured audience', async () => {
    const result = await world.send(world.token());
    expectPassed(result);
    expect(result.req.user).toMatchObject({ id: 'user-1', email: 'ada@example.com' });
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();

    world.configure({ apiKey: false });
    expectRefused(world, await world.send(world.token({ aud: 'another' })));
  });

  describe('of a tenant’s user', () => {
    const token = (over = {}) => world.token({ aud: ['agents', 'acme'], scope: 'acme:use', ...over });
    beforeEach(() => {
      world.deps.findUser.mockImplementation(async () => knownUser(issuer, { tenantId: 'acme' }));
      world.configure({ oidc: { audience: 'acme', scope: 'acme:use' }, tenant: 'acme' });
    });

    test('[15] passes when it meets the tenant’s audience and scope as well', async () => {
      expectPassed(await world.send(token()));
      expect(configCalls()).toEqual([[{ baseOnly: true }], [{ role: 'USER', userId: 'user-1', tenantId: 'acme' }]]);
      // The tenant's audience counts, though the base's accepts the token.
      expectRefused(world, await world.send(token({ aud: 'agents' })));
    });

    test('[16] is refused when it lacks the tenant’s scope', async () => {
      expectRefused(world, await world.send(token({ scope: 'other' })));
      expect(configCalls()).toHaveLength(2);
    });

    test('[17] is refused when the tenant has OIDC off', async () => {
      world.configure({ oidc: null, tenant: 'acme' });
      expectRefused(world, await world.send(token()));
      expect(configCalls()).toHaveLength(2);
    });
  });

  test('[18] is accepted with either spelling of an issuer configured with a trailing slash', async () => {
    world.configure({ oidc: { issuer: `${issuer.url}/` } });
    expectPassed(await world.send(world.token()));
    expectPassed(await world.send(world.token({ iss: `${issuer.url}/` })));
    world.configure({ apiKey: false, oidc: { issuer: `${issuer.url}/` } });
    expectAnswered(await world.send(world.token({ iss: `${issuer.url}//` })), 401, U);
  });

  test('[19] is read behind a scheme in lower case', async () => {
    const token = world.token();
    const result = await world.send(token, { header: `bearer ${token}` });
    expectPassed(result);
    expect(result.req.user).toMatchObject({ id: 'user-1' });
  });

  test('[20] is read without the blanks after it', async () => {
    const token = world.token();
    const result = await world.send(token, { header: `Bearer ${token}   ` });
    expectPassed(result);
    expect(result.req.user.federatedTokens.access_token).toBe(token);
  });
});

describe('algorithms', () => {
  const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const P1363 = { dsaEncoding: 'ieee-p1363' };
  const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
  const NAMES = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', ...Object.keys(CURVES)];
  let keys;
  let server;

  beforeAll(async () => {
    const publicKeyEncoding = { format: 'jwk' };
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding });
    const ec = (namedCurve) => generateKeyPairSync('ec', { namedCurve, publicKeyEncoding });
    keys = Object.fromEntries(NAMES.map((name) => [name, CURVES[name] ? ec(CURVES[name]) : rsa]));
    server = await new Http().start();
    server.routes['/keys'] = {
      keys: NAMES.map((kid) => ({ ...keys[kid].publicKey, kid, use: 'sig' })),
    };
  });
  afterAll(() => server.stop());
  beforeEach(() => world.configure({ apiKey: false, oidc: { jwksUri: `${server.url}/keys` } }));

  const signed = (alg) => {
    const input = world
      .token({}, { header: { alg, kid: alg } })
      .split('.')
      .slice(0, 2)
      .join('.');
    const extra = alg.startsWith('PS') ? PSS : alg.startsWith('ES') ? P1363 : {};
    return `${input}.${sign(`sha${alg.slice(2)}`, Buffer.from(input), { key: keys[alg].privateKey, ...extra }).toString('base64url')}`;
  };

  test.each(NAMES)('[21] %s is accepted', async (alg) => {
    expectPassed(await world.send(signed(alg)));
  });

  test.each(['HS256', 'HS384', 'HS512'])(
    '[22] %s is refused, signed with the public key as the secret',
    async (alg) => {
      const secret = createPublicKey({ key: keys.RS256.publicKey, format: 'jwk' }).export({
        type: 'spki',
        format: 'pem',
      });
      const input = world
        .token({}, { header: { alg, kid: 'RS256' } })
        .split('.')
        .slice(0, 2)
        .join('.');
      const token = `${input}.${createHmac(`sha${alg.slice(2)}`, secret)
        .update(input)
        .digest('base64url')}`;
      expectRefused(world, await world.send(token));
      expect(world.logged('error')[0][2].code).toBe('ERR_TOKEN_ALGORITHM');
    },
  );

  test('[23] a token without kid is tried with the second key when the first fails', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: { format: 'jwk' } }).publicKey;
    server.routes['/two'] = {
      keys: [
        { ...other, kid: 'first' },
        { ...issuer.publicKey.export({ format: 'jwk' }), kid: 'second' },
      ],
    };
    world.configure({ apiKey: false, oidc: { jwksUri: `${server.url}/two` } });
    const result = await world.send(world.token({}, { header: { kid: undefined } }));
    expectPassed(result);
    expect(result.req.user).toMatchObject({ id: 'user-1' });
    expect(server.hits['/two']).toBe(1);
  });
});

describe('what tools get', () => {
  test('[24] the token and its expiry', async () => {
    const exp = now() + 100;
    const token = world.token({ exp });
    const { req } = await world.send(token);
    expect(req.user.federatedTokens).toEqual({ access_token: token, expires_at: exp });
  });

  test('[25] without exp: refused by default; where the option allows it, the token alone', async () => {
    const token = world.token({ exp: undefined });
    world.configure({ apiKey: false });
    expectRefused(world, await world.send(token));

    world = new World(issuer, { options: { policy: { requireExp: false } } });
    const { req } = await world.send(token);
    expect(Object.entries(req.user.federatedTokens)).toEqual([['access_token', token]]);
  });
});

describe('users', () => {
  test('[26] no such user, API keys on: the API-key middleware is asked', async () => {
    world.deps.findUser.mockResolvedValue(null);
    await world.send(world.token());
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
    expect(world.logged('warn', 'no matching LibreChat user')).toHaveLength(1);
  });

  test('[27] no such user, API keys off: 401', async () => {
    world.configure({ apiKey: false });
    world.deps.findUser.mockResolvedValue(null);
    expectRefused(world, await world.send(world.token()));
  });

  test('[28] the same subject stored without an issuer does not belong to another issuer', async () => {
    process.env.OPENID_ISSUER = 'https://login.example.com';
    const legacy = { _id: 'user-1', openidId: SUBJECT, email: 'else@example.com', role: 'USER' };
    world.deps.findUser.mockImplementation(async (filter) =>
      (filter.openidId === SUBJECT && typeof filter.openidIssuer !== 'string') || filter.email === legacy.email
        ? { ...legacy }
        : null,
    );
    expectRefused(world, await world.send(world.token({ email: 'else@example.com' })));
  });

  test('[29] no sub: 401, nobody is looked up, no API key is tried', async () => {
    expectRefused(world, await world.send(world.token({ sub: undefined })));
    expect(world.deps.findUser).not.toHaveBeenCalled();
  });

  test('[30] an e-mail match owned by another provider: 401, no API key is tried', async () => {
    world.deps.findUser.mockImplementation(async ({ email }) =>
      email ? { _id: 'user-1', email, provider: 'google', role: 'USER' } : null,
    );
    expectRefused(world, await world.send(world.token({ email: 'ada@example.com' })));
  });
});

describe('what fails', () => {
  const unreachable = () => world.configure({ apiKey: world.apiKey, oidc: { jwksUri: `${issuer.url}/no-such-keys` } });

  test('[31] keys that cannot be had, API keys on: the API-key middleware is asked, without an error', async () => {
    world.apiKey = true;
    unreachable();
    await world.send(world.token());
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
    expect(world.logged('error')).toEqual([]);
    // Of the provider's fault, which is no caller's, the operator hears once a minute: docs/differences.md.
    expect(world.logged('warn')).toEqual([
      ['warn', expect.stringContaining('API keys are tried instead'), expect.objectContaining({ fault: 'upstream' })],
    ]);
    expect(world.logged('debug', 'trying API key auth')).toEqual([
      [expect.anything(), expect.anything(), expect.any(Error)],
    ]);
  });

  test('[32] keys that cannot be had, API keys off: 401, and an error for the operator', async () => {
    world.apiKey = false;
    unreachable();
    expectRefused(world, await world.send(world.token()));
    expect(world.logged('error', 'OIDC verification failed')).toEqual([
      [expect.anything(), expect.anything(), expect.any(Error)],
    ]);
  });

  test('[33] a token that cannot be decoded: 401', async () => {
    world.configure({ apiKey: false });
    expectRefused(world, await world.send('not-a-jwt'));
  });

  test('[34] an HS256 token: 401, and no key is fetched for it', async () => {
    world.configure({ apiKey: false });
    const token = `${encode({ alg: 'HS256', kid: 'key-1' })}.${encode({ sub: SUBJECT, iss: issuer.url, aud: 'agents', exp: now() + 60 })}.${encode('x')}`;
    expectRefused(world, await world.send(token));
    expect(issuer.requests).toEqual({ discovery: 0, keys: 0 });
  });

  test('[35] a configuration that fails to load: 500', async () => {
    world.deps.getAppConfig.mockRejectedValue(new Error('config down'));
    expectRefused(world, await world.send(world.token()), 500, S);
    expect(world.logged('error', 'Unexpected error')[0][2]).toMatchObject({ message: 'config down' });
  });

  test('[36] a lookup that fails: 500, no API key is tried', async () => {
    world.deps.findUser.mockRejectedValue(new Error('database down'));
    expectRefused(world, await world.send(world.token()), 500, S);
  });
});

describe('where keys come from', () => {
  test('[37] jwksUri: no discovery', async () => {
    expectPassed(await world.send(world.token()));
    expect(issuer.requests).toEqual({ discovery: 0, keys: 1 });
  });

  test('[38] OPENID_JWKS_URL without jwksUri: no discovery', async () => {
    process.env.OPENID_JWKS_URL = issuer.jwksUri;
    world.configure({ oidc: { jwksUri: undefined } });
    expectPassed(await world.send(world.token()));
    expect(issuer.requests).toEqual({ discovery: 0, keys: 1 });
  });

  test('[39] OPENID_JWKS_URL over http to another host: 401, nothing is fetched', async () => {
    process.env.OPENID_JWKS_URL = 'http://keys.example.com/jwks';
    world.configure({ apiKey: false, oidc: { jwksUri: undefined } });
    expectRefused(world, await world.send(world.token()));
    expect(world.logged('error')[0][2].code).toBe('ERR_POLICY_JWKS_URI');
    expect(issuer.requests).toEqual({ discovery: 0, keys: 0 });
  });

  test('[40] an issuer over http to another host: 401, though the keys’ location is good', async () => {
    process.env.OPENID_JWKS_URL = issuer.jwksUri;
    world.configure({ apiKey: false, oidc: { issuer: 'http://auth.example.com', jwksUri: undefined } });
    expectRefused(world, await world.send(world.token({ iss: 'http://auth.example.com' })));
    expect(world.logged('error')[0][2].code).toBe('ERR_POLICY_ISSUER');
    expect(issuer.requests).toEqual({ discovery: 0, keys: 0 });
  });

  test('[41] issuer and OPENID_JWKS_URL over http on localhost: the keys come from there', async () => {
    const local = `http://localhost:${issuer.port}${issuer.path}`;
    process.env.OPENID_JWKS_URL = `${local}/keys`;
    world.configure({ oidc: { issuer: local, jwksUri: undefined } });
    world.deps.findUser.mockResolvedValue(knownUser(issuer, { openidIssuer: local }));
    expectPassed(await world.send(world.token({ iss: local })));
    expect(issuer.requests).toEqual({ discovery: 0, keys: 1 });
  });

  test('[42] neither: discovery below the issuer', async () => {
    world.configure({ oidc: { jwksUri: undefined } });
    expectPassed(await world.send(world.token()));
    expect(issuer.requests).toEqual({ discovery: 1, keys: 1 });
  });

  test('[43] an issuer given as its discovery URL: that URL once, both spellings accepted', async () => {
    const url = `${issuer.url}/.well-known/openid-configuration`;
    world.configure({ oidc: { issuer: url, jwksUri: undefined } });
    expectPassed(await world.send(world.token()));
    expectPassed(await world.send(world.token({ iss: url })));
    expect(issuer.requests).toEqual({ discovery: 1, keys: 1 });
  });

  test('[44] a discovered key location over http to another host: 401, no keys are fetched', async () => {
    issuer.metadata = { jwks_uri: 'http://keys.example.com/jwks' };
    world.configure({ apiKey: false, oidc: { jwksUri: undefined } });
    expectRefused(world, await world.send(world.token()));
    expect(issuer.requests).toEqual({ discovery: 1, keys: 0 });
  });

  test('[46] OPENID_JWKS_URL changed between requests: each location is asked', async () => {
    const server = await new Http().start();
    server.routes['*'] = { keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), kid: 'key-1' }] };
    world.configure({ oidc: { jwksUri: undefined } });
    for (const path of ['/one', '/two']) {
      process.env.OPENID_JWKS_URL = server.url + path;
      expectPassed(await world.send(world.token()));
    }
    await server.stop();
    expect(server.hits).toEqual({ '/one': 1, '/two': 1 });
  });

  test('[47] caching switched off: still one fetch for two requests', async () => {
    process.env.OPENID_JWKS_URL_CACHE_ENABLED = 'false';
    expectPassed(await world.send(world.token()));
    expectPassed(await world.send(world.token()));
    expect(issuer.requests.keys).toBe(1);
  });

  describe('of a hundred and more', () => {
    let server;
    beforeEach(async () => {
      server = await new Http().start();
      server.routes['*'] = { keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), kid: 'key-1' }] };
      world.configure({ oidc: { jwksUri: undefined } });
    });
    afterEach(() => server.stop());
    const ask = async (path) => {
      process.env.OPENID_JWKS_URL = server.url + path;
      expectPassed(await world.send(world.token()));
    };

    test('[48] 101 locations: each is fetched, and asking the first again costs one fetch at most', async () => {
      for (let index = 0; index <= 100; index++) await ask(`/keys/${index}`);
      await ask('/keys/0');
      const hits = Object.values(server.hits);
      expect(hits).toHaveLength(101);
      expect(hits.filter((count) => count !== 1).length).toBeLessThanOrEqual(1);
      expect(hits.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(102);
    });

    test('[49] a location with a long life outlives a hundred newer ones', async () => {
      process.env.OPENID_JWKS_URL_CACHE_TIME = '3600000';
      await ask('/long');
      process.env.OPENID_JWKS_URL_CACHE_TIME = '1';
      for (let index = 0; index < 100; index++) await ask(`/short/${index}`);
      process.env.OPENID_JWKS_URL_CACHE_TIME = '3600000';
      await ask('/long');
      expect(server.hits['/long']).toBe(1);
    });
  });

  test('[50] discovery that never answers: 401 after ten seconds', async () => {
    let release;
    issuer.gate = () => new Promise((resolve) => (release = resolve));
    world.configure({ apiKey: false, oidc: { jwksUri: undefined } });
    const started = Date.now();
    const result = await world.send(world.token());
    expectRefused(world, result);
    expect(Date.now() - started).toBeLessThan(15_000);
    release();
  });

  test('[51] discovery that is not 2xx: 401', async () => {
    const lost = `http://127.0.0.1:${issuer.port}/nothing-here`;
    world.configure({ apiKey: false, oidc: { issuer: lost, jwksUri: undefined } });
    expectRefused(world, await world.send(world.token({ iss: lost })));
    expect(world.logged('error')[0][2].fault).toBe('upstream');
  });

  test('[52] discovery without jwks_uri: 401', async () => {
    issuer.metadata = { jwks_uri: undefined };
    world.configure({ apiKey: false, oidc: { jwksUri: undefined } });
    expectRefused(world, await world.send(world.token()));
    expect(issuer.requests.keys).toBe(0);
  });
});

describe('e-mail and binding', () => {
  const emailAsked = () => world.deps.findUser.mock.calls.map(([filter]) => filter.email).filter(Boolean);
  beforeEach(() => world.deps.findUser.mockResolvedValue(null));

  test('[53] an e-mail claim: the second lookup asks for it', async () => {
    await world.send(world.token({ email: 'ada@example.com' }));
    expect(world.deps.findUser.mock.calls).toEqual([
      [{ openidId: SUBJECT, openidIssuer: issuer.url }],
      [{ email: 'ada@example.com' }],
    ]);
  });

  test.each([
    ['[54] no email: preferred_username', { preferred_username: 'ada@pref.example' }, 'ada@pref.example'],
    [
      '[55] an empty email: preferred_username',
      { email: '', preferred_username: 'ada@pref.example' },
      'ada@pref.example',
    ],
    ['[56] only upn: upn', { upn: 'ada@upn.example' }, 'ada@upn.example'],
  ])('%s', async (_title, claims, expected) => {
    await world.send(world.token(claims));
    expect(emailAsked()).toEqual([expected]);
  });

  test.each([
    ['[54] preferred_username', { preferred_username: 'ada@pref.example' }],
    ['[55] preferred_username beside an empty email', { email: '', preferred_username: 'ada@pref.example' }],
    ['[56] upn', { upn: 'ada@upn.example' }],
  ])('%s links an unbound account where the option says so, and only there', async (_title, claims) => {
    const findUser = jest.fn(async ({ email }) => (email ? { _id: 'user-1', email, role: 'USER' } : null));
    expectRefused(world, await new World(issuer, { deps: { ...world.deps, findUser } }).send(world.token(claims)));
    const allowing = new World(issuer, { deps: { ...world.deps, findUser }, options: { allowUsernameAsEmail: true } });
    expectPassed(await allowing.send(world.token(claims)));
    expect(world.deps.updateUser).toHaveBeenCalledTimes(1);
  });

  test('[57] OPENID_EMAIL_CLAIM, when present, comes first', async () => {
    process.env.OPENID_EMAIL_CLAIM = 'work_mail';
    await world.send(world.token({ email: 'ada@example.com', work_mail: 'ada@work.example' }));
    expect(emailAsked()).toEqual(['ada@work.example']);
  });

  test('[58] a user known by e-mail alone is bound', async () => {
    world.deps.findUser.mockImplementation(async ({ email }) =>
      email ? { _id: 'user-1', email, role: 'USER' } : null,
    );
    expectPassed(await world.send(world.token({ email: 'ada@example.com' })));
    expect(world.deps.updateUser.mock.calls).toEqual([
      ['user-1', { provider: 'openid', openidId: SUBJECT, openidIssuer: issuer.url }],
    ]);
  });

  test('[59] an update that fails while binding: 500, no API key is tried', async () => {
    world.deps.findUser.mockImplementation(async ({ email }) =>
      email ? { _id: 'user-1', email, role: 'USER' } : null,
    );
    world.deps.updateUser.mockRejectedValue(new Error('database down'));
    const result = await world.send(world.token({ email: 'ada@example.com' }));
    expectAnswered(result, 500, S);
    expect(result.req.user).toBeUndefined();
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('[60] nothing to bind and a role: no update', async () => {
    world.deps.findUser.mockResolvedValue(knownUser(issuer));
    expectPassed(await world.send(world.token()));
    expect(world.deps.updateUser).not.toHaveBeenCalled();
  });
});

describe('scopes', () => {
  test.each([
    ['[61] required and absent, API keys off: 401', { apiKey: false, scope: 'agents', claims: {} }, false],
    ['[62] required and absent, API keys on: 401 all the same', { apiKey: true, scope: 'agents', claims: {} }, false],
    ['[63] among others in scope', { scope: 'agents', claims: { scope: 'openid agents profile' } }, true],
    ['[64] in the list scp', { scope: 'agents', claims: { scp: ['openid', 'agents'] } }, true],
    ['[65] two required, both there', { scope: 'agents run', claims: { scope: 'run openid agents' } }, true],
    ['[66] two required, one missing: 401', { apiKey: false, scope: 'agents run', claims: { scope: 'agents' } }, false],
    [
      '[67] configured with a comma: 401',
      { apiKey: false, scope: 'agents,run', claims: { scope: 'agents run' } },
      false,
    ],
    ['[68] none configured', { scope: undefined, claims: {} }, true],
  ])('%s', async (_title, { apiKey = true, scope, claims }, passes) => {
    world.configure({ apiKey, oidc: { scope } });
    const result = await world.send(world.token(claims));
    if (passes) expectPassed(result);
    else expectRefused(world, result);
  });
});
