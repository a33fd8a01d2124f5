'use strict';

const { EventEmitter } = require('node:events');
const { BoundedMap } = require('./bounded-map');

/**
 * @typedef {import('../../stores').SharedStore} SharedStore
 */

/** Members of a list; the oldest go first. */
const MOST_MEMBERS = 1_000_000;

/**
 * A store of this process alone: for one replica, and for tests. It is bounded; the least recently used entries go first.
 * @param {{ maxEntries?: number, clock?: () => number }} [options]
 * @returns {SharedStore}
 */
function memoryStore({ maxEntries, clock = Date.now } = {}) {
  const entries = new BoundedMap({ most: maxEntries, clock });
  /** Lists by name: each member and the seconds since 1970 at which it ends. @type {Map<string, Map<string, number>>} */
  const lists = new Map();
  const channels = new EventEmitter().setMaxListeners(0);
  /** @type {SharedStore} */
  const store = {
    get: async (key) => /** @type {string | undefined} */ (entries.get(key)),
    set: async (key, value, ttlMs) => void entries.set(key, value, ttlMs),
    delete: async (key) => void entries.delete(key),
    setIfAbsent: async (key, value, ttlMs) => entries.get(key) === undefined && entries.set(key, value, ttlMs),
    append: async (list, members) => {
      const known = lists.get(list) ?? new Map();
      lists.set(list, known);
      for (const { text, until } of members) {
        known.set(text, until);
        if (known.size > MOST_MEMBERS) known.delete(known.keys().next().value);
      }
    },
    read: async (list, page) => {
      const known = lists.get(list) ?? new Map();
      for (const [text, until] of known) if (until * 1000 <= clock()) known.delete(text);
      if (known.size > 0) page([...known.keys()]);
    },
    publish: async (channel, message) => void channels.emit(channel, message),
    subscribe: async (channel, listener, onConnect) => {
      channels.on(channel, listener);
      onConnect?.();
      return async () => void channels.off(channel, listener);
    },
  };
  return Object.freeze(store);
}

module.exports = { memoryStore };
