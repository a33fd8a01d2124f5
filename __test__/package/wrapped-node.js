'use strict';

// A Node that takes more than one word to start, as one file: tests start processes by `process.execPath`, which under emulation is a
// file this machine cannot run.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/**
 * @param {string[]} command the words before a script's name
 * @param {string} folder where to put it
 * @returns {string} an executable file called `node`
 */
function wrapped(command, folder) {
  fs.mkdirSync(folder, { recursive: true });
  const node = path.join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
  if (command.length === 1) {
    if (process.platform === 'win32') return String(command[0]);
    fs.symlinkSync(String(command[0]), node);
    return node;
  }
  const preload = path.join(folder, 'exec-path.js');
  fs.writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);
  const words = [...command, '--require', preload].map((word) => `'${word}'`).join(' ');
  fs.writeFileSync(node, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return node;
}

/** @param {string} node @returns {string} */
const versionOf = (node) => execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();

module.exports = { versionOf, wrapped };
