'use strict';

// One request through the middleware where accounts are kept: who is found, linked, made or refused, what is written, and in which order.

const { configOf, success } = require('../../support/fakes');
const { ISSUER, S, U, isolateEnvironment, line, oidcOf, setUp } = require('../../support/flow');
const { UserStore, duplicate } = require('../../support/user-store');

isolateEnvironment();
const VARIABLES = [
  'OPENID_USERNAME_CLAIM',
  'OPENID_NAME_CLAIM',
  'TENANT_ISOLATION_STRICT',
  'CHECK_BALANCE',
  'START_BALANCE',
];
beforeEach(() => VARIABLES.forEach((name) => delete process.env[name]));
afterAll(() => VARIABLES.forEach((name) => delete process.env[name]));

const PROVISION = { provisioning: { enabled: true } };
const CLAIMS = { given_name: 'Ada', family_name: 'Lovelace', preferred_username: 'ada', name: 'not this' };
const token = (over = {}) =>
  success({
    claims: JSON.stringify({ ...CLAIMS, email: 'ada@example.com' }),
    emailSource: 'email',
    emailVerified: true,
    ...over,
  });

/** A middleware over a store of users; `tenant`: the request's. */
function world({
  users = [],
  accounts = PROVISION,
  outcome = token(),
  tenant,
  deps = {},
  options = {},
  config = {},
  tenants = {},
} = {}) {
  const store = new UserStore(users);
  const events = [];
  const own = { oidc: oidcOf(accounts) };
  const app = setUp({
    config: (scope) => ({ ...configOf(tenants[scope.tenantId] ?? own), ...config }),
    answers: { agents: outcome },
    deps: {
      ...store.deps,
      onAccount: (event) => events.push(event),
      ...(tenant !== undefined && { getTenantId: () => tenant }),
      ...deps,
    },
    options,
  });
  return Object.assign(app, { store, events });
}

const refused = (app, outcome, reason) => {
  expect(outcome.answer).toEqual({ status: 401, body: U });
  expect(outcome.next).not.toHaveBeenCalled();
  expect(outcome.req.user).toBeUndefined();
  expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  expect(app.lines).toContainEqual(line('warn', reason));
  expect(app.events).toContainEqual(expect.objectContaining({ event: 'refused', reason }));
};

const passed = (outcome) => {
  expect(outcome.answer).toBeUndefined();
  expect(outcome.next.mock.calls).toEqual([[]]);
  return outcome.req.user;
};

describe('somebody unknown', () => {
  test('is made, with what the token says and nothing of the token itself', async () => {
    const app = world({ outcome: token({ oid: 'oid-1', email: 'Ada@Example.com' }) });
    const user = passed(await app.call());
    const fields = {
      provider: 'openid',
      openidId: 'subject-1',
      openidIssuer: ISSUER,
      idOnTheSource: 'oid-1',
      email: 'ada@example.com',
      role: 'USER',
      username: 'ada',
      name: 'Ada Lovelace',
      emailVerified: true,
    };
    expect(app.store.createUser.mock.calls).toEqual([[fields, undefined, true, true]]);
    expect(user).toMatchObject({ ...fields, id: 'id-1', federatedTokens: { access_token: expect.any(String) } });
    expect(app.events).toEqual([{ event: 'provisioned', userId: 'id-1', tenantId: undefined }]);
    expect(app.lines).toContainEqual(line('info', 'user id-1 was provisioned'));
    expect(app.store.updateUser).not.toHaveBeenCalled();
  });

  test('is found by the next call, which writes nothing', async () => {
    const app = world();
    const first = passed(await app.call());
    const second = passed(await app.call());
    expect(second.id).toBe(first.id);
    expect(app.store.createUser).toHaveBeenCalledTimes(1);
    expect(app.store.updateUser).not.toHaveBeenCalled();
  });

  test('belongs to the request’s tenant, and is looked for in no other', async () => {
    const app = world({
      tenant: 'acme',
      users: [{ openidId: 'subject-1', openidIssuer: ISSUER, email: 'ada@example.com', tenantId: 'bolt' }],
    });
    expect(passed(await app.call())).toMatchObject({ tenantId: 'acme' });
    expect(app.store.users).toHaveLength(2);
    expect(app.store.findUser.mock.calls.every(([filter]) => filter.tenantId === 'acme')).toBe(true);
  });

  test('has no names where profileSync.onCreate is off', async () => {
    const app = world({ accounts: { ...PROVISION, profileSync: {} } });
    passed(await app.call());
    expect(Object.keys(app.store.createUser.mock.calls[0][0]).sort()).toEqual([
      'email',
      'openidId',
      'openidIssuer',
      'provider',
      'role',
    ]);
  });

  test('begins with the balance of configuration and environment', async () => {
    process.env.CHECK_BALANCE = 'true';
    process.env.START_BALANCE = '100';
    const app = world({ config: { balance: { startBalance: 5 } } });
    passed(await app.call());
    expect(app.store.createUser.mock.calls[0][1]).toEqual({ enabled: true, startBalance: 5 });
  });

  test('is refused where nobody is made, and tried as an API key where nothing of accounts is on', async () => {
    const app = world({ accounts: { federatedAuthCache: { enabled: true } } });
    refused(app, await app.call(), 'existing_users_only');
    const plain = world({ accounts: { provisioning: { enabled: false } } });
    await plain.call();
    expect(plain.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['without an address', { email: undefined, emailSource: undefined }, 'missing_email'],
    ['with a name for an address', { email: 'ada' }, 'missing_email'],
    ['with an address without a top-level domain', { email: 'ada@localhost' }, 'missing_email'],
    ['with an address the provider calls unverified', { emailVerified: false }, 'missing_email'],
    ['with a user name that looks like an address', { emailSource: 'preferred_username' }, 'missing_email'],
    ['with a upn of a provider whose users choose it', { emailSource: 'upn' }, 'missing_email'],
  ])('%s is refused', async (_name, over, reason) => {
    const app = world({ outcome: token(over) });
    refused(app, await app.call(), reason);
    expect(app.store.createUser).not.toHaveBeenCalled();
  });

  test.each([
    ['unverified, with allowUnverifiedEmail', { emailVerified: false }, { allowUnverifiedEmail: true }],
    ['a user name, with allowUsernameAsEmail', { emailSource: 'preferred_username' }, { allowUsernameAsEmail: true }],
    ['of the claim that OPENID_EMAIL_CLAIM names', { emailSource: 'configured' }, {}],
    ['of which the provider does not say whether it is verified', { emailVerified: undefined }, {}],
  ])('with an address %s is made', async (_name, over, options) => {
    const app = world({ outcome: token(over), options });
    expect(passed(await app.call())).toMatchObject({
      email: 'ada@example.com',
      emailVerified: 'emailVerified' in over ? over.emailVerified === true : true,
    });
  });

  test('of a domain that may have no account is refused, by the configuration’s list or the host’s rule', async () => {
    const listed = world({ config: { registration: { allowedDomains: ['example.org'] } } });
    refused(listed, await listed.call(), 'email_domain_not_allowed');
    const ruled = world({ deps: { isEmailDomainAllowed: async (email, config) => config === undefined } });
    refused(ruled, await ruled.call(), 'email_domain_not_allowed');
    const allowed = world({ config: { registration: { allowedDomains: ['EXAMPLE.com'] } } });
    passed(await allowed.call());
  });

  test('cannot be made an administrator by a host that makes one of its first user', async () => {
    const app = world({ deps: { createUser: async (fields) => ({ _id: 'first', ...fields, role: 'ADMIN' }) } });
    const { answer } = await app.call();
    expect(answer).toEqual({ status: 500, body: S });
    expect(app.lines).toContainEqual([
      'error',
      expect.stringContaining('Unexpected error'),
      expect.objectContaining({ message: expect.stringContaining('administrator') }),
    ]);
  });

  test('nor by calling again: the account that such a host has made is taken down to USER', async () => {
    const store = new UserStore();
    const createUser = async (fields) => {
      const user = store.createUser.getMockImplementation()(fields);
      await store.updateUser((await user)._id, { role: 'ADMIN' });
      return { ...(await user), role: 'ADMIN' };
    };
    const { findUser, updateUser } = store;
    const app = world({ deps: { findUser, updateUser, createUser } });
    expect(passed(await app.call())).toMatchObject({ role: 'USER' });
    expect(passed(await app.call())).toMatchObject({ role: 'USER' });
    expect(store.users).toEqual([expect.objectContaining({ openidId: 'subject-1', role: 'USER' })]);
  });

  test('does not get the account of an address that only lower case makes the same', async () => {
    const users = [{ email: 'mike@example.com', provider: undefined }];
    const app = world({ users, outcome: token({ email: 'mi\u212Ae@example.com' }) });
    refused(app, await app.call(), 'missing_email');
    expect(app.store.users[0].openidId).toBeUndefined();
    expect(app.store.createUser).not.toHaveBeenCalled();
    const plain = world({ users, accounts: {}, outcome: token({ email: 'mi\u212Ae@example.com' }) });
    await plain.call();
    expect(plain.store.users[0].openidId).toBeUndefined();
  });

  test('is a 500 where the host’s rule on domains never answers, and let in once it does', async () => {
    const isEmailDomainAllowed = jest
      .fn()
      .mockReturnValueOnce(new Promise(() => {}))
      .mockResolvedValue(true);
    const app = world({ deps: { isEmailDomainAllowed }, options: { callbackTimeout: 20 } });
    expect((await app.call()).answer).toEqual({ status: 500, body: S });
    passed(await app.call());
    expect(app.store.users).toHaveLength(1);
  });

  test('is a 500 where the database fails, and no API key', async () => {
    const app = world({ deps: { createUser: async () => Promise.reject(new Error('down')) } });
    expect((await app.call()).answer).toEqual({ status: 500, body: S });
    expect(app.apiKeyMiddleware).not.toHaveBeenCalled();
  });

  test('whom the host gives back by id alone, or half, is read again in the same scope', async () => {
    const store = new UserStore();
    const asked = jest.fn(async (filter) => store.findUser(filter));
    const make = async (fields) => ({ _id: (await store.createUser(fields))._id });
    const none = world({ deps: { findUser: asked, createUser: make } });
    expect(passed(await none.call())).toMatchObject({ openidId: 'subject-1' });
    expect(asked.mock.calls.at(-1)).toEqual([
      { openidId: 'subject-1', openidIssuer: ISSUER, tenantId: { $exists: false } },
    ]);
    const unreadable = world({ deps: { createUser: async () => null } });
    expect((await unreadable.call()).answer.status).toBe(500);
  });
});

describe('first calls at once', () => {
  test('are one resolution, and everybody gets an object of their own', async () => {
    const app = world();
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => app.call()));
    const users = outcomes.map(passed);
    expect(app.store.users).toHaveLength(1);
    expect(app.store.createUser).toHaveBeenCalledTimes(1);
    expect(new Set(users.map(({ id }) => id))).toEqual(new Set(['id-1']));
    expect(new Set(users).size).toBe(200);
    expect(app.events).toEqual([{ event: 'provisioned', userId: 'id-1', tenantId: undefined }]);
  });

  test('of another process: who loses finds what the winner made', async () => {
    const app = world();
    const { createUser } = app.store;
    app.store.createUser = undefined;
    const elsewhere = async (fields) => {
      await createUser(fields);
      throw duplicate('openidId');
    };
    const late = world({ deps: { findUser: app.store.findUser, createUser: elsewhere } });
    expect(passed(await late.call())).toMatchObject({ id: 'id-1' });
    expect(late.events).toEqual([]);
  });

  test.each([
    ['a user of a tenant, from a request without', undefined, 'acme'],
    ['another tenant’s user', 'acme', 'bolt'],
  ])('lost to %s is a conflict', async (_name, tenant, tenantId) => {
    const stranger = {
      _id: 'x',
      openidId: 'subject-1',
      openidIssuer: ISSUER,
      email: 'ada@example.com',
      provider: 'openid',
      role: 'USER',
      tenantId,
    };
    let isMade = false;
    const app = world({
      tenant,
      deps: {
        findUser: async () => (isMade ? { ...stranger } : null),
        createUser: async () => {
          isMade = true;
          throw duplicate('openidId');
        },
      },
    });
    refused(app, await app.call(), 'duplicate_conflict');
    expect(app.updateUser).not.toHaveBeenCalled();
  });

  test('lost to an account of another sign-in with the same address is a conflict', async () => {
    const app = world({
      options: { allowEmailFallback: false },
      users: [{ email: 'ada@example.com', provider: 'google' }],
    });
    refused(app, await app.call(), 'duplicate_conflict');
    expect(app.store.users).toHaveLength(1);
  });
});

describe('an account there is', () => {
  const known = { openidId: 'subject-1', openidIssuer: ISSUER, email: 'ada@example.com' };

  test('found by its address is linked, once every check has passed', async () => {
    const app = world({ users: [{ email: 'ada@example.com', provider: undefined }] });
    expect(passed(await app.call())).toMatchObject({ openidId: 'subject-1' });
    expect(app.store.users).toEqual([
      expect.objectContaining({ provider: 'openid', openidId: 'subject-1', openidIssuer: ISSUER }),
    ]);
    expect(app.events).toEqual([{ event: 'linked', userId: 'id-1', tenantId: undefined }]);
  });

  test.each([
    ['of another sign-in', { provider: 'google' }],
    ['bound to another subject', { openidId: 'subject-2', openidIssuer: ISSUER }],
    ['of another issuer', { openidId: 'subject-1', openidIssuer: 'https://other.example' }],
  ])('with the address, %s, is nobody else’s', async (_name, over) => {
    const app = world({ users: [{ email: 'ada@example.com', ...over }] });
    refused(app, await app.call(), 'provider_collision');
    expect(app.store.updateUser).not.toHaveBeenCalled();
    expect(app.store.createUser).not.toHaveBeenCalled();
  });

  test('that cannot be linked, because another account has the identifier by now, is a conflict and no 500', async () => {
    const taken = Object.assign(duplicate('openidId: "subject-1"'), { keyPattern: { openidId: 1 } });
    const app = world({
      users: [{ email: 'ada@example.com' }],
      deps: { updateUser: async () => Promise.reject(taken) },
    });
    refused(app, await app.call(), 'duplicate_conflict');
    expect(JSON.stringify(app.lines)).not.toContain('subject-1');
  });

  test('of another tenant, from a host that does not keep them apart, is refused', async () => {
    const app = world({ tenant: 'acme', deps: { findUser: async () => ({ _id: 'x', ...known, tenantId: 'bolt' }) } });
    refused(app, await app.call(), 'duplicate_conflict');
  });

  test('lacking a role and an oid gets both in one write, and no profile', async () => {
    const app = world({ users: [{ ...known, role: null }], outcome: token({ oid: 'oid-1' }) });
    expect(passed(await app.call())).toMatchObject({ role: 'USER', idOnTheSource: 'oid-1' });
    expect(app.store.updateUser.mock.calls).toEqual([['id-1', { idOnTheSource: 'oid-1', role: 'USER' }]]);
    expect(app.events).toEqual([{ event: 'updated', userId: 'id-1', tenantId: undefined }]);
  });

  test('has its profile kept in step where that is on, and only what differs written', async () => {
    const accounts = { profileSync: { forExisting: true } };
    const users = [{ ...known, email: 'old@example.com', username: 'ada', name: 'Augusta', emailVerified: false }];
    const app = world({ accounts, users });
    passed(await app.call());
    passed(await app.call());
    expect(app.store.updateUser.mock.calls).toEqual([
      ['id-1', { name: 'Ada Lovelace', email: 'ada@example.com', emailVerified: true }],
    ]);
  });

  test.each([
    ['unverified', { emailVerified: false }, {}],
    ['a name that users choose', { emailSource: 'upn' }, {}],
    ['of a domain that may have no account', {}, { registration: { allowedDomains: ['example.org'] } }],
  ])('keeps its address where the new one is %s', async (_name, over, config) => {
    const users = [{ ...known, email: 'old@example.org', username: 'ada', name: 'Ada Lovelace', emailVerified: true }];
    const app = world({ accounts: { profileSync: { forExisting: true } }, users, outcome: token(over), config });
    passed(await app.call());
    expect(app.store.updateUser).not.toHaveBeenCalled();
  });

  test('keeps its address where another account has the new one, and its owner is let in', async () => {
    const users = [
      { ...known, email: 'old@example.com', username: 'ada', emailVerified: true },
      { email: 'ada@example.com', provider: 'google' },
    ];
    const app = world({ accounts: { profileSync: { forExisting: true } }, users });
    expect(passed(await app.call())).toMatchObject({ email: 'old@example.com', name: 'Ada Lovelace' });
    expect(app.lines).toContainEqual(line('warn', 'keeps the stored e-mail address'));
  });

  test('that is being deleted is not brought back: 409, and nothing is written', async () => {
    const users = [{ email: 'ada@example.com' }];
    const app = world({ users, deps: { isPrincipalActive: async () => false }, options: { tenantConflict: 'allow' } });
    expect((await app.call()).answer.status).toBe(409);
    expect(app.store.updateUser).not.toHaveBeenCalled();
    expect(app.store.createUser).not.toHaveBeenCalled();
  });

  test('deleted between look-up and write is a 500, not a new account', async () => {
    const app = world({ users: [{ ...known, role: '' }], deps: { updateUser: async () => null } });
    expect((await app.call()).answer).toEqual({ status: 500, body: S });
    expect(app.store.createUser).not.toHaveBeenCalled();
  });

  test('of a tenant, found from a request without, is treated by its own tenant’s configuration', async () => {
    const tenants = { acme: { oidc: oidcOf({ profileSync: { forExisting: true } }) } };
    const app = world({ users: [{ ...known, tenantId: 'acme', username: 'ada', emailVerified: true }], tenants });
    passed(await app.call());
    expect(app.store.updateUser.mock.calls).toEqual([['id-1', { name: 'Ada Lovelace' }]]);
  });

  test('of a tenant whose configuration has OIDC off is refused, and left alone', async () => {
    const app = world({ users: [{ ...known, role: '', tenantId: 'acme' }], tenants: { acme: {} } });
    expect((await app.call()).answer).toEqual({ status: 401, body: U });
    expect(app.store.updateUser).not.toHaveBeenCalled();
  });
});

describe('the configuration', () => {
  test('a missing dependency is a 500 whose line names both, before anybody is looked for', async () => {
    const app = world({ deps: { createUser: undefined } });
    expect((await app.call()).answer).toEqual({ status: 500, body: S });
    expect(app.lines).toContainEqual(
      line('error', 'deps.createUser must be a function, which provisioning.enabled needs'),
    );
    expect(app.store.findUser).not.toHaveBeenCalled();
  });

  test('a wrong value is a 500 whose line names the key, and nothing of it counts', async () => {
    const app = world({ accounts: { ...PROVISION, userInfo: { fetch: true, require: 'yes' } } });
    expect((await app.call()).answer).toEqual({ status: 500, body: S });
    expect(app.lines).toContainEqual(line('error', 'oidc: userInfo.require must be true or false'));
    expect(app.store.createUser).not.toHaveBeenCalled();
  });

  test('under strict isolation a request without a tenant is refused before any look-up', async () => {
    process.env.TENANT_ISOLATION_STRICT = 'true';
    const app = world();
    refused(app, await app.call(), 'tenant_context_required');
    expect(app.store.findUser).not.toHaveBeenCalled();
  });

  test('LibreChat’s variables name the claims of user name and name', async () => {
    process.env.OPENID_USERNAME_CLAIM = 'nick.main';
    process.env.OPENID_NAME_CLAIM = 'name';
    const app = world({
      outcome: token({ claims: JSON.stringify({ ...CLAIMS, name: '  Countess\u202e ', nick: { main: 'countess' } }) }),
    });
    passed(await app.call());
    expect(app.store.createUser.mock.calls[0][0]).toMatchObject({ username: 'countess', name: 'Countess' });
  });

  test('look-ups are reported to the host as one each, as without accounts', async () => {
    const results = [];
    const app = world({ deps: { onUserLookup: (result) => results.push(result) } });
    await app.call();
    await app.call();
    expect(results).toEqual(['found', 'found']);
  });

  test('what onAccount throws costs nothing', async () => {
    const app = world({
      deps: {
        onAccount: () => {
          throw new Error('host');
        },
      },
    });
    passed(await app.call());
  });
});
