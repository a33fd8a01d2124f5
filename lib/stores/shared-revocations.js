'use strict';

// Revocations that every replica knows: one list in the shared store, and a channel on which each new one is published.

const { addRevocations, revocationText } = require('../verifier/revocation');
const { inTime } = require('./circuit-breaker');
const { proofs } = require('./proof');
const { reporter, requireFunctions, requireSecret } = require('./shared-options');

/**
 * @typedef {import('../../stores').SharedStore} SharedStore
 * @typedef {import('../../stores').SharedRevocations} SharedRevocations
 * @typedef {import('../../stores').SharedRevocationsOptions} Options
 */

const LIST = 'revocations';
const PURPOSE = 'remote-agent-auth/revocation/1';
/** Characters of a message that are looked at: 500 members. */
const LONGEST_MESSAGE = 131_072;
/** Revocations made here that are written again when the store is back: one that has lost its data has them again. */
const MOST_OWN = 10_000;
/** Milliseconds until what could not be written is tried again. */
const AGAIN = 1_000;
/** Milliseconds between two readings of the list, for messages that are lost without a sign; more where reading takes long. */
const READ_EVERY = 15_000;
/** The part of the time that may be spent reading: one in so many. */
const READING_SHARE = 20;

/** What runs later; it keeps no process alive. @typedef {(work: () => void, milliseconds: number) => () => void} Timer */

/** @type {Timer} */
const later = (work, milliseconds) => {
  const timer = setTimeout(work, milliseconds).unref();
  return () => clearTimeout(timer);
};

/**
 * @param {Options} options
 * @param {Timer} [timer]
 * @returns {SharedRevocations}
 */
function shareRevocations(options, timer = later) {
  const { store, sharedSecret, onProblem = () => {} } = options ?? /** @type {Partial<Options>} */ ({});
  requireFunctions('shareRevocations', store, ['append', 'read', 'publish', 'subscribe']);
  requireSecret('shareRevocations', { sharedSecret, onProblem });
  const shared = new SharedList(/** @type {Required<SharedStore>} */ (store), sharedSecret, onProblem, timer);
  const revocations = Object.freeze({
    ready: shared.begin(),
    revoke: (/** @type {import('../../index').Revocation} */ revocation) => shared.add([revocationText(revocation)]),
    close: () => shared.close(),
  });
  lists.set(revocations, shared);
  return revocations;
}

/** The lists behind what hosts are given. @type {WeakMap<object, SharedList>} */
const lists = new WeakMap();

/** @param {unknown} revocations @returns {SharedList | undefined} */
function listOf(revocations) {
  return typeof revocations === 'object' && revocations !== null ? lists.get(revocations) : undefined;
}

class SharedList {
  #store;
  #proofs;
  #problem;
  /** Made here, and when they end. @type {Map<string, number>} */
  #own = new Map();
  /** Not written yet. @type {Set<string>} */
  #unwritten = new Set();
  #timer;
  /** What stops the next try. @type {(() => void) | undefined} */
  #stopTrying;
  /** What stops the next reading. @type {(() => void) | undefined} */
  #stopReading;
  /** @type {(() => Promise<void>) | undefined} */
  #unsubscribe;
  #isClosed = false;

  /** @param {Required<SharedStore>} store @param {string} secret @param {(error: Error) => void} onProblem @param {Timer} timer */
  constructor(store, secret, onProblem, timer) {
    this.#store = store;
    this.#proofs = proofs(secret, PURPOSE);
    this.#problem = reporter(onProblem);
    this.#timer = timer;
  }

  /** Whether the list has been read: false where the store could not be, and what is known here counts alone until it can. */
  async begin() {
    /** @type {Promise<boolean> | undefined} */
    let first;
    const onConnect = () => {
      const done = this.#synchronise();
      first ??= done;
      return done;
    };
    try {
      await inTime(this.#subscribe(onConnect));
    } catch (error) {
      this.#problem(error);
    }
    this.#readAgain(0);
    return (await first) ?? this.#synchronise();
  }

  /** @param {() => void} onConnect */
  async #subscribe(onConnect) {
    this.#unsubscribe = await this.#store.subscribe(
      LIST,
      (message) => this.#receive(message),
      onConnect,
      (error) => this.#problem(error),
    );
    if (this.#isClosed) await this.#unsubscribe();
  }

  /** A connection of a cluster may be lost without a sign: what was published meanwhile is in the list. @param {number} took milliseconds */
  #readAgain(took) {
    if (this.#isClosed) return;
    this.#stopReading = this.#timer(
      async () => {
        const began = performance.now();
        try {
          await this.#store.read(LIST, (members) => this.#take(members));
        } catch (error) {
          this.#problem(error);
        }
        this.#readAgain(performance.now() - began);
      },
      Math.max(READ_EVERY, READING_SHARE * took),
    );
  }

  /** @param {string[]} texts @returns {Promise<{ shared: boolean }>} */
  async add(texts) {
    // Here first: whatever the store does, this process refuses the token from now on.
    addRevocations(texts);
    for (const text of texts) this.#remember(text);
    return { shared: await this.#write() };
  }

  async close() {
    this.#isClosed = true;
    this.#stopTrying?.();
    this.#stopReading?.();
    // It ends here, whatever the store does.
    if (this.#unsubscribe !== undefined) await inTime(this.#unsubscribe()).catch(() => {});
  }

  /** @param {string} text */
  #remember(text) {
    const now = Date.now() / 1000;
    for (const [own, until] of this.#own) {
      if (until > now && this.#own.size < MOST_OWN) break;
      this.#own.delete(own);
      this.#unwritten.delete(own);
    }
    this.#own.set(text, endOf(text));
    this.#unwritten.add(text);
  }

  /** The list of the store read, and what was made here written to it again. */
  async #synchronise() {
    if (this.#isClosed) return false;
    try {
      await this.#store.read(LIST, (members) => this.#take(members));
      for (const own of this.#own.keys()) this.#unwritten.add(own);
      return this.#write();
    } catch (error) {
      this.#later();
      this.#problem(error);
      return false;
    }
  }

  /** @returns {Promise<boolean>} */
  async #write() {
    const texts = [...this.#unwritten];
    if (texts.length === 0) return true;
    try {
      const members = texts.map((text) => ({ text: this.#proofs.signed(text), until: endOf(text) }));
      await this.#store.append(LIST, members);
      // A replica that receives one can read it from the list already.
      for (let at = 0; at < members.length; at += 500) {
        await this.#store.publish(
          LIST,
          members
            .slice(at, at + 500)
            .map(({ text }) => text)
            .join('\n'),
        );
      }
      for (const text of texts) this.#unwritten.delete(text);
      return true;
    } catch (error) {
      this.#later();
      this.#problem(error);
      return false;
    }
  }

  #later() {
    if (this.#isClosed || this.#stopTrying !== undefined) return;
    this.#stopTrying = this.#timer(() => {
      this.#stopTrying = undefined;
      this.#synchronise();
    }, AGAIN);
  }

  /** @param {unknown} message */
  #receive(message) {
    if (typeof message === 'string' && message.length <= LONGEST_MESSAGE) this.#take(message.split('\n'));
    else this.#problem(new Error('a message about revocations is too long, or no text'));
  }

  /** Those with a proof that one of us made them. Whoever can write to the store alone revokes nothing. @param {string[]} members */
  #take(members) {
    const texts = members.map((member) => this.#proofs.proven(member)).filter((text) => text !== undefined);
    if (texts.length < members.length) this.#problem(new Error('a revocation in the shared store is not authentic'));
    if (texts.length > 0) addRevocations(texts);
  }
}

/** Seconds since 1970. @param {string} text of a revocation */
function endOf(text) {
  return Number(text.slice(text.lastIndexOf('.') + 1));
}

module.exports = { listOf, shareRevocations };
