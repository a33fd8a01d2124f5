'use strict';

const { wrongOption } = require('../verifier/errors');
const { StoreError, circuitBreaker, limitedStores } = require('./circuit-breaker');
const { commandsOf } = require('./redis-client');

/** @typedef {import('../../stores').SharedStore} SharedStore */

/** Before every key and channel, where the host names nothing else. */
const PREFIX = 'remote-agent-auth:';
/** Milliseconds for one command. */
const TIMEOUT_MS = 500;
/** Bytes of a value that are read: more is no value of ours, and is not fetched. */
const MAX_VALUE_BYTES = 2 * 1024 * 1024;
/** Members of a list that are read, and the longest of them: whoever can write to Redis must not fill our memory. */
const MOST_MEMBERS = 1_000_000;
const LONGEST_MEMBER = 512;
/** Members sent by one command. */
const BATCH = 500;
/** What Redis says at the beginning of its refusals: an answer, so it is not down. */
const REFUSED = /^(?:BUSY|ERR|EXECABORT|MISCONF|NOAUTH|NOPERM|NOSCRIPT|OOM|READONLY|WRONGPASS|WRONGTYPE)\b/;

/** @param {unknown} error */
const isAnswer = (error) => error instanceof Error && REFUSED.test(error.message);

/**
 * A store over the host's own client of Redis. The client is neither connected nor closed here.
 * @param {object} client of ioredis or node-redis
 * @param {{ prefix?: string, timeoutMs?: number }} [options]
 * @returns {SharedStore}
 */
function redisStore(client, { prefix = PREFIX, timeoutMs = TIMEOUT_MS } = {}) {
  if (typeof prefix !== 'string' || prefix === '') throw wrongOption('redisStore: `prefix` must be text, not empty');
  if (!(Number.isFinite(timeoutMs) && timeoutMs >= 10 && timeoutMs <= 60_000)) {
    throw wrongOption('redisStore: `timeoutMs` must be a number of milliseconds from 10 to 60000');
  }
  const redis = commandsOf(client);
  const guarded = circuitBreaker({ timeoutMs, isAnswer });
  const named = (/** @type {string} */ key) => `${prefix}${key}`;
  const whole = (/** @type {number} */ ttlMs) => Math.max(1, Math.ceil(ttlMs));
  /** @type {SharedStore} */
  const store = {
    async get(key) {
      const value = await guarded(() => redis.get(named(key), MAX_VALUE_BYTES));
      if (value !== undefined && value.length > MAX_VALUE_BYTES)
        throw new StoreError('a value of the store is too long');
      return value;
    },
    set: async (key, value, ttlMs) => void (await guarded(() => redis.set(named(key), value, whole(ttlMs), false))),
    delete: async (key) => void (await guarded(() => redis.del(named(key)))),
    setIfAbsent: (key, value, ttlMs) => guarded(() => redis.set(named(key), value, whole(ttlMs), true)),
    async append(list, members) {
      for (let at = 0; at < members.length; at += BATCH) {
        await guarded(() => redis.add(named(list), members.slice(at, at + BATCH)));
      }
      // A convenience: what has ended is not read either.
      await guarded(() => redis.dropUntil(named(list), Math.floor(Date.now() / 1000)));
    },
    async read(list, page) {
      let cursor = '0';
      let count = 0;
      do {
        const found = await guarded(() => redis.scan(named(list), cursor));
        page(found.texts.filter((text) => typeof text === 'string' && text.length <= LONGEST_MEMBER));
        count += found.texts.length;
        cursor = found.cursor;
      } while (cursor !== '0' && count < MOST_MEMBERS);
    },
    publish: async (channel, message) => void (await guarded(() => redis.publish(named(channel), message))),
    subscribe: (channel, listener, onConnect = () => {}, onProblem = () => {}) =>
      redis.subscribe(named(channel), (message) => listener(String(message)), onConnect, onProblem),
  };
  limitedStores.add(store);
  return Object.freeze(store);
}

module.exports = { redisStore };
