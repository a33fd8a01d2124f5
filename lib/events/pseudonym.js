'use strict';

/** @type {Buffer | undefined} */
let pseudonymKey;

/**
 * A stand-in for personal data in a log line or an event: equal values look equal within one process, and the
 * value cannot be guessed from the line, not even by trying every address in the company (the key is
 * random and never leaves the process).
 * @param {string} value
 * @returns {string} 16 hexadecimal digits
 */
function pseudonym(value) {
  // Here, because loading it takes milliseconds that most processes need not spend.
  const { createHmac, randomBytes } = require('node:crypto');
  pseudonymKey ??= randomBytes(32);
  return createHmac('sha256', pseudonymKey).update(value, 'utf8').digest('hex').slice(0, 16);
}

module.exports = { pseudonym };
