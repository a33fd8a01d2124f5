'use strict';

const { RemoteAuthError, codes } = require('../lib/errors');

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
  expect(error).toMatchObject({ name: 'RemoteAuthError', code: 'ERR_INTERNAL', fault, status, message: 'what happened' });
  expect(error.stack).toContain('RemoteAuthError');
  expect('retryAfter' in error).toBe(false);
});

test('says when another try may help', () => {
  const failure = { code: 'ERR_JWKS_FETCH', fault: 'upstream', message: 'x', retryAfter: 12 };
  expect(new RemoteAuthError(failure).retryAfter).toBe(12);
});

test('the name is the type’s, so a log shows the fields that differ', () => {
  const error = new RemoteAuthError({ code: 'ERR_INTERNAL', fault: 'internal', message: 'x' });
  expect(Object.keys(error).sort()).toEqual(['code', 'fault', 'status']);
});

test('the table of codes cannot be changed by accident', () => {
  expect(Object.isFrozen(codes)).toBe(true);
  expect(Object.values(codes).every(Object.isFrozen)).toBe(true);
});
