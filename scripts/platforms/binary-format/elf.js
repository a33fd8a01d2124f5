'use strict';

// ELF (System V ABI), with GNU symbol versions.

const { textAt, wordAt } = require('./bytes.js');

/** @typedef {import('./index.js').Binary} Binary */

const ELF_CPU = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);
const [SHT_SYMTAB, SHT_DYNAMIC, SHT_DYNSYM, SHT_VERNEED, SHT_VERSYM] = [2, 6, 11, 0x6ffffffe, 0x6fffffff];
const [PT_LOAD, PT_GNU_STACK, PT_GNU_RELRO] = [1, 0x6474e551, 0x6474e552];
const [DT_NEEDED, DT_RPATH, DT_TEXTREL, DT_RUNPATH] = [1, 15, 22, 29];

/** @typedef {{ name: number, type: number, offset: number, size: number, link: number, info: number }} Section */

/** @param {Buffer} bytes @returns {Section[]} */
function elfSections(bytes) {
  const [start, size, count] = [wordAt(bytes, 40), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      name: bytes.readUInt32LE(at),
      type: bytes.readUInt32LE(at + 4),
      offset: wordAt(bytes, at + 24),
      size: wordAt(bytes, at + 32),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    };
  });
}

/** @param {Buffer} bytes @param {Section} section the one of SHT_GNU_verneed @param {number} strings */
function elfVersions(bytes, section, strings) {
  /** @type {Map<number, string>} */
  const versions = new Map();
  let file = section.offset;
  for (let left = section.info; left > 0; left -= 1) {
    let entry = file + bytes.readUInt32LE(file + 8);
    for (let more = bytes.readUInt16LE(file + 2); more > 0; more -= 1) {
      versions.set(bytes.readUInt16LE(entry + 6), textAt(bytes, strings + bytes.readUInt32LE(entry + 8)));
      entry += bytes.readUInt32LE(entry + 12);
    }
    file += bytes.readUInt32LE(file + 12);
  }
  return versions;
}

/** @param {Buffer} bytes @param {Section[]} sections */
function elfSymbols(bytes, sections) {
  const table = sections.find(({ type }) => type === SHT_DYNSYM);
  if (!table) throw new RangeError('no dynamic symbols');
  const strings = /** @type {Section} */ (sections[table.link]).offset;
  const needed = sections.find(({ type }) => type === SHT_VERNEED);
  const versions = needed ? elfVersions(bytes, needed, strings) : new Map();
  const indices = sections.find(({ type }) => type === SHT_VERSYM);
  /** @type {Pick<Binary, 'imports' | 'exports'>} */
  const found = { imports: [], exports: [] };
  for (let index = 1; index * 24 < table.size; index += 1) {
    const at = table.offset + index * 24;
    const name = textAt(bytes, strings + bytes.readUInt32LE(at));
    const undefinedHere = bytes.readUInt16LE(at + 6) === 0;
    const version = indices && versions.get(bytes.readUInt16LE(indices.offset + index * 2) & 0x7fff);
    if (!undefinedHere) found.exports.push(name);
    else found.imports.push({ name, ...(version && { version }), weak: bytes.readUInt8(at + 4) >> 4 === 2 });
  }
  return found;
}

/** @param {Buffer} bytes @param {Section[]} sections */
function elfDynamic(bytes, sections) {
  const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
  if (!dynamic) throw new RangeError('no dynamic section');
  const strings = /** @type {Section} */ (sections[dynamic.link]).offset;
  const entries = Array.from({ length: Math.floor(dynamic.size / 16) }, (_, index) => ({
    tag: wordAt(bytes, dynamic.offset + index * 16),
    value: wordAt(bytes, dynamic.offset + index * 16 + 8),
  }));
  const tags = new Set(entries.map(({ tag }) => tag));
  return {
    libraries: entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => textAt(bytes, strings + value)),
    hazards: [
      ...(tags.has(DT_RPATH) || tags.has(DT_RUNPATH) ? ['a library search path of its own'] : []),
      ...(tags.has(DT_TEXTREL) ? ['relocations in code'] : []),
    ],
  };
}

/** @param {Buffer} bytes @returns {string[]} */
function elfSegmentHazards(bytes) {
  const [start, size, count] = [wordAt(bytes, 32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const segments = Array.from({ length: count }, (_, index) => ({
    type: bytes.readUInt32LE(start + index * size),
    flags: bytes.readUInt32LE(start + index * size + 4),
  }));
  const [write, execute] = [2, 1];
  const stack = segments.find(({ type }) => type === PT_GNU_STACK);
  return [
    ...(segments.some(({ type, flags }) => type === PT_LOAD && flags & write && flags & execute)
      ? ['writable code']
      : []),
    ...(!stack || stack.flags & execute ? ['an executable stack'] : []),
    ...(segments.some(({ type }) => type === PT_GNU_RELRO) ? [] : ['relocation tables left writable']),
  ];
}

/** @param {Buffer} bytes @returns {Binary} */
function readElf(bytes) {
  if (bytes.readUInt8(4) !== 2 || bytes.readUInt8(5) !== 1) throw new RangeError('not 64 bits little-endian');
  const sections = elfSections(bytes);
  const names = /** @type {Section} */ (sections[bytes.readUInt16LE(62)]).offset;
  const debug = sections.some(({ name }) => textAt(bytes, names + name).startsWith('.debug_'));
  const { libraries, hazards } = elfDynamic(bytes, sections);
  return {
    format: 'elf',
    cpu: ELF_CPU.get(bytes.readUInt16LE(18)) ?? `machine ${bytes.readUInt16LE(18)}`,
    shared: bytes.readUInt16LE(16) === 3,
    ...elfSymbols(bytes, sections),
    libraries,
    stripped: !debug && !sections.some(({ type }) => type === SHT_SYMTAB),
    hazards: [...hazards, ...elfSegmentHazards(bytes)],
  };
}

module.exports = { readElf };
