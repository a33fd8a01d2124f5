'use strict';

const { randomUUID } = require('node:crypto');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { RemoteTokenVerifier, revoke } = require('../../..');
const { addRevocations, revocationText } = require('../../../lib/verifier/revocation');
const { score } = require('../../support/score');
const { Signer, policyOf, ISSUER } = require('../../support/signer');

const signer = new Signer();
const now = () => Math.floor(Date.now() / 1000);
const later = () => now() + 600;
/** The list belongs to the process: each test has names of its own. */
// Revocations are shared by the suites of one worker.
const unique = () => randomUUID();
const codeOf = async (checked) => {
  const outcome = await checked;
  return outcome.ok ? 'ok' : outcome.code;
};

describe.each([
  ['with what is cached', {}],
  ['without caches', { verdictCache: false }],
])('%s', (_name, options) => {
  const verifier = new RemoteTokenVerifier(options);
  const policy = verifier.compile(policyOf([signer.jwk]));

  test.each(['jti', 'sid', 'sub'])('a token that was accepted is refused once its %s is revoked', async (claim) => {
    const name = unique();
    const [token, other] = [signer.token({ [claim]: name }), signer.token({ [claim]: unique() })];
    const accepted = await verifier.check(token, policy, { forRecheck: true });
    expect([accepted.ok, await codeOf(verifier.check(token, policy))]).toEqual([true, 'ok']);
    verifier.revoke({ [claim]: name, issuer: `${ISSUER}/`, until: later() });
    expect(verifier.stillHolds(accepted, policy)).toBe(false);
    expect(await codeOf(verifier.check(token, policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(verifier.recheck(accepted.verdict, policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(new RemoteTokenVerifier().check(token, policy))).toBe('ERR_TOKEN_REVOKED');
    // Emptying the caches forgets no revocation.
    verifier.clear();
    expect(await codeOf(verifier.check(token, policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(verifier.check(other, policy))).toBe('ok');
  });

  test('a token issued at or after `before` is not meant', async () => {
    const sub = unique();
    const at = now();
    revoke({ sub, issuer: ISSUER, before: at, until: later() });
    expect(await codeOf(verifier.check(signer.token({ sub, iat: at - 1 }), policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(verifier.check(signer.token({ sub, iat: undefined }), policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(verifier.check(signer.token({ sub, iat: 'x' }), policy))).toBe('ERR_TOKEN_REVOKED');
    expect(await codeOf(verifier.check(signer.token({ sub, iat: at }), policy))).toBe('ok');
  });

  test('a forged token of a revoked subject is a forged token', async () => {
    const sub = unique();
    revoke({ sub, issuer: ISSUER, until: later() });
    expect(await codeOf(verifier.check(new Signer().token({ sub }), policy))).toBe('ERR_SIGNATURE_INVALID');
  });

  test('another issuer’s revocation is none of this one', async () => {
    const sub = unique();
    revoke({ sub, issuer: 'https://other.example', until: later() });
    revoke({ sid: sub, issuer: ISSUER, until: later() });
    expect(await codeOf(verifier.check(signer.token({ sub }), policy))).toBe('ok');
  });
});

test('the refusal names the claim, and neither message nor code names the subject', async () => {
  const sub = unique();
  revoke({ sub, issuer: ISSUER, until: later() });
  const refused = await new RemoteTokenVerifier().verify(signer.token({ sub }), policyOf([signer.jwk])).catch((e) => e);
  expect(refused).toMatchObject({
    code: 'ERR_TOKEN_REVOKED',
    fault: 'token',
    message: expect.stringContaining('`sub`'),
  });
  expect(refused.message).not.toContain(sub);
});

test('a token that a clock tolerance keeps past `until` stays refused', async () => {
  const sub = unique();
  const verifier = new RemoteTokenVerifier();
  const policy = verifier.compile(policyOf([signer.jwk], { clockTolerance: 300 }));
  const token = signer.token({ sub, exp: now() - 2 });
  expect(await codeOf(verifier.check(token, policy))).toBe('ok');
  revoke({ sub, issuer: ISSUER, until: now() - 2 });
  expect(await codeOf(verifier.check(token, policy))).toBe('ERR_TOKEN_REVOKED');
});

test('what came is shown without addresses and without the subject', async () => {
  const verifier = new RemoteTokenVerifier();
  const gotOf = async (claims, more = {}) =>
    (await verifier.check(signer.token(claims), verifier.compile(policyOf([signer.jwk], more)))).got;
  expect(await gotOf({ aud: ['ada@example.com', 'web'] })).toBe('"<address>", "web"');
  expect(await gotOf({ aud: 'ada', sub: 'ada' })).toBe('"<subject>"');
  expect(await gotOf({ scope: 'ada read', sub: 'ada' }, { scope: 'write' })).toBe('"<subject>", "read"');
  expect(await gotOf({ azp: 'ada', sub: 'ada' }, { allowedClients: ['web'] })).toBe('"<subject>"');
});

test.each([
  undefined,
  null,
  'a',
  {},
  { issuer: 'i', until: 1 },
  { sub: 'a', sid: 'b', issuer: 'i', until: 1 },
  { sub: '', issuer: 'i', until: 1 },
  { sub: 1, issuer: 'i', until: 1 },
  { sub: 'a', issuer: '', until: 1 },
  { sub: 'a', until: 1 },
  { sub: 'a', issuer: 'i' },
  { sub: 'a', issuer: 'i', until: '1' },
  { sub: 'a', issuer: 'i', until: Date.now() },
  { sub: 'a', issuer: 'i', until: NaN },
  { sub: 'a', issuer: 'i', until: Infinity },
  { sub: 'a', issuer: 'i', until: 1, before: NaN },
  { sub: 'a', issuer: 'i', until: 1, before: Date.now() },
  { sub: 'a', issuer: 'i', until: 1, before: null },
  { sub: 'a', issuer: 'i', until: 1, more: 1 },
])('%p is no revocation', (revocation) => {
  expect(() => revoke(revocation)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
});

test('a revocation as text names neither subject nor issuer, and no other text is one', () => {
  const text = revocationText({ sub: 'ada', issuer: ISSUER, until: later(), before: 5 });
  expect(text).toMatch(/^[\w-]{22}\.5\.\d{10}$/);
  expect(addRevocations([text])).toMatchObject({ added: 1, refused: 0 });
  expect(addRevocations([text, '', 'a.b.c', `${text} `, '*'])).toMatchObject({ added: 0, refused: 4 });
});

test('stats say how many there are', () => {
  revoke({ sub: unique(), issuer: ISSUER, until: later() });
  expect(new RemoteTokenVerifier().stats()).toMatchObject({ revocations: expect.any(Number), revocationsDisplaced: 0 });
});

describe('requireUnbound', () => {
  const verifier = new RemoteTokenVerifier();
  const lax = verifier.compile(policyOf([signer.jwk]));
  const strict = verifier.compile(policyOf([signer.jwk], { requireUnbound: true }));

  test.each([{ jkt: 'a' }, { 'x5t#S256': 'a' }, { jkt: null, kid: 'b' }])(
    'refuses a token with cnf %j',
    async (cnf) => {
      const token = signer.token({ cnf });
      const accepted = await verifier.check(token, lax);
      expect([accepted.ok, accepted.isBound]).toEqual([true, true]);
      expect(await codeOf(verifier.check(token, strict))).toBe('ERR_TOKEN_BOUND');
    },
  );

  test.each([undefined, {}, null, 'jkt', { kid: 'b' }])('lets one with cnf %j pass', async (cnf) => {
    const accepted = await verifier.check(signer.token({ cnf }), strict);
    expect([accepted.ok, accepted.isBound]).toEqual([true, false]);
  });
});

test('a million revocations take less than 128 MiB, and one more displaces one, with a warning', () => {
  const child = path.join(__dirname, '..', '..', 'support', 'children', 'many-revocations.js');
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', child], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, expect.stringContaining('REMOTE_AGENT_AUTH_REVOCATIONS_FULL')]);
  const { bytes, revocations, displaced } = JSON.parse(stdout);
  expect({ revocations, displaced }).toEqual({ revocations: 1_000_000, displaced: 1 });
  const mebibytes = Math.ceil(bytes / 1024 / 1024);
  score('S55', `1,000,000 revocations: ${mebibytes} MiB`, '1,000,000 under 128 MiB', mebibytes < 128);
}, 60_000);
