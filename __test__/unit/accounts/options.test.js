'use strict';

const { createPlanReader, readAccounts } = require('../../../lib/accounts/options');
const { createRemoteAgentAuth } = require('../../../lib/middleware/remote-agent-auth');

const FIELDS = { issuer: 'https://a.example', audience: 'agents', jwksUri: undefined, scope: undefined };
const wrong = (text) =>
  expect.objectContaining({ code: 'ERR_POLICY_OPTION', fault: 'config', message: expect.stringContaining(text) });
const thrown = (work) => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

const OFF = [
  {},
  { provisioning: {} },
  { provisioning: { enabled: false } },
  { profileSync: { onCreate: true } },
  { groupSync: { onCreate: true, source: 'token', claim: 'groups' } },
  { userInfo: { hosts: ['a.example'] } },
  { federatedAuthCache: { ttlSeconds: 60 } },
  { federatedAuthCache: { enabled: true, ttlSeconds: 0 } },
];

test.each(OFF)('%j switches nothing on', (blocks) => {
  expect(readAccounts(blocks, 'oidc')).toBeUndefined();
});

const ON = [
  [{ provisioning: { enabled: true } }, { provisioning: true, profile: { onCreate: true, forExisting: false } }],
  [{ provisioning: { enabled: true }, profileSync: {} }, { profile: { onCreate: false, forExisting: false } }],
  [{ profileSync: { forExisting: true } }, { provisioning: false, profile: { onCreate: false, forExisting: true } }],
  [{ groupSync: { forExisting: true } }, { groups: { source: 'graph', claim: 'groups', budgetMs: 2000 } }],
  [
    { groupSync: { forExisting: true, source: 'token', claim: 'realm_access.roles', budgetMs: 0 } },
    { groups: { claim: 'realm_access.roles', budgetMs: 0 } },
  ],
  [{ userInfo: { fetch: true } }, { userInfo: { fetch: true, require: false, hosts: [] } }],
  [
    { userInfo: { fetch: true, require: true, hosts: ['u.example:8443'] } },
    { userInfo: { require: true, hosts: ['u.example:8443'] } },
  ],
  [{ federatedAuthCache: { enabled: true } }, { cache: { enabled: true, ttlSeconds: 300, secret: undefined } }],
];

test.each(ON)('%j is %j', (blocks, plan) => {
  expect(readAccounts(blocks, 'oidc')).toMatchObject(plan);
});

const WRONG = [
  [{ provisioning: true }, 'provisioning must be an object'],
  [{ provisioning: { enabled: 'true' } }, 'provisioning.enabled must be true or false'],
  [{ provisioning: { enabled: 1 } }, 'provisioning.enabled must be'],
  [{ provisioning: { enable: true } }, 'unknown key "provisioning.enable"; did you mean "enabled"?'],
  [{ profileSync: { onCreate: null } }, 'profileSync.onCreate'],
  [{ groupSync: { forExisting: true, source: 'ldap' } }, "groupSync.source must be 'graph' or 'token'"],
  [{ groupSync: { claim: ' ' } }, 'groupSync.claim'],
  [{ groupSync: { budgetMs: -1 } }, 'groupSync.budgetMs'],
  [{ groupSync: { graphBase: 'https://graph.microsoft.com.evil.example' } }, 'groupSync.graphBase'],
  [{ groupSync: { graphBase: 'https://graph.microsoft.com/' } }, 'groupSync.graphBase'],
  [{ groupSync: { graphBase: ['https://graph.microsoft.us'] } }, 'groupSync.graphBase'],
  [{ groupSync: { budgetMs: 60_001 } }, 'groupSync.budgetMs'],
  [{ userInfo: { fetch: true, hosts: 'a.example' } }, 'userInfo.hosts'],
  [{ userInfo: { fetch: true, hosts: ['https://a.example/'] } }, 'userInfo.hosts'],
  [{ userInfo: { require: true } }, 'userInfo.require needs userInfo.fetch'],
  [{ federatedAuthCache: { enabled: true, ttlSeconds: '60' } }, 'federatedAuthCache.ttlSeconds'],
  [{ federatedAuthCache: { ttlSeconds: 86_401 } }, 'federatedAuthCache.ttlSeconds'],
  [{ federatedAuthCache: { ttlSeconds: NaN } }, 'federatedAuthCache.ttlSeconds'],
  [{ federatedAuthCache: { secret: 'short' } }, 'federatedAuthCache.secret'],
  [{ federatedAuthCache: { enabled: 10n } }, 'no plain data'],
  // One wrong key, and nothing beside it counts.
  [{ provisioning: { enabled: true }, userInfo: { fetch: 'yes' } }, 'userInfo.fetch'],
];

test.each(WRONG)('a wrong value is named: %#', (blocks, text) => {
  expect(thrown(() => readAccounts(blocks, 'oidc'))).toEqual(wrong(text));
  expect(thrown(() => createPlanReader(blocks))).toEqual(wrong(text));
});

test('equal blocks are one plan, whatever the host does to its object afterwards', () => {
  const blocks = { userInfo: { fetch: true, hosts: ['a.example'] } };
  const plan = readAccounts(blocks, 'oidc');
  blocks.userInfo.hosts.push('evil.example');
  expect(plan.userInfo.hosts).toEqual(['a.example']);
  expect(readAccounts({ userInfo: { fetch: true, hosts: ['a.example'] } }, 'oidc')).toBe(plan);
});

describe('the option', () => {
  test('an object stands for itself where the configuration says nothing', () => {
    const read = createPlanReader({ provisioning: { enabled: true } });
    expect(read(undefined, FIELDS, undefined)).toMatchObject({ provisioning: true });
  });

  test('a block of it takes the place of the same block of the configuration, and of no other', () => {
    const read = createPlanReader({ userInfo: { fetch: true } });
    const plan = read({ userInfo: { fetch: true, require: true }, provisioning: { enabled: true } }, FIELDS, undefined);
    expect(plan).toMatchObject({ provisioning: true, userInfo: { fetch: true, require: false } });
  });

  test('a function is asked with a copy of the block and the tenant', () => {
    const option = jest.fn((oidc, { tenantId }) =>
      tenantId === 'acme' ? { provisioning: { enabled: true } } : undefined,
    );
    const read = createPlanReader(option);
    expect(read(undefined, FIELDS, 'acme')).toMatchObject({ provisioning: true });
    expect(read(undefined, FIELDS, 'bolt')).toBeUndefined();
    expect(option.mock.calls[0]).toEqual([FIELDS, { tenantId: 'acme' }]);
    expect(Object.isFrozen(option.mock.calls[0][0])).toBe(true);
  });

  test.each([
    ['a promise', () => Promise.resolve({}), 'must not be asynchronous'],
    ['a list', () => [], 'must be an object'],
    ['an unknown block', () => ({ provisionning: {} }), 'did you mean "provisioning"?'],
  ])('a function that gives %s is an error', (_name, option, text) => {
    expect(thrown(() => createPlanReader(option)(undefined, FIELDS, undefined))).toEqual(wrong(text));
  });

  test('a wrong block of the configuration is named as such beside a right option', () => {
    const read = createPlanReader({ provisioning: { enabled: true } });
    expect(thrown(() => read({ userInfo: { fetch: 'yes' } }, FIELDS, undefined))).toEqual(
      wrong('oidc: userInfo.fetch'),
    );
  });
});

describe('the factory', () => {
  const noop = () => {};
  const deps = { apiKeyMiddleware: noop, findUser: noop, updateUser: noop, getAppConfig: noop };
  const make = (accounts, over) => thrown(() => createRemoteAgentAuth({ ...deps, ...over }, { accounts }))?.message;

  test('names each dependency a feature lacks, with the feature', () => {
    expect(make({ provisioning: { enabled: true }, groupSync: { onCreate: true } })).toBe(
      'createRemoteAgentAuth: deps.createUser must be a function, which provisioning.enabled needs; ' +
        'deps.isEmailDomainAllowed must be a function, which provisioning.enabled needs; ' +
        'deps.findGroupsByExternalIds must be a function, which groupSync.onCreate needs; ' +
        'deps.upsertGroupByExternalId must be a function, which groupSync.onCreate needs; ' +
        'deps.bulkUpdateGroups must be a function, which groupSync.onCreate needs',
    );
    expect(make({ profileSync: { forExisting: true } })).toContain(
      'isEmailDomainAllowed must be a function, which profileSync.forExisting needs',
    );
    expect(make({ groupSync: { forExisting: true } })).toContain(
      'bulkUpdateGroups must be a function, which groupSync.forExisting needs',
    );
    const store = { federatedAuthStore: { get: noop, set: noop } };
    expect(make({ federatedAuthCache: { enabled: true } }, store)).toContain(
      'federatedAuthStore.delete must be a function, which federatedAuthCache.enabled needs',
    );
  });

  test('asks for nothing that is not switched on, and for what is nothing more', () => {
    expect(make(undefined)).toBeUndefined();
    expect(make({})).toBeUndefined();
    expect(make({ userInfo: { fetch: true } })).toBeUndefined();
    expect(make({ federatedAuthCache: { enabled: true } })).toBeUndefined();
    expect(make({ provisioning: { enabled: true } }, { createUser: noop, isEmailDomainAllowed: noop })).toBeUndefined();
  });

  test('refuses a dependency that is no function, and an option that is no object', () => {
    expect(make({}, { createUser: 7 })).toContain('deps.createUser must be a function when given');
    expect(make('provisioning')).toContain('the option accounts must be an object');
  });
});

test('nothing of accounts is loaded by a middleware that has none', () => {
  const { execFileSync } = require('node:child_process');
  const script = `
    const { createRemoteAgentAuth } = require('./index');
    const oidc = { enabled: true, issuer: 'https://a.example', audience: 'agents' };
    const handler = createRemoteAgentAuth({
      apiKeyMiddleware() {}, findUser() {}, updateUser() {}, logger: {},
      getAppConfig: () => ({ endpoints: { agents: { remoteApi: { auth: { oidc } } } } }),
    });
    handler({ headers: { authorization: 'Bearer a.b.c' } }, { status: () => ({ json() {} }) }, () => {}).then(() => {
      console.log(JSON.stringify(Object.keys(require.cache).filter((file) => /lib.accounts/.test(file)).map((file) => require('node:path').basename(file))));
    });`;
  const loaded = execFileSync(process.execPath, ['-e', script], {
    cwd: require('node:path').join(__dirname, '..', '..', '..'),
  });
  expect(JSON.parse(loaded.toString())).toEqual(['email-address.js']);
});
