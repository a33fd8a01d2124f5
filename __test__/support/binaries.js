'use strict';

// Native files of a few hundred bytes, with just what a reader of their symbols looks at. Nothing in them runs.

/** Appends texts and remembers where. */
class Strings {
  #bytes = Buffer.alloc(1);
  add(text) {
    const at = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(`${text}\0`)]);
    return at;
  }
  get bytes() {
    return this.#bytes;
  }
}

/** Numbers of the given widths in bytes, little-endian. */
function record(...fields) {
  return Buffer.concat(
    fields.map(([width, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, width);
    }),
  );
}

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);

/**
 * @param {{ machine?: number, type?: number, imports?: { name: string, version?: string, weak?: boolean }[], exports?: string[],
 *   libraries?: string[], sections?: string[], stackFlags?: number, codeFlags?: number, relro?: boolean, tags?: number[], text?: string }} [file]
 */
function elf(file = {}) {
  const { machine = 62, type = 3, imports = [], exports: exported = [], libraries = [], sections: extra = [] } = file;
  const { stackFlags = 6, codeFlags = 5, relro = true, tags = [], text = '' } = file;
  const strings = new Strings();
  const versions = [...new Set(imports.map(({ version }) => version).filter(Boolean))];
  const indexOf = (version) => (version ? versions.indexOf(version) + 2 : 0);

  const symbols = [
    Buffer.alloc(24),
    ...imports.map(({ name, weak }) =>
      record([4, strings.add(name)], [1, (weak ? 2 : 1) << 4], [1, 0], [2, 0], [8, 0], [8, 0]),
    ),
    ...exported.map((name) => record([4, strings.add(name)], [1, 1 << 4], [1, 0], [2, 1], [8, 0], [8, 0])),
  ];
  const versym = [
    record([2, 0]),
    ...imports.map(({ version }) => record([2, indexOf(version)])),
    ...exported.map(() => record([2, 1])),
  ];
  const auxiliary = versions.map((version, index) =>
    record([4, 0], [2, 0], [2, indexOf(version)], [4, strings.add(version)], [4, index + 1 < versions.length ? 16 : 0]),
  );
  const verneed = [record([2, 1], [2, versions.length], [4, strings.add('libc.so.6')], [4, 16], [4, 0]), ...auxiliary];
  const dynamic = [
    ...libraries.map((name) => record([8, 1], [8, strings.add(name)])),
    ...tags.map((tag) => record([8, tag], [8, 0])),
  ];

  const names = new Strings();
  const contents = [
    { name: '.dynstr', type: 3, bytes: strings.bytes },
    { name: '.dynsym', type: 11, bytes: Buffer.concat(symbols), link: 1 },
    { name: '.gnu.version', type: 0x6fffffff, bytes: Buffer.concat(versym), link: 2 },
    { name: '.dynamic', type: 6, bytes: Buffer.concat([...dynamic, record([8, 0], [8, 0])]), link: 1 },
    ...(versions.length > 0
      ? [{ name: '.gnu.version_r', type: 0x6ffffffe, bytes: Buffer.concat(verneed), link: 1, info: 1 }]
      : []),
    ...extra.map((name) => ({ name, type: name === '.symtab' ? 2 : 1, bytes: Buffer.alloc(8) })),
    { name: '.rodata', type: 1, bytes: Buffer.from(`${text}\0`) },
  ];
  const segments = [[1, codeFlags], [0x6474e551, stackFlags], ...(relro ? [[0x6474e552, 4]] : [])];
  return assembled({ machine, type, segments, names, contents });
}

function assembled({ machine, type, segments, names, contents }) {
  let offset = 64 + segments.length * 56;
  const headers = [Buffer.alloc(64)];
  const bodies = [];
  const place = ({ name, type: kind, bytes, link = 0, info = 0 }) => {
    const body = padded(bytes);
    headers.push(
      record(
        [4, names.add(name)],
        [4, kind],
        [8, 0],
        [8, 0],
        [8, offset],
        [8, bytes.length],
        [4, link],
        [4, info],
        [8, 8],
        [8, 0],
      ),
    );
    bodies.push(body);
    offset += body.length;
  };
  contents.forEach(place);
  names.add('.shstrtab');
  place({ name: '.shstrtab', type: 3, bytes: Buffer.concat([names.bytes, Buffer.from('.shstrtab\0')]) });
  const ident = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...Buffer.alloc(9)]);
  const sizes = [
    [2, 64],
    [2, 56],
    [2, segments.length],
    [2, 64],
    [2, headers.length],
    [2, headers.length - 1],
  ];
  return Buffer.concat([
    ident,
    record([2, type], [2, machine], [4, 1], [8, 0], [8, 64], [8, offset], [4, 0], ...sizes),
    ...segments.map(([kind, flags]) => record([4, kind], [4, flags], [8, 0], [8, 0], [8, 0], [8, 0], [8, 0], [8, 8])),
    ...bodies,
    ...headers,
  ]);
}

/**
 * @param {{ machine?: number, characteristics?: number, symbols?: number, sectionFlags?: number, library?: string, imports?: string[], exports?: string[], text?: string }} [file]
 */
function pe(file = {}) {
  const { machine = 0x8664, characteristics = 0x2022, symbols = 0, sectionFlags = 0x40000040 } = file;
  const { library = 'kernel32.dll', imports = ['CreateFileW'], exports: exported = [], text = '' } = file;
  // One section, at the same address in memory as in the file.
  const start = 0x200;
  const body = Buffer.alloc(0x1000);
  let free = 0x400;
  const put = (bytes, at = free) => {
    bytes.copy(body, at - start);
    if (at === free) free += padded(bytes).length;
    return at;
  };
  const hints = imports.map((name) => put(Buffer.from(`\0\0${name}\0`)));
  const thunks = put(Buffer.concat([...hints.map((at) => record([8, at])), record([8, 0])]));
  const table = put(
    Buffer.concat([
      record([4, thunks], [4, 0], [4, 0], [4, put(Buffer.from(`${library}\0`))], [4, thunks]),
      Buffer.alloc(20),
    ]),
  );
  const names = exported.map((name) => put(Buffer.from(`${name}\0`)));
  const list = put(Buffer.concat([...names.map((at) => record([4, at])), record([4, 0])]));
  const directory = put(Buffer.concat([Buffer.alloc(24), record([4, names.length], [4, 0], [4, list], [4, 0])]));
  put(Buffer.from(`${text}\0`));

  const dos = Buffer.alloc(64);
  dos.write('MZ');
  dos.writeUInt32LE(64, 60);
  const optional = Buffer.alloc(240);
  optional.writeUInt16LE(0x20b, 0);
  optional.writeUInt32LE(exported.length > 0 ? directory : 0, 112);
  optional.writeUInt32LE(table, 120);
  const section = [
    Buffer.from('.rdata\0\0'),
    record([4, 0x1000], [4, start], [4, 0x1000], [4, start]),
    Buffer.alloc(12),
    record([4, sectionFlags]),
  ];
  const coff = record([2, machine], [2, 1], [4, 0], [4, symbols], [4, 0], [2, optional.length], [2, characteristics]);
  const head = Buffer.concat([dos, Buffer.from('PE\0\0'), coff, optional, ...section]);
  return Buffer.concat([head, Buffer.alloc(start - head.length), body]);
}

/** @param {{ cpu?: number, type?: number, libraries?: string[], imports?: string[], exports?: string[], local?: string[], rpath?: boolean, text?: string }} [file] */
function machO(file = {}) {
  const {
    cpu = 0x0100000c,
    type = 6,
    libraries = ['/usr/lib/libSystem.B.dylib'],
    imports = [],
    exports: exported = [],
    local = [],
  } = file;
  const strings = new Strings();
  const symbol = (name, kind) => record([4, strings.add(`_${name}`)], [1, kind], [1, 0], [2, 0], [8, 0]);
  const symbols = Buffer.concat([
    ...imports.map((name) => symbol(name, 0x01)),
    ...exported.map((name) => symbol(name, 0x0f)),
    ...local.map((name) => symbol(name, 0x0e)),
  ]);
  const dylibs = libraries.map((name) => {
    const path = padded(Buffer.from(`${name}\0`));
    return Buffer.concat([record([4, 0xc], [4, 24 + path.length], [4, 24], [4, 0], [4, 0], [4, 0]), path]);
  });
  const rpath = file.rpath ? [record([4, 0x8000001c], [4, 16], [8, 0])] : [];
  const before = Buffer.concat([...dylibs, ...rpath]);
  const offset = 32 + before.length + 24;
  const count = symbols.length / 16;
  const symtab = record(
    [4, 2],
    [4, 24],
    [4, offset],
    [4, count],
    [4, offset + symbols.length],
    [4, strings.bytes.length],
  );
  const header = record(
    [4, 0xfeedfacf],
    [4, cpu],
    [4, 0],
    [4, type],
    [4, dylibs.length + rpath.length + 1],
    [4, before.length + 24],
    [8, 0],
  );
  return Buffer.concat([header, before, symtab, symbols, strings.bytes, Buffer.from(`${file.text ?? ''}\0`)]);
}

module.exports = { elf, machO, pe };
