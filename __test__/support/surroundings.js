'use strict';

// What the tests of a file stand in: a provider that runs as long as they do, and a host's logger whose lines are kept instead of written.

const { Issuer } = require('./issuer');

/**
 * @param {ConstructorParameters<typeof Issuer>[0]} [options]
 * @returns {Issuer} one that answers while the tests of the file, or of the `describe`, run
 */
function issuerWhileTesting(options) {
  const issuer = new Issuer(options);
  beforeAll(() => issuer.start());
  afterAll(() => issuer.stop());
  return issuer;
}

/**
 * @param {Record<string, any>} logger winston's shape, as LibreChat's packages export it
 * @returns {any[][]} the lines of the test that runs: level, text and what else was given
 */
function linesOf(logger) {
  /** @type {any[][]} */
  const lines = [];
  beforeEach(() => {
    lines.length = 0;
    for (const level of ['info', 'warn', 'error']) {
      jest.spyOn(logger, level).mockImplementation((...args) => {
        lines.push([level, ...args]);
        return logger;
      });
    }
  });
  afterEach(() => jest.restoreAllMocks());
  return lines;
}

module.exports = { issuerWhileTesting, linesOf };
