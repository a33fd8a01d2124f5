#!/usr/bin/env node
'use strict';

// Writes THIRD-PARTY-NOTICES.md: the licence texts of every crate whose code is in a shipped native file, from the
// crates' own files. `--check` fails when it is stale. Crates of builds and tests, and procedural macros, are not linked.

const { execFileSync } = require('node:child_process');
const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');
const FILE = 'THIRD-PARTY-NOTICES.md';
const FEATURES = ['--no-default-features', '--features', 'node'];
const LICENCE_FILE = /^(licen[sc]e|copying|copyright|notice|unlicense)/i;
/** The texts of a choice not made: where MIT is offered beside others, MIT it is. */
const NOT_CHOSEN = /apache|unlicense|boost|isc/i;
/** Folders of a crate that are not compiled into what links it. */
const NOT_LINKED = new Set(['tests', 'benches', 'examples', 'fuzz', 'target']);

/** @typedef {{ name: string, version: string, licence: string, texts: string[] }} Crate */

/** The text of the MIT licence (SPDX `MIT`), for crates that name it without shipping it. */
const mit = (/** @type {string} */ holders) => `Copyright (c) ${holders}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

/** Linked into every file, and no crate of Cargo.lock. */
const STANDARD_LIBRARY = {
  name: 'the Rust standard library',
  version: '',
  licence: 'MIT OR Apache-2.0',
  texts: [mit('The Rust Project Contributors')],
};

/** What the crate `psl` has compiled into it, under a licence of its own. */
const PUBLIC_SUFFIX_LIST = {
  name: 'the Public Suffix List',
  version: '',
  licence: 'MPL-2.0',
  texts: [
    `The Public Suffix List is subject to the terms of the Mozilla Public License, v. 2.0. A copy of the MPL can be obtained at
https://mozilla.org/MPL/2.0/. The list in its source form is at https://publicsuffix.org/list/, and as this package has it in the
source of the crate psl, at https://crates.io/crates/psl.`,
  ],
};

/** @param {string[]} args @returns {string} */
const cargo = (...args) => execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });

/**
 * `cargo tree` and not `cargo metadata`, whose features are those of the tests as well.
 * @param {string[]} targets
 * @returns {Set<string>} "name version" of what is linked for any of them
 */
function linkedFor(targets) {
  const lines = targets.flatMap((target) =>
    cargo(
      ...[
        'tree',
        '--locked',
        '--color=never',
        '--prefix=none',
        '--format={p}',
        '--edges=normal,no-proc-macro',
        '--no-dedupe',
      ],
      ...['--target', target, ...FEATURES],
    ).split('\n'),
  );
  const found = lines.map((line) => /^(\S+) v(\S+)(?: \((.*)\))?$/.exec(line)).filter((match) => match !== null);
  // Only a crate from the registry has nothing in brackets: ours has its folder.
  return new Set(found.filter(([, , , from]) => from === undefined).map(([, name, version]) => `${name} ${version}`));
}

/**
 * The licence files of a crate, those of code it holds from elsewhere (`third_party/...`) included.
 * @param {string} folder
 * @returns {string[]}
 */
function licenceFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return NOT_LINKED.has(entry.name) ? [] : licenceFiles(file);
      return LICENCE_FILE.test(entry.name) && !entry.name.endsWith('.rs') ? [file] : [];
    });
}

/**
 * @param {string} licence an SPDX expression, or Cargo's older form of one
 * @param {string[]} files
 */
function chosen(licence, files) {
  const choice = licence.split(/ OR |\//);
  const offered = choice.length > 1 && choice.includes('MIT') && files.some((file) => /mit/i.test(path.basename(file)));
  return offered ? files.filter((file) => !NOT_CHOSEN.test(path.basename(file))) : files;
}

/** @param {string} text */
const tidy = (text) =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/[ \t\f]+$/gm, '')
    .replace(/^\n+|\n+$/g, '');

/**
 * @param {{ name: string, version: string, license: string | null, authors: string[], manifest_path: string }} pack as `cargo metadata` lists it
 * @returns {Crate}
 */
function crateOf({ name, version, license, authors, manifest_path: manifest }) {
  const licence = license ?? '';
  const files = chosen(licence, licenceFiles(path.dirname(manifest)));
  if (files.length > 0) return { name, version, licence, texts: files.map((file) => tidy(readFileSync(file, 'utf8'))) };
  if (licence !== 'MIT') throw new Error(`${name} ${version}: "${licence}", and no file with its text`);
  const holders = authors.map((author) => author.replace(/\s*<.*>$/, '')).join(', ');
  return { name, version, licence, texts: [mit(holders || `the authors of ${name}`)] };
}

/**
 * @param {string[]} targets
 * @returns {Crate[]}
 */
function linkedCrates(targets) {
  const linked = linkedFor(targets);
  const { packages } = JSON.parse(cargo('metadata', '--locked', '--format-version=1', ...FEATURES));
  const found = packages.filter(
    (/** @type {any} */ { name, version, source }) => source !== null && linked.has(`${name} ${version}`),
  );
  if (linked.size === 0 || found.length !== linked.size)
    throw new Error(`cargo tree names ${linked.size} crates, cargo metadata ${found.length} of them`);
  return found.map(crateOf);
}

/** @param {Crate} crate */
const titleOf = ({ name, version }) => `${name} ${version}`.trim();

/** A fence no line of the text can close. @param {string} text */
function fenced(text) {
  const longest = Math.max(2, ...[...text.matchAll(/^`+/gm)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

/** Copies of one text differ in where their lines break. @param {string} text */
const wordsOf = (text) => text.replace(/\s+/g, ' ');

/**
 * Every text once, with those it belongs to.
 * @param {Crate[]} crates
 * @returns {string}
 */
function noticesOf(crates) {
  const sorted = [...crates].sort((a, b) => (titleOf(a) < titleOf(b) ? -1 : 1));
  /** @type {Map<string, { text: string, number: number, owners: Set<string> }>} */
  const texts = new Map();
  const rows = sorted.map((crate) => {
    const numbers = crate.texts.map((text) => {
      const known = texts.get(wordsOf(text)) ?? { text, number: texts.size + 1, owners: new Set() };
      known.owners.add(titleOf(crate));
      texts.set(wordsOf(text), known);
      return known.number;
    });
    return `| ${titleOf(crate)} | ${crate.licence} | ${[...new Set(numbers)].map((n) => `[${n}](#text-${n})`).join(', ')} |`;
  });
  const sections = [...texts.values()].map(
    ({ text, number, owners }) => `## Text ${number}\n\n${[...owners].join(', ')}\n\n${fenced(text)}\n`,
  );
  return `# Third-party notices

The native files of remote-agent-auth hold code of these crates, some of them on one platform only. Where a licence offers
MIT among others, MIT is the choice. Generated by \`scripts/release/notices.js\`; do not edit.

| Crate | Licence | Texts |
| --- | --- | --- |
${rows.join('\n')}

${sections.join('\n')}`;
}

module.exports = { crateOf, noticesOf };

if (require.main === module) {
  const targets = require('../platforms/table').platforms.map(({ target }) => target);
  const file = path.join(ROOT, FILE);
  const text = noticesOf([...linkedCrates(targets), STANDARD_LIBRARY, PUBLIC_SUFFIX_LIST]);
  const stale = !existsSync(file) || readFileSync(file, 'utf8') !== text;
  const check = process.argv.includes('--check');
  if (stale) console.log(`${check ? 'stale' : 'written'}: ${FILE}`);
  if (stale && check) {
    console.error('Run `npm run notices` and commit the result.');
    process.exitCode = 1;
  } else if (stale) {
    writeFileSync(file, text);
  }
}
