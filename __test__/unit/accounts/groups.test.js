'use strict';

// Groups of a user, from a Microsoft Graph that is a double of the native client, and from the token.

const { createGroupSync } = require('../../../lib/accounts/group-sync');
const { groupsInToken } = require('../../../lib/accounts/groups-token');
const { readAccounts } = require('../../../lib/accounts/options');
const { recordingLogger } = require('../../support/fakes');
const { duplicate } = require('../../support/user-store');

const ENTRA = 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0';
const KEYCLOAK = 'https://kc.example/realms/a';
const ENV = {
  USE_ENTRA_ID_FOR_PEOPLE_SEARCH: 'true',
  OPENID_CLIENT_ID: 'client',
  OPENID_CLIENT_SECRET: 'secret',
  OPENID_GRAPH_SCOPES: undefined,
  ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS: undefined,
};
const saved = Object.fromEntries(Object.keys(ENV).map((name) => [name, process.env[name]]));
const setEnv = (values) => {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
};
beforeEach(() => setEnv(ENV));
afterAll(() => setEnv(saved));

const ids = (count) => Array.from({ length: count }, (_, index) => `group-${index}`);

/** Microsoft Graph: `members` and `owned` in pages; `items`: answers for a group before the good one; `statuses`: for whole calls. */
function graphOf({ members = [[]], owned = [[]], items = {}, statuses = [], exchange } = {}) {
  const calls = [];
  const list = (pages, at, kind) => ({
    value: pages[at],
    ...(at + 1 < pages.length && { '@odata.nextLink': `https://graph.microsoft.com/v1.0/next/${kind}/${at + 1}` }),
  });
  const bodyOf = ({ path, body }) => {
    if (path === '/v1.0/me/getMemberGroups') return list(members, 0, 'members');
    if (path.startsWith('/v1.0/me/ownedObjects/microsoft.graph.group')) return list(owned, 0, 'owned');
    const [, kind, at] = /\/next\/(\w+)\/(\d+)$/.exec(path) ?? [];
    if (kind !== undefined) return list(kind === 'members' ? members : owned, Number(at), kind);
    const responses = body.requests.map(({ id }) => {
      const answer = items[id]?.shift();
      return {
        id,
        status: 200,
        body: { id, displayName: `Group ${id}`, mail: `${id.toUpperCase()}@example.com`, description: null },
        ...answer,
      };
    });
    return { responses: responses.filter(({ status }) => status !== 'lost') };
  };
  const client = {
    exchange: jest.fn(async () => exchange ?? { ok: true, accessToken: 'graph-token' }),
    graph: jest.fn(async (_policy, args) => {
      calls.push(args);
      const status = statuses.shift();
      return status ?? { ok: true, status: 200, body: bodyOf(args) };
    }),
  };
  return { client, calls };
}

/** Stored groups, and every write in its order. */
function storeOf({ known = [], fail } = {}) {
  const writes = [];
  const note = async (name, ...args) => {
    writes.push([name, ...args]);
    if (fail?.[name]) throw fail[name];
  };
  return {
    writes,
    find: jest.fn(async (wanted) =>
      known.filter((id) => wanted.includes(id)).map((idOnTheSource) => ({ idOnTheSource })),
    ),
    upsert: (id, fields) => note('upsert', id, fields),
    update: (filter, change) => note('update', filter, change),
  };
}

function setUp({
  graph = graphOf(),
  store = storeOf(),
  groupSync = {},
  lifecycle = 'existing',
  member = {},
  issuer = ENTRA,
  claims = {},
  hosts = [],
  now = { is: 0 },
} = {}) {
  const slept = [];
  const log = recordingLogger();
  const onSynced = jest.fn();
  const sync = createGroupSync({
    client: () => graph.client,
    clock: () => now.is,
    sleep: async (ms) => void slept.push(ms),
  });
  const plan = readAccounts(
    {
      groupSync: { onCreate: true, forExisting: true, ...groupSync },
      provisioning: { enabled: true },
      userInfo: { hosts },
    },
    'oidc',
  );
  const job = {
    plan,
    lifecycle,
    member: {
      userId: 'id-1',
      memberKey: 'oid-1',
      provider: 'openid',
      openidId: 'sub-1',
      idOnTheSource: 'oid-1',
      ...member,
    },
    token: 'token',
    policy: {},
    issuer,
    readClaims: () => claims,
    store,
    log,
    onSynced,
  };
  return { run: (over) => sync({ ...job, ...over }), store, graph, slept, log, onSynced };
}

const ADD = (wanted, key = 'oid-1') => [
  'update',
  { idOnTheSource: { $in: wanted }, source: 'entra', memberIds: { $ne: key } },
  { $addToSet: { memberIds: key } },
];
const REMOVE = (others, key = 'oid-1') => [
  'update',
  { source: 'entra', memberIds: key, idOnTheSource: others },
  { $pullAll: { memberIds: [key] } },
];

describe('from Microsoft Graph', () => {
  test.each([
    'https://graph.microsoft.us',
    'https://dod-graph.microsoft.us',
    'https://microsoftgraph.chinacloudapi.cn',
  ])('of a national cloud, %s: its permissions, and every request', async (graphBase) => {
    const graph = graphOf({ members: [['a']] });
    await setUp({ graph, groupSync: { graphBase } }).run();
    expect(graph.client.exchange.mock.calls[0][1].scope).toContain(`${graphBase}/User.Read `);
    expect(graph.client.exchange.mock.calls[0][1].scope).not.toContain('graph.microsoft.com');
    expect(graph.calls.map((call) => call.graphBase)).toEqual(graph.calls.map(() => graphBase));
    expect(graph.calls.length).toBeGreaterThan(1);
  });

  test('all of it: exchange, member and owned groups by pages, details of the unknown ones, and the writes in their order', async () => {
    setEnv({ ENTRA_ID_INCLUDE_OWNERS_AS_MEMBERS: 'true' });
    const graph = graphOf({ members: [['a', 'b'], ['c']], owned: [[{ id: 'd' }], [{ id: 'a' }]] });
    const { run, store, onSynced } = setUp({ graph, store: storeOf({ known: ['a', 'b'] }), hosts: ['login.example'] });
    expect(await run()).toEqual({ is: 'synced', at: 0 });
    expect(graph.client.exchange.mock.calls[0][1]).toEqual({
      token: 'token',
      scope:
        'https://graph.microsoft.com/User.Read https://graph.microsoft.com/People.Read https://graph.microsoft.com/GroupMember.Read.All',
      clientId: 'client',
      clientSecret: 'secret',
      hosts: ['login.example'],
    });
    expect(graph.calls[0]).toEqual({
      token: 'graph-token',
      method: 'POST',
      path: '/v1.0/me/getMemberGroups',
      graphBase: 'https://graph.microsoft.com',
      body: { securityEnabledOnly: false },
    });
    expect(graph.calls[1]).toEqual({
      token: 'graph-token',
      method: 'GET',
      path: 'https://graph.microsoft.com/v1.0/next/members/1',
      graphBase: 'https://graph.microsoft.com',
    });
    const all = ['a', 'b', 'c', 'd'];
    expect(store.writes).toEqual([
      ['upsert', 'c', { name: 'Group c', email: 'c@example.com' }],
      ['upsert', 'd', { name: 'Group d', email: 'd@example.com' }],
      ADD(all),
      REMOVE({ $nin: all }),
    ]);
    expect(onSynced).toHaveBeenCalledTimes(1);
  });

  test('unknown ones are asked for by twenty', async () => {
    const graph = graphOf({ members: [ids(45)] });
    const { run } = setUp({ graph });
    expect((await run()).is).toBe('synced');
    expect(graph.calls.slice(1).map(({ body }) => body.requests.length)).toEqual([20, 20, 5]);
    expect(graph.calls[1].body.requests[0]).toEqual({
      id: 'group-0',
      method: 'GET',
      url: '/groups/group-0?$select=id,displayName,mail,description',
    });
  });

  test('a call answered with Retry-After is repeated later, by itself', async () => {
    const items = { 'group-1': [{ status: 429, headers: { 'Retry-After': '3' } }, { status: 503 }] };
    const graph = graphOf({ members: [ids(3)], items });
    const { run, slept } = setUp({ graph });
    expect((await run()).is).toBe('synced');
    expect(slept).toEqual([3_000, 2_000]);
    expect(graph.calls.slice(1).map(({ body }) => body.requests.map(({ id }) => id))).toEqual([
      ids(3),
      ['group-1'],
      ['group-1'],
    ]);
  });

  test('whole calls wait as long as Retry-After says', async () => {
    const busy = (retryAfter) => ({ ok: true, status: 429, retryAfter, body: null });
    const { run, slept } = setUp({ graph: graphOf({ members: [['a']], statuses: [busy(7), busy(undefined)] }) });
    expect((await run()).is).toBe('synced');
    expect(slept).toEqual([7_000, 2_000]);
  });

  const notFound = { status: 404, body: { error: {} } };
  const FAILURES = [
    ['no group at all', { members: [[]] }, /names no group/, 'warn'],
    [
      'an exchange that is refused',
      { exchange: { ok: false, reason: 'service_error', code: 'ERR_X', message: 'refused' } },
      /ERR_X: refused/,
      'error',
    ],
    [
      'an error of the client',
      { statuses: [{ ok: false, reason: 'unauthorized', code: 'ERR_X', message: 'no' }] },
      /ERR_X/,
      'error',
    ],
    ['a status that is no list', { statuses: [{ ok: true, status: 500, body: null }] }, /status 500/, 'error'],
    [
      'details of one group missing',
      { members: [ids(3)], items: { 'group-1': [{ status: 'lost' }] } },
      /status none/,
      'error',
    ],
    [
      'details of one group not to be had',
      { members: [ids(3)], items: { 'group-1': [notFound] } },
      /status 404/,
      'error',
    ],
    [
      'details of another group',
      { members: [['a']], items: { a: [{ body: { id: 'b', displayName: 'B' } }] } },
      /group details/,
      'error',
    ],
    [
      'an item that never comes',
      { members: [['a']], items: { a: Array.from({ length: 9 }, () => ({ status: 429 })) } },
      /after 3 tries/,
      'error',
    ],
    [
      'a call that never comes',
      { statuses: Array.from({ length: 9 }, () => ({ ok: true, status: 503, body: null })) },
      /status 503 after 3 tries/,
      'error',
    ],
    [
      'a pause longer than the budget',
      { statuses: [{ ok: true, status: 429, retryAfter: 31, body: null }] },
      /would have to wait longer/,
      'error',
    ],
    ['a group without an identifier', { members: [['a', 7]] }, /usable identifier/, 'error'],
    ['a group whose identifier leads elsewhere', { members: [['../users/1']] }, /usable identifier/, 'error'],
    ['a list without an end', { members: Array.from({ length: 150 }, () => ['a']) }, /without an end/, 'error'],
    ['too many groups', { members: [ids(20_001)] }, /more than 20000/, 'error'],
  ];

  test.each(FAILURES)('%s: nothing is written, and the log says why', async (_name, graph, why, level) => {
    const { run, store, log, onSynced } = setUp({ graph: graphOf(graph) });
    expect(await run()).toEqual({ is: 'failed', why: expect.stringMatching(why) });
    expect(store.writes).toEqual([]);
    expect(onSynced).not.toHaveBeenCalled();
    expect(log.lines.filter(([at]) => at === level)).toHaveLength(1);
  });

  test('a database that fails is reported, and does not throw', async () => {
    const { run, store } = setUp({
      graph: graphOf({ members: [['a']] }),
      store: storeOf({ fail: { update: new Error('down') } }),
    });
    expect(await run()).toEqual({ is: 'failed', why: 'down' });
    // The removal comes last, so nothing was taken away.
    expect(store.writes.at(-1)[2]).toHaveProperty('$addToSet');
  });

  test('a group that another process has made meanwhile is there', async () => {
    const { run } = setUp({
      graph: graphOf({ members: [['a']] }),
      store: storeOf({ fail: { upsert: duplicate('group') } }),
    });
    expect((await run()).is).toBe('synced');
  });

  const SKIPS = [
    ['the feature is off', { env: { USE_ENTRA_ID_FOR_PEOPLE_SEARCH: undefined } }, 'skipped'],
    ['an account of another sign-in', { member: { provider: 'local' } }, 'skipped'],
    ['an account without a subject', { member: { openidId: undefined } }, 'skipped'],
    ['an account without an oid', { member: { idOnTheSource: undefined } }, 'skipped'],
    [
      'a created user where only known ones are brought in line',
      { lifecycle: 'created', groupSync: { onCreate: false } },
      'off',
    ],
    ['a known user where only created ones are brought in line', { groupSync: { forExisting: false } }, 'off'],
  ];

  test.each(SKIPS)('%s: nobody is asked', async (_name, { env = {}, ...over }, is) => {
    setEnv(env);
    const { run, graph, store } = setUp(over);
    expect((await run()).is).toBe(is);
    expect(graph.client.exchange).not.toHaveBeenCalled();
    expect(store.find).not.toHaveBeenCalled();
  });

  test('at most once a minute for each user of each tenant', async () => {
    const now = { is: 0 };
    const graph = graphOf({ members: [['a']] });
    const { run } = setUp({ graph, now });
    const member = {
      userId: 'id-1',
      memberKey: 'oid-1',
      provider: 'openid',
      openidId: 'sub-1',
      idOnTheSource: 'oid-1',
      tenantId: 'acme',
    };
    expect([(await run()).is, (await run()).is, (await run({ member })).is]).toEqual(['synced', 'skipped', 'synced']);
    now.is = 60_000;
    expect((await run()).is).toBe('synced');
  });

  test('a request waits for its budget and no longer; the groups are brought in line all the same', async () => {
    let answer;
    const graph = graphOf({ members: [['a']] });
    graph.client.exchange.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const { run, store, onSynced } = setUp({ graph, groupSync: { budgetMs: 0 } });
    expect(await run()).toEqual({ is: 'pending' });
    const synced = new Promise((resolve) => onSynced.mockImplementation(resolve));
    answer({ ok: true, accessToken: 'graph-token' });
    await synced;
    expect(store.writes).toHaveLength(3);
  });
});

describe('from the token', () => {
  const fromToken = { source: 'token', claim: 'realm_access.roles' };
  const claims = { realm_access: { roles: ['staff', 'admins', 'staff'] } };
  const idIn = (name) => `${KEYCLOAK} ${name}`;

  test('a claim path, each name under its issuer, and nobody asked', async () => {
    const { run, store, graph } = setUp({
      groupSync: fromToken,
      issuer: KEYCLOAK,
      claims,
      member: { memberKey: 'id-1', idOnTheSource: undefined },
    });
    expect((await run()).is).toBe('synced');
    const all = [idIn('staff'), idIn('admins')];
    const others = { $nin: all, $regex: '^https:\\/\\/kc\\.example\\/realms\\/a ' };
    expect(store.writes).toEqual([
      ['upsert', idIn('staff'), { name: 'staff' }],
      ['upsert', idIn('admins'), { name: 'admins' }],
      ADD(all, 'id-1'),
      REMOVE(others, 'id-1'),
    ]);
    expect(graph.client.exchange).not.toHaveBeenCalled();
    // What is removed is this issuer's alone.
    expect(new RegExp(others.$regex).test(`${KEYCLOAK} old`)).toBe(true);
    for (const other of ['https://kc.example/realms/ab x', 'https://kcxexample/realms/a x', 'guid'])
      expect(new RegExp(others.$regex).test(other)).toBe(false);
  });

  test('Entra’s own identifiers stand for themselves', async () => {
    const { run, store } = setUp({ groupSync: { source: 'token' }, claims: { groups: ['guid-1'] } });
    expect((await run()).is).toBe('synced');
    expect(store.writes).toEqual([
      ['upsert', 'guid-1', { name: 'guid-1' }],
      ADD(['guid-1']),
      REMOVE({ $nin: ['guid-1'] }),
    ]);
  });

  test.each([
    ['no claim', {}, /no claim/],
    ['an empty list', { groups: [] }, /names no group/],
    ['a text', { groups: 'staff' }, /no list/],
    ['a list with a number', { groups: ['a', 1] }, /no list/],
    ['a list with a blank', { groups: ['a', ' '] }, /no list/],
    ['a name without an end', { groups: ['a'.repeat(257)] }, /no list/],
    ['too many', { groups: ids(2_001) }, /no list/],
  ])('%s: nothing is written', async (_name, claims, why) => {
    const { run, store } = setUp({ groupSync: { source: 'token' }, issuer: KEYCLOAK, claims });
    expect(await run()).toEqual({ is: 'failed', why: expect.stringMatching(why) });
    expect(store.writes).toEqual([]);
  });

  const OVERAGE = [
    { hasgroups: true },
    { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://evil.example/groups' } } },
  ];

  test.each(OVERAGE)(
    'too many for the token are asked of Graph, and of no place the token names: %j',
    async (claims) => {
      const graph = graphOf({ members: [['a']] });
      const { run } = setUp({ groupSync: { source: 'token' }, graph, claims });
      expect((await run()).is).toBe('synced');
      expect(JSON.stringify(graph.calls)).not.toContain('evil');
    },
  );

  test.each([
    ['no tenant of Entra ID', { issuer: KEYCLOAK }],
    ['no oid', { member: { idOnTheSource: undefined } }],
    ['no client of our own', { env: { OPENID_CLIENT_SECRET: undefined } }],
  ])('too many, with %s, are refused loudly', async (_name, { env = {}, ...over }) => {
    setEnv(env);
    const { run, store, log, graph } = setUp({ groupSync: { source: 'token' }, claims: { hasgroups: true }, ...over });
    expect(await run()).toEqual({ is: 'failed', why: expect.stringContaining('too many for the token') });
    expect(log.lines).toEqual([['warn', expect.stringContaining('OPENID_CLIENT_SECRET')]]);
    expect(store.writes).toEqual([]);
    expect(graph.client.exchange).not.toHaveBeenCalled();
  });

  test('what a claim inherits is no group', () => {
    expect(groupsInToken({}, 'constructor.name', KEYCLOAK)).toMatchObject({ is: 'none' });
    expect(groupsInToken({ 'a.b': ['x'] }, 'a.b', KEYCLOAK)).toMatchObject({ is: 'listed' });
  });
});
