'use strict';

// Scenarios 83 to 113: accounts made, described and kept, as LibreChat's open PR #13184 tests its middleware. Userinfo and Graph are asked
// through a double of the native client; all else is real.

jest.mock('../../lib/verifier/provider-client', () => ({ createProviderClient: jest.fn() }));
const { createProviderClient } = require('../../lib/verifier/provider-client');
const {
  U,
  S,
  World,
  Issuer,
  SUBJECT,
  clearRemoteAgentAuthCache,
  expectPassed,
  isolateEnvironment,
  knownUser,
} = require('./world');

isolateEnvironment();
const ENV = [
  ...[
    'OPENID_CLIENT_ID',
    'OPENID_CLIENT_SECRET',
    'USE_ENTRA_ID_FOR_PEOPLE_SEARCH',
    'OPENID_USERNAME_CLAIM',
    'OPENID_NAME_CLAIM',
  ],
];
const client = { userinfo: jest.fn(), exchange: jest.fn(), graph: jest.fn() };
let issuer;
beforeAll(async () => {
  clearRemoteAgentAuthCache();
  issuer = await new Issuer().start();
});
afterAll(() => issuer.stop());
beforeEach(() => {
  ENV.forEach((name) => delete process.env[name]);
  for (const call of Object.values(client)) call.mockReset();
  createProviderClient.mockReset().mockReturnValue(client);
});
afterAll(() => ENV.forEach((name) => delete process.env[name]));

const ON = { provisioning: { enabled: true } };
const CACHE = { federatedAuthCache: { enabled: true } };
const USER = { email: 'ada@example.com', username: 'ada', name: 'Ada Lovelace' };
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A world in which accounts are kept. `user`: whom the look-up by subject finds; `byEmail`: whom the one by address finds. */
function worldOf({ accounts = ON, user = null, byEmail = null, deps = {}, apiKey = true, config } = {}) {
  const world = new World(issuer, {
    deps: {
      findUser: jest.fn(async (filter) => (filter.email === undefined ? user && { ...user } : byEmail)),
      updateUser: jest.fn(async (_id, fields) => ({ ...user, ...fields })),
      createUser: jest.fn(async (fields) => ({ _id: { toString: () => 'created-1' }, ...fields })),
      findGroupsByExternalIds: jest.fn(async () => []),
      upsertGroupByExternalId: jest.fn(async () => null),
      bulkUpdateGroups: jest.fn(async () => null),
      ...deps,
    },
  });
  world.configure({ apiKey, oidc: accounts });
  Object.assign(world.configs.base, config);
  return world;
}

const tokenOf = (world, claims) =>
  world.token({
    email: 'ada@example.com',
    preferred_username: 'ada',
    given_name: 'Ada',
    family_name: 'Lovelace',
    ...claims,
  });

/** Answered with 401, and nobody looked further: no API key, nothing made, nothing written. */
function expectRefused(world, { sent, next, req }, reason) {
  expect(sent).toEqual([{ status: 401, body: U }]);
  expect(next).not.toHaveBeenCalled();
  expect(req.user).toBeUndefined();
  expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  expect(world.deps.createUser).not.toHaveBeenCalled();
  expect(world.deps.updateUser).not.toHaveBeenCalled();
  expect(world.logged('warn', reason)).toHaveLength(1);
}

const graphAnswers = (groups) => {
  Object.assign(process.env, {
    OPENID_CLIENT_ID: 'client',
    OPENID_CLIENT_SECRET: 'secret',
    USE_ENTRA_ID_FOR_PEOPLE_SEARCH: 'true',
  });
  client.exchange.mockResolvedValue({ ok: true, accessToken: 'graph-token' });
  client.graph.mockImplementation(async (_policy, { path, body }) => ({
    ok: true,
    status: 200,
    body: path.endsWith('getMemberGroups')
      ? { value: groups }
      : { responses: body.requests.map(({ id }) => ({ id, status: 200, body: { id, displayName: id } })) },
  }));
};

describe('users of a tenant, from a request without one', () => {
  const TENANT = { tenantId: 'acme', openidIssuer: undefined };

  test('[83] are bound to the issuer after their tenant’s policy has let the token in', async () => {
    process.env.OPENID_ISSUER = issuer.url;
    const world = worldOf({ user: knownUser(issuer, { ...TENANT, ...USER }) });
    world.configure({ tenant: 'acme', oidc: ON });
    const result = await world.send(tokenOf(world));
    expectPassed(result);
    expect(world.deps.updateUser.mock.calls).toEqual([
      ['user-1', expect.objectContaining({ provider: 'openid', openidId: SUBJECT, openidIssuer: issuer.url })],
    ]);
    world.configure({ tenant: 'acme', oidc: null });
    world.deps.updateUser.mockClear();
    expect((await world.send(tokenOf(world))).sent).toEqual([{ status: 401, body: U }]);
    expect(world.deps.updateUser).not.toHaveBeenCalled();
  });

  test('[84] are described by userinfo where their tenant keeps profiles in step', async () => {
    process.env.OPENID_ISSUER = issuer.url;
    client.userinfo.mockResolvedValue({
      ok: true,
      claims: { sub: SUBJECT, given_name: 'Augusta', family_name: 'King', preferred_username: 'countess' },
    });
    const world = worldOf({
      accounts: { ...ON, userInfo: { fetch: true } },
      user: knownUser(issuer, { ...TENANT, ...USER }),
    });
    world.configure({ tenant: 'acme', oidc: { profileSync: { forExisting: true } } });
    expectPassed(await world.send(tokenOf(world)));
    expect(world.deps.updateUser.mock.calls).toEqual([
      ['user-1', expect.objectContaining({ name: 'Augusta King', username: 'countess', openidIssuer: issuer.url })],
    ]);
  });

  test('[93] [97] are not cached, and their groups are read in their own tenant', async () => {
    graphAnswers(['group-1']);
    const tenants = [];
    const bulkUpdateGroups = jest.fn(async () => tenants.push(world.tenants.getStore()));
    const accounts = { ...CACHE, groupSync: { forExisting: true } };
    const world = worldOf({
      accounts,
      user: knownUser(issuer, { ...USER, tenantId: 'acme', idOnTheSource: 'oid-1' }),
      deps: { bulkUpdateGroups },
    });
    world.configure({ tenant: 'acme', oidc: accounts });
    const token = tokenOf(world);
    expectPassed(await world.send(token));
    expect(tenants).toEqual(['acme', 'acme']);
    await settle();
    const looked = world.deps.findUser.mock.calls.length;
    expectPassed(await world.send(token));
    expect(world.deps.findUser.mock.calls.length).toBeGreaterThan(looked);
    // Read a moment ago.
    expect(world.logged('debug', 'are not read')).toHaveLength(1);
  });
});

describe('the cache', () => {
  const known = () => knownUser(issuer, USER);

  test('[85] [86] [89] what the first request has found, the second is given: no look-up, no write, no userinfo, no groups', async () => {
    client.userinfo.mockResolvedValue({ ok: true, claims: { sub: SUBJECT } });
    const world = worldOf({ accounts: { ...CACHE, userInfo: { fetch: true } }, user: known() });
    const token = tokenOf(world);
    expectPassed(await world.send(token));
    await settle();
    expect(world.deps.findUser).toHaveBeenCalledTimes(1);
    expect(world.logged('debug', 'read started')).toHaveLength(1);
    expect(world.logged('debug', 'write completed')).toHaveLength(1);
    const { req } = await world.send(token);
    expect(req.user).toMatchObject({
      id: 'user-1',
      email: 'ada@example.com',
      role: 'USER',
      openidId: SUBJECT,
      federatedTokens: { access_token: token },
    });
    expect(world.deps.findUser).toHaveBeenCalledTimes(1);
    expect(world.deps.updateUser).not.toHaveBeenCalled();
    expect(client.userinfo).toHaveBeenCalledTimes(1);
  });

  test('[87] switched off it is neither read nor written, and no line is about it', async () => {
    const world = worldOf({ user: known() });
    const token = tokenOf(world);
    await world.send(token);
    await world.send(token);
    expect(world.deps.findUser).toHaveBeenCalledTimes(2);
    expect(world.logged('debug', 'cache')).toEqual([]);
  });

  const storeOf = (over) => ({
    get: jest.fn(async () => undefined),
    set: jest.fn(async () => true),
    delete: jest.fn(async () => true),
    ...over,
  });

  test('[88] a read that fails is a miss, and a warning', async () => {
    const store = storeOf({ get: jest.fn(async () => Promise.reject(new Error('down'))) });
    const world = worldOf({ accounts: CACHE, user: known(), deps: { federatedAuthStore: store } });
    expectPassed(await world.send(tokenOf(world)));
    await settle();
    expect(world.logged('warn', 'read failed')).toHaveLength(1);
    expect(world.logged('debug').map(([, text]) => text)).toEqual([expect.stringContaining('read started')]);
  });

  test('[91] a write that fails is a warning, and the request succeeds', async () => {
    const store = storeOf({ set: jest.fn(async () => Promise.reject(new Error('down'))) });
    const world = worldOf({ accounts: CACHE, user: known(), deps: { federatedAuthStore: store } });
    expectPassed(await world.send(tokenOf(world)));
    await settle();
    expect(world.logged('warn', 'write failed')).toHaveLength(1);
    expect(world.logged('debug', 'completed')).toEqual([]);
  });

  test('[92] a new user of whom the host gives an id alone is kept by it', async () => {
    const store = storeOf();
    const createUser = jest.fn(async (fields) => ({ id: 'created-2', ...fields }));
    const world = worldOf({ accounts: { ...ON, ...CACHE }, deps: { federatedAuthStore: store, createUser } });
    expect((await world.send(tokenOf(world))).req.user.id).toBe('created-2');
    await settle();
    const [key, { entry }, ttl] = store.set.mock.calls[0];
    expect(key).toBe(`base:${issuer.url}:${SUBJECT}`);
    expect(JSON.parse(entry)).toMatchObject({ user: { id: 'created-2' }, tenantId: null });
    expect(ttl).toBeGreaterThan(295_000);
    expect(ttl).toBeLessThanOrEqual(300_000);
  });

  test('[90] with everything else off nothing is made, asked or written', async () => {
    const world = worldOf({ accounts: CACHE, user: known() });
    expectPassed(await world.send(tokenOf(world)));
    expect(world.deps.createUser).not.toHaveBeenCalled();
    expect(client.userinfo).not.toHaveBeenCalled();
    expect(client.exchange).not.toHaveBeenCalled();
    expect(world.deps.updateUser).not.toHaveBeenCalled();
    expect(world.logged('info')).toEqual([]);
  });
});

describe('groups', () => {
  const member = () => knownUser(issuer, { ...USER, idOnTheSource: 'oid-1' });
  const accounts = { groupSync: { forExisting: true } };

  test('[94] of a known user are read with the caller’s token, through LibreChat’s own client', async () => {
    graphAnswers(['group-1']);
    const world = worldOf({ accounts, user: member() });
    const token = tokenOf(world);
    expectPassed(await world.send(token));
    expect(client.exchange.mock.calls[0][1]).toMatchObject({ token, clientId: 'client', clientSecret: 'secret' });
    expect(world.deps.findGroupsByExternalIds.mock.calls).toEqual([[['group-1'], 'entra']]);
    expect(world.deps.upsertGroupByExternalId.mock.calls).toEqual([
      ['group-1', 'entra', { name: 'group-1' }, undefined],
    ]);
    expect(world.logged('debug', 'are in line')).toHaveLength(1);
  });

  test('[95] that cannot be read are logged; the request succeeds, and nothing is cached', async () => {
    graphAnswers([]);
    const world = worldOf({ accounts: { ...accounts, ...CACHE }, user: member() });
    const token = tokenOf(world);
    expectPassed(await world.send(token));
    await settle();
    expect(world.logged('warn', 'names no group')).toHaveLength(1);
    expectPassed(await world.send(token));
    expect(world.deps.findUser).toHaveBeenCalledTimes(2);
  });

  test('[96] the time they were read at is cached', async () => {
    graphAnswers(['group-1']);
    const store = { get: async () => undefined, set: jest.fn(async () => true), delete: async () => true };
    const world = worldOf({ accounts: { ...accounts, ...CACHE }, user: member(), deps: { federatedAuthStore: store } });
    expectPassed(await world.send(tokenOf(world)));
    await settle();
    expect(JSON.parse(store.set.mock.calls[0][1].entry).groupsSyncedAt).toEqual(expect.any(Number));
  });

  test('[107] of a new user are read where that is on, and its secret goes to no other issuer than OPENID_ISSUER', async () => {
    graphAnswers(['group-1']);
    process.env.OPENID_ISSUER = issuer.url;
    const world = worldOf({ accounts: { ...ON, groupSync: { onCreate: true } } });
    expectPassed(await world.send(tokenOf(world, { oid: 'oid-1' })));
    expect(world.deps.bulkUpdateGroups).toHaveBeenCalledTimes(2);

    client.exchange.mockClear();
    process.env.OPENID_ISSUER = 'https://browser.example.com';
    const other = worldOf({ accounts: { ...ON, groupSync: { onCreate: true } } });
    expectPassed(await other.send(tokenOf(other, { oid: 'oid-2', sub: 'subject-2' })));
    expect(client.exchange).not.toHaveBeenCalled();
    expect(other.deps.bulkUpdateGroups).not.toHaveBeenCalled();
    expect(other.logged('error', 'are left as they are')).toHaveLength(1);
  });

  test('[108] of a new user are not read where only known users’ are', async () => {
    graphAnswers(['group-1']);
    const world = worldOf({ accounts: { ...ON, ...accounts } });
    expectPassed(await world.send(tokenOf(world, { oid: 'oid-1' })));
    expect(client.exchange).not.toHaveBeenCalled();
  });
});

describe('somebody unknown', () => {
  test('[98] is 401 where nobody is made, API keys or not', async () => {
    const world = worldOf({ accounts: { provisioning: { enabled: false }, ...CACHE } });
    expectRefused(world, await world.send(tokenOf(world)), 'existing_users_only');
    // Where nothing about accounts is on, the API key is tried.
    const plain = worldOf({ accounts: { provisioning: { enabled: false } } });
    await plain.send(tokenOf(plain));
    expect(plain.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test('[99] is made where that is on, and let in with the token', async () => {
    const world = worldOf({ config: { balance: { enabled: true } } });
    const token = tokenOf(world);
    const result = await world.send(token);
    expectPassed(result);
    expect(world.deps.createUser.mock.calls).toEqual([
      [expect.objectContaining({ openidId: SUBJECT, openidIssuer: issuer.url }), { enabled: true }, true, true],
    ]);
    expect(result.req.user).toMatchObject({ id: 'created-1', federatedTokens: { access_token: token } });
    expect(world.logged('info', 'provisioned')).toHaveLength(1);
  });

  test('[100] is made as userinfo says, and the token is nowhere but on the request', async () => {
    client.userinfo.mockResolvedValue({
      ok: true,
      claims: {
        sub: SUBJECT,
        email: 'Info@example.com',
        preferred_username: 'info',
        given_name: 'In',
        family_name: 'Fo',
      },
    });
    const world = worldOf({ accounts: { ...ON, userInfo: { fetch: true, require: true } } });
    const token = tokenOf(world);
    expectPassed(await world.send(token));
    const [fields] = world.deps.createUser.mock.calls[0];
    expect(fields).toMatchObject({ email: 'info@example.com', username: 'info', name: 'In Fo' });
    expect(JSON.stringify(fields)).not.toContain(token.split('.')[2]);
  });

  test('[101] whom a required userinfo does not confirm is 401, not looked for', async () => {
    client.userinfo.mockResolvedValue({ ok: false, reason: 'unauthorized', code: 'ERR_X', message: 'no' });
    const world = worldOf({ accounts: { ...ON, userInfo: { fetch: true, require: true } } });
    expectRefused(world, await world.send(tokenOf(world)), 'unauthorized');
    expect(world.logged('warn')).toHaveLength(1);
    expect(world.deps.findUser).not.toHaveBeenCalled();
  });

  test('[102] is made by the token where userinfo is not required and not there', async () => {
    client.userinfo.mockResolvedValue({ ok: false, reason: 'service_error', code: 'ERR_X', message: 'down' });
    const world = worldOf({ accounts: { ...ON, userInfo: { fetch: true } } });
    expectPassed(await world.send(tokenOf(world)));
    expect(world.deps.createUser.mock.calls[0][0]).toMatchObject({ email: 'ada@example.com' });
    expect(world.logged('warn', 'service_error')).toHaveLength(1);
  });

  test.each([
    ['[103] of a domain that may have no account', { email: 'ada@example.org' }, 'email_domain_not_allowed'],
    ['[104] without an address', { email: undefined, preferred_username: undefined }, 'missing_email'],
    ['[105] with a user name that is no address', { email: undefined, preferred_username: 'ada' }, 'missing_email'],
    // Not believed at all here, so its domain is not looked at.
    [
      '[106] with a upn of a domain that may have no account',
      { email: undefined, preferred_username: undefined, upn: 'ada@example.org' },
      'missing_email',
    ],
  ])('%s is 401', async (_title, claims, reason) => {
    const world = worldOf({ config: { registration: { allowedDomains: ['example.com'] } } });
    expectRefused(world, await world.send(tokenOf(world, claims)), reason);
    expect(world.deps.findUser.mock.calls.every(([filter]) => filter.email === undefined)).toBe(true);
  });

  test('[109] who cannot be made is 500, and no API key', async () => {
    const world = worldOf({ deps: { createUser: jest.fn(async () => Promise.reject(new Error('down'))) } });
    expect((await world.send(tokenOf(world))).sent).toEqual([{ status: 500, body: S }]);
    expect(world.deps.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('[113] whose address belongs to another sign-in is 401', async () => {
    const world = worldOf({ byEmail: { _id: 'google-1', email: 'ada@example.com', provider: 'google' } });
    expectRefused(world, await world.send(tokenOf(world)), 'provider_collision');
  });
});

test('[110] under strict isolation a request without a tenant is 401 before anything', async () => {
  process.env.TENANT_ISOLATION_STRICT = 'true';
  const world = worldOf();
  expectRefused(world, await world.send(tokenOf(world)), 'tenant_context_required');
  expect(world.deps.findUser).not.toHaveBeenCalled();
});

test('[111] a token without a subject is 401 before anything', async () => {
  const world = worldOf({ accounts: { ...ON, ...CACHE, userInfo: { fetch: true } } });
  expectRefused(world, await world.send(tokenOf(world, { sub: ' ' })), 'missing_sub');
  expect(client.userinfo).not.toHaveBeenCalled();
  expect(world.deps.findUser).not.toHaveBeenCalled();
  expect(world.logged('debug', 'cache')).toEqual([]);
});

test('[112] of a known user what is missing of the binding is written, and nothing of the token', async () => {
  const world = worldOf({ user: knownUser(issuer, { ...USER, provider: undefined }) });
  const token = tokenOf(world, { oid: 'oid-1' });
  expectPassed(await world.send(token));
  expect(world.deps.updateUser.mock.calls).toEqual([['user-1', { provider: 'openid', idOnTheSource: 'oid-1' }]]);
});
