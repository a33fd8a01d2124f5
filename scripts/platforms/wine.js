'use strict';

// Windows programs on a Linux x64 machine, by Debian's Wine: another implementation of what Windows offers, and no proof for Windows itself.

const { copyFileSync, existsSync, mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { install, installFromDebian, installZig, tools } = require('./tools.js');

const WINE = '/usr/lib/wine/wine64';

/** The one function of bcryptprimitives.dll that Rust calls, which this Wine does not have, out of one that it has. */
const PROCESS_PRNG = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
`;

/**
 * Wine with a folder of its own, which calls itself Windows 10: Node refuses older ones.
 * @returns {string[]} the words before a Windows program
 */
function wine() {
  if (!existsSync(WINE)) installFromDebian(['wine64', 'wine']);
  const folder = path.join(tools, 'wine');
  const command = ['env', `WINEPREFIX=${path.join(folder, 'prefix')}`, 'WINEDEBUG=-all', 'DISPLAY=', WINE];
  if (existsSync(path.join(folder, 'complete'))) return command;
  mkdirSync(folder, { recursive: true });
  const [program = '', ...words] = command;
  install(`Wine's folder in ${path.relative(process.cwd(), folder)}`, program, [...words, 'winecfg', '-v', 'win10']);
  writeFileSync(path.join(folder, 'prng.c'), PROCESS_PRNG);
  const name = 'bcryptprimitives.dll';
  const args = ['-m', 'ziglang', 'cc', '-target', 'x86_64-windows-gnu', '-shared', '-o', name, 'prng.c', '-ladvapi32'];
  install(`  a ${name}, made here`, path.join(installZig(), 'python'), args, folder);
  copyFileSync(path.join(folder, name), path.join(folder, 'prefix', 'drive_c', 'windows', 'system32', name));
  writeFileSync(path.join(folder, 'complete'), '');
  return command;
}

module.exports = { wine };
