'use strict';

const { bearerToken, isJwtShaped } = require('../../../lib/middleware/bearer');

describe('the Authorization header', () => {
  test.each([
    ['the usual form', 'Bearer abc.def.ghi', 'abc.def.ghi'],
    ['a lower-case scheme', 'bearer abc', 'abc'],
    ['an upper-case scheme', 'BEARER abc', 'abc'],
    ['a mixed-case scheme', 'bEaReR abc', 'abc'],
    ['several blanks', 'Bearer    abc', 'abc'],
    ['a tab as separator', 'Bearer\tabc', 'abc'],
    ['a no-break space (0xA0) as separator', 'Bearer\u00a0abc', 'abc'],
    ['a byte order mark (U+FEFF) as separator', 'Bearer\ufeffabc', 'abc'],
    ['trailing blanks', 'Bearer abc   ', 'abc'],
    ['a trailing newline', 'Bearer abc\n', 'abc'],
    ['a trailing no-break space', 'Bearer abc\u00a0', 'abc'],
    ['a next-line character (0x85) inside the token, which is no whitespace', 'Bearer a\u0085c', 'a\u0085c'],
    ['any non-blank characters: what a token is, is decided later', 'Bearer {"a":1},x', '{"a":1},x'],
  ])('gives the token for %s', (_name, header, token) => {
    expect(bearerToken(header)).toBe(token);
  });

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['an empty header', ''],
    ['leading whitespace', ' Bearer abc'],
    ['a second word', 'Bearer abc def'],
    ['two headers joined by a comma', 'Bearer abc, Bearer def'],
    ['the scheme alone', 'Bearer'],
    ['the scheme and blanks', 'Bearer   '],
    ['a missing separator', 'Bearerabc'],
    ['a next-line character (0x85) as separator', 'Bearer\u0085abc'],
    ['another scheme', 'Basic abc'],
    ['another scheme that ends in Bearer', 'xBearer abc'],
    ['a scheme spelt with a look-alike letter', 'B\u0435arer abc'],
    ['a list of headers', ['Bearer abc']],
    ['a number', 7],
  ])('finds no token in %s', (_name, header) => {
    expect(bearerToken(header)).toBeNull();
  });

  test('is read alike with every character there is, whatever way the token is found', () => {
    const pattern = /^bearer\s+(\S+)\s*$/i;
    const differing = [];
    for (let code = 0; code <= 0xffff; code += 1) {
      const character = String.fromCharCode(code);
      for (const header of [
        `Bearer a${character}b`,
        `Bearer ab${character}`,
        `Bearer ${character}ab`,
        `Bearer${character}ab`,
      ]) {
        if (bearerToken(header) !== (pattern.exec(header)?.[1] ?? null)) differing.push([header, code]);
      }
    }
    expect(differing).toEqual([]);
  });

  test('costs linear time on hostile whitespace', () => {
    const started = process.hrtime.bigint();
    expect(bearerToken(`Bearer ${' '.repeat(500_000)}a b`)).toBeNull();
    expect(bearerToken(`Bearer a${' '.repeat(500_000)}b`)).toBeNull();
    // Quadratic time would be minutes.
    expect(Number(process.hrtime.bigint() - started) / 1e9).toBeLessThan(5);
  });
});

test.each([
  ['a.b.c', true],
  ['..', true],
  ['a.b', false],
  ['a.b.c.d', false],
  ['a.b.c.d.e', false],
  ['sk-1', false],
  [null, false],
])('%j has the shape of a JWT: %j', (token, shaped) => {
  expect(isJwtShaped(token)).toBe(shaped);
});
