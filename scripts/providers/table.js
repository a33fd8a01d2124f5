'use strict';

// What `npm run providers` prints: a row for each check, a loud line for each provider that could not be had, and how it ended.

/** @typedef {{ provider: string, check: string, expected: string, got: string, ok: boolean }} Row */
/** @typedef {{ provider: string, why: string }} Skipped */

/**
 * @param {string} provider
 * @param {string} check
 * @param {string} expected
 * @param {string} got
 * @param {boolean} [ok]
 * @returns {Row}
 */
function row(provider, check, expected, got, ok = expected === got) {
  return { provider, check, expected, got, ok };
}

/** @param {Skipped} skipped */
function skipLine({ provider, why }) {
  return `SKIPPED: ${provider}: ${why}`;
}

/** @param {Row[]} rows */
function table(rows) {
  const width = (/** @type {'provider' | 'check' | 'expected'} */ name) =>
    Math.max(0, ...rows.map((one) => one[name].length));
  const [provider, check, expected] = [width('provider'), width('check'), width('expected')];
  return rows
    .map(
      (one) =>
        `${one.ok ? 'ok  ' : 'FAIL'}  ${one.provider.padEnd(provider)}  ${one.check.padEnd(check)}  ${one.expected.padEnd(expected)}  ${one.got}`,
    )
    .join('\n');
}

/** The last line; `N passed, N failed` is what CI reads. @param {Row[]} rows @param {Skipped[]} skipped */
function closingLine(rows, skipped) {
  const passed = rows.filter(({ ok }) => ok).length;
  return `${passed} passed, ${rows.length - passed} failed, ${skipped.length} skipped`;
}

module.exports = { closingLine, row, skipLine, table };
