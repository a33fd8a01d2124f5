'use strict';

const { TABLE, causeOf, causeUnderUserPolicy, decide } = require('../../../lib/middleware/decision');
const { codes } = require('../../../lib/verifier/codes');

const A = { error: 'Authentication required' };
const B = { error: 'Bearer token required' };
const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };
const API = 'api-key';

const T = { error: 'Service unavailable' };
const D = { error: 'Account deletion is in progress', code: 'ACCOUNT_DELETION_IN_PROGRESS' };

// cause, with API keys on: action or status, level; with API keys off: status, body, challenge, level
const EXPECTED = [
  ['oidc-off', API, undefined, 401, A, 'credentials', undefined],
  ['oidc-misconfigured', 500, 'error', 500, S, undefined, 'error'],
  ['no-bearer', API, undefined, 401, B, 'credentials', undefined],
  ['token-refused', API, 'debug', 401, U, 'invalid-token', 'error'],
  ['provider-unreachable', API, 'debug', 401, U, 'invalid-token', 'error'],
  ['overloaded', 503, 'warn', 503, T, undefined, 'warn'],
  ['scope-missing', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['role-missing', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['subject-missing', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['user-conflict', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['tenant-conflict', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['no-user', API, 'warn', 401, U, 'invalid-token', 'warn'],
  ['account-refused', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['userinfo-refused', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['userinfo-unreachable', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['accounts-misconfigured', 500, 'error', 500, S, undefined, 'error'],
  ['user-oidc-off', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['user-oidc-misconfigured', 500, 'error', 500, S, undefined, 'error'],
  ['user-token-refused', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['user-provider-unreachable', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['user-scope-missing', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['user-role-missing', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['account-deletion', 409, undefined, 409, D, undefined, undefined],
  ['machine-off', 401, undefined, 401, U, 'credentials', undefined],
  ['machine-no-bearer', 401, undefined, 401, U, 'credentials', undefined],
  ['machine-refused', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['api-key-off', 401, 'warn', 401, U, 'invalid-token', 'warn'],
  ['unexpected', 500, 'error', 500, S, undefined, 'error'],
];

test.each(EXPECTED)('%s is decided as the table says', (cause, on, levelOn, status, body, challenge, levelOff) => {
  const enabled = decide(cause, { apiKeyEnabled: true });
  expect(enabled.action === API ? API : enabled.response.status).toBe(on);
  expect(enabled.line?.level).toBe(levelOn);

  const disabled = decide(cause);
  expect(disabled).toMatchObject({ action: 'reject', response: { status, body } });
  expect(disabled.response.challenge).toBe(challenge);
  expect(disabled.line?.level).toBe(levelOff);
});

test('every cause has its row in this test', () => {
  expect(EXPECTED.map(([cause]) => cause).sort()).toEqual(Object.keys(TABLE).sort());
});

test('only five causes ever reach the API-key middleware', () => {
  const fallback = Object.keys(TABLE).filter((cause) => decide(cause, { apiKeyEnabled: true }).action === API);
  expect(fallback).toEqual(['oidc-off', 'no-bearer', 'token-refused', 'provider-unreachable', 'no-user']);
});

test.each(Object.entries(codes))('%s has the cause its fault asks for', (code, { fault }) => {
  const what = code === 'ERR_SCOPE_MISSING' ? 'scope-missing' : 'role-missing';
  const expected =
    { scope: what, internal: 'unexpected', upstream: 'provider-unreachable', capacity: 'overloaded' }[fault] ??
    (code === 'ERR_TOKEN_SUBJECT' ? 'subject-missing' : 'token-refused');
  expect(causeOf({ ok: false, code, fault, message: '' })).toBe(expected);

  const underUserPolicy =
    { scope: `user-${what}`, internal: 'unexpected', upstream: 'user-provider-unreachable', capacity: 'overloaded' }[
      fault
    ] ?? 'user-token-refused';
  expect(causeUnderUserPolicy({ ok: false, code, fault, message: '' })).toBe(underUserPolicy);
});

test('a malformed scope claim is a failed verification, a missing scope is not', () => {
  expect(causeOf({ ok: false, code: 'ERR_SCOPE_MALFORMED', fault: 'token', message: '' })).toBe('token-refused');
  expect(causeOf({ ok: false, code: 'ERR_SCOPE_MISSING', fault: 'scope', message: '' })).toBe('scope-missing');
});

test('the fragments operators’ alerts look for are in the lines', () => {
  expect(decide('token-refused', { apiKeyEnabled: true }).line.text).toContain('trying API key auth');
  expect(decide('token-refused').line.text).toContain('OIDC verification failed');
  expect(decide('subject-missing').line.text).toContain('missing_sub_claim');
  expect(decide('user-conflict').line.text).toContain('auth_failed');
  expect(decide('no-user', { apiKeyEnabled: true }).line.text).toContain('no matching LibreChat user');
  expect(decide('unexpected', { apiKeyEnabled: true }).line.text).toContain('Unexpected error');
  expect(decide('user-oidc-misconfigured', { apiKeyEnabled: true }).line.text).toContain('Unexpected error');
});

describe('the fallback truth table: responses x fallbackOnInvalidToken x API keys x cause', () => {
  const ALWAYS = ['oidc-off', 'no-bearer'];
  const UNLESS_INVALID = ['token-refused', 'provider-unreachable', 'no-user'];
  const STANDARD = {
    'provider-unreachable': 503,
    'user-provider-unreachable': 503,
    'userinfo-unreachable': 503,
    'scope-missing': 403,
    'user-scope-missing': 403,
    'role-missing': 403,
    'user-role-missing': 403,
  };
  const rows = [];
  for (const standard of [false, true])
    for (const noApiKeyForThisToken of [false, true])
      for (const apiKeyEnabled of [false, true])
        for (const cause of Object.keys(TABLE)) rows.push([cause, { standard, noApiKeyForThisToken, apiKeyEnabled }]);

  test.each(rows)('%s with %j', (cause, circumstances) => {
    const { standard, noApiKeyForThisToken, apiKeyEnabled } = circumstances;
    const decision = decide(cause, circumstances);
    const falls = ALWAYS.includes(cause) || (UNLESS_INVALID.includes(cause) && !noApiKeyForThisToken);
    expect(decision.action).toBe(apiKeyEnabled && falls ? API : 'reject');
    if (decision.action === API) return;
    expect(decision.response.status).toBe((standard && STANDARD[cause]) || decide(cause).response.status);
    expect(decision.line).toEqual(decide(cause).line);
  });
});
