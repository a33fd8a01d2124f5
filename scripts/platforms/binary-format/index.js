'use strict';

// What a native file says of itself without being run: ELF, PE and Mach-O, 64 bits, little-endian. Reads what check-binary.js asks
// about, more than the loader's look at a header. A file that is cut short or of another kind throws.

const { readElf } = require('./elf.js');
const { readMachO } = require('./mach-o.js');
const { readPe } = require('./pe.js');

/**
 * @typedef {object} Binary
 * @property {'elf' | 'pe' | 'mach-o'} format
 * @property {'x64' | 'arm64' | string} cpu
 * @property {boolean} shared whether it is a library to be loaded
 * @property {{ name: string, version?: string, weak: boolean }[]} imports symbols others must provide
 * @property {string[]} exports
 * @property {string[]} libraries it asks for by name
 * @property {boolean} stripped neither symbol table nor debug information
 * @property {string[]} hazards what makes an attack easier: writable code, a search path of its own
 */

/** @param {Buffer} bytes @returns {Binary} */
function readBinary(bytes) {
  if (bytes.length < 64) throw new RangeError('too short for a native file');
  if (bytes.readUInt32BE(0) === 0x7f454c46) return readElf(bytes);
  if (bytes.readUInt16LE(0) === 0x5a4d) return readPe(bytes);
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return readMachO(bytes);
  throw new RangeError('neither ELF nor PE nor Mach-O of 64 bits');
}

module.exports = { readBinary };
