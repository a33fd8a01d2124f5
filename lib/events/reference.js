'use strict';

/** Crockford's base32: no letter that is read or heard as another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 50 random bits: nobody guesses that of another caller, and a million of them hold a pair once in two thousand times. */
const LENGTH = 10;
/** Bytes drawn at once: a draw costs a microsecond, however many it is for. */
const POOL = 4096;

/** @type {Buffer | undefined} */
let pool;
let next = POOL;

/** @returns {string} what a caller can name a refusal by, and an operator can find its log line by */
function newReference() {
  if (next + LENGTH > POOL) {
    // Here, because loading it takes milliseconds that most processes need not spend.
    pool = require('node:crypto').randomFillSync(pool ?? Buffer.alloc(POOL));
    next = 0;
  }
  let reference = '';
  for (const end = next + LENGTH; next < end; next += 1) {
    reference += ALPHABET[/** @type {number} */ (pool?.[next]) & 31];
  }
  return reference;
}

module.exports = { newReference };
