'use strict';

// Userinfo as the middleware uses it, over a double of the native client; and the cache of accounts in front of it.

jest.mock('../../../lib/verifier/provider-client', () => ({ createProviderClient: jest.fn() }));
const { createProviderClient } = require('../../../lib/verifier/provider-client');
const { configOf, success } = require('../../support/fakes');
const { S, U, isolateEnvironment, line, oidcOf, setUp } = require('../../support/flow');
const { encode } = require('../../support/issuer');
const { UserStore } = require('../../support/user-store');
const { Success } = require('../../../lib/verifier/outcome');

isolateEnvironment();
const VARIABLES = [
  ...['OPENID_CLIENT_ID', 'OPENID_CLIENT_SECRET', 'OPENID_ON_BEHALF_FLOW_FOR_USERINFO_REQUIRED'],
  ...['OPENID_ON_BEHALF_FLOW_USERINFO_SCOPE', 'REMOTE_AUTH_FETCH_TIMEOUT_MS'],
];
const client = { userinfo: jest.fn(), exchange: jest.fn(), graph: jest.fn() };
beforeEach(() => {
  VARIABLES.forEach((name) => delete process.env[name]);
  for (const call of Object.values(client)) call.mockReset();
  createProviderClient.mockReset().mockReturnValue(client);
});
afterAll(() => VARIABLES.forEach((name) => delete process.env[name]));

const failed = (reason) => ({ ok: false, reason, code: 'ERR_ENDPOINT_FETCH', message: 'as the double says' });
const userinfoSays = (claims) =>
  client.userinfo.mockResolvedValue({ ok: true, claims: { sub: 'subject-1', ...claims } });

let serial = 0;
/** A token of its own for each world: answers are kept by token. */
const tokenOf = () =>
  `${encode({ alg: 'ES256', kid: 'k' })}.${encode({ n: (serial += 1) })}.signature-of-this-token-${serial}`;

function world({
  accounts = {},
  userInfo = { fetch: true },
  outcome = {},
  users = [],
  deps = {},
  options = {},
  tenant,
} = {}) {
  const store = new UserStore(users);
  const events = [];
  const verified = success({
    claims: JSON.stringify({ preferred_username: 'ada' }),
    emailSource: 'email',
    emailVerified: true,
    ...outcome,
  });
  const app = setUp({
    config: configOf({ oidc: oidcOf({ provisioning: { enabled: true }, userInfo, ...accounts }) }),
    answers: { agents: verified },
    deps: {
      ...store.deps,
      onAccount: (event) => events.push(event),
      ...(tenant && { getTenantId: () => tenant }),
      ...deps,
    },
    options,
  });
  const token = tokenOf();
  return Object.assign(app, { store, events, token, send: () => app.call({ authorization: `Bearer ${token}` }) });
}

test('overlays the token’s claims, and makes the account by both', async () => {
  userinfoSays({ email: 'Ada@Userinfo.example', email_verified: true, given_name: 'Ada', family_name: 'Lovelace' });
  const app = world({ userInfo: { fetch: true, require: true, hosts: ['u.example'] } });
  const { req } = await app.send();
  expect(req.user).toMatchObject({
    email: 'ada@userinfo.example',
    username: 'ada',
    name: 'Ada Lovelace',
    emailVerified: true,
  });
  expect(client.userinfo.mock.calls).toEqual([
    [expect.anything(), { token: app.token, subject: 'subject-1', hosts: ['u.example'] }],
  ]);
  expect(JSON.stringify(app.store.createUser.mock.calls)).not.toContain('signature-of-this-token');
});

describe('an address', () => {
  const made = async (over) => {
    const app = world(over);
    await app.send();
    return app.store.createUser.mock.calls[0]?.[0];
  };

  test('is verified where the one who gives it says so: the token’s word is for the token’s address', async () => {
    userinfoSays({ email: 'other@example.com' });
    expect(await made()).toMatchObject({ email: 'other@example.com', emailVerified: false });
    userinfoSays({ email: 'ADA@example.com' });
    expect(await made()).toMatchObject({ email: 'ada@example.com', emailVerified: true });
  });

  test('that userinfo calls unverified makes no account', async () => {
    userinfoSays({ email: 'ada@example.com', email_verified: false });
    expect(await made()).toBeUndefined();
  });

  test('of the token comes before a user name of userinfo', async () => {
    userinfoSays({ preferred_username: 'boss@example.com' });
    expect(await made()).toMatchObject({ email: 'ada@example.com', username: 'boss@example.com' });
  });

  test('that is a user name of userinfo makes no account', async () => {
    userinfoSays({ preferred_username: 'boss@example.com' });
    expect(await made({ outcome: { email: undefined, emailSource: undefined } })).toBeUndefined();
  });

  test('is believed of no issuer of several tenants, whoever says it', async () => {
    userinfoSays({ email: 'boss@example.com', email_verified: true });
    const policy = () => ({ allowedTenants: ['a'] });
    expect(await made({ outcome: { email: undefined, emailSource: undefined }, options: { policy } })).toBeUndefined();
  });

  test('an oid of the token stands against that of userinfo', async () => {
    userinfoSays({ oid: 'stranger' });
    expect(await made({ outcome: { oid: 'oid-1' } })).toMatchObject({ idOnTheSource: 'oid-1' });
    userinfoSays({ oid: 'oid-2' });
    expect(await made()).toMatchObject({ idOnTheSource: 'oid-2' });
  });
});

describe('that cannot be had', () => {
  test.each(['unauthorized', 'subject_mismatch', 'service_error'])(
    'and is required: %s is 401, nobody looked for, no API key',
    async (reason) => {
      client.userinfo.mockResolvedValue(failed(reason));
      const app = world({ userInfo: { fetch: true, require: true } });
      expect((await app.send()).answer).toEqual({ status: 401, body: U });
      expect(app.store.findUser).not.toHaveBeenCalled();
      expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
      expect(app.lines.filter(([level]) => level === 'warn')).toEqual([line('warn', reason)]);
      expect(app.events).toEqual([{ event: 'refused', reason, tenantId: undefined }]);
    },
  );

  test('because it is down is 503 where the answers are standard', async () => {
    client.userinfo.mockResolvedValue(failed('service_error'));
    const app = world({ userInfo: { fetch: true, require: true }, options: { responses: 'standard' } });
    expect((await app.send()).answer.status).toBe(503);
  });

  test.each(['unauthorized', 'subject_mismatch', 'service_error'])(
    'and is not required: %s is a warning, and the token’s claims count',
    async (reason) => {
      client.userinfo.mockResolvedValue(failed(reason));
      const app = world();
      expect((await app.send()).req.user).toMatchObject({ email: 'ada@example.com' });
      expect(app.lines).toContainEqual(line('warn', reason));
    },
  );

  test('because the client throws is a service error', async () => {
    client.userinfo.mockRejectedValue(new Error('a bug'));
    const app = world({ userInfo: { fetch: true, require: true } });
    expect((await app.send()).answer.status).toBe(401);
    expect(app.lines).toContainEqual(line('warn', 'service_error .a bug'));
  });
});

describe('is asked', () => {
  test('once for all requests with one token at once, and not again for a minute', async () => {
    userinfoSays({});
    const app = world();
    await Promise.all([app.send(), app.send(), app.send()]);
    await app.send();
    expect(client.userinfo).toHaveBeenCalledTimes(1);
  });

  test('again after a failure, and for every other token', async () => {
    client.userinfo.mockResolvedValueOnce(failed('service_error'));
    userinfoSays({});
    const app = world();
    client.userinfo.mockResolvedValueOnce(failed('service_error'));
    await app.send();
    await app.send();
    await app.call({ authorization: `Bearer ${tokenOf()}` });
    expect(client.userinfo).toHaveBeenCalledTimes(3);
  });

  test('again where an answer is too large to be kept', async () => {
    userinfoSays({ picture: 'x'.repeat(16_384) });
    const app = world();
    await Promise.all([app.send(), app.send()]);
    expect(client.userinfo).toHaveBeenCalledTimes(1);
    await app.send();
    expect(client.userinfo).toHaveBeenCalledTimes(2);
  });

  test('not after the token’s end', async () => {
    const { createUserinfo } = require('../../../lib/accounts/userinfo');
    let now = 1_000;
    userinfoSays({});
    const find = createUserinfo({ client: () => client, onBehalf: () => undefined, clock: () => now });
    const question = { policy: {}, token: 'a'.repeat(30), subject: 's', hosts: [], expiresAt: 2 };
    await find(question);
    now = 1_999;
    await find(question);
    expect(client.userinfo).toHaveBeenCalledTimes(1);
    now = 2_000;
    await find(question);
    expect(client.userinfo).toHaveBeenCalledTimes(2);
  });

  test('with another token where the environment wants the on-behalf-of exchange', async () => {
    Object.assign(process.env, {
      OPENID_ON_BEHALF_FLOW_FOR_USERINFO_REQUIRED: 'true',
      OPENID_CLIENT_ID: 'client',
      OPENID_CLIENT_SECRET: 'secret',
    });
    client.exchange.mockResolvedValue({ ok: true, accessToken: 'exchanged' });
    userinfoSays({});
    const app = world();
    await app.send();
    expect(client.exchange.mock.calls[0][1]).toEqual({
      token: app.token,
      scope: 'user.read',
      clientId: 'client',
      clientSecret: 'secret',
      hosts: [],
    });
    expect(client.userinfo.mock.calls[0][1]).toMatchObject({ token: 'exchanged', subject: 'subject-1' });
  });

  test.each([
    ['fails', { OPENID_CLIENT_ID: 'client', OPENID_CLIENT_SECRET: 'secret' }, 'as the double says'],
    ['has no client', {}, 'OPENID_CLIENT_ID and OPENID_CLIENT_SECRET'],
  ])('not at all where the exchange %s', async (_name, env, why) => {
    Object.assign(process.env, { OPENID_ON_BEHALF_FLOW_FOR_USERINFO_REQUIRED: 'true', ...env });
    client.exchange.mockResolvedValue(failed('service_error'));
    const app = world({ userInfo: { fetch: true, require: true } });
    expect((await app.send()).answer.status).toBe(401);
    expect(client.userinfo).not.toHaveBeenCalled();
    expect(app.lines).toContainEqual(line('warn', `service_error .*${why}`));
  });

  test.each([
    [undefined, undefined],
    ['0', 0],
    ['2500', 2500],
    ['-1', undefined],
    ['soon', undefined],
  ])('within REMOTE_AUTH_FETCH_TIMEOUT_MS=%s', async (value, timeoutMs) => {
    if (value !== undefined) process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS = value;
    userinfoSays({});
    await world().send();
    expect(createProviderClient).toHaveBeenCalledWith({ timeoutMs });
  });
});

describe('with the cache', () => {
  const cached = { federatedAuthCache: { enabled: true } };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  let signedBy;
  beforeEach(() => {
    signedBy = 'thumbprint-1';
    jest.spyOn(Success, 'keyThumbprintOf').mockImplementation(() => signedBy);
  });
  afterEach(() => jest.restoreAllMocks());

  test('a known caller costs no look-up, no write and no userinfo', async () => {
    userinfoSays({});
    const app = world({ accounts: cached });
    const first = (await app.send()).req.user;
    await settle();
    const calls = app.store.findUser.mock.calls.length;
    const second = (await app.send()).req.user;
    expect(second).toMatchObject({
      id: first.id,
      email: 'ada@example.com',
      role: 'USER',
      federatedTokens: { access_token: app.token },
    });
    expect(second).not.toBe(first);
    second.role = 'ADMIN';
    expect((await app.send()).req.user.role).toBe('USER');
    expect([app.store.findUser.mock.calls.length, client.userinfo.mock.calls.length]).toEqual([calls, 1]);
  });

  test('a user being deleted is not let in from it, and is forgotten', async () => {
    userinfoSays({});
    let active = true;
    const app = world({
      accounts: cached,
      deps: { isPrincipalActive: async () => active },
      options: { tenantConflict: 'allow' },
    });
    await app.send();
    await settle();
    active = false;
    expect((await app.send()).answer.status).toBe(409);
    active = true;
    const before = app.store.findUser.mock.calls.length;
    await app.send();
    expect(app.store.findUser.mock.calls.length).toBeGreaterThan(before);
  });

  test.each([
    ['another key, whatever its kid,', 'thumbprint-2'],
    ['a key that the verifier does not name', undefined],
  ])('a token signed by %s is not answered from it', async (_what, other) => {
    userinfoSays({});
    const app = world({ accounts: cached });
    await app.send();
    await settle();
    signedBy = other;
    const before = app.store.findUser.mock.calls.length;
    expect((await app.send()).answer).toBeUndefined();
    expect(app.store.findUser.mock.calls.length).toBeGreaterThan(before);
  });

  test('middlewares of one host share it, and those of another do not', async () => {
    userinfoSays({});
    const app = world({ accounts: cached });
    await app.send();
    await settle();
    const { deps } = app.store;
    const again = setUp({
      config: configOf({ oidc: oidcOf({ provisioning: { enabled: true }, userInfo: { fetch: true }, ...cached }) }),
      answers: { agents: success({ claims: '{}' }) },
      deps,
    });
    const before = app.store.findUser.mock.calls.length;
    await again.call({ authorization: `Bearer ${app.token}` });
    expect(app.store.findUser.mock.calls.length).toBe(before);
    const other = world({ accounts: cached });
    await other.call({ authorization: `Bearer ${app.token}` });
    expect(other.store.findUser).toHaveBeenCalled();
  });

  test('a request without a tenant that finds a tenant’s user keeps nothing', async () => {
    userinfoSays({});
    const store = { get: jest.fn(), set: jest.fn(), delete: jest.fn() };
    const { ISSUER } = require('../../support/flow');
    const users = [{ openidId: 'subject-1', openidIssuer: ISSUER, email: 'ada@example.com', tenantId: 'acme' }];
    const app = world({ accounts: cached, users, deps: { federatedAuthStore: store } });
    expect((await app.send()).req.user).toMatchObject({ tenantId: 'acme' });
    await settle();
    expect(store.get).toHaveBeenCalledTimes(1);
    expect(store.set).not.toHaveBeenCalled();
  });
});

test('a callback that fails behind userinfo is a 500', async () => {
  userinfoSays({});
  const app = world({ deps: { isEmailDomainAllowed: async () => Promise.reject(new Error('down')) } });
  expect((await app.send()).answer).toEqual({ status: 500, body: S });
});
