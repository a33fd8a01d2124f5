'use strict';

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/.cache/'],
  // A key store that has just started may be compiling nothing, but RSA key generation in a test is slow.
  testTimeout: 20_000,
};
