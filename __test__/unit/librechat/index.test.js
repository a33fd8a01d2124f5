'use strict';

// The adapter under LibreChat's own names, with the published tenant storage and logger. In brackets: the number of
// LibreChat's own scenario.

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const librechat = require('../../../lib/librechat');
const { isRemoteOidcUrlAllowed: theirs } = require('librechat-data-provider');
const urls = require('../../../tests/vectors/urls.json');
const { Issuer } = require('../../support/issuer');
const { configOf, fullResponse } = require('../../support/fakes');

const ROOT = path.join(__dirname, '..', '..', '..');
const I = 'https://issuer.example';

const VARIABLES = ['OPENID_JWKS_URL', 'OPENID_ISSUER', 'OPENID_EMAIL_CLAIM', 'TENANT_ISOLATION_STRICT'];
const saved = VARIABLES.map((name) => process.env[name]);
const wipe = () => VARIABLES.forEach((name) => delete process.env[name]);
let warnings;
beforeEach(() => {
  wipe();
  const { logger } = require('@librechat/data-schemas');
  warnings = [];
  jest.spyOn(logger, 'warn').mockImplementation((...args) => void warnings.push(args));
  jest.spyOn(logger, 'info').mockImplementation(() => {});
  jest.spyOn(logger, 'error').mockImplementation(() => {});
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => {
  wipe();
  VARIABLES.forEach((name, index) => {
    if (saved[index] !== undefined) process.env[name] = saved[index];
  });
});

/** Runs a script in a process of its own and gives what it printed, parsed. */
const inNode = (script) => JSON.parse(execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' }));

test('neither entry loads LibreChat’s package; the adapter does when it is first needed', () => {
  const script = `
    const loaded = () => Object.keys(require.cache).some((file) => file.includes('data-schemas/dist'));
    const seen = [];
    require('remote-agent-auth'); seen.push(loaded());
    const adapter = require('remote-agent-auth/librechat'); seen.push(loaded());
    adapter.runWithTenantContext({ tenantId: 'acme' }, () => seen.push(require('@librechat/data-schemas').getTenantId()));
    seen.push(loaded());
    console.log(JSON.stringify(seen)); process.exit(0);`;
  expect(inNode(script)).toEqual([false, false, 'acme', true]);
});

test('without LibreChat’s package everything works, in no tenant', () => {
  const script = `
    const Module = require('node:module');
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (name === '@librechat/data-schemas') throw Object.assign(new Error("Cannot find module '@librechat/data-schemas'"), { code: 'MODULE_NOT_FOUND' });
      return resolve(name, ...rest);
    };
    const { getTenantId, runInTenant } = require('./lib/librechat/data-schemas');
    console.warn = () => {};
    const { getOpenIdEmail } = require('./lib/librechat');
    process.env.OPENID_EMAIL_CLAIM = 'mail';
    console.log(JSON.stringify([getTenantId() ?? null, runInTenant('acme', () => 7), getOpenIdEmail({ upn: 'u' })]));`;
  expect(inNode(script)).toEqual([null, 7, 'u']);
});

describe('with the real verifier and the published tenant storage', () => {
  let issuer;
  beforeAll(async () => {
    issuer = await new Issuer().start();
  });
  afterAll(() => issuer.stop());

  test('createRemoteAgentAuth reads and enters LibreChat’s tenants by itself', async () => {
    const { getTenantId, tenantStorage } = require('@librechat/data-schemas');
    const seen = [];
    class Host {
      apiKeyMiddleware() {}
      async getAppConfig(scope) {
        seen.push(['config', scope, getTenantId()]);
        return configOf({ oidc: { enabled: true, issuer: issuer.url, audience: 'agents' } });
      }
      async findUser() {
        return { _id: 'id-1', openidId: 'subject-1', openidIssuer: issuer.url, tenantId: 'acme' };
      }
      async updateUser(id, fields) {
        seen.push(['update', fields, getTenantId()]);
      }
    }
    const handler = librechat.createRemoteAgentAuth(new Host());
    const req = { headers: { authorization: `Bearer ${issuer.token()}` } };
    const next = jest.fn();
    await tenantStorage.run({ tenantId: 'bolt' }, () => handler(req, fullResponse(), next));
    expect(next.mock.calls).toEqual([[]]);
    expect(seen).toEqual([
      ['config', { tenantId: 'bolt' }, 'bolt'],
      ['config', { role: 'USER', userId: 'id-1', tenantId: 'acme' }, 'bolt'],
      ['update', { role: 'USER' }, 'acme'],
    ]);
  });

  test('createAgentManagementAuth calls next in the client’s tenant by itself', async () => {
    const { getTenantId } = require('@librechat/data-schemas');
    const oidc = { enabled: true, issuer: issuer.url, audience: 'agents' };
    const clients = [{ clientId: 'robot', userId: 'u1', tenantId: 'acme' }];
    const handler = librechat.createAgentManagementAuth({
      getAppConfig: async () => ({ endpoints: { agents: { managementApi: { auth: { oidc, clients } } } } }),
      findUser: async ({ _id, tenantId }) => ({ _id, tenantId: getTenantId() === tenantId ? tenantId : 'wrong' }),
      isPrincipalActive: async () => true,
    });
    let tenant;
    const token = issuer.token({ sub: 'robot', azp: 'robot' });
    await handler(
      { headers: { authorization: `Bearer ${token}` } },
      fullResponse(),
      () => void (tenant = getTenantId()),
    );
    expect(tenant).toBe('acme');
  });

  test('verifyOidcAccessToken gives the claims, or rejects', async () => {
    const config = { issuer: issuer.url, audience: 'agents' };
    await expect(librechat.verifyOidcAccessToken(issuer.token({ name: 'Ada' }), config)).resolves.toMatchObject({
      sub: 'subject-1',
      name: 'Ada',
    });
    await expect(librechat.verifyOidcAccessToken(issuer.token({ aud: 'x' }), config)).rejects.toMatchObject({
      code: 'ERR_TOKEN_AUDIENCE',
    });
    await expect(librechat.verifyOidcAccessToken(issuer.token(), { issuer: issuer.url })).rejects.toMatchObject({
      code: 'ERR_POLICY_AUDIENCE',
    });
  });

  test('[182] OPENID_JWKS_URL counts where it is asked for, and only there', async () => {
    const other = await new Issuer().start();
    try {
      process.env.OPENID_JWKS_URL = other.jwksUri;
      const config = { issuer: issuer.url, audience: 'agents' };
      await expect(librechat.verifyOidcAccessToken(issuer.token(), config)).resolves.toBeDefined();
      expect(other.requests.keys).toBe(0);
      const forged = other.token({ iss: issuer.url });
      await expect(librechat.verifyOidcAccessToken(forged, config, { useOpenIdJwksEnv: true })).resolves.toBeDefined();
      expect(other.requests.keys).toBe(1);
      librechat.clearOidcAccessTokenCache();
      await librechat.verifyOidcAccessToken(forged, config, { useOpenIdJwksEnv: true });
      expect(other.requests.keys).toBe(2);
    } finally {
      await other.stop();
    }
  });
});

describe('isRemoteOidcUrlAllowed', () => {
  test.each(urls.map((row) => [JSON.stringify(row.value), row]))('%s', (_text, { value, allowed, differs }) => {
    expect(librechat.isRemoteOidcUrlAllowed(value)).toBe(allowed);
    if (!differs) expect(theirs(value)).toBe(allowed);
  });

  test('a URL object counts as its text; other objects are no URL', () => {
    expect(librechat.isRemoteOidcUrlAllowed(new URL('https://issuer.example'))).toBe(true);
    expect(librechat.isRemoteOidcUrlAllowed(new URL('http://issuer.example'))).toBe(false);
    expect(librechat.isRemoteOidcUrlAllowed(['https://issuer.example'])).toBe(false);
    expect(librechat.isRemoteOidcUrlAllowed({ toString: () => 'https://issuer.example' })).toBe(false);
  });
});

describe('issuers', () => {
  test('[115] the first that is named, else OPENID_ISSUER; always normalised', () => {
    process.env.OPENID_ISSUER = 'https://login.example/';
    const metadata = { serverMetadata: () => ({ issuer: 'https://metadata.example/' }) };
    expect(librechat.getOpenIdIssuer({ iss: 'https://token.example/' }, metadata)).toBe('https://token.example');
    expect(librechat.getOpenIdIssuer({ iss: '' }, null, metadata)).toBe('https://metadata.example');
    expect(librechat.getOpenIdIssuer({ issuer: ' ' }, undefined)).toBe('https://login.example');
    expect(librechat.normalizeOpenIdIssuer(`${I}/`)).toBe(I);
  });

  test('conditions of an identifier, and the issuer of a user', () => {
    process.env.OPENID_ISSUER = I;
    const conditions = [I, { $exists: false }, null, ''].map((openidIssuer) => ({ openidId: 's', openidIssuer }));
    expect(librechat.getIssuerBoundConditions('openidId', 's', `${I}/`)).toEqual(conditions);
    expect(librechat.getIssuerBoundConditions('idOnTheSource', 'o', 'https://x')).toEqual([
      { idOnTheSource: 'o', openidIssuer: 'https://x' },
    ]);
    expect(librechat.getIssuerBoundConditions('openidId', '', I)).toEqual([]);
    expect(librechat.getIssuerBoundConditions('openidId', 's', undefined)).toEqual([]);
    expect(librechat.isUserIssuerAllowed({ openidIssuer: `${I}/` }, I)).toBe(true);
    expect(librechat.isUserIssuerAllowed({}, I)).toBe(true);
    expect(librechat.isUserIssuerAllowed({}, 'https://x')).toBe(false);
    expect(librechat.isUserIssuerAllowed({ openidIssuer: 'https://x' }, I)).toBe(false);
    expect(librechat.isUserIssuerAllowed({}, undefined)).toBe(false);
  });
});

describe('getOpenIdEmail', () => {
  test.each([
    ['[145] email first', { email: 'a', preferred_username: 'b' }, 'a'],
    ['[146] nothing', {}, undefined],
    ['[147] an empty one is skipped', { email: '', upn: 'c' }, 'c'],
    ['one that is no text is skipped', { email: 7, preferred_username: 'b' }, 'b'],
  ])('%s', (_name, claims, email) => {
    expect(librechat.getOpenIdEmail(claims)).toBe(email);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['[148] the configured claim', { mail: 'm', email: 'a' }, 'm', undefined],
    ['[149] the configured claim is absent', { email: 'a' }, 'a', 'not present in userinfo'],
    ['[150] the configured claim is a list', { mail: ['m'], email: 'a' }, 'a', 'object'],
    ['the configured claim is empty', { mail: '', email: 'a' }, 'a', 'string'],
  ])('%s', (_name, claims, email, warning) => {
    process.env.OPENID_EMAIL_CLAIM = ' mail ';
    expect(librechat.getOpenIdEmail(claims, 'strategy')).toBe(email);
    expect(warnings).toEqual(
      warning === undefined ? [] : [[expect.stringMatching(new RegExp(`^\\[strategy\\] .*${warning}`))]],
    );
  });
});

describe('findOpenIDUser', () => {
  const find = (over, user = null, when = () => true) => {
    const findUser = jest.fn(async (filter) => (when(filter) ? user : null));
    return librechat
      .findOpenIDUser({ findUser, openidId: 'sub', openidIssuer: I, ...over })
      .then((result) => ({ ...result, findUser }));
  };

  test('[116] [119] found by subject and normalised issuer', async () => {
    const user = { openidId: 'sub', openidIssuer: I };
    const onUserLookup = jest.fn();
    const result = await find({ openidIssuer: `${I}/`, onUserLookup }, user);
    expect(result).toMatchObject({ error: null, migration: false });
    expect(result.user).toBe(user);
    expect(result.findUser.mock.calls).toEqual([[{ openidId: 'sub', openidIssuer: I }]]);
    expect(onUserLookup.mock.calls).toEqual([['found', expect.any(Number)]]);
  });

  test('[131] [132] an account known by e-mail gets the binding at once', async () => {
    const user = { email: 'ada@example.com' };
    const result = await find({ email: 'ada@example.com' }, user, ({ email }) => email);
    expect(result).toMatchObject({ error: null, migration: true });
    expect(user).toMatchObject({ provider: 'openid', openidId: 'sub', openidIssuer: I });
  });

  test('[120] an account without an issuer gets that of the browser login', async () => {
    process.env.OPENID_ISSUER = `${I}/.well-known/openid-configuration`;
    const user = { openidId: 'sub' };
    expect(await find({}, user)).toMatchObject({ migration: true, error: null });
    expect(user.openidIssuer).toBe(I);
  });

  test.each([
    ['[126] another provider', { provider: 'google' }],
    ['[127] another subject', { openidId: 'other', openidIssuer: I }],
    ['[129] another issuer', { openidId: 'sub', openidIssuer: 'https://x' }],
  ])('%s is auth_failed, and the account untouched', async (_name, user) => {
    const before = { ...user };
    expect(await find({ email: 'a@b' }, user, ({ email }) => email)).toMatchObject({
      user: null,
      error: 'auth_failed',
      migration: false,
    });
    expect(user).toEqual(before);
  });

  test('[122] [137] [138] [139] what is missing is left out', async () => {
    const calls = async (over) => (await find(over)).findUser.mock.calls.map(([filter]) => filter);
    expect(await calls({ openidIssuer: undefined, email: 'a@b' })).toEqual([{ email: 'a@b' }]);
    expect(await calls({ openidId: '', openidIssuer: undefined })).toEqual([]);
    expect(await calls({ idOnTheSource: '' })).toEqual([{ openidId: 'sub', openidIssuer: I }]);
    expect(await calls({ openidId: '', idOnTheSource: '', email: 'A@b' })).toEqual([{ email: 'A@b' }]);
  });

  test('[135] [136] the strategy stands in front of the line; without one openid does', async () => {
    await find({ email: 'a@b', strategyName: 'mine' });
    await find({ email: 'a@b' });
    expect(warnings.map(([text]) => text.split(' ')[0])).toEqual(['[mine]', '[openid]']);
  });

  test('[141] a lookup that rejects is the caller’s to see', async () => {
    const onUserLookup = jest.fn();
    const findUser = async () => Promise.reject(new Error('down'));
    await expect(librechat.findOpenIDUser({ findUser, openidId: 's', openidIssuer: I, onUserLookup })).rejects.toThrow(
      'down',
    );
    expect(onUserLookup.mock.calls).toEqual([['error', expect.any(Number)]]);
  });
});

test('extractBearerToken is the middleware’s own rule', () => {
  expect(librechat.extractBearerToken('bearer  abc ')).toBe('abc');
  expect(librechat.extractBearerToken(undefined)).toBeNull();
});
