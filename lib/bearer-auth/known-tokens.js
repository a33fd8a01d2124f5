'use strict';

/** @typedef {import('./issuers').Entry} Entry */

/** Tokens of one generation, and their characters together; at most twice as many are kept. */
const CAPACITY = 5_000;
const CHARACTERS = 16_000_000;
/** Characters at a token's end by which tokens differ, enough to look one up: part of the signature. */
const TAIL = 24;

/**
 * Which of several policies accepted tokens were checked by, so that their `iss` need not be read again. It chooses a policy and nothing
 * else: the verifier checks the token by it as ever. Two generations: what is asked for again moves to the young one.
 */
class KnownTokens {
  /** @type {Map<string, { token: string, entry: Entry }>} */
  #young = new Map();
  /** @type {Map<string, { token: string, entry: Entry }>} */
  #old = new Map();
  #characters = 0;

  /** @param {string} token @returns {Entry | undefined} */
  find(token) {
    const tail = token.slice(-TAIL);
    const known = this.#young.get(tail) ?? this.#old.get(tail);
    // In full: the end alone says nothing of the claims before it.
    return known?.token === token ? known.entry : undefined;
  }

  /** @param {string} token that was accepted: a stranger cannot fill it @param {Entry} entry */
  keep(token, entry) {
    const tail = token.slice(-TAIL);
    const known = this.#young.get(tail);
    if (known?.entry === entry && known.token === token) return;
    if (this.#young.size >= CAPACITY || this.#characters + token.length > CHARACTERS) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#characters = 0;
    }
    this.#characters += token.length;
    this.#young.set(tail, { token, entry });
  }

  clear() {
    this.#young.clear();
    this.#old.clear();
    this.#characters = 0;
  }
}

module.exports = { KnownTokens };
