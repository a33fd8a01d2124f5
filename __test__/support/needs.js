'use strict';

/**
 * `describe` for tests that need something from outside this package. Where it is missing they are skipped, loudly: a line now,
 * and `npm test` prints each one before its closing line. In CI (CI=true) what is required must be there.
 * @param {string} tool
 * @param {string | undefined} missing why it is not there
 * @param {{ required: boolean }} rule whether CI must have it
 */
function describeWith(tool, missing, { required }) {
  if (missing === undefined) return describe;
  if (required && process.env.CI === 'true') throw new Error(`CI must have ${tool}: ${missing}`);
  return (/** @type {string} */ name) => {
    console.warn(`SKIPPED: ${name} needs ${tool}: ${missing}`);
    describe(name, () => {
      test.skip(`[needs ${tool}] ${name}`, () => {});
    });
  };
}

module.exports = { describeWith };
