'use strict';

// What the documents hold that a test can check: fenced blocks, links, headings, tables. As much of Markdown as they use.

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
/** Who installs the package or clones it reads these; examples/ and the rest of docs/ are found below. */
const AT_ROOT = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
const FOLDERS = ['docs', 'examples', 'npm'];

/**
 * @typedef {{ file: string, line: number, language: string, marker: string | undefined, text: string }} Block
 * `line` is that of the fence; `marker` the comment on the line before it.
 */

/** @returns {string[]} every document, relative to the root, with forward slashes */
function documents() {
  const there = readdirSync(ROOT);
  const below = FOLDERS.filter((folder) => there.includes(folder)).flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => path.join(folder, file)),
  );
  return [...AT_ROOT.filter((file) => there.includes(file)), ...below]
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => file.split(path.sep).join('/'));
}

/** @param {string} file */
function read(file) {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/**
 * @param {string} text
 * @param {string} file
 * @returns {Block[]}
 * @throws {Error} for a fence that nobody closes
 */
function blocksOf(text, file) {
  /** @type {Block[]} */
  const blocks = [];
  /** @type {(Block & { fence: string, lines: string[] }) | undefined} */
  let open;
  const lines = text.split('\n');
  for (const [at, line] of lines.entries()) {
    const [, indent = '', fence, info = ''] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open !== undefined) {
      if (fence === open.fence && info.trim() === '') {
        const { fence: _fence, lines: inside, ...block } = open;
        blocks.push({ ...block, text: inside.join('\n') });
        open = undefined;
      } else open.lines.push(line);
    } else if (fence !== undefined) {
      if (indent !== '') throw new Error(`${file}:${at + 1}: a fence must not be indented`);
      const marker = /^<!-- (.*?)(?:: .*)? -->$/.exec(lines[at - 1] ?? '')?.[1];
      open = { file, line: at + 1, language: info.trim(), marker, text: '', fence, lines: [] };
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: the block is never closed`);
  return blocks;
}

/** The text without its blocks: what is written there is no link and no heading. @param {string} text */
function prose(text) {
  return text.replace(/^(`{3,}|~{3,})[^]*?^\1$/gm, '');
}

/** @param {string} text @returns {string[]} targets of links and pictures that are not on the web */
function linksOf(text) {
  const code = /`[^`\n]*`/g;
  return [
    ...prose(text)
      .replace(code, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, target]) => /** @type {string} */ (target))
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** @param {string} text @returns {string[]} the anchors its headings make, as GitHub does */
function anchorsOf(text) {
  return [...prose(text).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) =>
    /** @type {string} */ (heading)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replace(/ /g, '-'),
  );
}

/** @param {string} text @returns {string[][]} the cells of every table row but heads and rules */
function rowsOf(text) {
  return [...text.matchAll(/^\| .*\|$(?![^]{1}\| ---)/gm)]
    .map(([row]) =>
      row
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
    .filter(([first]) => !/^-+$/.test(first ?? ''));
}

module.exports = { ROOT, anchorsOf, blocksOf, documents, linksOf, read, rowsOf };
