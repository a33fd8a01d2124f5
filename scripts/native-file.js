'use strict';

// What a native file says of itself: ELF, PE and Mach-O, 64 bits, little-endian, without running it. Reads only what check-binary.js
// asks about. A file that is cut short or of another kind throws.

/**
 * @typedef {object} NativeFile
 * @property {'elf' | 'pe' | 'mach-o'} format
 * @property {'x64' | 'arm64' | string} cpu
 * @property {boolean} shared whether it is a library to be loaded
 * @property {{ name: string, version?: string, weak: boolean }[]} imports symbols others must provide
 * @property {string[]} exports
 * @property {string[]} libraries it asks for by name
 * @property {boolean} stripped neither symbol table nor debug information
 * @property {string[]} hazards what makes an attack easier: writable code, a search path of its own
 */

/** @param {Buffer} bytes @param {number} at @returns {string} up to the next NUL */
function textAt(bytes, at) {
  const end = bytes.indexOf(0, at);
  if (at < 0 || at >= bytes.length || end < 0) throw new RangeError(`no text at ${at}`);
  return bytes.toString('latin1', at, end);
}

/** @param {Buffer} bytes @param {number} at */
const wordAt = (bytes, at) => Number(bytes.readBigUInt64LE(at));

// ---- ELF (System V ABI; GNU symbol versions)

const ELF_CPU = new Map([[62, 'x64'], [183, 'arm64']]);
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
  /** @type {Pick<NativeFile, 'imports' | 'exports'>} */
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
    ...(segments.some(({ type, flags }) => type === PT_LOAD && flags & write && flags & execute) ? ['writable code'] : []),
    ...(!stack || stack.flags & execute ? ['an executable stack'] : []),
    ...(segments.some(({ type }) => type === PT_GNU_RELRO) ? [] : ['relocation tables left writable']),
  ];
}

/** @param {Buffer} bytes @returns {NativeFile} */
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

// ---- PE (Microsoft's PE/COFF specification)

const PE_CPU = new Map([[0x8664, 'x64'], [0xaa64, 'arm64']]);

/** @param {Buffer} bytes @returns {NativeFile} */
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
    return { size: Math.max(size ?? 0, stored ?? 0), address: address ?? 0, offset: offset ?? 0, flags: bytes.readUInt32LE(at + 36) };
  });
  /** @param {number} address where the loader puts it @returns {number} where it is in the file */
  const at = (address) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size);
    if (!section) throw new RangeError(`no section at ${address}`);
    return address - section.address + section.offset;
  };
  /** @param {number} index */
  const directory = (index) => bytes.readUInt32LE(optional + 112 + index * 8);

  /** @type {Pick<NativeFile, 'imports' | 'libraries'>} */
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

// ---- Mach-O (Apple's loader.h and nlist.h)

const MACH_CPU = new Map([[0x01000007, 'x64'], [0x0100000c, 'arm64']]);
const [LC_SYMTAB, LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_RPATH] = [2, 0xc, 0x80000018, 0x8000001c];

/** @param {Buffer} bytes @returns {NativeFile} */
function readMachO(bytes) {
  /** @type {NativeFile} */
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

/** @param {Buffer} bytes @param {number} command @param {NativeFile} file what is found is added to it */
function readMachSymbols(bytes, command, file) {
  const [symbols, count, strings] = [bytes.readUInt32LE(command + 8), bytes.readUInt32LE(command + 12), bytes.readUInt32LE(command + 16)];
  for (let index = 0; index < count; index += 1) {
    const at = symbols + index * 16;
    const [type, description] = [bytes.readUInt8(at + 4), bytes.readUInt16LE(at + 6)];
    const name = textAt(bytes, strings + bytes.readUInt32LE(at)).replace(/^_/, '');
    const [debug, external, defined] = [type & 0xe0, type & 1, type & 0x0e];
    if (debug || !external) file.stripped &&= name === 'radr://5614542';
    else if (defined) file.exports.push(name);
    else file.imports.push({ name, weak: (description & 0x40) !== 0 });
  }
}

/** @param {Buffer} bytes @returns {NativeFile} */
function readNativeFile(bytes) {
  if (bytes.length < 64) throw new RangeError('too short for a native file');
  if (bytes.readUInt32BE(0) === 0x7f454c46) return readElf(bytes);
  if (bytes.readUInt16LE(0) === 0x5a4d) return readPe(bytes);
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return readMachO(bytes);
  throw new RangeError('neither ELF nor PE nor Mach-O of 64 bits');
}

module.exports = { readNativeFile };
