'use strict';

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  setupFiles: ['<rootDir>/__test__/support/no-proxy.js'],
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/.cache/'],
  // Tests generate RSA keys and call tsc, both slow on a busy machine.
  testTimeout: 20_000,
};
