'use strict';

const { copyOf, freshCopy } = require('../../../lib/verifier/json-copies');
const { Success } = require('../../../lib/verifier/outcome');
const { ACCEPTED } = require('../../../lib/verifier/wire-layout');

const claims = {
  sub: 'a',
  aud: ['x', 'y'],
  realm_access: { roles: ['r1', 'r2'] },
  resource_access: { one: { roles: [] }, two: { roles: ['z', { deep: null }] } },
  empty: {},
  list: [[1], [2, [3]]],
  n: 1.5,
  t: true,
  nothing: null,
  10: 'ten',
};
const nested = (depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

/** The copies that so many requests get of a text. */
function copies(text, count) {
  let known;
  return Array.from({ length: count }, () => {
    const copy = freshCopy(text, known);
    known = copy.known;
    return copy.value;
  });
}

test.each([
  ['claims of a usual provider', JSON.stringify(claims)],
  ['a list', '[1,[2],{"a":[]}]'],
  ['no object', '"text"'],
  ['a member that would be a prototype', '{"__proto__":{"admin":true},"a":1}'],
  ['the same further down', '{"a":{"__proto__":{"admin":true}},"b":[{"__proto__":1}]}'],
  ['names that objects have anyway', '{"constructor":{"a":1},"toString":"b","hasOwnProperty":[]}'],
  ['an object in another, deeper than is copied', nested(40)],
  ['many members', JSON.stringify(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, [i]])))],
])('each copy says what the text says: %s', (_what, text) => {
  const expected = JSON.parse(text);
  for (const copy of copies(text, 4)) {
    expect(copy).toEqual(expected);
    expect(JSON.stringify(copy)).toBe(JSON.stringify(expected));
    expect(Object(copy).admin).toBeUndefined();
  }
});

test('whatever is changed in one copy, and however deep, is in no other', () => {
  const text = JSON.stringify(claims);
  const change = (value) => {
    for (const member of Object.values(value)) if (typeof member === 'object' && member !== null) change(member);
    if (Array.isArray(value)) value.push('changed');
    else value.changed = true;
  };
  let known;
  for (let request = 0; request < 5; request += 1) {
    const copy = freshCopy(text, known);
    known = copy.known;
    expect(copy.value).toStrictEqual(claims);
    change(copy.value);
  }
  change(copyOf(known));
  expect(copyOf(known)).toStrictEqual(claims);
});

test('a text is parsed for the first two who ask, and then copied', () => {
  const parse = jest.spyOn(JSON, 'parse');
  try {
    copies('{"a":1}', 5);
    expect(parse).toHaveBeenCalledTimes(5);
    parse.mockClear();
    let known;
    for (let request = 0; request < 5; request += 1) {
      if (typeof known === 'object') copyOf(known);
      else known = freshCopy('{"a":1}', known).known;
    }
    expect(parse).toHaveBeenCalledTimes(2);
  } finally {
    parse.mockRestore();
  }
});

test.each([
  ['lists within one another', `{"a":[${'[],'.repeat(100)}0]}`],
  ['objects in a list', `[${'{},'.repeat(101)}0]`],
  ['members', `{${Array.from({ length: 101 }, (_, place) => `"k${place}":{}`)}}`],
])('of a text with more %s than claims have nothing is kept', (_what, text) => {
  const copy = [undefined, 'asked once'].map((known) => freshCopy(text, known));
  expect(copy.map(({ known }) => known)).toEqual(['asked once', null]);
  expect(copy.map(({ value }) => value)).toEqual([JSON.parse(text), JSON.parse(text)]);
});

test('as many as claims may have are copied', () => {
  const text = `{"a":[${'[],'.repeat(98)}0]}`;
  expect(freshCopy(text, 'asked once').known).toMatchObject({ isList: false });
});

describe('of an outcome', () => {
  const text = '{"sub":"a","roles":["r"]}';
  const outcome = () => {
    const numbers = new Array(Object.keys(ACCEPTED).length).fill(text.length);
    return Object.freeze(new Success('token', text, undefined, numbers, 0));
  };

  test('claims are fresh for each who asks, and those shared are not among them', () => {
    const one = outcome();
    const shared = Success.sharedClaimsOf(one);
    const all = Array.from({ length: 4 }, () => Success.freshClaimsOf(one));
    for (const [place, copy] of all.entries()) {
      expect(copy).toStrictEqual({ sub: 'a', roles: ['r'] });
      copy.roles.push(`changed by ${place}`);
      copy.sub = 'changed';
    }
    expect(Success.sharedClaimsOf(one)).toBe(shared);
    expect(shared).toStrictEqual({ sub: 'a', roles: ['r'] });
  });

  test('claims with too many objects within one another are frozen for each who asks, and not kept', () => {
    const many = `{"sub":"a","list":[${'{},'.repeat(100)}[0]]}`;
    const numbers = new Array(Object.keys(ACCEPTED).length).fill(many.length);
    const one = Object.freeze(new Success('token', many, undefined, numbers, 0));
    const shared = [Success.sharedClaimsOf(one), Success.sharedClaimsOf(one)];
    expect(shared[0]).not.toBe(shared[1]);
    for (const claims of shared) {
      expect(claims).toStrictEqual(JSON.parse(many));
      expect([claims, claims.list, ...claims.list].every(Object.isFrozen)).toBe(true);
    }
  });

  test.each([undefined, null, 7, {}, Object.create(outcome())])('there are none of anything else: %p', (other) => {
    expect([Success.freshClaimsOf(other), Success.freshHeaderOf(other)]).toEqual([undefined, undefined]);
  });
});
