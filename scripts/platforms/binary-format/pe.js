'use strict';

// PE (Microsoft's PE/COFF specification).

const { textAt } = require('./bytes.js');

/** @typedef {import('./index.js').Binary} Binary */

const PE_CPU = new Map([
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
]);

/** @param {Buffer} bytes @returns {Binary} */
function readPe(bytes) {
  const header = bytes.readUInt32LE(60);
  if (textAt(bytes, header) !== 'PE') throw new RangeError('no PE header');
  const sectionCount = bytes.readUInt16LE(header + 6);
  const optional = header + 24;
  if (bytes.readUInt16LE(optional) !== 0x20b) throw new RangeError('not 64 bits');
  const sectionTable = optional + bytes.readUInt16LE(header + 20);
  const sections = Array.from({ length: sectionCount }, (_, index) => {
    const at = sectionTable + index * 40;
    const [size, address, stored, offset] = [8, 12, 16, 20].map((field) => bytes.readUInt32LE(at + field));
    return {
      size: Math.max(size ?? 0, stored ?? 0),
      address: address ?? 0,
      offset: offset ?? 0,
      flags: bytes.readUInt32LE(at + 36),
    };
  });
  /** @param {number} address where the loader puts it @returns {number} where it is in the file */
  const at = (address) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size);
    if (!section) throw new RangeError(`no section at ${address}`);
    return address - section.address + section.offset;
  };
  /** @param {number} index */
  const directory = (index) => bytes.readUInt32LE(optional + 112 + index * 8);

  /** @type {Pick<Binary, 'imports' | 'libraries'>} */
  const { imports, libraries } = { imports: [], libraries: [] };
  for (let entry = directory(1) && at(directory(1)); entry && bytes.readUInt32LE(entry + 12) !== 0; entry += 20) {
    libraries.push(textAt(bytes, at(bytes.readUInt32LE(entry + 12))));
    const names = bytes.readUInt32LE(entry) || bytes.readUInt32LE(entry + 16);
    for (let thunk = at(names); bytes.readBigUInt64LE(thunk) !== 0n; thunk += 8) {
      // The highest bit marks an import by number.
      const byNumber = bytes.readBigUInt64LE(thunk) >> 63n;
      if (!byNumber) imports.push({ name: textAt(bytes, at(bytes.readUInt32LE(thunk)) + 2), weak: false });
    }
  }
  const exported = directory(0) && at(directory(0));
  const names = exported ? at(bytes.readUInt32LE(exported + 32)) : 0;
  const [write, execute] = [0x80000000, 0x20000000];
  return {
    format: 'pe',
    cpu: PE_CPU.get(bytes.readUInt16LE(header + 4)) ?? `machine ${bytes.readUInt16LE(header + 4)}`,
    shared: (bytes.readUInt16LE(header + 22) & 0x2000) !== 0,
    imports,
    exports: Array.from({ length: exported ? bytes.readUInt32LE(exported + 24) : 0 }, (_, index) =>
      textAt(bytes, at(bytes.readUInt32LE(names + index * 4))),
    ),
    libraries,
    stripped: bytes.readUInt32LE(header + 12) === 0,
    hazards: sections.some(({ flags }) => flags & write && flags & execute) ? ['writable code'] : [],
  };
}

module.exports = { readPe };
