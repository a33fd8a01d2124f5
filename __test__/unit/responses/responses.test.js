'use strict';

const { sendErrorResponse } = require('../../../lib/middleware/responses');
const { BODIES } = require('../../../lib/responses/bodies');
const { challengeHeader, isRealm } = require('../../../lib/responses/challenge');
const { bareResponse, fullResponse } = require('../../support/fakes');

test('the bodies are LibreChat’s, to the letter', () => {
  expect(JSON.stringify(BODIES.authenticationRequired)).toBe('{"error":"Authentication required"}');
  expect(JSON.stringify(BODIES.bearerRequired)).toBe('{"error":"Bearer token required"}');
  expect(JSON.stringify(BODIES.unauthorized)).toBe('{"error":"Unauthorized"}');
  expect(JSON.stringify(BODIES.internal)).toBe('{"error":"Internal server error"}');
});

describe('WWW-Authenticate', () => {
  test('without credentials names the realm and no error', () => {
    expect(challengeHeader('credentials', 'agents')).toBe('Bearer realm="agents"');
  });

  test('with credentials names one error, whatever the cause', () => {
    expect(challengeHeader('invalid-token', 'agents')).toBe('Bearer realm="agents", error="invalid_token"');
  });

  test.each([
    ['agents:use', ', scope="agents:use"'],
    [' a \t b ', ', scope="a b"'],
    ['a"b', ''],
    ['a\\b', ''],
    ['größe', ''],
    ['', ''],
    [undefined, ''],
    [7, ''],
  ])('of a missing scope %j says what would do, where that can be written', (scope, parameter) => {
    expect(challengeHeader('insufficient-scope', 'agents', scope)).toBe(
      `Bearer realm="agents", error="insufficient_scope"${parameter}`,
    );
  });

  test('quotes a realm that would end the quotes', () => {
    expect(challengeHeader('credentials', 'a"b\\c')).toBe('Bearer realm="a\\"b\\\\c"');
  });

  test.each([
    ['agents', true],
    ['', true],
    ['a "quoted" one', true],
    ['line\r\nbreak', false],
    ['\u0000', false],
    ['größe', false],
    [7, false],
    [undefined, false],
  ])('a realm %j may be used: %j', (realm, allowed) => {
    expect(isRealm(realm)).toBe(allowed);
  });
});

describe('sending a rejection', () => {
  const rejection = { status: 401, body: BODIES.unauthorized, challenge: 'invalid-token' };

  test('sets status, challenge and body', () => {
    const res = fullResponse();
    sendErrorResponse(res, rejection, { realm: 'agents' });
    expect(res.sent).toEqual([{ status: 401, body: { error: 'Unauthorized' } }]);
    expect(res.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="agents", error="invalid_token"' });
  });

  test('works with a response that has only status and json', () => {
    const res = bareResponse();
    sendErrorResponse(res, rejection, { realm: 'agents' });
    expect(res.sent).toEqual([{ status: 401, body: { error: 'Unauthorized' } }]);
  });

  test('sends no challenge with a 500', () => {
    const res = fullResponse();
    sendErrorResponse(res, { status: 500, body: BODIES.internal }, { realm: 'agents' });
    expect(res.headers).toEqual({});
  });

  test('leaves a response alone that is under way', () => {
    const res = fullResponse();
    res.headersSent = true;
    sendErrorResponse(res, rejection, { realm: 'agents' });
    expect(res.sent).toEqual([]);
    expect(res.headers).toEqual({});
  });

  test.each([
    [undefined, '1'],
    [0.2, '1'],
    [29.1, '30'],
  ])('a Retry-After of %p seconds is written as %s', (retryAfter, written) => {
    const res = fullResponse();
    sendErrorResponse(res, { status: 503, body: BODIES.unavailable, retryAfter: 1 }, { realm: 'agents', retryAfter });
    expect(res.headers).toEqual({ 'Retry-After': written });
    expect(res.sent).toEqual([{ status: 503, body: { error: 'Service unavailable' } }]);
  });

  test.each([
    [401, 'invalid_request_error', 'invalid_api_key'],
    [403, 'invalid_request_error', 'insufficient_permissions'],
    [409, 'invalid_request_error', 'account_deletion_in_progress'],
    [500, 'server_error', 'internal_error'],
    [503, 'server_error', 'service_unavailable'],
  ])('a %i in the form OpenAI’s clients read', (status, type, code) => {
    const res = fullResponse();
    sendErrorResponse(res, { status, body: { error: 'Text' } }, { realm: 'agents', bodies: 'openai' });
    expect(res.sent).toEqual([{ status, body: { error: { message: 'Text', type, param: null, code } } }]);
  });
});
