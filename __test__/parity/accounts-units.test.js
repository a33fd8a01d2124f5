'use strict';

// Scenarios 260 to 319: what LibreChat's open PR #13184 tests of its functions behind the middleware: account, userinfo, groups, cache. None
// of them is exported by LibreChat, so the same is asked of what does it here. What goes over the wire is asked of the native client by
// its own tests; here it is a double.

const { FederatedCache, invalidate, keyOf } = require('../../lib/accounts/federated-cache');
const { createGroupSync } = require('../../lib/accounts/group-sync');
const { readAccounts } = require('../../lib/accounts/options');
const { profileOf, usableEmail } = require('../../lib/accounts/profile');
const { bindingChanges, profileChanges } = require('../../lib/accounts/profile-sync');
const { createUser, newUser } = require('../../lib/accounts/provisioning');
const { boundAccount, newAccount } = require('../../lib/accounts/resolution');
const { createUserinfo } = require('../../lib/accounts/userinfo');
const { normalizeIssuer } = require('../../lib/policy/issuer');
const { recordingLogger } = require('../support/fakes');
const { duplicate } = require('../support/user-store');

const ISSUER = 'https://auth.example.com/realms/test';
const ENV = [
  'OPENID_USERNAME_CLAIM',
  'OPENID_NAME_CLAIM',
  'OPENID_CLIENT_ID',
  'OPENID_CLIENT_SECRET',
  'USE_ENTRA_ID_FOR_PEOPLE_SEARCH',
  'ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS',
];
const saved = ENV.map((name) => process.env[name]);
beforeEach(() => ENV.forEach((name) => delete process.env[name]));
afterAll(() =>
  ENV.forEach((name, index) =>
    saved[index] === undefined ? delete process.env[name] : (process.env[name] = saved[index]),
  ),
);

const planOf = (blocks) => readAccounts({ provisioning: { enabled: true }, ...blocks }, 'oidc');
const TRUST = { allowUnverifiedEmail: false, allowUsernameAsEmail: false };
const identity = (over) => ({
  subject: 'sub-1',
  issuer: ISSUER,
  email: 'ada@example.com',
  emailSource: 'email',
  emailVerified: true,
  ...over,
});
const profile = (over, claims = {}, userinfo) => profileOf(identity(over), () => claims, userinfo);

describe('the profile', () => {
  test('[260] userinfo lies over the claims; the address is in lower case, the issuer normalised', () => {
    const { identity: whole, username } = profile(
      { issuer: normalizeIssuer(`${ISSUER}/`) },
      { preferred_username: 'token' },
      { email: 'Info@Example.com', preferred_username: 'info' },
    );
    expect(whole).toMatchObject({ email: 'info@example.com', issuer: ISSUER });
    expect(username).toBe('info');
  });

  test('[261] the variables name the claims of user name and name', () => {
    process.env.OPENID_USERNAME_CLAIM = 'nick';
    process.env.OPENID_NAME_CLAIM = 'name';
    expect(profile({}, { nick: 'countess', preferred_username: 'ada', name: 'Ada L.' })).toMatchObject({
      username: 'countess',
      name: 'Ada L.',
    });
  });

  test('[262] the claim `name` counts only where a variable names it', () => {
    expect(profile({}, { name: 'not this', given_name: 'Ada' }).name).toBe('Ada');
    expect(profile({}, { name: 'not this' }).name).toBe('ada@example.com');
  });

  test('[264] what is no address is none', () => {
    for (const email of ['ada', 'ada@', 'ada@localhost', '@example.com', 'a b@example.com'])
      expect(usableEmail(profile({ email }).identity, TRUST)).toHaveProperty('problem');
  });
});

/** Look-ups that find these, one after the other; the last again and again. */
const finding = (...found) => jest.fn(async () => (found.length > 1 ? found.shift() : found[0]));
const nobody = { user: null };
const somebody = (user) => ({
  user: { _id: 'id-1', openidId: 'sub-1', role: 'USER', ...user },
  changes: { assign: {}, update: {} },
});
const stepsOf = (over) => ({
  findBound: finding(nobody),
  findByEmail: finding(nobody),
  isDomainAllowed: async () => true,
  create: jest.fn(async () => ({ _id: 'id-2' })),
  trust: TRUST,
  ...over,
});
const question = (over) => ({ plan: planOf(), profile: profile(), tenantId: undefined, ...over });

describe('the account', () => {
  test('[263] without a subject nobody is looked for: the native verifier refuses such a token', async () => {
    const { createRemoteAgentAuth } = require('../../lib/middleware/remote-agent-auth');
    const { configOf, failure, fakeVerifier } = require('../support/fakes');
    const findUser = jest.fn();
    const oidc = { enabled: true, issuer: ISSUER, audience: 'agents', provisioning: { enabled: true } };
    const deps = {
      findUser,
      updateUser() {},
      apiKeyMiddleware() {},
      createUser() {},
      isEmailDomainAllowed() {},
      getAppConfig: () => configOf({ oidc }),
      logger: {},
    };
    const verifier = fakeVerifier({ agents: failure('ERR_TOKEN_SUBJECT', 'token') });
    const res = require('../support/fakes').bareResponse();
    await createRemoteAgentAuth(deps, { verifier })({ headers: { authorization: 'Bearer a.b.c' } }, res, () => {});
    expect(res.sent[0].status).toBe(401);
    expect(findUser).not.toHaveBeenCalled();
  });

  test('[265] of a domain that may have none is refused', async () => {
    const steps = stepsOf({ isDomainAllowed: async () => false });
    expect(await newAccount(question(), steps)).toEqual({ ok: false, reason: 'email_domain_not_allowed' });
    expect(steps.findByEmail).not.toHaveBeenCalled();
  });

  const fields = (tenantId, plan = planOf()) =>
    newUser(profile({ oid: 'oid-1' }, { preferred_username: 'ada', given_name: 'Ada' }), {
      email: 'ada@example.com',
      plan,
      tenantId,
    });

  test('[266] is made with all fields of tenant and profile', () => {
    expect(fields('acme')).toEqual({
      provider: 'openid',
      openidId: 'sub-1',
      openidIssuer: ISSUER,
      idOnTheSource: 'oid-1',
      email: 'ada@example.com',
      role: 'USER',
      tenantId: 'acme',
      username: 'ada',
      name: 'Ada',
      emailVerified: true,
    });
  });

  test('[267] of no tenant has no tenantId', () => expect(fields(undefined)).not.toHaveProperty('tenantId'));

  test('[268] has no user name, name and emailVerified where profileSync.onCreate is off', () => {
    const made = fields('acme', planOf({ profileSync: { onCreate: false } }));
    for (const name of ['username', 'name', 'emailVerified']) expect(made).not.toHaveProperty(name);
  });

  test('[269] is refused where none is made', async () => {
    const plan = readAccounts({ userInfo: { fetch: true } }, 'oidc');
    expect(await newAccount(question({ plan }), stepsOf())).toEqual({ ok: false, reason: 'existing_users_only' });
  });

  test('[270] gets what is missing of its binding though profiles are not kept in step', () => {
    expect(bindingChanges({ _id: 'id-1' }, identity({ oid: 'oid-1' }))).toEqual({
      provider: 'openid',
      openidId: 'sub-1',
      openidIssuer: ISSUER,
      idOnTheSource: 'oid-1',
    });
  });

  test('[271] gets user name, name and emailVerified where profiles are kept in step', async () => {
    const rules = { trust: TRUST, isDomainAllowed: async () => true };
    const user = { email: 'ada@example.com', username: 'old', name: 'Old', emailVerified: false };
    expect(await profileChanges(user, profile({}, { preferred_username: 'ada', given_name: 'Ada' }), rules)).toEqual({
      username: 'ada',
      name: 'Ada',
      emailVerified: true,
    });
  });

  test.each(['[272]', '[273]'])('%s of a tenant, found from a request without, is given back as it is', async () => {
    const found = somebody({ tenantId: 'acme' });
    expect(await boundAccount(question(), stepsOf({ findBound: finding(found) }))).toEqual({
      ok: true,
      user: found.user,
      changes: found.changes,
      created: false,
    });
  });

  test('[274] of another tenant is a conflict', async () => {
    const steps = stepsOf({ findBound: finding(somebody({ tenantId: 'bolt' })) });
    expect(await boundAccount(question({ tenantId: 'acme' }), steps)).toMatchObject({
      ok: false,
      reason: 'duplicate_conflict',
    });
  });

  const lost = { create: jest.fn(async () => null) };

  test('[275] made by somebody faster is found, in the same scope', async () => {
    const steps = stepsOf({ ...lost, findBound: finding(somebody({ tenantId: 'acme' })) });
    expect(await newAccount(question({ tenantId: 'acme' }), steps)).toMatchObject({
      ok: true,
      user: { _id: 'id-1' },
      created: false,
    });
  });

  test.each([
    ['[276]', undefined, 'acme'],
    ['[277]', 'acme', 'bolt'],
  ])('%s made by somebody faster in another scope is a conflict', async (_title, tenantId, other) => {
    const steps = stepsOf({ ...lost, findBound: finding(somebody({ tenantId: other })) });
    expect(await newAccount(question({ tenantId }), steps)).toMatchObject({ ok: false, reason: 'duplicate_conflict' });
  });

  test.each([
    ['[278]', 'acme', 'acme'],
    ['[279]', undefined, { $exists: false }],
  ])('%s that the host gives back by half is read again, in its scope', async (_title, tenantId, inFilter) => {
    const findUser = jest.fn(async () => ({ _id: 'id-1', openidId: 'sub-1', tenantId }));
    await createUser(fields(tenantId), undefined, { createUser: async () => ({ _id: 'id-1' }), findUser });
    expect(findUser.mock.calls).toEqual([[{ openidId: 'sub-1', openidIssuer: ISSUER, tenantId: inFilter }]]);
  });

  test('a duplicate key is nobody made, another error is an error', async () => {
    const made = (error) =>
      createUser(fields(undefined), undefined, { createUser: async () => Promise.reject(error), findUser: jest.fn() });
    expect(await made(duplicate('x'))).toBeNull();
    expect(await made(Object.assign(new Error('wrapped'), { cause: duplicate('x') }))).toBeNull();
    await expect(made(new Error('down'))).rejects.toThrow('down');
  });
});

describe('userinfo', () => {
  const clientOf = (answer) => ({
    userinfo: jest.fn(async () => (answer instanceof Error ? Promise.reject(answer) : answer)),
    exchange: jest.fn(),
    graph: jest.fn(),
  });
  const ask = (answer, onBehalf = () => undefined) => {
    const client = clientOf(answer);
    const result = createUserinfo({ client: () => client, onBehalf })({
      policy: {},
      token: `token-${Math.random()}-of-a-caller-here`,
      subject: 'sub-1',
      hosts: [],
    });
    return { client, result };
  };
  const failed = (reason, code = 'ERR_ENDPOINT_FETCH') => ({ ok: false, reason, code, message: 'as the double says' });

  test.each(['[280]', '[281]'])('%s is not asked where it is off; a token there always is', () => {
    expect(readAccounts({ userInfo: { fetch: false } }, 'oidc')).toBeUndefined();
    expect(planOf().userInfo.fetch).toBe(false);
  });

  test.each(['[282]', '[283]'])(
    '%s is one call of the client with the token, and its claims lie over the token’s',
    async () => {
      const { client, result } = ask({ ok: true, claims: { sub: 'sub-1', given_name: 'Ada' } });
      const { claims } = await result;
      expect(client.userinfo).toHaveBeenCalledTimes(1);
      expect(profile({}, { given_name: 'Other', family_name: 'Lovelace' }, claims).name).toBe('Ada Lovelace');
    },
  );

  test('[284] after an exchange it is asked with the other token', async () => {
    const { client, result } = ask({ ok: true, claims: { sub: 'sub-1' } }, async () => ({
      ok: true,
      token: 'exchanged',
    }));
    await result;
    expect(client.userinfo.mock.calls[0][1].token).toBe('exchanged');
  });

  test.each(['[286]', '[287]'])('%s an exchange that fails is a service error, and userinfo is not asked', async () => {
    const { client, result } = ask({ ok: true, claims: {} }, async () => ({ ok: false, message: 'refused' }));
    expect(await result).toEqual({ ok: false, reason: 'service_error', message: 'refused' });
    expect(client.userinfo).not.toHaveBeenCalled();
  });

  test.each([
    ['[285]', 'service_error'],
    ['[288]', 'unauthorized'],
    ['[289]', 'unauthorized'],
    ['[290]', 'subject_mismatch'],
    ['[291]', 'service_error'],
  ])('%s %s of the client is handed on', async (_title, reason) => {
    expect(await ask(failed(reason)).result).toMatchObject({ ok: false, reason });
  });

  test('[292] [317] [318] what is thrown is a service error with its text', async () => {
    expect(await ask(new Error('aborted')).result).toEqual({ ok: false, reason: 'service_error', message: 'aborted' });
  });
});

describe('groups of Entra ID', () => {
  function run({
    groupSync = { onCreate: true, forExisting: true },
    lifecycle = 'existing',
    member = {},
    members = ['known', 'new'],
    items = {},
    status,
    exchange,
    env = {},
  } = {}) {
    Object.assign(process.env, {
      OPENID_CLIENT_ID: 'client',
      OPENID_CLIENT_SECRET: 'secret',
      USE_ENTRA_ID_FOR_PEOPLE_SEARCH: 'true',
      ...env,
    });
    const details = ({ requests }) => ({
      responses: requests.map(({ id }) => ({
        id,
        ...(items[id]?.shift() ?? { status: 200, body: { id, displayName: `Name ${id}`, mail: null } }),
      })),
    });
    const client = {
      exchange: jest.fn(async () => exchange ?? { ok: true, accessToken: 'graph' }),
      graph: jest.fn(async (_policy, { path, body }) => {
        if (path.endsWith('$batch')) return { ok: true, status: 200, body: details(body) };
        return {
          ok: true,
          status: status ?? 200,
          body: { value: path.includes('owned') ? [{ id: 'owned' }] : members },
        };
      }),
    };
    const writes = [];
    const store = {
      find: async (ids) => ids.filter((id) => id === 'known').map((idOnTheSource) => ({ idOnTheSource })),
      upsert: async (...args) => writes.push(['upsert', ...args]),
      update: async (...args) => writes.push(['update', ...args]),
    };
    const slept = [];
    const log = recordingLogger();
    const whole = {
      userId: 'id-1',
      memberKey: 'oid-1',
      provider: 'openid',
      openidId: 'sub-1',
      idOnTheSource: 'oid-1',
      ...member,
    };
    const sync = createGroupSync({ client: () => client, sleep: async (ms) => void slept.push(ms) });
    const job = {
      plan: planOf({ groupSync }),
      lifecycle,
      member: whole,
      token: 'token',
      policy: {},
      issuer: ISSUER,
      readClaims: () => ({}),
      store,
      log,
      onSynced() {},
    };
    return sync(job).then((result) => ({ result, client, writes, slept, log }));
  }

  test.each([
    ['[293]', { lifecycle: 'created', groupSync: { forExisting: true } }],
    ['[299]', { lifecycle: 'existing', groupSync: { onCreate: true } }],
  ])('%s are not read where that is off', async (_title, over) => {
    const { result, client } = await run(over);
    expect(result.is).toBe('off');
    expect(client.exchange).not.toHaveBeenCalled();
  });

  test('[294] are skipped, with the reason: feature off, another sign-in, no oid', async () => {
    const skipped = await Promise.all([run({ env: { USE_ENTRA_ID_FOR_PEOPLE_SEARCH: 'false' } })]);
    skipped.push(await run({ member: { provider: 'local' } }), await run({ member: { idOnTheSource: undefined } }));
    expect(skipped.map(({ result }) => result.is)).toEqual(['skipped', 'skipped', 'skipped']);
    expect(new Set(skipped.map(({ result }) => result.why)).size).toBe(3);
    expect(skipped.every(({ client }) => client.exchange.mock.calls.length === 0)).toBe(true);
  });

  test.each(['[295]', '[296]'])(
    '%s the whole of it: exchange, member and owned groups, details, writes, and stale groups removed',
    async () => {
      const { result, client, writes } = await run({ env: { ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS: 'true' } });
      expect(result.is).toBe('synced');
      expect(client.exchange).toHaveBeenCalledTimes(1);
      const ids = ['known', 'new', 'owned'];
      expect(writes).toEqual([
        ['upsert', 'new', { name: 'Name new' }],
        ['upsert', 'owned', { name: 'Name owned' }],
        [
          'update',
          { idOnTheSource: { $in: ids }, source: 'entra', memberIds: { $ne: 'oid-1' } },
          { $addToSet: { memberIds: 'oid-1' } },
        ],
        [
          'update',
          { source: 'entra', memberIds: 'oid-1', idOnTheSource: { $nin: ids } },
          { $pullAll: { memberIds: ['oid-1'] } },
        ],
      ]);
    },
  );

  test('[297] one answered with Retry-After is repeated after a second', async () => {
    const { result, slept } = await run({ items: { new: [{ status: 429 }] } });
    expect([result.is, slept]).toEqual(['synced', [1_000]]);
  });

  test('[298] one answered so again and again fails all: nothing is written, and the log says so', async () => {
    const { result, writes, log } = await run({ items: { new: Array.from({ length: 5 }, () => ({ status: 429 })) } });
    expect([result.is, writes, log.lines[0][0]]).toEqual(['failed', [], 'error']);
  });

  test('[300] none at all is a failure, and nothing is removed', async () => {
    const { result, writes } = await run({ members: [] });
    expect([result.is, writes]).toEqual(['failed', []]);
  });

  test.each(['[301]', '[302]'])('%s an exchange that fails is a failure, and Graph is not asked', async () => {
    const { result, client, writes } = await run({
      exchange: { ok: false, reason: 'service_error', code: 'ERR_X', message: 'status 400' },
    });
    expect([result.is, writes]).toEqual(['failed', []]);
    expect(client.graph).not.toHaveBeenCalled();
  });

  test('[303] a Graph that is down is a failure, with the error in the log', async () => {
    const { result, log } = await run({ status: 503 });
    expect(result.is).toBe('failed');
    expect(log.lines).toEqual([['error', expect.stringContaining('groups of user id-1'), expect.any(Error)]]);
  });
});

describe('the cache', () => {
  const plan = (over) => planOf({ federatedAuthCache: { enabled: true, ...over } });
  function setUp(over = {}, storeOver = {}) {
    const values = new Map();
    const store = {
      get: jest.fn(async (key) => values.get(key)),
      set: jest.fn(async (key, value) => values.set(key, value)),
      delete: jest.fn(async (key) => values.delete(key)),
      ...storeOver,
    };
    const cache = new FederatedCache({ store, log: recordingLogger() });
    const itsPlan = plan(over);
    const slot = (of) =>
      cache.slotOf(
        itsPlan,
        { key: 'policy' },
        { tenantId: undefined, issuer: ISSUER, subject: 'sub-1', signedBy: 'thumbprint', ...of },
      );
    const write = async (user = {}) =>
      slot() && cache.write(slot(), itsPlan, { user: { openidId: 'sub-1', role: 'USER', ...user }, id: 'id-1' });
    return { cache, store, slot, write, read: async (of) => cache.read(slot(of), itsPlan), itsPlan };
  }

  test('[304] keys are `base` or the tenant, the issuer normalised, the subject', () => {
    expect(keyOf(undefined, normalizeIssuer(`${ISSUER}/`), 'sub-1')).toBe(`base:${ISSUER}:sub-1`);
    expect(keyOf('acme', ISSUER, 'sub-1')).toBe(`acme:${ISSUER}:sub-1`);
  });

  test('[305] another issuer is another key', () => {
    expect(keyOf(undefined, 'https://a.example', 's')).not.toBe(keyOf(undefined, 'https://b.example', 's'));
  });

  test('[306] what was written is read', async () => {
    const { write, read } = setUp();
    await write();
    expect(await read()).toMatchObject({ user: { id: 'id-1' } });
  });

  test.each(['[307]', '[314]'])('%s switched off, or with no time to live, nothing is read or written', async () => {
    for (const over of [{ enabled: false }, { ttlSeconds: 0 }]) {
      const { slot, write, store } = setUp(over);
      expect(slot()).toBeUndefined();
      await write();
      expect([store.get.mock.calls, store.set.mock.calls]).toEqual([[], []]);
    }
  });

  test.each([
    ['[308]', { issuer: 'https://other.example' }],
    ['[309]', { subject: 'sub-2' }],
    ['[310]', { tenantId: 'acme' }],
  ])('%s an entry of another is none', async (_title, of) => {
    const { write, read, store } = setUp();
    await write();
    const [value] = await Promise.all([store.get(`base:${ISSUER}:sub-1`)]);
    // Wherever it lies.
    store.get.mockResolvedValue(value);
    expect(await read(of)).toBeUndefined();
    expect(await read()).toBeDefined();
  });

  test('[311] [312] an entry without a user id, or with a bad time, is none', () => {
    const { validated } = require('../../lib/accounts/cache-entry');
    const slot = { tenantId: null, issuer: ISSUER, subject: 'sub-1', policy: 'p', signedBy: 'k' };
    const entry = {
      version: 1,
      ...slot,
      createdAt: 1,
      expiresAt: 10,
      user: { id: 'id-1', role: 'USER', openidId: 'sub-1' },
    };
    expect(validated(entry, slot, 5)).toBe(entry);
    expect(validated({ ...entry, user: { ...entry.user, id: '' } }, slot, 5)).toBeUndefined();
    for (const createdAt of ['then', NaN, -1, undefined])
      expect(validated({ ...entry, createdAt }, slot, 5)).toBeUndefined();
  });

  test('[313] a write has its own time to live', async () => {
    const { write, store } = setUp({ ttlSeconds: 7 });
    await write();
    expect(store.set.mock.calls[0][2]).toBe(7_000);
  });

  test('[315] to invalidate deletes exactly that key', async () => {
    const { store } = setUp();
    await invalidate(ISSUER, 'sub-1', 'acme');
    expect(store.delete.mock.calls).toEqual([[`acme:${ISSUER}:sub-1`]]);
  });
});

test.each([
  ['[316]', '5000', 5_000],
  ['[319]', undefined, undefined],
])('%s calls go through the native client, with the time LibreChat’s variable gives', (_title, value, expected) => {
  const { callTimeout } = require('../../lib/accounts/provider');
  const before = process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS;
  if (value === undefined) delete process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS;
  else process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS = value;
  expect(callTimeout()).toBe(expected);
  if (before === undefined) delete process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS;
  else process.env.REMOTE_AUTH_FETCH_TIMEOUT_MS = before;
});
