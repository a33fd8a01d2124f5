'use strict';

// What the doctor reads: a librechat.yaml (or JSON), or the settings of the command line, as one configuration.

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { didYouMean } = require('../policy/nearest');
const { KNOWN_KEYS, readAuthConfig } = require('../policy/oidc-config');

/**
 * @typedef {import('./doctor').Line} Line
 * @typedef {import('../policy/oidc-config').OidcFields} OidcFields
 */

/** Where the block is (LibreChat's names), from the outside in. */
const PLACE = ['endpoints', 'agents', 'remoteApi', 'auth', 'oidc'];

/** What the command itself cannot be done with: a wrong argument, a file that is not there. */
class UsageError extends Error {}

/**
 * @param {string} file
 * @returns {unknown}
 * @throws {UsageError}
 */
function readFile(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${/** @type {NodeJS.ErrnoException} */ (error).code})`);
  }
  try {
    return /\.json$/i.test(file) ? JSON.parse(text) : yaml(file).load(text);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // The parser's text may quote the file, which may hold secrets: only its place is named.
    const line = /** @type {any} */ (error).mark?.line;
    throw new UsageError(`${file} cannot be parsed${line === undefined ? '' : ` (line ${Number(line) + 1})`}`);
  }
}

/** The host's own `js-yaml`: this package has no run-time dependency. @param {string} file @returns {{ load(text: string): unknown }} */
function yaml(file) {
  for (const from of [path.resolve(file), path.join(process.cwd(), 'here.js'), __filename]) {
    try {
      return createRequire(from)('js-yaml');
    } catch {
      // The next place.
    }
  }
  throw new UsageError(
    'a YAML file needs js-yaml, which LibreChat brings: run this in its folder, install it, or give JSON or --issuer and --audience',
  );
}

/**
 * The `oidc` block of a configuration, with what is suspicious about it.
 * @param {unknown} config
 * @returns {{ fields?: OidcFields, lines: Line[] }}
 */
function readBlock(config) {
  const misplaced = misspelt(config);
  if (misplaced !== undefined) return { lines: [misplaced] };
  const { oidc, unknownKeys } = readAuthConfig(config);
  const where = PLACE.join('.');
  /** @type {Line[]} */
  const lines = unknownKeys.map((key) => ({
    check: 'configuration',
    status: 'warning',
    text: `the key "${key}" in ${where} is unknown and ignored${didYouMean(key, KNOWN_KEYS)}`,
  }));
  if (oidc.state === 'off') {
    const { enabled } = at(config, PLACE) ?? {};
    const given = enabled === undefined ? 'is not set' : `is ${JSON.stringify(enabled)?.slice(0, 40)}`;
    const text = `${where}.enabled ${given}: no token is looked at`;
    return {
      lines: [
        ...lines,
        { check: 'configuration', status: 'failed', text, action: `Set ${where}.enabled to true, without quotes.` },
      ],
    };
  }
  if (oidc.state === 'misconfigured') {
    const text = `${where}.${oidc.missing} is not set: every request is answered with 500`;
    return {
      lines: [...lines, { check: 'configuration', status: 'failed', text, action: `Set ${where}.${oidc.missing}.` }],
    };
  }
  return {
    fields: oidc.fields,
    lines: [...lines, { check: 'configuration', status: 'ok', text: `${where} is enabled, with issuer and audience` }],
  };
}

/** @param {any} config @param {string[]} place */
function at(config, place) {
  return place.reduce((value, key) => value?.[key], config);
}

/** The first part of the way to the block that is not there. @param {unknown} config @returns {Line | undefined} */
function misspelt(config) {
  for (const [index, key] of PLACE.entries()) {
    const outer = at(config, PLACE.slice(0, index));
    if (outer?.[key] !== undefined && outer[key] !== null) continue;
    const others = typeof outer === 'object' && outer !== null ? Object.keys(outer) : [];
    const slip = others.map((name) => didYouMean(name, [key])).findIndex((text) => text !== '');
    const text = `${PLACE.slice(0, index + 1).join('.')} is not there`;
    return {
      check: 'configuration',
      status: 'failed',
      text: slip === -1 ? text : `${text}, but "${others[slip]}" is; did you mean "${key}"?`,
      action: `Write the block at ${PLACE.join('.')}.`,
    };
  }
  return undefined;
}

module.exports = { PLACE, UsageError, readBlock, readFile };
