'use strict';

// Reading from a file's bytes; past their end is a RangeError.

/** @param {Buffer} bytes @param {number} at @returns {string} up to the next NUL */
function textAt(bytes, at) {
  const end = bytes.indexOf(0, at);
  if (at < 0 || at >= bytes.length || end < 0) throw new RangeError(`no text at ${at}`);
  return bytes.toString('latin1', at, end);
}

/** @param {Buffer} bytes @param {number} at */
const wordAt = (bytes, at) => Number(bytes.readBigUInt64LE(at));

module.exports = { textAt, wordAt };
