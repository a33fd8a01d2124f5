'use strict';

// What the first bytes of a native file say about it: enough to know before it is loaded that it cannot be, and why.

const { closeSync, fstatSync, openSync, readSync } = require('node:fs');

/** Bytes read: the header of any of the formats; that of a Windows file lies behind a short program for DOS. */
const HEADER_BYTES = 4096;

/** `e_machine` of ELF, `cputype` of Mach-O, `Machine` of PE. */
const ARCH = Object.freeze({
  elf: new Map([
    [62, 'x64'],
    [183, 'arm64'],
    [3, 'ia32'],
    [40, 'arm'],
    [243, 'riscv64'],
    [22, 's390x'],
    [21, 'ppc64'],
    [258, 'loong64'],
  ]),
  'mach-o': new Map([
    [0x01000007, 'x64'],
    [0x0100000c, 'arm64'],
  ]),
  pe: new Map([
    [0x8664, 'x64'],
    [0xaa64, 'arm64'],
    [0x014c, 'ia32'],
  ]),
});

/**
 * @typedef {object} NativeFile
 * @property {'elf' | 'mach-o' | 'pe' | 'none'} format `none`: no native file at all
 * @property {string} arch as `process.arch` writes it; `any` for a Mach-O file of several
 * @property {number} size bytes
 * @property {boolean} whole whether it is a native file that has all the bytes its header speaks of
 */

/** Where the segments and the table of sections end. @param {Buffer} head */
function endOfElf(head) {
  const sections = Number(head.readBigUInt64LE(0x28)) + head.readUInt16LE(0x3a) * head.readUInt16LE(0x3c);
  const first = Number(head.readBigUInt64LE(0x20));
  const step = head.readUInt16LE(0x36);
  const ends = [sections];
  for (let n = 0, at = first; n < head.readUInt16LE(0x38) && at + 0x28 <= head.length; n += 1, at += step) {
    ends.push(Number(head.readBigUInt64LE(at + 0x08) + head.readBigUInt64LE(at + 0x20)));
  }
  return Math.max(...ends);
}

/** @param {Buffer} head @returns {Pick<NativeFile, 'format' | 'arch'> & { end: number }} */
function readHeader(head) {
  const none = /** @type {const} */ ({ format: 'none', arch: '', end: Infinity });
  if (head.length < 64) return none;
  if (head.readUInt32BE(0) === 0x7f454c46) {
    const ours = head[4] === 2 && head[5] === 1; // 64 bits, little-endian
    return ours
      ? { format: 'elf', arch: ARCH.elf.get(head.readUInt16LE(0x12)) ?? 'other', end: endOfElf(head) }
      : { format: 'elf', arch: 'other', end: 0 };
  }
  if (head.readUInt32LE(0) === 0xfeedfacf) {
    return { format: 'mach-o', arch: ARCH['mach-o'].get(head.readUInt32LE(4)) ?? 'other', end: 0 };
  }
  if (head.readUInt32BE(0) === 0xcafebabe) return { format: 'mach-o', arch: 'any', end: 0 };
  const pe = head.readUInt32LE(0x3c);
  if (head.readUInt16BE(0) === 0x4d5a && pe + 6 <= head.length && head.readUInt32BE(pe) === 0x50450000) {
    return { format: 'pe', arch: ARCH.pe.get(head.readUInt16LE(pe + 4)) ?? 'other', end: 0 };
  }
  return none;
}

/** @param {string} path @returns {NativeFile} */
function inspectNativeFile(path) {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const head = Buffer.alloc(HEADER_BYTES);
    const { end, ...header } = readHeader(head.subarray(0, readSync(file, head, 0, HEADER_BYTES, 0)));
    return { ...header, size, whole: size >= end };
  } finally {
    closeSync(file);
  }
}

module.exports = { inspectNativeFile };
