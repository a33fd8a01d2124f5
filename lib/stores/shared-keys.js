'use strict';

// Keys that one replica has fetched and the others import. Native code says when a refresh begins and what it brought; the store is
// asked here. Whatever becomes of the store, a refresh goes on: then the provider is asked, as without sharing.

const { randomBytes } = require('node:crypto');
const { exchangeKeys } = require('../verifier/native-check');
const { circuitBreaker, inTime, limitedStores } = require('./circuit-breaker');
const { Limit } = require('./limit');
const { proofs } = require('./proof');
const { reporter, requireKeyStore, requireSecret } = require('./shared-options');

/**
 * @typedef {import('../../stores').SharedKeysOptions['store']} Store
 * @typedef {import('../../stores').SharedKeys} SharedKeys
 * @typedef {import('../../stores').SharedKeysOptions} Options
 * @typedef {import('../../binding').KeyStoreTask} StoreTask
 * @typedef {import('../../binding').KeyExchange} Exchange
 */

const CHANNEL = 'keys';
const ENTRY = 'remote-agent-auth/shared-keys/1';
const MESSAGE = 'remote-agent-auth/shared-keys-message/1';
/** Milliseconds an entry is kept: as long as keys serve while a provider is down (`maxStale`, by default). */
const KEPT = 4 * 60 * 60 * 1000;
/** Characters of an entry that are looked at, and written: a store of ours reads no more. */
const LONGEST_ENTRY = 2 * 1024 * 1024;
/** Characters of a message: a digest, an id and a proof. */
const LONGEST_MESSAGE = 256;
/** Milliseconds for which one replica alone asks a provider: more than most of them need. One that ends meanwhile holds up the others as long. */
const LOCKED = 3_000;
/** Milliseconds that a refresh waits for another replica's: native code waits for a second more. */
const PATIENCE = 5_000;
/** Milliseconds between two looks for what another replica is fetching, where no message comes. */
const PAUSE = 250;
/** Milliseconds until sources that could not be read are tried again. */
const AGAIN = 1_000;
/** Milliseconds between two readings of a source because of messages: who has kept one can send it as often as they like. */
const BETWEEN_READINGS = 100;
/** Milliseconds for one call of a store that has no time limit of its own. */
const TIMEOUT = 1_000;
/** Calls of the store under way at once. */
const MOST_AT_ONCE = 64;
/** Sources that are read again when the store is back: as many as there are slots. */
const MOST_SOURCES = 10_000;

/**
 * @param {Options} options
 * @param {() => Exchange} [exchangeOf]
 * @returns {SharedKeys}
 */
function shareKeys(options, exchangeOf = exchangeKeys) {
  const { store, sharedSecret, onProblem = () => {} } = options ?? /** @type {Partial<Options>} */ ({});
  requireKeyStore(store);
  requireSecret('shareKeys', { sharedSecret, onProblem });
  const sharing = new KeySharing(store, sharedSecret, onProblem, exchangeOf());
  return Object.freeze({ ready: sharing.begin(), close: () => sharing.close() });
}

class KeySharing {
  #store;
  #entries;
  #messages;
  #report;
  #exchange;
  /** In messages: one's own say nothing new. */
  #id = randomBytes(9).toString('base64url');
  #guarded;
  #limit = new Limit(MOST_AT_ONCE);
  /** Sources that refreshes have looked for. @type {Set<string>} */
  #sources = new Set();
  /** What ends the pause of a look. @type {Map<string, () => void>} */
  #pauses = new Map();
  /** Sources that are being read because of a message, and whether another one has come. @type {Map<string, boolean>} */
  #reading = new Map();
  /** Sources that could not be read when they should have been. @type {Set<string>} */
  #unread = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** Sources whose keys are news that the others have not been sent. @type {Set<string>} */
  #news = new Set();
  /** Until when this replica alone may ask, by the monotonic clock. @type {Map<string, number>} */
  #locks = new Map();
  /** @type {(() => Promise<void>) | undefined} */
  #unsubscribe;
  #isClosed = false;

  /** @param {Store} store @param {string} secret @param {(error: Error) => void} onProblem @param {Exchange} exchange */
  constructor(store, secret, onProblem, exchange) {
    this.#store = store;
    this.#guarded = limitedStores.has(store)
      ? unguarded
      : circuitBreaker({ timeoutMs: TIMEOUT, isAnswer: () => false });
    this.#entries = proofs(secret, ENTRY);
    this.#messages = proofs(secret, MESSAGE);
    this.#report = reporter(onProblem);
    this.#exchange = exchange;
  }

  /** Whether the store answers. */
  async begin() {
    this.#serve().catch((error) => {
      this.#problem(error);
      // Refreshes must not wait for what nobody does.
      this.#exchange.close();
    });
    try {
      await inTime(this.#subscribe());
      await this.#call(() => this.#store.get('keys'));
      return true;
    } catch (error) {
      this.#problem(error);
      return false;
    }
  }

  async close() {
    this.#isClosed = true;
    this.#exchange.close();
    clearTimeout(this.#timer);
    for (const end of this.#pauses.values()) end();
    // It ends here, whatever the store does.
    if (this.#unsubscribe !== undefined) await inTime(this.#unsubscribe()).catch(() => {});
  }

  async #subscribe() {
    if (this.#store.subscribe === undefined) return;
    this.#unsubscribe = await this.#store.subscribe(
      CHANNEL,
      (message) => this.#receive(message),
      // What was published while there was no connection is in the store.
      () => this.#readAll(),
      (error) => this.#problem(error),
    );
    if (this.#isClosed) await this.#unsubscribe();
  }

  /** Does what native code wants done, for as long as this is open. */
  async #serve() {
    for (;;) {
      const tasks = await this.#exchange.next();
      if (tasks === null) return;
      for (const task of tasks) this.#run(task);
    }
  }

  /** @param {StoreTask} task */
  async #run({ kind, source, text, isNews }) {
    try {
      if (kind === 'look') await this.#look(source);
      else if (kind === 'publish') await this.#publish(source, String(text), isNews);
      else await this.#unlock(source);
    } catch (error) {
      this.#problem(error);
    } finally {
      // Whoever still waits has waited long enough.
      if (kind === 'look') this.#exchange.askProvider(source);
    }
  }

  /** For a refresh that waits: what another replica has, or the right to ask the provider. @param {string} source */
  async #look(source) {
    this.#remember(source);
    if (!(await this.#take(source)) || this.#store.setIfAbsent === undefined) return;
    const until = performance.now() + PATIENCE;
    while (!this.#isClosed && performance.now() < until) {
      // Before the store is asked: there the lock ends no later.
      const lockedUntil = performance.now() + LOCKED;
      const isFirst = await this.#call(() => this.#store.setIfAbsent?.(lockOf(source), this.#id, LOCKED));
      if (isFirst) {
        this.#locks.set(source, lockedUntil);
        // Another one may have published since the look, and given its lock back.
        if (!(await this.#take(source))) await this.#unlock(source);
        return;
      }
      await this.#pause(source, PAUSE);
      if (!(await this.#take(source))) return;
    }
  }

  /** Offers the entry of the store, where it is ours. @param {string} source @returns {Promise<boolean>} whether a refresh still waits */
  async #take(source) {
    const value = await this.#call(() => this.#store.get(keyOf(source)));
    if (value === undefined || value === null) return true;
    const text = typeof value === 'string' && value.length <= LONGEST_ENTRY ? this.#entries.proven(value) : undefined;
    // What is proved is the entry of one source: it says nothing in the place of another.
    if (!text?.startsWith(`${source} `)) {
      this.#problem(new Error('keys in the shared store are not authentic'));
      return true;
    }
    const { problem, isKnown, isAwaited } = await this.#exchange.offer(source, text.slice(source.length + 1));
    if (problem !== undefined && !isKnown)
      this.#problem(new Error(`keys in the shared store are not taken: ${problem}`));
    return isAwaited;
  }

  /** @param {string} source @param {string} text @param {boolean} isNews */
  async #publish(source, text, isNews) {
    this.#remember(source);
    if (isNews && this.#news.size < MOST_SOURCES) this.#news.add(source);
    try {
      const entry = this.#entries.signed(`${source} ${text}`);
      if (entry.length > LONGEST_ENTRY) throw new Error('a key set is too long to be shared');
      if (!(await this.#hasNewer(source, text))) await this.#call(() => this.#store.set(keyOf(source), entry, KEPT));
      // Also those of an earlier time, when the store was down.
      if (this.#news.has(source) && this.#store.publish !== undefined) {
        const message = this.#messages.signed(`${source} ${this.#id}`);
        await this.#call(() => this.#store.publish?.(CHANNEL, message));
        this.#news.delete(source);
      }
    } finally {
      await this.#unlock(source);
    }
  }

  /** Whether the store has what was fetched later: an older answer never replaces a newer one. @param {string} source @param {string} text */
  async #hasNewer(source, text) {
    // What cannot be read, too long or of another type, is written over.
    const value = await this.#call(() => this.#store.get(keyOf(source))).catch(() => undefined);
    const there = typeof value === 'string' && value.length <= LONGEST_ENTRY ? this.#entries.proven(value) : undefined;
    if (!there?.startsWith(`${source} `)) return false;
    const other = fetchedAtOf(there.slice(source.length + 1));
    // One of a clock that is ahead must not keep it from being replaced.
    return other > fetchedAtOf(text) && other <= Date.now() / 1000;
  }

  /** Lets another replica ask the provider. @param {string} source */
  async #unlock(source) {
    const until = this.#locks.get(source);
    if (until === undefined) return;
    this.#locks.delete(source);
    // One that has ended may be another's by now.
    if (performance.now() < until) await this.#call(() => this.#store.delete?.(lockOf(source)));
  }

  /** @param {unknown} message */
  #receive(message) {
    const text =
      typeof message === 'string' && message.length <= LONGEST_MESSAGE ? this.#messages.proven(message) : undefined;
    const [source, id] = text?.split(' ') ?? [];
    if (source === undefined) return this.#problem(new Error('a message about shared keys is not authentic'));
    if (id === this.#id) return;
    const end = this.#pauses.get(source);
    if (end !== undefined) end();
    else if (this.#sources.has(source)) this.#read(source);
  }

  /** One reading of a source at a time, and one more for all messages that came meanwhile. @param {string} source */
  async #read(source) {
    if (this.#reading.has(source)) return void this.#reading.set(source, true);
    try {
      do {
        this.#reading.set(source, false);
        await this.#take(source);
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_READINGS).unref());
      } while (this.#reading.get(source));
    } catch (error) {
      this.#readLater(source);
      this.#problem(error);
    } finally {
      this.#reading.delete(source);
    }
  }

  #readAll() {
    for (const source of this.#sources) this.#read(source);
  }

  /** A store that has just come back may be left alone for a while yet. @param {string} source */
  #readLater(source) {
    this.#unread.add(source);
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#readUnread(), AGAIN).unref();
  }

  /**
   * Reads one source first: while the store is down all would fail. Where it fails it goes to the end, since that entry alone may be unreadable.
   */
  async #readUnread() {
    this.#timer = undefined;
    const [first, ...others] = this.#unread;
    this.#unread.clear();
    try {
      if (first !== undefined) await this.#take(first);
      for (const source of others) this.#read(source);
    } catch {
      for (const source of [...others, first]) if (source !== undefined) this.#readLater(source);
    }
  }

  /** @param {string} source */
  #remember(source) {
    // In the order of their last refreshes.
    this.#sources.delete(source);
    this.#sources.add(source);
    if (this.#sources.size > MOST_SOURCES) {
      this.#sources.delete(/** @type {string} */ (this.#sources.values().next().value));
    }
  }

  /** Ends with a message about the source, too. @param {string} source @param {number} milliseconds @returns {Promise<void>} */
  #pause(source, milliseconds) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#pauses.delete(source);
        resolve();
      };
      const timer = setTimeout(end, milliseconds).unref();
      this.#pauses.set(source, end);
    });
  }

  /** @template T @param {() => Promise<T> | undefined} call @returns {Promise<T>} */
  async #call(call) {
    await this.#limit.enter();
    try {
      return await this.#guarded(async () => /** @type {T} */ (await call()));
    } finally {
      this.#limit.leave();
    }
  }

  /** @param {unknown} error */
  #problem(error) {
    if (!this.#isClosed) this.#report(error);
  }
}

/** When an entry was fetched, in seconds since 1970; NaN where it is none. @param {string} text @returns {number} */
function fetchedAtOf(text) {
  try {
    return Number(JSON.parse(text).fetchedAt);
  } catch {
    return Number.NaN;
  }
}

/** @template T @param {() => Promise<T>} call @returns {Promise<T>} */
const unguarded = (call) => call();

/** @param {string} source */
const keyOf = (source) => `keys:${source}`;
/** @param {string} source */
const lockOf = (source) => `keys-lock:${source}`;

module.exports = { shareKeys };
