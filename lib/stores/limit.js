'use strict';

/** So many at once; the others wait in their order. */
class Limit {
  #free;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} most */
  constructor(most) {
    this.#free = most;
  }

  /** @returns {Promise<void> | void} */
  enter() {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

module.exports = { Limit };
