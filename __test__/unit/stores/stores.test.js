'use strict';

// Every store by the same table; Redis is a real one, over both clients.

const IORedis = require('ioredis');
const { createClient, createCluster } = require('redis');
const { memoryStore, redisStore } = require('../../../lib/stores');
const { circuitBreaker } = require('../../../lib/stores/circuit-breaker');
const { shareRevocations } = require('../../../lib/stores/shared-revocations');
const { describeWith } = require('../../support/needs');
const { installRedis, startRedis } = require('../../support/redis');

const missing = installRedis();

/** @param {() => import('../../../stores').SharedStore} storeOf */
function fulfils(storeOf) {
  test('a value is there until it is deleted', async () => {
    const store = storeOf();
    expect(await store.get('a')).toBeUndefined();
    await store.set('a', 'é"1\n', 60_000);
    expect(await store.get('a')).toBe('é"1\n');
    await store.set('a', '2', 60_000.5);
    expect(await store.get('a')).toBe('2');
    await store.delete('a');
    expect(await store.get('a')).toBeUndefined();
  });

  test('of many who set it at once, one is first', async () => {
    const store = storeOf();
    const first = await Promise.all(Array.from({ length: 50 }, () => store.setIfAbsent('once', '1', 60_000)));
    expect(first.filter(Boolean)).toHaveLength(1);
    expect(await store.setIfAbsent('once', '2', 60_000)).toBe(false);
    expect(await store.get('once')).toBe('1');
  });

  test('a list has each of its members once, and those that have ended no longer', async () => {
    const store = storeOf();
    const until = Math.floor(Date.now() / 1000) + 60;
    const members = Array.from({ length: 2_000 }, (_, index) => ({ text: `m${index}`, until }));
    await store.append('list', [...members, { text: 'past', until: 1 }]);
    await store.append('list', members.slice(0, 10));
    const found = [];
    await store.read('list', (page) => found.push(...page));
    expect([...new Set(found)].sort()).toEqual(members.map(({ text }) => text).sort());
  });

  test('who has subscribed hears what is published, and nothing of other channels', async () => {
    const store = storeOf();
    const heard = [];
    let connected;
    const connection = new Promise((resolve) => (connected = resolve));
    const said =
      Promise.withResolvers?.() ??
      (() => {
        const it = {};
        it.promise = new Promise((resolve) => (it.resolve = resolve));
        return it;
      })();
    const end = await store.subscribe(
      'news',
      (message) => {
        heard.push(message);
        said.resolve();
      },
      connected,
    );
    await connection;
    await store.publish('other', 'no');
    await store.publish('news', 'yes');
    await said.promise;
    expect(heard).toEqual(['yes']);
    await end();
  });
}

describe('memoryStore', () => {
  fulfils(() => memoryStore());

  test('keeps so many entries, and none past its time', async () => {
    let now = 0;
    const store = memoryStore({ maxEntries: 2, clock: () => now });
    for (const key of ['a', 'b', 'c']) await store.set(key, key, 100);
    expect(await Promise.all(['a', 'b', 'c'].map((key) => store.get(key)))).toEqual([undefined, 'b', 'c']);
    now = 100;
    expect(await store.get('c')).toBeUndefined();
    expect(await store.setIfAbsent('c', 'd', 100)).toBe(true);
  });
});

describeWith('redis-server', missing, { required: true })('redisStore', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let redis;
  let io;
  let node;
  beforeAll(async () => {
    redis = await startRedis();
    io = new IORedis.Redis(redis.port, '127.0.0.1', { retryStrategy: () => 50 });
    io.on('error', () => {});
    node = createClient({ socket: { port: redis.port, host: '127.0.0.1', reconnectStrategy: 50 } });
    node.on('error', () => {});
    await node.connect();
  }, 200_000);
  afterAll(async () => {
    io.disconnect();
    node.destroy();
    await redis.kill();
  });
  beforeEach(() => io.flushall());

  describe('over ioredis', () => fulfils(() => redisStore(io)));
  describe('over node-redis', () => fulfils(() => redisStore(node)));

  test.each(['ioredis', 'node-redis'])(
    'over %s a value of another type or size is an error and none of ours',
    async (which) => {
      const store = redisStore(which === 'ioredis' ? io : node, { prefix: 'p:' });
      await io.rpush('p:list', 'a');
      for (let time = 0; time < 10; time += 1)
        await expect(store.get('list')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      await io.setrange('p:huge', 5_000_000, 'x');
      await expect(store.get('huge')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      // Neither makes the store count as down.
      await store.set('a', 'b', 1_000);
      expect(await store.get('a')).toBe('b');
      expect(await io.get('p:a')).toBe('b');
    },
  );

  test.each(['ioredis', 'node-redis'])(
    'over %s a Redis that is gone is an error at once, and is found again',
    async (which) => {
      const store = redisStore(which === 'ioredis' ? io : node, { timeoutMs: 200 });
      await redis.kill();
      for (let time = 0; time < 3; time += 1)
        await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
      const begun = performance.now();
      await Promise.all(
        Array.from({ length: 1_000 }, () =>
          expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' }),
        ),
      );
      expect(performance.now() - begun).toBeLessThan(2_000);
      await redis.start();
      const again = async () => {
        try {
          await store.set('a', 'back', 1_000);
          return store.get('a');
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50));
          return again();
        }
      };
      expect(await again()).toBe('back');
    },
  );
});

describeWith('redis-server', missing, { required: true })('redisStore over a cluster', () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let redis;
  let admin;
  let io;
  let node;
  beforeAll(async () => {
    redis = await startRedis({ isCluster: true });
    admin = new IORedis.Redis(redis.port, '127.0.0.1');
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    io = new IORedis.Cluster([{ host: '127.0.0.1', port: redis.port }]);
    io.on('error', () => {});
    node = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${redis.port}` }] });
    node.on('error', () => {});
    await node.connect();
  }, 200_000);
  afterAll(async () => {
    io.disconnect();
    node.destroy();
    admin.disconnect();
    await redis.kill();
  });
  beforeEach(() => admin.flushall());

  describe('of ioredis', () => fulfils(() => redisStore(io)));
  describe('of node-redis', () => fulfils(() => redisStore(node)));
});

/** A client of node-redis as far as a subscription needs it. @param {object} connection */
const subscribing = (connection) => ({
  zScan() {},
  duplicate: () => ({ on() {}, removeAllListeners() {}, ...connection }),
});

describe('a subscription that cannot be made', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'performance'] }));
  afterEach(() => jest.useRealTimers());

  test.each(['connect', 'subscribe'])(
    'over node-redis: a failure of `%s` is reported and tried again',
    async (which) => {
      let isDown = true;
      const said = [];
      const failing = { connect: async () => {}, subscribe: async () => {}, destroy: () => said.push('closed') };
      failing[which] = async () => {
        if (isDown) throw new Error('NOPERM');
      };
      const client = subscribing(failing);
      const store = redisStore(client);
      const onConnect = () => said.push('connected');
      const end = await store.subscribe(
        'a',
        () => {},
        onConnect,
        (error) => said.push(error.message),
      );
      await jest.advanceTimersByTimeAsync(0);
      expect(said).toEqual(['closed', 'NOPERM']);
      isDown = false;
      await jest.advanceTimersByTimeAsync(1_000);
      expect(said).toEqual(['closed', 'NOPERM', 'connected']);
      await end();
      expect(said.at(-1)).toBe('closed');
      expect(jest.getTimerCount()).toBe(0);
    },
  );

  test('over ioredis: it is reported and tried again', async () => {
    let isDown = true;
    const said = [];
    const own = {
      status: 'ready',
      on() {},
      removeAllListeners() {},
      disconnect() {},
      subscribe: async () => {
        if (isDown) throw new Error('NOPERM');
      },
    };
    const store = redisStore({ defineCommand() {}, zscan() {}, duplicate: () => own });
    const onConnect = () => said.push('connected');
    const end = await store.subscribe(
      'a',
      () => {},
      onConnect,
      (error) => said.push(error.message),
    );
    expect(said).toEqual(['NOPERM']);
    isDown = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(said).toEqual(['NOPERM', 'connected']);
    await end();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('shareRevocations', () => {
  const sharedSecret = 's'.repeat(32);
  const until = Math.floor(Date.now() / 1000) + 600;
  /** Timers that a test runs by hand. */
  function timers() {
    const due = [];
    const timer = (work, milliseconds) => {
      const entry = { work, milliseconds };
      due.push(entry);
      return () => due.splice(due.indexOf(entry), 1);
    };
    const run = (milliseconds) =>
      due
        .splice(
          due.findIndex((entry) => entry.milliseconds === milliseconds),
          1,
        )[0]
        ?.work();
    return { due, run, timer };
  }

  test.each([
    ['no options', undefined, '`store` has no function `append`'],
    ['an `onProblem` that is none', { store: memoryStore(), sharedSecret, onProblem: 'log' }, '`onProblem` must be'],
  ])('refuses %s', (_, options, message) => {
    expect(() => shareRevocations(options)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
    expect(() => shareRevocations(options)).toThrow(message);
  });

  test('a store that never subscribes or unsubscribes holds up neither `ready` nor `close`', async () => {
    jest.useFakeTimers();
    try {
      const hanging = () => new Promise(() => {});
      const stores = [hanging, async () => hanging].map((subscribe) => ({ ...memoryStore(), subscribe }));
      const lists = stores.map((store) => shareRevocations({ store, sharedSecret }, timers().timer));
      const closed = Promise.all(lists.map(async (list) => (await list.ready, list.close())));
      await jest.advanceTimersByTimeAsync(10_000);
      expect(await Promise.all(lists.map(({ ready }) => ready))).toEqual([true, true]);
      expect(await closed).toEqual([undefined, undefined]);
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([
    ['no text', undefined],
    ['too long', 'x'.repeat(131_073)],
  ])('a message that is %s is reported, and thrown at nobody', async (_, message) => {
    const [memory, problems] = [memoryStore(), []];
    const onProblem = (error) => problems.push(error.message);
    const list = shareRevocations({ store: memory, sharedSecret, onProblem }, timers().timer);
    await list.ready;
    await memory.publish('revocations', message);
    expect(problems).toEqual(['a message about revocations is too long, or no text']);
    await list.close();
  });

  test('what no message announced is read from the list', async () => {
    const store = memoryStore();
    const reads = [];
    const deaf = {
      ...store,
      subscribe: async () => async () => {},
      read: (list, page) => store.read(list, (members) => (reads.push(members.length), page(members))),
    };
    const { due, run, timer } = timers();
    const [writer, reader] = [
      { store, sharedSecret },
      { store: deaf, sharedSecret },
    ];
    const revocations = shareRevocations(reader, timer);
    expect(await revocations.ready).toBe(true);
    const other = shareRevocations(writer, timers().timer);
    await other.revoke({ sub: 'read-again', issuer: 'https://idp.example', until });
    expect(reads).toEqual([]);
    for (const round of [1, 2]) {
      await run(15_000);
      expect([reads.length, due.map(({ milliseconds }) => milliseconds)]).toEqual([round, [15_000]]);
    }
    await Promise.all([revocations.close(), other.close()]);
    expect(due).toEqual([]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('the host’s');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('the host’s');
      },
    ],
  ])('`onProblem` that %s neither stops the retry nor fails the call', async (_name, onProblem) => {
    let isDown = true;
    const memory = memoryStore();
    const append = async (...args) => (isDown ? Promise.reject(new Error('down')) : memory.append(...args));
    const { run, timer } = timers();
    const revocations = shareRevocations({ store: { ...memory, append }, sharedSecret, onProblem }, timer);
    await revocations.ready;
    const sub = 'shared-later';
    expect(await revocations.revoke({ sub, issuer: 'https://idp.example', until })).toEqual({ shared: false });
    await expect(memory.publish('revocations', 'junk')).resolves.toBeUndefined();
    isDown = false;
    run(1_000);
    await new Promise(setImmediate);
    const members = [];
    await memory.read('revocations', (page) => members.push(...page));
    expect(members).toHaveLength(1);
    await revocations.close();
  });
});

test.each([{}, null, { get() {} }, undefined])('redisStore refuses %p, which is no client', (client) => {
  expect(() => redisStore(client)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
});

describe('circuitBreaker', () => {
  const down = () => Promise.reject(new Error('ECONNREFUSED'));

  test('asks no more after three failures in a row, but once at the end of each rest', async () => {
    let now = 0;
    let asked = 0;
    const guarded = circuitBreaker({ timeoutMs: 100, isAnswer: () => false, clock: () => now });
    const call = () => guarded(() => ((asked += 1), down())).catch((error) => error.code);
    for (let time = 0; time < 10; time += 1) expect(await call()).toBe('ERR_STORE_UNAVAILABLE');
    expect(asked).toBe(3);
    now = 500;
    await Promise.all([call(), call(), call()]);
    expect(asked).toBe(4);
    now = 1_499;
    await call();
    expect(asked).toBe(4);
    now = 1_500;
    expect(await guarded(async () => 'up')).toBe('up');
    await call();
    expect(asked).toBe(5);
  });

  test('waits no longer than its time, and keeps no more than its number waiting', async () => {
    const guarded = circuitBreaker({ timeoutMs: 10, isAnswer: () => false });
    const never = () => new Promise(() => {});
    const all = await Promise.allSettled(Array.from({ length: 1_001 }, () => guarded(never)));
    expect(all.every(({ status }) => status === 'rejected')).toBe(true);
    expect(all.at(-1).reason.message).toContain('under way');
    expect(all[0].reason.message).toContain('10 ms');
  });
});
