'use strict';

const { createHmac } = require('node:crypto');
const { inspect } = require('node:util');
const { FederatedCache, invalidate, keyOf } = require('../../../lib/accounts/federated-cache');
const { BoundedMap } = require('../../../lib/stores/bounded-map');
const { readAccounts } = require('../../../lib/accounts/options');
const { recordingLogger } = require('../../support/fakes');

const ISSUER = 'https://a.example';
const NOW = 1_800_000_000_000;
const SECRET = 'a secret that replicas share, 32+';
const planOf = (over = {}) => readAccounts({ federatedAuthCache: { enabled: true, ...over } }, 'oidc');
const KEY = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
const USER = {
  _id: 'id-1',
  openidId: 'sub-1',
  openidIssuer: ISSUER,
  email: 'ada@example.com',
  role: 'USER',
  name: 'Ada',
  password: 'hash',
  createdAt: new Date(),
};

/** A store of Keyv's shape that keeps what a network would: text. */
class RemoteStore {
  values = new Map();
  calls = [];
  async get(key) {
    this.calls.push(['get', key]);
    const text = this.values.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }
  async set(key, value, ttl) {
    this.calls.push(['set', key, ttl]);
    this.values.set(key, JSON.stringify(value));
  }
  async delete(key) {
    return this.values.delete(key);
  }
}

function setUp({ store, clock = () => NOW, plan = planOf(), policy = { key: 'policy-1' }, of = {} } = {}) {
  const logger = recordingLogger();
  const log = logger;
  const cache = new FederatedCache({ store, log, clock });
  const slot = (over = {}, policyEntry = policy, itsPlan = plan) =>
    cache.slotOf(itsPlan, policyEntry, {
      tenantId: undefined,
      issuer: ISSUER,
      subject: 'sub-1',
      signedBy: KEY,
      ...of,
      ...over,
    });
  const write = (over = {}, at = slot()) =>
    cache.write(at, plan, { user: USER, id: 'id-1', expiresAt: NOW / 1000 + 3600, ...over });
  const read = async (at = slot(), itsPlan = plan) => cache.read(at, itsPlan);
  return { cache, logger, slot, write, read };
}

describe.each([
  ['in memory', () => undefined, {}],
  ['in a shared store', () => new RemoteStore(), {}],
  ['in a shared store, with a secret', () => new RemoteStore(), { secret: SECRET }],
])('%s', (_name, storeOf, over) => {
  const plan = planOf(over);

  test('what was written is read: what a request needs of a user, and no more', async () => {
    const { write, read } = setUp({ store: storeOf(), plan });
    await write({ groupsSyncedAt: NOW - 5 });
    const { user, groupsSyncedAt } = await read();
    expect(user).toEqual({
      id: 'id-1',
      openidId: 'sub-1',
      openidIssuer: ISSUER,
      email: 'ada@example.com',
      role: 'USER',
      name: 'Ada',
    });
    expect(groupsSyncedAt).toBe(NOW - 5);
  });

  test.each([
    ['another subject', { subject: 'sub-2' }],
    ['another issuer', { issuer: 'https://b.example' }],
    ['a tenant', { tenantId: 'acme' }],
    ['a tenant that is called as no tenant is', { tenantId: 'base' }],
    ['another key', { signedBy: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k' }],
  ])('%s gets nothing of it', async (_what, other) => {
    const { write, read, slot } = setUp({ store: storeOf(), plan });
    await write();
    expect(await read(slot(other))).toBeUndefined();
    expect(await read()).toBeDefined();
  });

  test('a change of the policy or of the plan ends it', async () => {
    const { write, read, slot } = setUp({ store: storeOf(), plan });
    await write();
    expect(await read(slot({}, { key: 'policy-2' }))).toBeUndefined();
    const other = planOf({ ...over, ttlSeconds: 299 });
    expect(await read(slot({}, { key: 'policy-1' }, other), other)).toBeUndefined();
    // An equal policy compiled anew is the same.
    expect(await read(slot({}, { key: 'policy-1' }))).toBeDefined();
  });

  test('it ends with its time, and with the token it was made by', async () => {
    let now = NOW;
    const { write, read } = setUp({ store: storeOf(), plan, clock: () => now });
    await write();
    now = NOW + 299_999;
    expect(await read()).toBeDefined();
    now = NOW + 300_000;
    expect(await read()).toBeUndefined();
    now = NOW;
    await write({ expiresAt: NOW / 1000 + 10 });
    now = NOW + 10_000;
    expect(await read()).toBeUndefined();
  });

  test('what a request had read before `invalidate` is not written after it', async () => {
    const { slot, write, read } = setUp({ store: storeOf(), plan });
    const before = slot();
    await invalidate(ISSUER, 'sub-1');
    await write({}, before);
    expect(await read()).toBeUndefined();
    await write();
    expect(await read()).toBeDefined();
  });

  test('`invalidate` forgets exactly that account', async () => {
    const { write, read, slot } = setUp({ store: storeOf(), plan });
    const other = slot({ tenantId: 'acme' });
    await write();
    await write({ user: { ...USER, tenantId: 'acme' } }, other);
    await invalidate(`${ISSUER}/`, 'sub-1', 'acme');
    expect(await read(other)).toBeUndefined();
    expect(await read()).toBeDefined();
    await invalidate(ISSUER, 'sub-1');
    expect(await read()).toBeUndefined();
  });
});

test('keys are LibreChat’s', () => {
  expect(keyOf(undefined, ISSUER, 'sub-1')).toBe(`base:${ISSUER}:sub-1`);
  expect(keyOf('acme', ISSUER, 'sub-1')).toBe(`acme:${ISSUER}:sub-1`);
});

test('nothing is kept where entries could not be distinguished later: no key, a policy of functions, no issuer, switched off', () => {
  const { slot } = setUp();
  expect(slot({ signedBy: undefined })).toBeUndefined();
  expect(slot({}, { key: undefined })).toBeUndefined();
  expect(slot({ issuer: undefined })).toBeUndefined();
  const off = readAccounts({ provisioning: { enabled: true } }, 'oidc');
  expect(slot({}, { key: 'policy-1' }, off)).toBeUndefined();
});

test('a token that has ended, and a user without a role, are not written', async () => {
  const store = new RemoteStore();
  const { write } = setUp({ store });
  await write({ expiresAt: NOW / 1000 });
  await write({ user: { ...USER, role: '' } });
  await write({ user: { ...USER, tenantId: 'acme' } });
  expect(store.calls).toEqual([]);
});

describe('what a store gives back', () => {
  const tampered = [
    ['another user', ({ user }) => (user.id = 'id-2')],
    ['more rights', ({ user }) => (user.role = 'ADMIN')],
    ['a longer life', (entry) => (entry.expiresAt += 1)],
  ];

  test.each(tampered)('counts only with a right proof: %s', async (_name, change) => {
    const store = new RemoteStore();
    const plan = planOf({ secret: SECRET });
    const { write, read } = setUp({ store, plan });
    await write();
    const [key] = store.values.keys();
    const { entry, proof } = JSON.parse(store.values.get(key));
    const changed = JSON.parse(entry);
    change(changed);
    for (const forged of [
      { entry: JSON.stringify(changed), proof },
      { entry: JSON.stringify(changed), proof: '' },
      { entry: JSON.stringify(changed) },
      changed,
    ]) {
      store.values.set(key, JSON.stringify(forged));
      expect(await read()).toBeUndefined();
    }
  });

  test('is ignored beyond a length, with a proof or without', async () => {
    const store = new RemoteStore();
    const plan = planOf({ secret: SECRET });
    const { write, read } = setUp({ store, plan });
    await write();
    const [key] = store.values.keys();
    const { entry, proof } = JSON.parse(store.values.get(key));
    const longer = (length) => {
      const text = entry.padEnd(length);
      return { entry: text, proof: createHmac('sha256', SECRET).update(text).digest('base64url') };
    };
    for (const [value, isBelieved] of [
      [longer(131_072), true],
      [longer(131_073), false],
      [{ entry, proof: proof.padEnd(65) }, false],
    ]) {
      store.values.set(key, JSON.stringify(value));
      expect((await read()) !== undefined).toBe(isBelieved);
    }
  });

  test('of another replica counts where both have the secret', async () => {
    const store = new RemoteStore();
    const shared = { store, plan: planOf({ secret: SECRET }) };
    await setUp(shared).write();
    expect(await setUp(shared).read()).toBeDefined();
    expect(await setUp({ store, plan: planOf({ secret: `${SECRET}!` }) }).read()).toBeUndefined();
  });

  const wrong = {
    'no object': () => 'text',
    'another version': (entry) => ({ ...entry, version: 2 }),
    'an empty user id': (entry) => ({ ...entry, user: { ...entry.user, id: '' } }),
    'no role': (entry) => ({ ...entry, user: { ...entry.user, role: undefined } }),
    'a user of a tenant': (entry) => ({ ...entry, user: { ...entry.user, tenantId: 'acme' } }),
    'a member nobody wrote': (entry) => ({ ...entry, user: { ...entry.user, isAdmin: true } }),
    'a flag that is a text': (entry) => ({ ...entry, user: { ...entry.user, emailVerified: 'true' } }),
    'a user who is a list': (entry) => ({ ...entry, user: [] }),
    'no user': (entry) => ({ ...entry, user: undefined }),
    'a time that is a text': (entry) => ({ ...entry, expiresAt: String(entry.expiresAt) }),
    'no beginning': (entry) => ({ ...entry, createdAt: undefined }),
    'a beginning in the future': (entry) => ({ ...entry, createdAt: NOW + 60_000 }),
    'a bad time of groups': (entry) => ({ ...entry, groupsSyncedAt: 'now' }),
    'another issuer': (entry) => ({ ...entry, issuer: 'https://b.example' }),
    'another subject': (entry) => ({ ...entry, subject: 'sub-2' }),
    'another tenant': (entry) => ({ ...entry, tenantId: 'acme' }),
  };

  test.each(Object.entries(wrong))('is looked at field by field: %s', (_name, change) => {
    const { validated } = require('../../../lib/accounts/cache-entry');
    const slot = { tenantId: null, issuer: ISSUER, subject: 'sub-1', policy: 'p', signedBy: 'k' };
    const entry = {
      version: 1,
      ...slot,
      createdAt: NOW,
      expiresAt: NOW + 1,
      user: { id: 'id-1', role: 'USER', openidId: 'sub-1' },
    };
    expect(validated(entry, slot, NOW)).toBe(entry);
    expect(validated(change(entry), slot, NOW)).toBeUndefined();
  });
});

describe('a store that is down', () => {
  test('is a miss and a warning, and is then left alone for a while', async () => {
    let now = NOW;
    const store = { get: jest.fn(async () => Promise.reject(new Error('down'))), set: jest.fn(), delete: jest.fn() };
    const { read, write, logger } = setUp({ store, clock: () => now });
    expect(await read()).toBeUndefined();
    expect(await read()).toBeUndefined();
    await write();
    expect(store.get).toHaveBeenCalledTimes(1);
    expect(store.set).not.toHaveBeenCalled();
    expect(logger.lines.filter(([level]) => level === 'warn')).toHaveLength(1);
    now += 5_000;
    await read();
    expect(store.get).toHaveBeenCalledTimes(2);
  });

  test('that hangs is waited for half a second', async () => {
    jest.useFakeTimers();
    try {
      const store = { get: () => new Promise(() => {}), set() {}, delete() {} };
      const { read, logger } = setUp({ store });
      const pending = read();
      await jest.advanceTimersByTimeAsync(500);
      expect(await pending).toBeUndefined();
      expect(logger.lines.at(-1)[1]).toContain('read failed');
    } finally {
      jest.useRealTimers();
    }
  });

  test('a write that fails is a warning', async () => {
    const store = { get() {}, set: async () => Promise.reject(new Error('down')), delete() {} };
    const { write, logger } = setUp({ store });
    await write();
    expect(logger.lines).toEqual([['warn', expect.stringContaining('write failed (Error)')]]);
  });

  test('is reported without what its client puts into errors: the key and the value, which name a person', async () => {
    const refuse =
      (name) =>
      async (...args) =>
        Promise.reject(
          Object.assign(new Error(`OOM command not allowed: ${JSON.stringify(args)}`), {
            name: 'ReplyError',
            command: { name, args },
          }),
        );
    const store = { get: async () => undefined, set: refuse('set'), delete: refuse('del') };
    const { write, logger } = setUp({ store });
    await write();
    expect(logger.lines.at(-1)).toEqual(['warn', expect.stringContaining('write failed (ReplyError OOM)')]);
    expect(inspect(logger.lines, { depth: null })).not.toMatch(/sub-1|ada@example/);
    const odd = setUp({ store: { ...store, set: async () => Promise.reject(undefined) } });
    await odd.write();
    expect(odd.logger.lines.at(-1)[1]).toContain('write failed (no error object)');
  });
});

describe('a deletion that a store does not do', () => {
  /** A store that answers, fails or hangs when it is asked to delete. */
  function fragile() {
    const store = new RemoteStore();
    const remove = store.delete.bind(store);
    store.mode = 'fails';
    store.delete = jest.fn((key) => {
      if (store.mode === 'hangs') return new Promise(() => {});
      return store.mode === 'fails' ? Promise.reject(new Error(`down: DEL ${key}`)) : remove(key);
    });
    return store;
  }
  const stored = async (over) => {
    const store = fragile();
    const app = setUp({ store, plan: planOf({ secret: SECRET }), ...over });
    await app.write();
    return { store, ...app };
  };

  test('rejects `invalidate` without naming anybody, and is not given out by this process', async () => {
    const { store, read, write } = await stored();
    expect(await read()).toBeDefined();
    const error = await invalidate(ISSUER, 'sub-1').catch((reason) => reason);
    expect(error.message).toMatch(/\d+ of \d+ stores .*\bError\)/);
    expect(inspect(error)).not.toContain('sub-1');
    expect(store.values.size).toBe(1);
    expect(await read()).toBeUndefined();
    // Nor what another process, whose clock is ahead, has written just before.
    await write();
    expect(await read()).toBeUndefined();
    store.mode = 'answers';
    await invalidate(ISSUER, 'sub-1').catch(() => {});
    await write();
    expect(await read()).toBeDefined();
  });

  test('is asked for again as soon as the store answers', async () => {
    const { store, read } = await stored();
    await invalidate(ISSUER, 'sub-1').catch(() => {});
    store.mode = 'answers';
    await read();
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.values.size).toBe(0);
    const asked = store.delete.mock.calls.length;
    await read();
    expect(store.delete).toHaveBeenCalledTimes(asked);
  });

  test('is asked of a store that is left alone too, and a failure is a warning without a name', async () => {
    const { store, cache, slot, read, logger } = await stored();
    const { get } = store;
    store.get = async () => Promise.reject(new Error('down'));
    await read();
    await cache.forget(slot());
    expect(store.delete).toHaveBeenCalledTimes(1);
    expect(logger.lines.at(-1)).toEqual(['warn', expect.stringContaining('delete failed (Error)')]);
    expect(inspect(logger.lines)).not.toContain('sub-1');
    store.get = get;
    const later = setUp({ store, plan: planOf({ secret: SECRET }) });
    expect(await later.read()).toBeUndefined();
  });

  test('is waited for 5 s', async () => {
    const { store } = await stored();
    store.mode = 'hangs';
    jest.useFakeTimers();
    try {
      const pending = invalidate(ISSUER, 'sub-1').catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(5_000);
      expect((await pending).message).toContain('has not answered within 5000 ms');
    } finally {
      jest.useRealTimers();
    }
  });

  test('beyond a thousand of them, everything from before is ignored', () => {
    const { Deletions, MOST_PENDING } = require('../../../lib/accounts/deletions');
    let now = NOW;
    const deletions = new Deletions({ delete: () => new Promise(() => {}) }, () => now);
    jest.useFakeTimers();
    try {
      for (let n = 0; n < MOST_PENDING; n += 1) void deletions.order(`key-${n}`);
      expect([deletions.isPending('key-0', NOW), deletions.isPending('another', NOW)]).toEqual([true, false]);
      now += 60_000;
      void deletions.order('one more');
      expect([deletions.isPending('key-0', NOW), deletions.isPending('another', NOW)]).toEqual([true, true]);
      expect(deletions.isPending('another', now + 5_001)).toBe(false);
    } finally {
      jest.clearAllTimers();
      jest.useRealTimers();
    }
  });
});

test('the memory is bounded, and the least recently used goes first', () => {
  let now = NOW;
  const store = new BoundedMap({ most: 2, clock: () => now });
  store.set('a', 1, 10);
  store.set('b', 2, 10);
  expect(store.get('a')).toBe(1);
  store.set('c', 3, 10);
  expect([store.get('a'), store.get('b'), store.get('c'), store.size]).toEqual([1, undefined, 3, 2]);
  now += 10;
  expect(store.get('a')).toBeUndefined();
  expect(store.size).toBe(1);
});
