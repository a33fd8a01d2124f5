'use strict';

// Mach-O (Apple's loader.h and nlist.h).

const { textAt } = require('./bytes.js');

/** @typedef {import('./index.js').Binary} Binary */

const MACH_CPU = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
]);
const [LC_SYMTAB, LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_RPATH] = [2, 0xc, 0x80000018, 0x8000001c];

/** @param {Buffer} bytes @returns {Binary} */
function readMachO(bytes) {
  /** @type {Binary} */
  const file = {
    format: 'mach-o',
    cpu: MACH_CPU.get(bytes.readUInt32LE(4)) ?? `cpu ${bytes.readUInt32LE(4)}`,
    shared: [6, 8].includes(bytes.readUInt32LE(12)),
    imports: [],
    exports: [],
    libraries: [],
    stripped: true,
    hazards: [],
  };
  let command = 32;
  for (let left = bytes.readUInt32LE(16); left > 0; left -= 1) {
    const kind = bytes.readUInt32LE(command);
    if (kind === LC_LOAD_DYLIB || kind === LC_LOAD_WEAK_DYLIB) {
      file.libraries.push(textAt(bytes, command + bytes.readUInt32LE(command + 8)));
    }
    if (kind === LC_RPATH) file.hazards.push('a library search path of its own');
    if (kind === LC_SYMTAB) readMachSymbols(bytes, command, file);
    command += bytes.readUInt32LE(command + 4);
  }
  return file;
}

/** @param {Buffer} bytes @param {number} command @param {Binary} file what is found is added to it */
function readMachSymbols(bytes, command, file) {
  const [symbols, count, strings] = [
    bytes.readUInt32LE(command + 8),
    bytes.readUInt32LE(command + 12),
    bytes.readUInt32LE(command + 16),
  ];
  for (let index = 0; index < count; index += 1) {
    const at = symbols + index * 16;
    const [type, description] = [bytes.readUInt8(at + 4), bytes.readUInt16LE(at + 6)];
    const name = textAt(bytes, strings + bytes.readUInt32LE(at)).replace(/^_/, '');
    const [debug, external, defined] = [type & 0xe0, type & 1, type & 0x0e];
    // The first name is strip's own mark that it was here.
    if (debug || !external) file.stripped &&= name === 'radr://5614542';
    else if (defined) file.exports.push(name);
    else file.imports.push({ name, weak: (description & 0x40) !== 0 });
  }
}

module.exports = { readMachO };
