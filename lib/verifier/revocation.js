'use strict';

// Tokens refused before their end. The list is native and belongs to the process: it serves every verifier and every thread.

const { wrongOption } = require('./errors');
const nativeCheck = require('./native-check');

/** @typedef {import('../../index').Revocation} Revocation */

const CLAIMS = /** @type {const} */ (['jti', 'sid', 'sub']);
const MEMBERS = ['before', 'issuer', 'until', ...CLAIMS];
/** Milliseconds between two warnings that the list is full. */
const A_MINUTE = 60_000;

let warnedAt = Number.NEGATIVE_INFINITY;

/**
 * A revocation as the text that crosses and that a shared store keeps: a digest and two times.
 * @param {Revocation} revocation
 * @returns {string}
 */
function revocationText(revocation) {
  if (typeof revocation !== 'object' || revocation === null) throw wrongOption('a revocation must be an object');
  const unknown = Object.keys(revocation).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) throw wrongOption(`a revocation has no \`${unknown}\`; there are ${MEMBERS.join(', ')}`);
  const named = CLAIMS.filter((claim) => revocation[claim] !== undefined);
  const [claim] = named;
  if (claim === undefined || named.length > 1) throw wrongOption('a revocation names one of `jti`, `sid` and `sub`');
  const { issuer, before, until, [claim]: value } = revocation;
  if (typeof value !== 'string' || typeof issuer !== 'string') {
    throw wrongOption(`\`${claim}\` and \`issuer\` of a revocation must be strings`);
  }
  if (typeof until !== 'number' || (before !== undefined && typeof before !== 'number')) {
    throw wrongOption('`until` and `before` of a revocation are seconds since 1970; `before` may be left out');
  }
  // NaN crosses for a `before` that is not there, and must not stand for one that is wrong.
  const text = Number.isNaN(before) ? null : nativeCheck.revocationText(claim, issuer, value, before ?? NaN, until);
  if (text === null) throw wrongOption('a revocation needs names that are not empty, and times from 1970 to 2106');
  return text;
}

/**
 * Adds what `revocationText` made, here or in another process.
 * @param {string[]} texts
 * @returns {{ added: number, displaced: number, refused: number }}
 */
function addRevocations(texts) {
  const result = nativeCheck.addRevocations(texts, Date.now() / 1000);
  if (result.displaced > 0 && performance.now() - warnedAt >= A_MINUTE) {
    warnedAt = performance.now();
    process.emitWarning(
      'the list of revocations is full: those that would have ended first count no longer. Revoke by `sub` or `sid` with `before`, and no longer than tokens live',
      { code: 'REMOTE_AGENT_AUTH_REVOCATIONS_FULL' },
    );
  }
  return result;
}

/** @param {Revocation} revocation */
function revoke(revocation) {
  addRevocations([revocationText(revocation)]);
}

/**
 * A logout token as the revocations it asks for, or why it is none.
 * @param {string} token
 * @param {import('../../native').CompiledPolicy} policy
 * @param {boolean} bySubject whether a subject is meant where a session is named too
 * @param {number} lasts seconds for which the revocations are kept
 * @returns {Promise<{ once: string, revocations: string[] } | import('../../native').Failure>}
 */
async function checkLogout(token, policy, bySubject, lasts) {
  const checked = await nativeCheck.checkLogout(token, policy, Date.now() / 1000, bySubject, lasts);
  return Array.isArray(checked) ? nativeCheck.refusalOf(checked) : checked;
}

module.exports = { addRevocations, checkLogout, revocationText, revoke };
