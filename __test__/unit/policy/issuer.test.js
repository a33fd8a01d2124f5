'use strict';

const { normalizeIssuer } = require('../../../lib/policy/issuer');

// LibreChat's normal form of an issuer, row by row.
test.each([
  ['', undefined],
  ['   ', undefined],
  ['/', undefined],
  ['///', undefined],
  [undefined, undefined],
  [null, undefined],
  [7, undefined],
  ['/.well-known/openid-configuration', undefined],
  ['https://a', 'https://a'],
  ['https://a/', 'https://a'],
  ['https://a//', 'https://a'],
  [' https://a/ ', 'https://a'],
  ['\ufeffhttps://a/\u00a0', 'https://a'],
  ['https://a/realms/b/', 'https://a/realms/b'],
  ['https://a/.well-known/openid-configuration', 'https://a'],
  ['https://a/.well-known/openid-configuration/', 'https://a'],
  ['https://a//.well-known/openid-configuration', 'https://a/'],
  ['https://a/.WELL-KNOWN/openid-configuration', 'https://a/.WELL-KNOWN/openid-configuration'],
  ['https://a/?x=/', 'https://a/?x='],
  [
    'https://a/.well-known/openid-configuration/.well-known/openid-configuration',
    'https://a/.well-known/openid-configuration',
  ],
])('the issuer %j is stored as %j', (issuer, normal) => {
  expect(normalizeIssuer(issuer)).toBe(normal);
});

test('costs linear time on a long run of slashes that does not end the text', () => {
  const started = process.hrtime.bigint();
  const hostile = `${'/'.repeat(300_000)}a`;
  expect(normalizeIssuer(hostile)).toBe(hostile);
  expect(Number(process.hrtime.bigint() - started) / 1e9).toBeLessThan(5);
});
