'use strict';

// The arguments of `npm run providers`.

const PROVIDERS = ['keycloak', 'hydra'];

/**
 * @typedef {object} Options
 * @property {boolean} json rows as JSON on stdout, and nothing else there
 * @property {string[]} only the providers to run
 * @property {number} rotations how many new signing keys
 * @property {number} interval seconds from one to the next
 */

/**
 * @param {string[]} words
 * @returns {Options}
 * @throws {Error} for an argument nobody knows, or a value that is none
 */
function parseOptions(words) {
  const options = { json: false, only: PROVIDERS, rotations: 4, interval: 20 };
  const rest = [...words];
  const positive = (/** @type {string} */ name) => {
    const value = Number(rest.shift());
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number from 1`);
    return value;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--json') options.json = true;
    // The schedule that field reports were made with: every key lives longer than a source of keys (60 s).
    else if (word === '--long') Object.assign(options, { rotations: 8, interval: 75 });
    else if (word === '--rotations') options.rotations = positive(word);
    else if (word === '--interval') options.interval = positive(word);
    else if (word === '--only' && PROVIDERS.includes(rest[0] ?? '')) options.only = [String(rest.shift())];
    else
      throw new Error(
        `no such argument: ${word}; there are --json, --long, --rotations N, --interval SECONDS, --only ${PROVIDERS.join('|')}`,
      );
  }
  return options;
}

module.exports = { PROVIDERS, parseOptions };
