'use strict';

const { ALGORITHMS, NEVER_ACCEPTED, createKey } = require('./keys');

/** @typedef {import('./keys').TestKey} TestKey */

/** The keys of one issuer: those that sign now, those published, and those nobody publishes. */
class KeyRing {
  #alg;
  /** Those that sign, by algorithm. @type {Map<string, TestKey>} */
  #current = new Map();
  /** All there have been, by `kid`. @type {Map<string, { key: TestKey, published: boolean }>} */
  #all = new Map();
  /** @type {Map<string, TestKey>} */
  #forgers = new Map();

  /** @param {string} alg by default */
  constructor(alg) {
    this.#alg = alg;
    this.current(alg);
  }

  /** @param {string} [alg] @returns {TestKey} made when it is first asked for */
  current(alg = this.#alg) {
    const known = this.#current.get(alg);
    if (known !== undefined) return known;
    const key = createKey(alg, `test-${this.#all.size + 1}`);
    this.#current.set(alg, key);
    this.#all.set(key.kid, { key, published: true });
    return key;
  }

  /**
   * The key of that `kid`, else the current one of the algorithm.
   * @param {string | undefined} alg
   * @param {string | undefined} kid
   */
  signer(alg, kid) {
    const isReal = alg === undefined || Object.hasOwn(ALGORITHMS, alg);
    if (!isReal && !NEVER_ACCEPTED.includes(alg)) {
      throw new TypeError(`alg is one of ${[...Object.keys(ALGORITHMS), ...NEVER_ACCEPTED].join(', ')}`);
    }
    const named = kid === undefined ? undefined : this.#all.get(kid)?.key;
    if (named === undefined) return this.current(isReal ? alg : this.#alg);
    // RS256 and PS256 share a type of key; where the types differ there is nothing to sign with.
    if (alg !== undefined && isReal && typeOf(alg) !== typeOf(named.alg)) {
      throw new TypeError(`the key ${kid} cannot sign with ${alg}`);
    }
    return named;
  }

  /** @param {string} alg @returns {TestKey} one that is never published */
  forger(alg) {
    const known = this.#forgers.get(alg) ?? createKey(alg, 'forged');
    this.#forgers.set(alg, known);
    return known;
  }

  /** @returns {string[]} the `kid`s of those that signed until now */
  rotate() {
    const before = [...this.#current.values()];
    this.#current.clear();
    for (const { alg } of before) this.current(alg);
    return before.map(({ kid }) => kid);
  }

  /** @param {string} kid */
  withdraw(kid) {
    const entry = this.#all.get(kid);
    if (entry === undefined) throw new TypeError(`no key of this issuer has the kid ${JSON.stringify(kid)}`);
    entry.published = false;
  }

  /** @returns {Record<string, unknown>[]} */
  published() {
    return [...this.#all.values()].filter(({ published }) => published).map(({ key }) => ({ ...key.jwk }));
  }
}

/** @param {string} alg */
const typeOf = (alg) => JSON.stringify(ALGORITHMS[alg]?.key);

module.exports = { KeyRing };
