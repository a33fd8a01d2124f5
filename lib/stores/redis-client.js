'use strict';

const { wrongOption } = require('../verifier/errors');

/**
 * Redis's commands as this package uses them, over a client of the host's. Nothing of either package is required: a client is
 * recognised by what it can do, so that clusters and sentinels are what the host has set up.
 * @typedef {object} Commands
 * @property {(key: string, most: number) => Promise<string | undefined>} get at most so many bytes of it
 * @property {(key: string, value: string, ttlMs: number, onlyIfAbsent: boolean) => Promise<boolean>} set whether it was set
 * @property {(key: string) => Promise<unknown>} del
 * @property {(key: string, members: { text: string, until: number }[]) => Promise<unknown>} add to a sorted set, by their ends
 * @property {(key: string, until: number) => Promise<unknown>} dropUntil
 * @property {(key: string, milliseconds: number) => Promise<unknown>} expire
 * @property {(key: string, cursor: string) => Promise<{ cursor: string, texts: string[] }>} scan
 * @property {(channel: string, message: string) => Promise<unknown>} publish
 * @property {(channel: string, listener: (message: string) => void, onConnect: () => void, onProblem: (error: Error) => void) =>
 *   Promise<() => Promise<void>>} subscribe
 */

/** Members of a page of a sorted set, about. */
const PAGE = 1_000;
/** Milliseconds until a subscription that could not be made is tried again. */
const AGAIN = 1_000;

/** ioredis, 4 and newer, a cluster too. @param {any} client @returns {Commands} */
function ofIoredis(client) {
  return {
    get: async (key, most) => (await client.getrange(key, 0, most)) || undefined,
    set: async (key, value, ttlMs, onlyIfAbsent) =>
      (await client.set(key, value, 'PX', ttlMs, ...(onlyIfAbsent ? ['NX'] : []))) === 'OK',
    del: (key) => client.del(key),
    add: (key, members) => client.zadd(key, ...members.flatMap(({ text, until }) => [until, text])),
    dropUntil: (key, until) => client.zremrangebyscore(key, '-inf', until),
    expire: (key, milliseconds) => client.pexpire(key, milliseconds),
    scan: async (key, cursor) => {
      const [next, list] = await client.zscan(key, cursor, 'COUNT', PAGE);
      return {
        cursor: String(next),
        texts: list.filter((/** @type {string} */ _, /** @type {number} */ i) => i % 2 === 0),
      };
    },
    publish: (channel, message) => client.publish(channel, message),
    subscribe: async (channel, listener, onConnect, onProblem) => {
      // A subscribed connection can do nothing else.
      const own = client.duplicate();
      // Reported by the commands; without a listener it would end the process.
      own.on('error', () => {});
      own.on('message', (/** @type {string} */ from, /** @type {string} */ message) => {
        if (from === channel) listener(message);
      });
      /** @type {NodeJS.Timeout | undefined} */
      let timer;
      let hasEnded = false;
      const subscribe = () => {
        clearTimeout(timer);
        return own.subscribe(channel).then(onConnect, (/** @type {Error} */ error) => {
          if (hasEnded) return;
          timer = setTimeout(subscribe, AGAIN).unref();
          onProblem(error);
        });
      };
      // Each time the connection is made: what was published meanwhile has to be read.
      own.on('ready', subscribe);
      if (own.status === 'ready') await subscribe();
      else if (own.status === 'wait') own.connect().catch(() => {});
      return async () => {
        hasEnded = true;
        clearTimeout(timer);
        own.removeAllListeners('ready');
        own.disconnect();
      };
    },
  };
}

/** node-redis, 4 and newer, a cluster too. @param {any} client @returns {Commands} */
function ofNodeRedis(client) {
  return {
    get: async (key, most) => (await client.getRange(key, 0, most)) || undefined,
    set: async (key, value, ttlMs, onlyIfAbsent) =>
      (await client.set(key, value, onlyIfAbsent ? { PX: ttlMs, NX: true } : { PX: ttlMs })) === 'OK',
    del: (key) => client.del(key),
    add: (key, members) =>
      client.zAdd(
        key,
        members.map(({ text, until }) => ({ score: until, value: text })),
      ),
    dropUntil: (key, until) => client.zRemRangeByScore(key, '-inf', until),
    expire: (key, milliseconds) => client.pExpire(key, milliseconds),
    scan: async (key, cursor) => {
      const page = await client.zScan(key, cursor, { COUNT: PAGE });
      return { cursor: String(page.cursor), texts: page.members.map((/** @type {any} */ member) => member.value) };
    },
    publish: (channel, message) => client.publish(channel, message),
    subscribe: async (channel, listener, onConnect, onProblem) =>
      nodeRedisSubscription(client, channel, { listener, onConnect, onProblem }),
  };
}

/**
 * A subscription over a connection of its own, made anew until it counts. A cluster refuses to subscribe before it has connected, and has
 * no event `ready`; a single client waits in `connect` for a server that is not there yet.
 * @param {any} client
 * @param {string} channel
 * @param {{ listener: (message: string) => void, onConnect: () => void, onProblem: (error: Error) => void }} callbacks
 * @returns {() => Promise<void>} what ends it
 */
function nodeRedisSubscription(client, channel, { listener, onConnect, onProblem }) {
  /** @type {any} */
  let own;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  let hasEnded = false;
  const attempt = async () => {
    try {
      const made = client.duplicate();
      own = made;
      made.on('error', () => {});
      await made.connect();
      await made.subscribe(channel, listener);
      if (hasEnded) return;
      // It subscribes anew by itself when it has connected again.
      made.on('ready', () => setImmediate(onConnect));
      onConnect();
    } catch (error) {
      await closed(own);
      if (hasEnded) return;
      timer = setTimeout(attempt, AGAIN).unref();
      onProblem(/** @type {Error} */ (error));
    }
  };
  void attempt();
  return async () => {
    hasEnded = true;
    clearTimeout(timer);
    await closed(own);
  };
}

/** Closed at once, whatever its state. @param {any} own */
async function closed(own) {
  try {
    own.removeAllListeners('ready');
    if (typeof own.destroy === 'function') await own.destroy();
    else await own.disconnect();
  } catch {
    // There is none, or it was not open.
  }
}

/** @param {any} client @returns {Commands} */
function commandsOf(client) {
  if (typeof client?.defineCommand === 'function' && typeof client.zscan === 'function') return ofIoredis(client);
  if (typeof client?.zScan === 'function' && typeof client.duplicate === 'function') return ofNodeRedis(client);
  throw wrongOption('redisStore: `client` must be a client of ioredis or of redis (node-redis), connected by the host');
}

module.exports = { commandsOf };
