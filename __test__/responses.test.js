'use strict';

const { BODIES, challengeHeader, isRealm, sendRejection } = require('../lib/responses');
const { bareResponse, fullResponse } = require('./support/fakes');

test('the four bodies are LibreChat’s, to the letter', () => {
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
    sendRejection(res, rejection, 'agents');
    expect(res.sent).toEqual([{ status: 401, body: { error: 'Unauthorized' } }]);
    expect(res.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="agents", error="invalid_token"' });
  });

  test('works with a response that has only status and json', () => {
    const res = bareResponse();
    sendRejection(res, rejection, 'agents');
    expect(res.sent).toEqual([{ status: 401, body: { error: 'Unauthorized' } }]);
  });

  test('sends no challenge with a 500', () => {
    const res = fullResponse();
    sendRejection(res, { status: 500, body: BODIES.internal }, 'agents');
    expect(res.headers).toEqual({});
  });

  test('leaves a response alone that is under way', () => {
    const res = fullResponse();
    res.headersSent = true;
    sendRejection(res, rejection, 'agents');
    expect(res.sent).toEqual([]);
    expect(res.headers).toEqual({});
  });
});
