'use strict';

/** Calls of `resolvePolicy` under way at once in one lane: more than honest callers have while a database answers, and no flood for it. */
const MOST_OPEN = 256;
/** Issuers that have a lane of their own; those whose tokens were accepted longest ago give it up first. A stranger adds none. */
const MOST_PROVEN = 10_000;

/**
 * How many calls of `resolvePolicy` strangers can cause at once. Anybody can write any `iss`, so issuers of which no token was accepted share
 * one lane; each of the others has its own, so that a flood of made-up issuers, or of junk in the name of one, takes nothing from callers of
 * another. What a call gave is kept for nobody: it may depend on the request.
 */
class ResolveLanes {
  /** Calls under way; those of strangers under `undefined`. @type {Map<string | undefined, number>} */
  #open = new Map();
  /** In the order in which their tokens were accepted last. @type {Set<string>} */
  #proven = new Set();

  /** @param {string} issuer @returns {(() => void) | undefined} what ends the call; undefined where it must not begin */
  enter(issuer) {
    const lane = this.#proven.has(issuer) ? issuer : undefined;
    const open = this.#open.get(lane) ?? 0;
    if (open >= MOST_OPEN) return undefined;
    this.#open.set(lane, open + 1);
    return () => {
      const left = (this.#open.get(lane) ?? 1) - 1;
      if (left > 0) this.#open.set(lane, left);
      else this.#open.delete(lane);
    };
  }

  /** @param {string} issuer of a token that was accepted */
  prove(issuer) {
    this.#proven.delete(issuer);
    this.#proven.add(issuer);
    if (this.#proven.size > MOST_PROVEN) this.#proven.delete(/** @type {string} */ (this.#proven.keys().next().value));
  }
}

module.exports = { MOST_OPEN, MOST_PROVEN, ResolveLanes };
