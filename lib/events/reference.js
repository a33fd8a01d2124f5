'use strict';

/** Crockford's base32, in ASCII: no letter that is read or heard as another. */
const ALPHABET = Uint8Array.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (letter) => letter.charCodeAt(0));
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
  const at = next;
  next += LENGTH;
  const letter = (/** @type {number} */ place) => /** @type {number} */ (ALPHABET[(pool?.[at + place] ?? 0) & 31]);
  // One call and no list: it is made for each request while somebody listens.
  return String.fromCharCode(
    letter(0),
    letter(1),
    letter(2),
    letter(3),
    letter(4),
    letter(5),
    letter(6),
    letter(7),
    letter(8),
    letter(9),
  );
}

module.exports = { newReference };
