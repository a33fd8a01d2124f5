#!/usr/bin/env node
'use strict';

// Writes lib/verifier/wire-layout.js: where each number of a result is, which src/node/wire.rs declares. `--check` fails when it is stale.

const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

/** @typedef {{ INPUT: Record<string, number>, ACCEPTED: Record<string, number>, REFUSED: Record<string, number>, FLAGS: Record<string, number>, EMAIL_SOURCES: string[], LIMITS: Record<string, number> }} Layout */

const FILE = path.join(__dirname, '..', '..', 'lib', 'verifier', 'wire-layout.js');

/** @param {Record<string, number>} numbers */
function members(numbers) {
  const inOrder = Object.entries(numbers).sort(([, a], [, b]) => a - b);
  return inOrder.map(([name, number]) => `  ${name}: ${number},`).join('\n');
}

/** @param {Layout} layout @returns {string} */
function written({ INPUT, ACCEPTED, REFUSED, FLAGS, EMAIL_SOURCES, LIMITS }) {
  return `'use strict';

// Written by \`npm run layout\` from src/node/wire.rs, which says what each of these is; do not edit.

/** Places of the numbers that go in. */
const INPUT = Object.freeze({
${members(INPUT)}
});

/** Places of the numbers that are said of an accepted token. */
const ACCEPTED = Object.freeze({
${members(ACCEPTED)}
});

/** Places of the numbers that are said of a refusal. */
const REFUSED = Object.freeze({
${members(REFUSED)}
});

/** What a check can be asked for; they are added up. */
const FLAGS = Object.freeze({
${members(FLAGS)}
});

/** The claims an address may have been taken from; the first stands for the one the policy names. */
const EMAIL_SOURCES = /** @type {const} */ ([${EMAIL_SOURCES.map((name) => `'${name}'`).join(', ')}]);

/** The largest values. */
const LIMITS = Object.freeze({
${members(LIMITS)}
});

module.exports = { ACCEPTED, EMAIL_SOURCES, FLAGS, INPUT, LIMITS, REFUSED };
`;
}

/**
 * @param {string} layout JSON text, as the native file gives it
 * @param {{ check: boolean, file?: string }} options
 * @returns {boolean} whether the file was stale; rewritten unless `check`
 */
function generateLayout(layout, { check, file = FILE }) {
  const text = written(JSON.parse(layout));
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return false;
  if (!check) writeFileSync(file, text);
  return true;
}

module.exports = { generateLayout };

if (require.main === module) {
  const check = process.argv.includes('--check');
  const stale = generateLayout(require('../../binding').wireLayout(), { check });
  if (stale) console.log(`${check ? 'stale' : 'written'}: lib/verifier/wire-layout.js`);
  if (check && stale) {
    console.error('Run `npm run layout` and commit the result.');
    process.exitCode = 1;
  }
}
