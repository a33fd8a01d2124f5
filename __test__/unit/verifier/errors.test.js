'use strict';

const { codes } = require('../../../lib/verifier/codes');
const { RemoteAuthError } = require('../../../lib/verifier/errors');

test.each([
  ['config', 500],
  ['request', 401],
  ['token', 401],
  ['scope', 403],
  ['upstream', 503],
  ['capacity', 503],
  ['internal', 500],
])('an error of fault %s carries the status %i', (fault, status) => {
  const error = new RemoteAuthError({ code: 'ERR_INTERNAL', fault, message: 'what happened' });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'RemoteAuthError',
    code: 'ERR_INTERNAL',
    fault,
    status,
    message: 'what happened',
  });
  expect(error.stack).toContain('RemoteAuthError');
  expect('retryAfter' in error).toBe(false);
});

test('says when another try may help', () => {
  const failure = { code: 'ERR_JWKS_FETCH', fault: 'upstream', message: 'x', retryAfter: 12 };
  expect(new RemoteAuthError(failure).retryAfter).toBe(12);
});

test('says what an operator can compare, where there is something to say', () => {
  const details = { reason: 'status', host: 'idp.example', expected: 'a', got: 'b' };
  const failure = { code: 'ERR_JWKS_FETCH', fault: 'upstream', message: 'x' };
  expect(new RemoteAuthError({ ...failure, ...details })).toMatchObject(details);
  expect(Object.keys(new RemoteAuthError({ ...failure, host: 'idp.example' })).sort()).toEqual([
    'code',
    'fault',
    'host',
    'status',
  ]);
});

describe('a refusal is passed as one text', () => {
  /** @param {string[]} parts message, reason, host, expected, got */
  const decoded = (...parts) => {
    const { outcomeOf } = require('../../../lib/verifier/outcome');
    const { REFUSED } = require('../../../lib/verifier/wire-layout');
    const numbers = new Float64Array(Object.keys(REFUSED).length).fill(NaN);
    numbers[REFUSED.mark] = -1;
    const all = ['ERR_JWKS_FETCH', 'upstream', ...parts];
    let end = 0;
    ['code', 'fault', 'message', 'reason', 'host', 'expected', 'got'].forEach(
      (name, index) => (numbers[REFUSED[name]] = end += (all[index] ?? '').length),
    );
    return outcomeOf('a.b.c', all.join(''), undefined, numbers, 0);
  };
  const failure = { ok: false, code: 'ERR_JWKS_FETCH', fault: 'upstream' };

  test.each([
    ['without details', ['why'], { message: 'why' }],
    [
      'with some of them',
      ['why', 'status', 'idp.example', '', ''],
      { message: 'why', reason: 'status', host: 'idp.example' },
    ],
    ['with the last alone', ['why', '', '', '', '王'], { message: 'why', got: '王' }],
    ['with all', ['', 'r', 'h', 'e', 'g'], { message: '', reason: 'r', host: 'h', expected: 'e', got: 'g' }],
  ])('%s', (_, parts, members) => expect(decoded(...parts)).toStrictEqual({ ...failure, ...members }));
});

test('the name is the type’s, so a log shows the fields that differ', () => {
  const error = new RemoteAuthError({ code: 'ERR_INTERNAL', fault: 'internal', message: 'x' });
  expect(Object.keys(error).sort()).toEqual(['code', 'fault', 'status']);
});

test('the table of codes cannot be changed by accident', () => {
  expect(Object.isFrozen(codes)).toBe(true);
  expect(Object.values(codes).every(Object.isFrozen)).toBe(true);
});
