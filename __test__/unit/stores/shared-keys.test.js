'use strict';

// The part that reaches the store, over a scripted exchange: who asks the provider, who waits, and what is handed on.

const IORedis = require('ioredis');
const { Keyv } = require('keyv');
const { createClient } = require('redis');
const { backchannelLogout } = require('../../../lib/logout');
const { memoryStore, shareKeys: shared, shareRevocations } = require('../../../lib/stores');
const { shareKeys } = require('../../../lib/stores/shared-keys');

const SECRET = 'a secret of at least thirty-two bytes';
const SOURCE = 'a'.repeat(43);

/** What native code offers: tasks to run, and what became of them. */
function exchange() {
  const tasks = [];
  let wake;
  const state = {
    offered: [],
    /** Sources whose refresh waits. */
    waiting: new Set(),
    /** Which texts a refresh ends with. */
    takes: () => true,
    asked: [],
    add(task) {
      tasks.push({ text: undefined, isNews: false, source: SOURCE, ...task });
      if (task.kind === 'look') state.waiting.add(task.source ?? SOURCE);
      wake?.();
    },
    /** Resolves when the refresh that waits asks the provider. */
    askedFor: (source = SOURCE) =>
      new Promise((resolve) => state.asked.push((asked) => asked === source && resolve('asked'))),
    native: {
      next: async () => {
        while (tasks.length === 0 && !state.isClosed) await new Promise((resolve) => (wake = resolve));
        return state.isClosed ? null : tasks.splice(0);
      },
      offer: async (source, text) => {
        state.offered.push(text);
        const isTaken = state.takes(text);
        if (isTaken) state.waiting.delete(source);
        return { problem: isTaken ? undefined : 'why', isKnown: false, isAwaited: state.waiting.has(source) };
      },
      askProvider: (source) => {
        state.waiting.delete(source);
        for (const listener of state.asked) listener(source);
      },
      close: () => ((state.isClosed = true), wake?.()),
    },
  };
  return state;
}

const entry = (fetchedAt) => JSON.stringify({ fetchedAt });

/** Some replicas on one store. */
function replicas(count, store, options = {}) {
  return Array.from({ length: count }, () => {
    const state = exchange();
    const sharing = shareKeys({ store, sharedSecret: SECRET, ...options }, () => state.native);
    return Object.assign(state, { sharing });
  });
}

/** A call of a store, noticed. */
function watched(store, name) {
  const waiters = [];
  const seen = () => new Promise((resolve) => waiters.push(resolve));
  const method = async (...args) => {
    const answer = await store[name](...args);
    for (const resolve of waiters.splice(0)) resolve(answer);
    return answer;
  };
  return { store: { ...store, [name]: method }, seen };
}

describe('shareKeys', () => {
  const open = [];
  const some = (...args) => {
    const made = replicas(...args);
    open.push(...made);
    return made;
  };
  afterEach(() => Promise.all(open.splice(0).map(({ sharing }) => sharing.close())));

  test.each([
    ['no store', {}, '`store` has no function `get`'],
    ['a store that cannot set', { store: { get() {} } }, '`store` has no function `set`'],
    ['a lock without end', { store: { get() {}, set() {}, setIfAbsent() {} } }, 'must have `delete`'],
    ['half a channel', { store: { get() {}, set() {}, publish() {} } }, 'both `publish` and `subscribe`'],
    ['no options', undefined, '`store` has no function `get`'],
    [
      'a channel that is none',
      { store: { get() {}, set() {}, publish: 1, subscribe: 1 } },
      '`publish` of `store` must be',
    ],
    ['a client of ioredis', { store: new IORedis.Redis({ lazyConnect: true }) }, 'write `redisStore(client)`'],
    ['a client of node-redis', { store: createClient() }, 'write `redisStore(client)`'],
    [
      'an `onProblem` that is none',
      { store: memoryStore(), sharedSecret: SECRET, onProblem: 'log' },
      '`onProblem` must be',
    ],
    ['no secret', { store: memoryStore() }, '`sharedSecret` must be text of at least 32 bytes'],
    ['a short secret', { store: memoryStore(), sharedSecret: 'x'.repeat(31) }, '`sharedSecret` must be text'],
  ])('refuses %s', (_, options, message) => {
    expect(() => shared(options)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
    expect(() => shared(options)).toThrow(message);
  });

  test('one asks the provider; what it publishes ends the wait of the others', async () => {
    const [first, ...others] = some(5, memoryStore());
    const asked = first.askedFor();
    first.add({ kind: 'look' });
    expect(await asked).toBe('asked');
    let isAsked = false;
    for (const other of others) {
      other.askedFor().then(() => (isAsked = other.offered.length === 0 || isAsked));
      other.add({ kind: 'look' });
    }
    const ended = others.map((other) => other.askedFor());
    first.add({ kind: 'publish', text: entry(100), isNews: true });
    await Promise.all(ended);
    expect(isAsked).toBe(false);
    expect(others.map(({ offered }) => offered)).toEqual(others.map(() => [entry(100)]));
    expect(first.offered).toEqual([]);
  });

  test('one that fails lets the next one ask', async () => {
    const [first, second] = some(2, memoryStore());
    const begun = first.askedFor();
    first.add({ kind: 'look' });
    await begun;
    const asked = second.askedFor();
    second.add({ kind: 'look' });
    first.add({ kind: 'failed' });
    expect(await asked).toBe('asked');
    expect(second.offered).toEqual([]);
  });

  test('one that ends while it asks does not keep the others waiting', async () => {
    let now = 0;
    const { store, seen } = watched(memoryStore({ clock: () => now }), 'setIfAbsent');
    const [first, second] = some(2, store);
    const begun = first.askedFor();
    first.add({ kind: 'look' });
    await begun;
    await first.sharing.close();
    const asked = second.askedFor();
    const refused = seen();
    second.add({ kind: 'look' });
    expect(await refused).toBe(false);
    now = 3_000;
    expect(await asked).toBe('asked');
  });

  test('what was fetched before is not written over what was fetched later', async () => {
    const store = memoryStore();
    const [first, second] = some(2, store);
    const { store: counted, seen } = watched(store, 'publish');
    const [third] = some(1, counted);
    for (const [replica, fetchedAt] of [
      [first, 100],
      [second, 101],
      [third, 99],
    ]) {
      const published = replica === third ? seen() : undefined;
      replica.add({ kind: 'publish', text: entry(fetchedAt), isNews: replica === third });
      await published;
      for (let turn = 0; turn < 20; turn += 1) await null;
    }
    expect(await store.get(`keys:${SOURCE}`)).toContain(entry(101));
  });

  test('news that could not be sent are sent with the next entry', async () => {
    const memory = memoryStore();
    let isDown = true;
    const set = async (...args) => (isDown ? Promise.reject(new Error('down')) : memory.set(...args));
    const problem = new Promise((resolve) => {
      const [first] = some(1, { ...memory, set }, { onProblem: () => resolve(first) });
      first.add({ kind: 'publish', text: entry(7), isNews: true });
    });
    const [second] = some(1, memory);
    const known = second.askedFor();
    second.add({ kind: 'look' });
    await known;
    const first = await problem;
    isDown = false;
    const taken = new Promise((resolve) => (second.takes = resolve));
    first.add({ kind: 'publish', text: entry(8), isNews: false });
    expect(await taken).toBe(entry(8));
  });

  test('a message has a source read that refreshes have looked for, and no other', async () => {
    const store = memoryStore();
    const [first, second, stranger] = some(3, store);
    const known = second.askedFor();
    second.add({ kind: 'look' });
    await known;
    const taken = new Promise((resolve) => (second.takes = resolve));
    first.add({ kind: 'publish', text: entry(7), isNews: true });
    expect(await taken).toBe(entry(7));
    expect(stranger.offered).toEqual([]);
  });

  test('a new connection has all of them read again', async () => {
    const connects = [];
    const subscribe = async (_channel, _listener, onConnect) => (connects.push(onConnect), async () => {});
    const { store, seen } = watched({ ...memoryStore(), subscribe }, 'set');
    const [first, second] = some(2, store);
    await Promise.all([first, second].map(({ sharing }) => sharing.ready));
    const known = second.askedFor();
    second.add({ kind: 'look' });
    await known;
    const written = seen();
    first.add({ kind: 'publish', text: entry(7), isNews: true });
    await written;
    expect(second.offered).toEqual([]);
    const taken = new Promise((resolve) => (second.takes = resolve));
    connects[1]();
    expect(await taken).toBe(entry(7));
  });

  test('what could not be read when there was a connection is read once it can be', async () => {
    jest.useFakeTimers();
    try {
      const connects = [];
      const subscribe = async (_channel, _listener, onConnect) => (connects.push(onConnect), async () => {});
      const memory = { ...memoryStore(), subscribe };
      let isDown = false;
      const get = async (key) => (isDown ? Promise.reject(new Error('down')) : memory.get(key));
      const [first, second] = some(2, { ...memory, get });
      await jest.advanceTimersByTimeAsync(0);
      second.add({ kind: 'look' });
      await second.askedFor();
      first.add({ kind: 'publish', text: entry(7), isNews: true });
      await jest.advanceTimersByTimeAsync(0);
      isDown = true;
      connects[1]();
      await jest.advanceTimersByTimeAsync(3_000);
      expect(second.offered).toEqual([]);
      isDown = false;
      await jest.advanceTimersByTimeAsync(1_000);
      expect(second.offered).toEqual([entry(7)]);
    } finally {
      jest.useRealTimers();
    }
  });

  test('an entry that cannot be read holds up no other', async () => {
    jest.useFakeTimers();
    try {
      const connects = [];
      const subscribe = async (_channel, _listener, onConnect) => (connects.push(onConnect), async () => {});
      const memory = { ...memoryStore(), subscribe };
      const other = 'b'.repeat(43);
      let bad = () => false;
      const get = async (key) => (bad(key) ? Promise.reject(new Error('WRONGTYPE')) : memory.get(key));
      const [first, second] = some(2, { ...memory, get });
      await jest.advanceTimersByTimeAsync(0);
      for (const source of [SOURCE, other]) second.add({ kind: 'look', source });
      await jest.advanceTimersByTimeAsync(0);
      first.add({ kind: 'publish', text: entry(7), source: other });
      await jest.advanceTimersByTimeAsync(0);
      bad = () => true;
      connects[1]();
      await jest.advanceTimersByTimeAsync(500);
      bad = (key) => key.endsWith(SOURCE);
      await jest.advanceTimersByTimeAsync(5_000);
      expect(second.offered).toEqual([entry(7)]);
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([
    ['of another secret', async (store) => some(1, store, { sharedSecret: 'b'.repeat(32) })],
    ['of no secret', async (store) => void (await store.set(`keys:${SOURCE}`, `${SOURCE} ${entry(9)}.`, 1_000))],
    ['that is no text', async (store) => void (await store.set(`keys:${SOURCE}`, 17, 1_000))],
    ['that is too long', async (store) => void (await store.set(`keys:${SOURCE}`, 'x'.repeat(3e6), 1_000))],
  ])('an entry %s is not offered, and reported once', async (_, poison) => {
    const { store, seen } = watched(memoryStore(), 'set');
    const written = seen();
    const [other] = (await poison(store)) ?? [];
    other?.add({ kind: 'publish', text: entry(9), isNews: true });
    await written;
    const problems = [];
    const [replica] = some(
      1,
      { get: store.get, set: store.set },
      { onProblem: ({ message }) => problems.push(message) },
    );
    for (let time = 0; time < 3; time += 1) {
      const asked = replica.askedFor();
      replica.add({ kind: 'look' });
      await asked;
    }
    expect(replica.offered).toEqual([]);
    expect(problems).toEqual(['keys in the shared store are not authentic']);
  });

  test('the entry of one source says nothing in the place of another', async () => {
    const { store, seen } = watched(memoryStore(), 'set');
    const [first, second] = some(2, store);
    const written = seen();
    first.add({ kind: 'publish', text: entry(9) });
    await written;
    const other = 'b'.repeat(43);
    await store.set(`keys:${other}`, await store.get(`keys:${SOURCE}`), 1_000);
    const asked = second.askedFor(other);
    second.add({ kind: 'look', source: other });
    await asked;
    expect(second.offered).toEqual([]);
  });

  test('a lock that has ended in the store is not taken from the next one', async () => {
    jest.useFakeTimers();
    try {
      const memory = memoryStore({ clock: () => performance.now() });
      // It answers late: by then a part of the lock's time is over.
      const setIfAbsent = async (...args) => {
        const isFirst = await memory.setIfAbsent(...args);
        await new Promise((resolve) => setTimeout(resolve, 900));
        return isFirst;
      };
      const [slow] = some(1, { ...memory, setIfAbsent });
      const [next] = some(1, memory);
      slow.add({ kind: 'look' });
      await jest.advanceTimersByTimeAsync(2_900);
      next.add({ kind: 'look' });
      await jest.advanceTimersByTimeAsync(400);
      const held = await memory.get(`keys-lock:${SOURCE}`);
      slow.add({ kind: 'failed' });
      await jest.advanceTimersByTimeAsync(0);
      expect([typeof held, await memory.get(`keys-lock:${SOURCE}`)]).toEqual(['string', held]);
    } finally {
      jest.useRealTimers();
    }
  });

  test('a store that never subscribes or unsubscribes holds up neither `ready` nor `close`', async () => {
    jest.useFakeTimers();
    try {
      const hanging = () => new Promise(() => {});
      const [first] = replicas(1, { ...memoryStore(), subscribe: hanging });
      const [second] = replicas(1, { ...memoryStore(), subscribe: async () => hanging });
      const closed = second.sharing.ready.then(() => second.sharing.close());
      await jest.advanceTimersByTimeAsync(5_000);
      expect(await Promise.all([first.sharing.ready, second.sharing.ready, closed])).toEqual([false, true, undefined]);
      await first.sharing.close();
    } finally {
      jest.useRealTimers();
    }
  });

  test('a message that is no text is reported, and thrown at nobody', async () => {
    const problems = [];
    const memory = memoryStore();
    const [replica] = some(1, memory, { onProblem: ({ message }) => problems.push(message) });
    await replica.sharing.ready;
    for (const message of [undefined, null, 7, Buffer.from('x')]) await memory.publish('keys', message);
    expect(problems).toEqual(['a message about shared keys is not authentic']);
  });

  test('tasks that cannot be fetched leave no refresh waiting', async () => {
    const state = exchange();
    const closed = new Promise((resolve) => (state.native.close = () => resolve('closed')));
    state.native.next = async () => Promise.reject(new Error('of native code'));
    const problems = [];
    const options = { store: memoryStore(), sharedSecret: SECRET, onProblem: (error) => problems.push(error.message) };
    shareKeys(options, () => state.native);
    expect(await closed).toBe('closed');
    expect(problems).toEqual(['of native code']);
  });

  test('a store that fails or hangs has the provider asked', async () => {
    jest.useFakeTimers();
    try {
      const hanging = () => new Promise(() => {});
      const failing = async () => Promise.reject(new Error('down'));
      for (const call of [hanging, failing]) {
        const problems = [];
        const [replica] = some(1, { get: call, set: call }, { onProblem: (error) => problems.push(error) });
        const asked = replica.askedFor();
        replica.add({ kind: 'look' });
        await jest.advanceTimersByTimeAsync(1_000);
        expect(await asked).toBe('asked');
        expect(problems).toHaveLength(1);
        expect(await replica.sharing.ready).toBe(false);
      }
    } finally {
      jest.useRealTimers();
    }
  });
});

describe.each([
  ['a store that can only get and set', () => (({ get, set }) => ({ get, set }))(memoryStore())],
  ['a Keyv instance', () => new Keyv()],
])('over %s', (_, storeOf) => {
  test('each that finds nothing asks, and what is there is taken', async () => {
    const store = storeOf();
    const [first, second] = replicas(2, store);
    try {
      expect(await first.sharing.ready).toBe(true);
      const asked = [first, second].map((replica) => replica.askedFor());
      for (const replica of [first, second]) replica.add({ kind: 'look' });
      await Promise.all(asked);
      first.add({ kind: 'publish', text: entry(1), isNews: true });
      while ((await store.get(`keys:${SOURCE}`)) === undefined);
      const taken = new Promise((resolve) => (second.takes = resolve));
      second.add({ kind: 'look' });
      expect(await taken).toBe(entry(1));
    } finally {
      await Promise.all([first, second].map(({ sharing }) => sharing.close()));
    }
  });

  test('what needs more of a store refuses it at the start, and says what is missing', () => {
    const store = storeOf();
    expect(() => shareRevocations({ store, sharedSecret: SECRET })).toThrow(/`store` has no function `append`/);
    const policy = { issuer: 'https://issuer.example', audience: 'client' };
    expect(() => backchannelLogout({ policy, store })).toThrow(/`store` must have `setIfAbsent`/);
  });
});
