'use strict';

// The rows of the decision table of docs/requests.md once more, now with nothing faked: HTTP, Express 5, a provider of the
// test's own, real tokens, the real native verifier.

const { createHmac, generateKeyPairSync } = require('node:crypto');
const { clearRemoteAgentAuthCache, createTenantMiddlewares, verifyRemoteToken } = require('../..');
const { App, tenants } = require('../support/app');
const { Issuer, encode } = require('../support/issuer');

const A = { error: 'Authentication required' };
const B = { error: 'Bearer token required' };
const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };
const INVALID = 'Bearer realm="remote-agent-api", error="invalid_token"';
const CREDENTIALS = 'Bearer realm="remote-agent-api"';

const VARIABLES = ['OPENID_JWKS_URL', 'OPENID_ISSUER', 'OPENID_EMAIL_CLAIM'];
const saved = VARIABLES.map((name) => process.env[name]);

const elsewhere = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const now = () => Math.floor(Date.now() / 1000);

let issuer;
let app;

beforeAll(async () => {
  issuer = await new Issuer().start();
});
afterAll(async () => {
  await issuer.stop();
  VARIABLES.forEach((name, index) => {
    if (saved[index] !== undefined) process.env[name] = saved[index];
  });
});
beforeEach(async () => {
  for (const name of VARIABLES) delete process.env[name];
  app = await new App().start();
  configure();
  app.users = [{ _id: 'id-1', openidId: 'subject-1', openidIssuer: issuer.url, role: 'USER' }];
  app.apiKeys['sk-good'] = (req, res, next) => {
    req.user = { id: 'key-user' };
    next();
  };
});
afterEach(() => app.stop());

const oidcOf = (over = {}) => ({ enabled: true, issuer: issuer.url, audience: 'agents', ...over });
const configure = ({ apiKey = true, oidc = oidcOf() } = {}, tenant = 'base') =>
  app.configure({ apiKey: { enabled: apiKey }, oidc }, tenant);

const logged = () => app.logger.lines.map(([level, message, error]) => [level, message, error?.code ?? error?.message]);
const line = (level, fragment, cause) => [level, expect.stringMatching(fragment), cause];

/** Asserts a rejection of ours, its log, and that nothing was written. */
async function expectRejected(request, status, body, challenge, lines) {
  expect(await request).toEqual({ status, body, challenge });
  expect(app.passed).toEqual([]);
  expect(app.calls.updateUser).toEqual([]);
  expect(logged()).toEqual(lines);
}

describe('a request, by the first table of docs/requests.md', () => {
  test('row 0: the request’s tenant chooses the configuration', async () => {
    app.configure({ apiKey: { enabled: false } }, 'acme');
    await expectRejected(app.get(issuer.token(), { tenant: 'acme' }), 401, A, CREDENTIALS, []);
    expect(app.calls.getAppConfig).toEqual([{ tenantId: 'acme' }]);
  });

  test('row 0: a configuration that cannot be loaded is 500', async () => {
    app.configure(new Error('config down'));
    await expectRejected(app.get(issuer.token()), 500, S, null, [line('error', /Unexpected error/, 'config down')]);
  });

  test('row 1: OIDC off, API keys on: the API-key middleware decides', async () => {
    app.configure({});
    expect(await app.get('sk-good')).toMatchObject({ status: 200, body: { id: 'key-user' } });
    expect(await app.get(issuer.token())).toMatchObject({ status: 403, body: { error: 'no such API key' } });
    expect(logged()).toEqual([]);
  });

  test('row 2: OIDC off, API keys off, is 401 A', async () => {
    app.configure({ apiKey: { enabled: false } });
    await expectRejected(app.get(issuer.token()), 401, A, CREDENTIALS, []);
  });

  test('row 3: OIDC on without an issuer is 500', async () => {
    configure({ oidc: oidcOf({ issuer: undefined }) });
    await expectRejected(app.get('sk-good'), 500, S, null, [line('error', /issuer/)]);
  });

  test('row 3a: OIDC on without an audience is 500', async () => {
    configure({ oidc: oidcOf({ audience: '' }) });
    await expectRejected(app.get(), 500, S, null, [line('error', /audience/)]);
  });

  test('row 4: no usable header, API keys on: the API-key middleware decides', async () => {
    expect(await app.get(undefined)).toMatchObject({ status: 403, body: { error: 'no such API key' } });
    expect(await app.get(undefined, { authorization: 'Basic YTpi' })).toMatchObject({ status: 403 });
    expect(logged()).toEqual([]);
  });

  test('row 5: no usable header, API keys off, is 401 B', async () => {
    configure({ apiKey: false });
    await expectRejected(app.get(), 401, B, CREDENTIALS, []);
    await expectRejected(app.get(undefined, { authorization: 'Bearer a b' }), 401, B, CREDENTIALS, []);
  });

  /** What can be wrong with a token, and the code the operator reads. */
  const BAD = [
    ['expired', () => issuer.token({ exp: now() - 1 }), 'ERR_TOKEN_EXPIRED'],
    ['not yet valid', () => issuer.token({ nbf: now() + 60 }), 'ERR_TOKEN_NOT_YET_VALID'],
    ['for another audience', () => issuer.token({ aud: 'others' }), 'ERR_TOKEN_AUDIENCE'],
    ['of another issuer', () => issuer.token({ iss: 'https://other.example' }), 'ERR_TOKEN_ISSUER'],
    ['without exp', () => issuer.token({ exp: undefined }), 'ERR_TOKEN_CLAIMS'],
    ['with a claim of the wrong type', () => issuer.token({ nbf: 'soon' }), 'ERR_TOKEN_CLAIMS'],
    ['signed by somebody else', () => issuer.token({}, { key: elsewhere }), 'ERR_SIGNATURE_INVALID'],
    ['with one bit of its signature flipped', () => flipLastBit(issuer.token()), 'ERR_SIGNATURE_INVALID'],
    ['with a kid nobody knows', () => issuer.token({}, { header: { kid: 'unknown' } }), 'ERR_KEY_NOT_FOUND'],
    [
      'with a critical extension',
      () => issuer.token({}, { header: { crit: ['b64'], b64: true } }),
      'ERR_TOKEN_CRITICAL',
    ],
    ['without a signature (alg none)', () => unsigned({ alg: 'none' }), 'ERR_TOKEN_ALGORITHM'],
    ['signed with the public key as an HMAC secret', () => confused(), 'ERR_TOKEN_ALGORITHM'],
    ['that is no JWT', () => 'sk-unknown', 'ERR_TOKEN_OPAQUE'],
    ['that is one long word', () => 'a'.repeat(13_000), 'ERR_TOKEN_OPAQUE'],
    ['with a malformed scope claim', () => issuer.token({ scp: 7 }), 'ERR_SCOPE_MALFORMED', { scope: 'agents:use' }],
  ].map(([name, mint, code, over = {}]) => [name, mint, code, over]);

  function flipLastBit(token) {
    const signature = Buffer.from(token.split('.')[2], 'base64url');
    signature[signature.length - 1] ^= 1;
    return `${token.split('.').slice(0, 2).join('.')}.${signature.toString('base64url')}`;
  }
  function unsigned(header) {
    return `${encode(header)}.${issuer.token().split('.')[1]}.`;
  }
  function confused() {
    const secret = issuer.publicKey.export({ type: 'spki', format: 'pem' });
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${issuer.token().split('.')[1]}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  test.each(BAD)('row 6: a token %s, API keys on, is tried as an API key', async (_name, mint, code, over) => {
    configure({ oidc: oidcOf(over) });
    const token = mint();
    expect(await app.get(token)).toMatchObject({ status: 403, body: { error: 'no such API key' } });
    expect(app.calls.apiKey).toEqual([token]);
    expect(logged()).toEqual([line('debug', /trying API key auth/, code)]);
  });

  test.each(BAD)('row 7: a token %s, API keys off, is 401 U', async (_name, mint, code, over) => {
    configure({ apiKey: false, oidc: oidcOf(over) });
    await expectRejected(app.get(mint()), 401, U, INVALID, [line('error', /OIDC verification failed/, code)]);
    expect(app.calls.findUser).toEqual([]);
  });

  test.each([
    ['an issuer over plain http to another host', { issuer: 'http://issuer.example' }, 'ERR_POLICY_ISSUER'],
    ['an issuer that is no URL', { issuer: 'nonsense' }, 'ERR_POLICY_ISSUER'],
    ['an issuer of another type', { issuer: 7 }, 'ERR_POLICY_ISSUER'],
    ['an audience of another type', { audience: {} }, 'ERR_POLICY_AUDIENCE'],
    ['no audience in the list', { audience: [] }, 'ERR_POLICY_AUDIENCE'],
    ['keys over plain http to another host', { jwksUri: 'http://issuer.example/keys' }, 'ERR_POLICY_JWKS_URI'],
    ['a scope of another type', { scope: ['agents:use'] }, 'ERR_POLICY_SCOPE'],
  ])('row 7: a policy with %s is a failed verification', async (_name, over, code) => {
    configure({ apiKey: false, oidc: oidcOf(over) });
    await expectRejected(app.get(issuer.token()), 401, U, INVALID, [line('error', /OIDC verification failed/, code)]);
  });

  test('row 8: a missing scope is 401 U, even with API keys on', async () => {
    configure({ oidc: oidcOf({ scope: 'agents:use agents:run' }) });
    await expectRejected(app.get(issuer.token({ scope: 'agents:use' })), 401, U, INVALID, [
      line('warn', /agents:use agents:run/),
    ]);
    expect(app.calls.apiKey).toEqual([]);
  });

  test('row 8: the scope is enough as a text or as a list', async () => {
    configure({ oidc: oidcOf({ scope: 'agents:use agents:run' }) });
    expect(await app.get(issuer.token({ scope: 'x agents:run agents:use' }))).toMatchObject({ status: 200 });
    expect(await app.get(issuer.token({ scp: ['agents:use', 'agents:run'] }))).toMatchObject({ status: 200 });
  });

  test.each([
    ['absent', undefined],
    ['blank', ' \t'],
    ['a number', 7],
  ])('row 9: a subject that is %s is 401 U, without a lookup, even with API keys on', async (_name, sub) => {
    const token = issuer.token({ sub });
    expect(await app.get(token)).toEqual({ status: 401, body: U, challenge: INVALID });
    expect(app.calls).toMatchObject({ apiKey: [], findUser: [] });
    expect(logged()).toEqual([line('warn', /missing_sub_claim/)]);
  });

  test('row 10: a lookup that fails is 500', async () => {
    await app.stop();
    const findUser = async () => Promise.reject(new Error('database down'));
    app = await new App({ deps: { findUser } }).start();
    configure();
    await expectRejected(app.get(issuer.token()), 500, S, null, [line('error', /Unexpected error/, 'database down')]);
    expect(app.calls.apiKey).toEqual([]);
  });

  test('row 11: the subject’s account under another issuer is 401 U', async () => {
    app.users = [
      { _id: 'id-1', email: 'ada@example.com', openidId: 'subject-1', openidIssuer: 'https://other.example' },
    ];
    await expectRejected(app.get(issuer.token({ email: 'ada@example.com' })), 401, U, INVALID, [
      line('warn', /looked up by e-mail: found/),
      line('warn', /another issuer/),
      line('warn', /auth_failed/),
    ]);
    expect(app.calls.apiKey).toEqual([]);
  });

  test('row 12: no such user, API keys on: the API-key middleware decides', async () => {
    app.users = [];
    expect(await app.get(issuer.token())).toMatchObject({ status: 403, body: { error: 'no such API key' } });
    expect(logged()).toEqual([line('warn', /no matching LibreChat user/)]);
  });

  test('row 13: no such user, API keys off, is 401 U', async () => {
    configure({ apiKey: false });
    app.users = [];
    await expectRejected(app.get(issuer.token()), 401, U, INVALID, [line('warn', /no matching LibreChat user/)]);
  });

  describe('a user of a tenant', () => {
    beforeEach(() => {
      app.users[0].tenantId = 'acme';
      configure({ oidc: oidcOf({ audience: 'acme-agents', scope: 'acme:use' }) }, 'acme');
    });

    test('row 14: passes when its own configuration accepts the token, too', async () => {
      const token = issuer.token({ aud: ['agents', 'acme-agents'], scope: 'acme:use' });
      expect(await app.get(token)).toMatchObject({ status: 200, body: { id: 'id-1' } });
      expect(app.calls.getAppConfig).toEqual([{ baseOnly: true }, { role: 'USER', userId: 'id-1', tenantId: 'acme' }]);
    });

    test('row 14: is refused when OIDC is off there', async () => {
      app.configure({}, 'acme');
      await expectRejected(app.get(issuer.token()), 401, U, INVALID, [line('warn', /not enabled/)]);
    });

    test('row 15: is 500 when an audience is missing there', async () => {
      configure({ oidc: oidcOf({ audience: '' }) }, 'acme');
      await expectRejected(app.get(issuer.token()), 500, S, null, [
        line('error', /Unexpected error.*audience/, 'oidc.audience is not set'),
      ]);
    });

    test('row 16: is refused when the token is not for the audience there', async () => {
      await expectRejected(app.get(issuer.token()), 401, U, INVALID, [
        line('warn', /resolved user/, 'ERR_TOKEN_AUDIENCE'),
      ]);
      expect(app.calls.apiKey).toEqual([]);
    });

    test('row 16: is refused when the issuer there is another, with keys of its own', async () => {
      const other = await new Issuer().start();
      configure({ oidc: oidcOf({ issuer: other.url }) }, 'acme');
      const answer = await app.get(issuer.token()).finally(() => other.stop());
      expect(answer).toEqual({ status: 401, body: U, challenge: INVALID });
      expect(app.passed).toEqual([]);
      expect(logged()).toEqual([line('warn', /resolved user/, expect.stringMatching(/^ERR_/))]);
    });

    test('row 17: is refused when the scope there is missing', async () => {
      const token = issuer.token({ aud: ['agents', 'acme-agents'] });
      await expectRejected(app.get(token), 401, U, INVALID, [line('warn', /acme:use/)]);
    });

    test('row 18: is updated in its own tenant', async () => {
      app.users[0].role = null;
      const token = issuer.token({ aud: ['agents', 'acme-agents'], scope: 'acme:use' });
      expect(await app.get(token)).toMatchObject({ status: 200 });
      expect(app.calls.updateUser).toEqual([{ id: 'id-1', fields: { role: 'USER' }, tenant: 'acme' }]);
      expect(app.passed[0].tenant).toBeUndefined();
    });
  });

  test('row 18: a user known by e-mail is bound once, and found by subject from then on', async () => {
    app.users = [{ _id: 'id-1', email: 'Ada@Example.com' }];
    const token = issuer.token({ email: 'ada@example.com', email_verified: true });
    expect(await app.get(token)).toMatchObject({ status: 200, body: { id: 'id-1' } });
    const fields = { provider: 'openid', openidId: 'subject-1', openidIssuer: issuer.url, role: 'USER' };
    expect(app.calls.updateUser).toEqual([{ id: 'id-1', fields, tenant: undefined }]);
    expect(app.passed[0].user).toMatchObject(fields);

    app.calls.findUser = [];
    expect(await app.get(token)).toMatchObject({ status: 200 });
    expect(app.calls.findUser.map(({ filter }) => filter)).toEqual([
      { openidId: 'subject-1', openidIssuer: issuer.url },
    ]);
    expect(app.calls.updateUser).toHaveLength(1);
  });

  test('row 18: a user stored before issuers were recorded is bound when this is the login issuer', async () => {
    process.env.OPENID_ISSUER = `${issuer.url}/`;
    app.users = [{ _id: 'id-1', openidId: 'subject-1', role: 'USER' }];
    expect(await app.get(issuer.token())).toMatchObject({ status: 200 });
    expect(app.users[0].openidIssuer).toBe(issuer.url);
  });

  test('row 18: an update that fails is 500', async () => {
    await app.stop();
    app = await new App({ deps: { updateUser: async () => Promise.reject(new Error('database down')) } }).start();
    configure();
    app.users = [{ _id: 'id-1', openidId: 'subject-1', openidIssuer: issuer.url }];
    await expectRejected(app.get(issuer.token()), 500, S, null, [line('error', /Unexpected error/, 'database down')]);
  });

  test('row 19: the request passes with the user, its id and its tokens', async () => {
    const exp = now() + 120;
    const token = issuer.token({ exp });
    expect(await app.get(token)).toEqual({ status: 200, body: { id: 'id-1' }, challenge: null });
    expect(app.passed).toEqual([
      {
        tenant: undefined,
        user: {
          _id: 'id-1',
          id: 'id-1',
          openidId: 'subject-1',
          openidIssuer: issuer.url,
          role: 'USER',
          federatedTokens: { access_token: token, expires_at: exp },
        },
      },
    ]);
    expect(logged()).toEqual([]);
  });

  test('row 19: without exp, where that is allowed, expires_at is absent', async () => {
    await app.stop();
    app = await new App({ options: { policy: { requireExp: false } } }).start();
    configure();
    app.users = [{ _id: 'id-1', openidId: 'subject-1', openidIssuer: issuer.url, role: 'USER' }];
    const token = issuer.token({ exp: undefined });
    expect(await app.get(token)).toMatchObject({ status: 200 });
    expect(app.passed[0].user.federatedTokens).toEqual({ access_token: token });
  });
});

describe('an API key, by the second table of docs/requests.md', () => {
  beforeEach(() => app.configure({}));
  const ofAcme = (req, res, next) => {
    req.user = { id: 'key-user', tenantId: 'acme' };
    next();
  };

  test('row 1: what the API-key middleware answers stands', async () => {
    expect(await app.get('sk-unknown')).toEqual({ status: 403, body: { error: 'no such API key' }, challenge: null });
    expect(app.calls.getAppConfig).toHaveLength(1);
  });

  test('row 2: an error it passes to next reaches the application’s error handler', async () => {
    app.apiKeys['sk-error'] = (req, res, next) => next(new Error('mine'));
    expect(await app.get('sk-error')).toMatchObject({ status: 418, body: { error: 'from the application' } });
    expect(app.errors).toEqual([expect.objectContaining({ message: 'mine' })]);
    expect(app.calls.getAppConfig).toHaveLength(1);
  });

  test('row 2: next("route") leaves the route, as Express means it', async () => {
    app.apiKeys['sk-route'] = (req, res, next) => next('route');
    const response = await fetch(app.url, { headers: { authorization: 'Bearer sk-route' } });
    await response.text();
    expect(response.status).toBe(404);
    expect(app.passed).toEqual([]);
  });

  test('row 3: the configuration of its user’s tenant is consulted', async () => {
    app.apiKeys['sk-acme'] = ofAcme;
    app.configure({}, 'acme');
    expect(await app.get('sk-acme')).toMatchObject({ status: 200, body: { id: 'key-user' } });
    expect(app.calls.getAppConfig).toEqual([{ baseOnly: true }, { tenantId: 'acme' }]);
  });

  test('row 4: API keys off there is 401 U', async () => {
    app.apiKeys['sk-acme'] = ofAcme;
    app.configure({ apiKey: { enabled: false } }, 'acme');
    await expectRejected(app.get('sk-acme'), 401, U, INVALID, [line('warn', /API keys are not enabled/)]);
  });

  test('row 5: that configuration failing to load is 500', async () => {
    app.apiKeys['sk-acme'] = ofAcme;
    app.configure(new Error('config down'), 'acme');
    await expectRejected(app.get('sk-acme'), 500, S, null, [line('error', /Unexpected error/, 'config down')]);
  });

  test('row 6: an allowed key passes', async () => {
    expect(await app.get('sk-good')).toEqual({ status: 200, body: { id: 'key-user' }, challenge: null });
    expect(logged()).toEqual([]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', async () => Promise.reject(new Error('broken'))],
  ])('row 7: a middleware that %s is 500', async (_name, act) => {
    app.apiKeys['sk-broken'] = act;
    await expectRejected(app.get('sk-broken'), 500, S, null, [line('error', /Unexpected error/, 'broken')]);
  });

  test('row 8: next called after the promise has settled counts all the same', async () => {
    app.apiKeys['sk-late'] = (req, res, next) => {
      req.user = { id: 'key-user', tenantId: 'acme' };
      setImmediate(next);
    };
    app.configure({}, 'acme');
    expect(await app.get('sk-late')).toMatchObject({ status: 200 });
    app.configure({ apiKey: { enabled: false } }, 'acme');
    expect(await app.get('sk-late')).toMatchObject({ status: 401, body: U });
    app.configure(new Error('config down'), 'acme');
    expect(await app.get('sk-late')).toMatchObject({ status: 500, body: S });
  });
});

describe('keys', () => {
  const providers = [];
  afterEach(() => Promise.all(providers.splice(0).map((provider) => provider.stop())));

  /** A provider of the test's own, which the base configuration and the user now belong to. */
  const fresh = async (options) => {
    const provider = await new Issuer(options).start();
    providers.push(provider);
    configure({ apiKey: false, oidc: oidcOf({ issuer: provider.url }) });
    app.users[0].openidIssuer = provider.url;
    return provider;
  };

  test.each(['RS256', 'ES256'])('are found by discovery and fetched once for many requests (%s)', async (algorithm) => {
    const provider = await fresh({ algorithm });
    const answers = await Promise.all(Array.from({ length: 12 }, () => app.get(provider.token())));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(provider.requests).toEqual({ discovery: 1, keys: 1 });
  });

  test('rotate without anybody noticing: the first token of the new key passes', async () => {
    const provider = await fresh();
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    provider.rotate();
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    expect(provider.requests.keys).toBe(2);
    expect(logged()).toEqual([]);
  });

  test('serve on while the provider is down; only unknown ones do not', async () => {
    const provider = await fresh();
    const known = provider.token();
    expect(await app.get(known)).toMatchObject({ status: 200 });
    await provider.stop();
    expect(await app.get(known)).toMatchObject({ status: 200 });
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    provider.rotate();
    expect(await app.get(provider.token())).toMatchObject({ status: 401, body: U });
  });

  test('of a provider that was never there are a failed verification, with the provider’s fault in the log', async () => {
    const provider = await fresh();
    await provider.stop();
    expect(await app.get(provider.token())).toEqual({ status: 401, body: U, challenge: INVALID });
    expect(app.logger.lines).toEqual([
      ['error', expect.any(String), expect.objectContaining({ code: 'ERR_DISCOVERY_FETCH', fault: 'upstream' })],
    ]);
  });

  test('of a discovery document that names another issuer are not used', async () => {
    const provider = await fresh();
    provider.metadata = { issuer: 'https://other.example' };
    expect(await app.get(provider.token())).toMatchObject({ status: 401 });
    expect(logged()).toEqual([line('error', /OIDC verification failed/, 'ERR_DISCOVERY_ISSUER')]);
    expect(provider.requests.keys).toBe(0);
  });

  test('come from jwksUri where it is configured, without discovery', async () => {
    const provider = await fresh();
    configure({ apiKey: false, oidc: oidcOf({ issuer: provider.url, jwksUri: provider.jwksUri }) });
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    expect(provider.requests).toEqual({ discovery: 0, keys: 1 });
  });

  test('come from OPENID_JWKS_URL where no jwksUri is configured, without discovery', async () => {
    const provider = await fresh();
    process.env.OPENID_JWKS_URL = provider.jwksUri;
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    expect(provider.requests).toEqual({ discovery: 0, keys: 1 });
  });

  test('never come from OPENID_JWKS_URL when OPENID_ISSUER names another issuer', async () => {
    const login = await fresh();
    const provider = await fresh();
    process.env.OPENID_JWKS_URL = login.jwksUri;
    process.env.OPENID_ISSUER = login.url;
    // A token of the policy's issuer, forged with the login provider's key.
    expect(await app.get(login.token({ iss: provider.url }))).toMatchObject({ status: 401, body: U });
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    expect(login.requests).toEqual({ discovery: 0, keys: 0 });
    expect(app.logger.lines.filter(([, message]) => message.includes('OPENID_JWKS_URL is ignored'))).toHaveLength(1);
  });

  test('are fetched again after clearRemoteAgentAuthCache', async () => {
    const provider = await fresh();
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    clearRemoteAgentAuthCache();
    expect(await app.get(provider.token())).toMatchObject({ status: 200 });
    expect(provider.requests).toEqual({ discovery: 2, keys: 2 });
  });

  test('of any issuer are tried only for tokens that claim to be its own: junk costs no fetch', async () => {
    const provider = await fresh();
    for (const token of ['a.b.c', provider.token({ iss: 'https://other.example' }), provider.token({ exp: 1 })]) {
      expect(await app.get(token)).toMatchObject({ status: 401 });
    }
    expect(provider.requests).toEqual({ discovery: 0, keys: 0 });
  });
});

describe('what dependencies and options switch on', () => {
  const ROLE_SYNC = {
    ENABLED: 'true',
    API_ENABLED: 'true',
    SOURCE: 'access',
    CLAIM: 'realm_access.roles',
    ROLE_PRIORITY: 'BOSS',
    FALLBACK_ROLE: 'USER',
  };
  afterEach(() => Object.keys(ROLE_SYNC).forEach((name) => delete process.env[`OPENID_ROLE_SYNC_${name}`]));

  /** The App anew, with these dependencies and options, and the user of the other tests. */
  const restart = async (settings) => {
    const { users, apiKeys } = app;
    await app.stop();
    app = await new App(settings).start();
    Object.assign(app, { users, apiKeys });
    configure();
  };
  const middlewares = () =>
    createTenantMiddlewares({
      tenantStorage: { run: ({ tenantId }, fn) => tenants.run(tenantId, fn) },
      logger: app.logger,
    });

  test('role sync: the role of the token, spelt as stored, is checked, written and on the request', async () => {
    for (const [name, value] of Object.entries(ROLE_SYNC)) process.env[`OPENID_ROLE_SYNC_${name}`] = value;
    await restart({ deps: { getRolesByNames: async () => [{ name: 'Boss' }] } });
    app.users[0].tenantId = 'acme';
    configure({}, 'acme');
    const token = issuer.token({ realm_access: { roles: ['boss'] } });
    expect(await app.get(token)).toMatchObject({ status: 200 });
    expect(app.calls.updateUser).toEqual([{ id: 'id-1', fields: { role: 'Boss' }, tenant: 'acme' }]);
    expect(app.calls.getAppConfig.map(({ role }) => role)).toEqual([undefined, 'USER', 'Boss']);
    expect(app.passed[0].user.role).toBe('Boss');
  });

  test('the tenant context: the route runs in the user’s tenant, and a request of another one is 401', async () => {
    await restart({
      options: { tenantConflict: 'reject' },
      deps: { tenantContextMiddleware: (...args) => middlewares().tenantContextMiddleware(...args) },
    });
    app.users[0].tenantId = 'acme';
    ['acme', 'bolt'].forEach((tenant) => configure({}, tenant));
    expect(await app.get(issuer.token())).toMatchObject({ status: 200 });
    expect(app.passed.map(({ tenant }) => tenant)).toEqual(['acme']);
    expect(await app.get(issuer.token(), { tenant: 'bolt' })).toEqual({ status: 401, body: U, challenge: INVALID });
  });

  test('the tenant context: the system tenant is 403', async () => {
    await restart({ deps: { tenantContextMiddleware: (...args) => middlewares().tenantContextMiddleware(...args) } });
    app.users[0].tenantId = '__SYSTEM__';
    configure({}, '__SYSTEM__');
    const body = { error: 'System tenant is not allowed for request-scoped routes' };
    expect(await app.get(issuer.token())).toMatchObject({ status: 403, body });
    expect(app.passed).toEqual([]);
  });

  test('the deletion fence: 409', async () => {
    await restart({ options: { tenantConflict: 'allow' }, deps: { isPrincipalActive: async () => false } });
    const body = { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' };
    await expectRejected(app.get(issuer.token()), 409, body, null, []);
  });

  test('responses: standard: 403 for a scope, 503 for a provider that is down, and no API key for a JWT', async () => {
    await restart({ options: { responses: 'standard' } });
    configure({ oidc: oidcOf({ scope: 'agents:use' }) });
    const insufficient = `${CREDENTIALS}, error="insufficient_scope", scope="agents:use"`;
    const reference = expect.stringMatching(/^[0-9A-Z]{10}$/);
    expect(await app.get(issuer.token())).toEqual({
      status: 403,
      body: { error: 'Forbidden', reference },
      challenge: insufficient,
    });
    const expired = await app.get(issuer.token({ exp: 1 }));
    expect(expired).toEqual({ status: 401, body: { ...U, reference }, challenge: INVALID });
    const gone = await new Issuer().start();
    await gone.stop();
    configure({ oidc: oidcOf({ issuer: gone.url }) });
    const response = await fetch(app.url, { headers: { authorization: `Bearer ${gone.token()}` } });
    expect([response.status, await response.json()]).toEqual([503, { error: 'Service unavailable', reference }]);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(app.calls.apiKey).toEqual([]);
    expect(await app.get('sk-good')).toMatchObject({ status: 200, body: { id: 'key-user' } });
  });

  test('policy: a function tightens the policy of one tenant; kid becomes mandatory there', async () => {
    await restart({ options: { policy: (oidc, { tenantId }) => ({ requireKid: tenantId === 'acme' }) } });
    configure({ apiKey: false }, 'acme');
    const token = issuer.token({}, { header: { kid: undefined } });
    expect(await app.get(token)).toMatchObject({ status: 200 });
    expect(await app.get(token, { tenant: 'acme' })).toMatchObject({ status: 401 });
    expect(logged()).toEqual([line('error', /OIDC verification failed/, 'ERR_TOKEN_KID')]);
  });
});

describe('verifyRemoteToken', () => {
  test('gives what a good token says', async () => {
    const exp = now() + 60;
    const verified = await verifyRemoteToken(issuer.token({ exp, scope: 'a b' }), {
      issuer: issuer.url,
      audience: 'agents',
    });
    expect(verified).toMatchObject({
      claims: { sub: 'subject-1', aud: 'agents' },
      header: { alg: 'ES256', typ: 'at+jwt' },
      subject: 'subject-1',
      scopes: ['a', 'b'],
      expiresAt: exp,
    });
    expect(verified).not.toHaveProperty('verdict');
  });

  test.each([
    [
      'an expired token',
      () => issuer.token({ exp: 1 }),
      {},
      { code: 'ERR_TOKEN_EXPIRED', fault: 'token', status: 401 },
    ],
    [
      'a missing scope',
      () => issuer.token(),
      { scope: 'a' },
      { code: 'ERR_SCOPE_MISSING', fault: 'scope', status: 403 },
    ],
    [
      'a policy without audience',
      () => issuer.token(),
      { audience: undefined },
      { code: 'ERR_POLICY_AUDIENCE', fault: 'config', status: 500 },
    ],
    [
      'a misspelt policy',
      () => issuer.token(),
      { audiance: 'x' },
      { code: 'ERR_POLICY_OPTION', message: expect.stringContaining('audience') },
    ],
    ['something else than a token', () => 7, {}, { code: 'ERR_TOKEN_ARGUMENT', fault: 'request', status: 401 }],
  ])('rejects for %s with its code', async (_name, mint, over, expected) => {
    const policy = { issuer: issuer.url, audience: 'agents', ...over };
    await expect(verifyRemoteToken(mint(), policy)).rejects.toMatchObject({ name: 'RemoteAuthError', ...expected });
  });
});
