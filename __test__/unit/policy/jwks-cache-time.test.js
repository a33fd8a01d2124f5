'use strict';

const { cacheMaxAge, cacheTime, isCacheEnabled } = require('../../../lib/policy/jwks-cache-time');

describe('OPENID_JWKS_URL_CACHE_TIME', () => {
  test.each([
    [undefined, 60000],
    ['', 60000],
    ['   ', 60000],
    ['1e3', 60000],
    ['60s', 60000],
    ['abc', 60000],
    ['0x10', 60000],
    ['1_000', 60000],
    ['process.exit()', 60000],
    ['constructor', 60000],
    ['-5', 0],
    ['-1/0', 0],
    ['10*1000', 10000],
    ['50%', 0.5],
    ['1/0', Infinity],
    ['0/0', NaN],
    ['0', 0],
    ['120000', 120000],
    [' 5 * 60 * 1000 ', 300000],
    ['(1 + 2) * 3', 9],
    ['1 + 2 * 3', 7],
    ['10 - 4 - 3', 3],
    ['100 / 10 / 5', 2],
    ['10 % 4', 2],
    ['10%4', 2],
    ['100 + 50%', 150],
    ['100 - 50%', 50],
    ['50% * 4', 2],
    ['--5', 5],
    ['+5', 5],
    ['2 * -3', 0],
    ['.5', 0.5],
    ['5.', 5],
    ['1.5.5', 60000],
    ['.', 60000],
    ['1 2', 60000],
    ['(1', 60000],
    ['1)', 60000],
    ['()', 60000],
    ['*5', 60000],
    ['5*', 60000],
    ['(', 60000],
    ['('.repeat(100_000), 60000],
    ['1 + '.repeat(100_000), 60000],
  ])('%j is %d ms', (value, expected) => {
    expect(cacheTime(value)).toBe(expected);
  });
});

test.each([
  [undefined, true],
  ['', true],
  ['true', true],
  [' TRUE ', true],
  ['1', false],
  ['yes', false],
  ['false', false],
  ['   ', false],
  ['garbage', false],
])('OPENID_JWKS_URL_CACHE_ENABLED=%j: %s', (value, expected) => {
  expect(isCacheEnabled(value)).toBe(expected);
});

test.each([
  ['nothing set', {}, 60000],
  ['switched off', { OPENID_JWKS_URL_CACHE_ENABLED: 'false', OPENID_JWKS_URL_CACHE_TIME: '600000' }, 60000],
  ['under a minute', { OPENID_JWKS_URL_CACHE_TIME: '10*1000' }, 60000],
  ['nought', { OPENID_JWKS_URL_CACHE_TIME: '0' }, 60000],
  ['not a number', { OPENID_JWKS_URL_CACHE_TIME: '0/0' }, 60000],
  ['ten minutes', { OPENID_JWKS_URL_CACHE_ENABLED: 'true', OPENID_JWKS_URL_CACHE_TIME: '10*60*1000' }, 600000],
  ['endless', { OPENID_JWKS_URL_CACHE_TIME: '1/0' }, 86400000],
])('keys live, with %s, for so long', (_name, env, expected) => {
  expect(cacheMaxAge(env)).toBe(expected);
});
