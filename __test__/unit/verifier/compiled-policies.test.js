'use strict';

const { CompiledPolicies } = require('../../../lib/verifier/compiled-policies');

/** A memo, and what it had compiled. */
function memo() {
  const compiled = [];
  const policies = new CompiledPolicies((options) => {
    if (options?.issuer === 'wrong') throw new Error('wrong');
    compiled.push(options);
    return { number: compiled.length };
  });
  return { policies, compiled, find: (options) => policies.find(options) };
}

const options = () => ({
  issuer: 'https://a.example',
  audience: ['x', 'y'],
  jwks: { keys: [{ kty: 'EC', x: 'a' }] },
  scope: undefined,
});

test('options that are equal find the same policy, whoever wrote them and in whatever order', () => {
  const { find, compiled } = memo();
  const first = find(options());
  const { issuer, ...rest } = options();
  expect(find(options())).toBe(first);
  expect(find({ ...rest, issuer })).toBe(first);
  expect(find(Object.freeze(options()))).toBe(first);
  expect(find(Object.assign(Object.create(null), options()))).toBe(first);
  expect(compiled).toHaveLength(1);
});

test.each([
  [
    'a member changed',
    (it) => {
      it.issuer = 'https://b.example';
    },
  ],
  [
    'an item added',
    (it) => {
      it.audience.push('z');
    },
  ],
  [
    'items in another order',
    (it) => {
      it.audience.reverse();
    },
  ],
  [
    'a text for a list of one',
    (it) => {
      it.audience = 'x';
    },
  ],
  [
    'a member added',
    (it) => {
      it.requireExp = false;
    },
  ],
  [
    'a member removed',
    (it) => {
      delete it.scope;
    },
  ],
  [
    'a member that is null now',
    (it) => {
      it.scope = null;
    },
  ],
  [
    'a key changed, deep within',
    (it) => {
      it.jwks.keys[0].x = 'b';
    },
  ],
  [
    'a member that is not enumerable',
    (it) => {
      Object.defineProperty(it, 'requireKid', { value: true });
    },
  ],
  [
    'a member named by a symbol',
    (it) => {
      it[Symbol('s')] = 1;
    },
  ],
  [
    'a list instead of an object',
    (it) => {
      it.jwks = [];
    },
  ],
  [
    'another prototype',
    (it) => {
      Object.setPrototypeOf(it, { requireKid: true });
    },
  ],
  [
    '-0 for 0',
    (it) => {
      it.clockTolerance = -0;
    },
    (it) => {
      it.clockTolerance = 0;
    },
  ],
  [
    'NaN for null',
    (it) => {
      it.clockTolerance = NaN;
    },
    (it) => {
      it.clockTolerance = null;
    },
  ],
])('the very object with %s is compiled anew', (_what, change, prepare = () => {}) => {
  const { find, compiled } = memo();
  const mutable = options();
  prepare(mutable);
  const first = find(mutable);
  change(mutable);
  expect(find(mutable)).not.toBe(first);
  expect(compiled).toHaveLength(2);
});

test('what is compared with is what was compiled: a change afterwards reaches neither', () => {
  const { find, compiled } = memo();
  const mutable = options();
  const first = find(mutable);
  mutable.audience.push('z');
  expect(compiled[0].audience).toEqual(['x', 'y']);
  expect(find(options())).toBe(first);
});

test.each([
  [
    'an instance',
    new (class Options {
      issuer = 'a';
    })(),
  ],
  ['a member that is a function', { issuer: 'a', jwks: () => {} }],
  ['a member that is an instance', { issuer: 'a', ca: new Map() }],
  [
    'a cycle',
    (() => {
      const it = { issuer: 'a' };
      it.jwks = it;
      return it;
    })(),
  ],
  ['nothing', undefined],
  ['a text', 'https://a.example'],
])('%s goes to the compiler as it is, every time', (_what, strange) => {
  const { find, compiled } = memo();
  find(strange);
  find(strange);
  expect(compiled).toHaveLength(2);
  expect(compiled[0]).toBe(strange);
});

test('wrong options are checked every time', () => {
  const { find } = memo();
  for (let n = 0; n < 2; n += 1) expect(() => find({ issuer: 'wrong' })).toThrow('wrong');
});

test('keeps a bounded number, of one issuer and of all', () => {
  const { find, compiled } = memo();
  for (let n = 0; n < 100; n += 1) find({ issuer: 'https://a.example', audience: `${n}` });
  find({ issuer: 'https://a.example', audience: '99' });
  expect(compiled).toHaveLength(100);
  find({ issuer: 'https://a.example', audience: '0' });
  expect(compiled).toHaveLength(101);
  for (let n = 0; n < 2000; n += 1) find({ issuer: `https://${n}.example`, audience: 'x' });
  find({ issuer: 'https://a.example', audience: '99' });
  expect(compiled).toHaveLength(2102);
});
