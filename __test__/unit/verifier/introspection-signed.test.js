'use strict';

// Answers of an introspection endpoint as JWTs (RFC 9701): what counts as the provider's own, for us, and of now.

const { closeProviders, codeOf, good, now, opaque, provider } = require('../../support/introspecting');
const { score } = require('../../support/score');
const { Signer } = require('../../support/signer');

afterAll(closeProviders);

const JWT = 'application/token-introspection+jwt';
const signer = new Signer();
const other = new Signer();
const HEADER = { typ: 'token-introspection+jwt' };

/** Claims of the JWT, and of the object in it. */
const claimsOf = (issuer, claims = {}, said = {}) => ({
  iss: issuer,
  aud: 'the client',
  iat: now(),
  // Those of the signer's usual ones that such a JWT does not have.
  sub: undefined,
  exp: undefined,
  token_introspection: { ...good(issuer), ...said },
  ...claims,
});
const sent = (body, type = JWT) => ({ body, headers: { 'content-type': type } });
const answer = (issuer, claims, said, header = HEADER, by = signer) =>
  sent(by.token(claimsOf(issuer, claims, said), header));

/** @param {(issuer: string) => unknown} said */
async function signedProvider(said) {
  const made = await provider((_token, issuer) => said(issuer), { keys: [signer.jwk] });
  const compiled = made.asking({ ...made.policy.introspection, signed: true });
  return { ...made, judge: (by = compiled) => made.check(opaque(), by) };
}

test('a signed answer is asked for, and its object says what a plain answer would', async () => {
  const { asked, judge, issuer } = await signedProvider((from) => answer(from));
  const outcome = await judge();
  expect(outcome).toMatchObject({ ok: true, subject: 'ada', scopes: ['read'] });
  expect(JSON.parse(outcome.claims)).toMatchObject({ active: true, iss: issuer, aud: 'agents' });
  expect(JSON.parse(outcome.claims)).not.toHaveProperty('token_introspection');
  expect(asked[0].headers.accept).toBe(JWT);
});

const PLAIN = 'application/json';
const text = (issuer) => JSON.stringify(good(issuer));
const UNUSABLE = 'ERR_ENDPOINT_ANSWER';
/** Each: how the endpoint answers, the outcome, and the code that the message names. */
const ANSWERS = [
  ['typ with its media type', (i) => answer(i, {}, {}, { typ: 'application/token-introspection+jwt' }), 'ok'],
  ['typ in other letters', (i) => answer(i, {}, {}, { typ: 'Token-Introspection+JWT' }), 'ok'],
  ['a list of audiences', (i) => answer(i, { aud: ['x', 'the client'] }), 'ok'],
  ['the resource’s audience (RFC 9701 5)', (i) => answer(i, { aud: 'agents' }), 'ok'],
  ['an end to come', (i) => answer(i, { exp: now() + 60 }), 'ok'],
  ['a line’s end behind it', (i) => sent(`${answer(i).body}\n`), 'ok'],
  ['a media type with parameters', (i) => sent(answer(i).body, `${JWT}; charset=utf-8`), 'ok'],
  ['iat half a minute ago', (i) => answer(i, { iat: now() - 30 }), 'ok'],
  ['iat half a minute ahead', (i) => answer(i, { iat: now() + 30 }), 'ok'],
  ['members nobody knows', (i) => answer(i, { more: { a: 1 } }), 'ok'],
  ['no issuer in the object', (i) => answer(i, {}, { iss: undefined }), 'ok'],
  ['an inactive token', (i) => answer(i, { token_introspection: { active: false } }), 'ERR_TOKEN_INACTIVE'],
  ['another audience in the object', (i) => answer(i, {}, { aud: 'other' }), 'ERR_TOKEN_AUDIENCE'],
  ['another issuer in the object', (i) => answer(i, {}, { iss: 'https://other.example' }), 'ERR_TOKEN_ISSUER'],
  ['an end that has passed in the object', (i) => answer(i, {}, { exp: now() - 5 }), 'ERR_TOKEN_EXPIRED'],
  ['no subject in the object', (i) => answer(i, {}, { sub: undefined }), 'ERR_TOKEN_SUBJECT'],
  ['a refresh token in the object', (i) => answer(i, {}, { token_use: 'refresh_token' }), 'ERR_REFRESH_TOKEN'],
  ['plain JSON', (i) => sent(text(i), PLAIN), UNUSABLE],
  ['plain JSON that says it is a JWT', (i) => sent(text(i)), UNUSABLE],
  ['a JWT that says it is JSON', (i) => sent(answer(i).body, PLAIN), UNUSABLE],
  ['a JWT of no media type', (i) => ({ body: answer(i).body, headers: {} }), UNUSABLE],
  ['a JWT of type application/jwt', (i) => sent(answer(i).body, 'application/jwt'), UNUSABLE],
  ['nothing', () => sent(''), UNUSABLE],
  ['two JWTs', (i) => sent(`${answer(i).body}\n${answer(i).body}`), UNUSABLE],
  ['an encrypted answer', () => sent('eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA'), UNUSABLE, 'encrypted'],
  ['half a JWT', (i) => sent(answer(i).body.slice(0, -20)), UNUSABLE],
  ['another key', (i) => answer(i, {}, {}, HEADER, other), UNUSABLE, 'ERR_SIGNATURE_INVALID'],
  ['a key nobody publishes', (i) => answer(i, {}, {}, { ...HEADER, kid: 'x' }), UNUSABLE, 'ERR_KEY_NOT_FOUND'],
  ['alg none', (i) => sent(unsigned(i)), UNUSABLE, 'ERR_TOKEN_ALGORITHM'],
  ['crit', (i) => answer(i, {}, {}, { ...HEADER, crit: ['x'] }), UNUSABLE, 'ERR_TOKEN_CRITICAL'],
  ['no typ', (i) => answer(i, {}, {}, {}), UNUSABLE, 'ERR_TOKEN_TYPE'],
  ['typ JWT', (i) => answer(i, {}, {}, { typ: 'JWT' }), UNUSABLE, 'ERR_TOKEN_TYPE'],
  ['typ at+jwt', (i) => answer(i, {}, {}, { typ: 'at+jwt' }), UNUSABLE, 'ERR_TOKEN_TYPE'],
  ['typ logout+jwt', (i) => answer(i, {}, {}, { typ: 'logout+jwt' }), UNUSABLE, 'ERR_TOKEN_TYPE'],
  ['another issuer', (i) => answer(i, { iss: 'https://other.example' }), UNUSABLE, 'ERR_TOKEN_ISSUER'],
  ['no issuer', (i) => answer(i, { iss: undefined }), UNUSABLE, 'ERR_TOKEN_ISSUER'],
  ['another client', (i) => answer(i, { aud: 'another client' }), UNUSABLE, 'ERR_TOKEN_AUDIENCE'],
  ['no audience', (i) => answer(i, { aud: undefined }), UNUSABLE, 'ERR_TOKEN_AUDIENCE'],
  ['an empty list of audiences', (i) => answer(i, { aud: [] }), UNUSABLE, 'ERR_TOKEN_AUDIENCE'],
  ['no iat', (i) => answer(i, { iat: undefined }), UNUSABLE, 'ERR_TOKEN_CLAIMS'],
  ['iat as text', (i) => answer(i, { iat: String(now()) }), UNUSABLE, 'ERR_TOKEN_CLAIMS'],
  ['iat two minutes ago', (i) => answer(i, { iat: now() - 120 }), UNUSABLE, '`iat`'],
  ['iat two minutes ahead', (i) => answer(i, { iat: now() + 120 }), UNUSABLE, '`iat`'],
  ['an end that has passed', (i) => answer(i, { exp: now() - 5 }), UNUSABLE, 'ERR_TOKEN_EXPIRED'],
  ['a beginning to come', (i) => answer(i, { nbf: now() + 60 }), UNUSABLE, 'ERR_TOKEN_NOT_YET_VALID'],
  ['no object', (i) => answer(i, { token_introspection: undefined }), UNUSABLE],
  ['an object that is true', (i) => answer(i, { token_introspection: true }), UNUSABLE],
  ['an object that is a list', (i) => answer(i, { token_introspection: [good(i)] }), UNUSABLE],
  ['an object as text', (i) => answer(i, { token_introspection: text(i) }), UNUSABLE],
  ['`active` beside the object', (i) => answer(i, { active: true, token_introspection: {} }), UNUSABLE],
  ['active as text', (i) => answer(i, {}, { active: 'true' }), UNUSABLE],
  ['the object twice', (i) => sent(signer.token(twice(i), HEADER)), UNUSABLE, 'ERR_TOKEN_MALFORMED'],
  ['an access token', (i) => sent(signer.token({ iss: i }, { typ: 'at+jwt' })), UNUSABLE, 'ERR_TOKEN_TYPE'],
  ['more than a token may have', (i) => answer(i, {}, { more: 'x'.repeat(17_000) }), UNUSABLE],
  ['status 401', (i) => ({ ...answer(i), status: 401 }), 'ERR_ENDPOINT_STATUS'],
  ['status 500', (i) => ({ ...answer(i), status: 500 }), 'ERR_ENDPOINT_STATUS'],
  ['status 302', (i) => ({ ...answer(i), status: 302 }), 'ERR_ENDPOINT_STATUS'],
];

function unsigned(issuer) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', ...HEADER })}.${part(claimsOf(issuer))}.`;
}

function twice(issuer) {
  const active = JSON.stringify(good(issuer));
  return `{"iss":"${issuer}","aud":"the client","iat":${now()},"token_introspection":{"active":false},"token_introspection":${active}}`;
}

test('each signed answer has its outcome', async () => {
  let said = () => {};
  const { judge } = await signedProvider((issuer) => said(issuer));
  const differing = [];
  for (const [name, how, expected, about = ''] of ANSWERS) {
    said = how;
    const outcome = await judge();
    const code = outcome.ok ? 'ok' : outcome.code;
    if (code !== expected || !(outcome.message ?? '').includes(about)) differing.push([name, code, outcome.message]);
  }
  expect(differing).toEqual([]);
  score(
    'S56',
    `${ANSWERS.length} signed answers (RFC 9701), each with its outcome`,
    '40 answers',
    ANSWERS.length >= 40,
  );
});

test('a signed answer that was not asked for is refused, and says which option asks for one', async () => {
  const { check, asked } = await provider((_token, issuer) => answer(issuer), { keys: [signer.jwk] });
  const outcome = await check(opaque());
  expect(outcome).toMatchObject({ ok: false, code: UNUSABLE, fault: 'upstream' });
  expect(outcome.message).toContain('signed: true');
  expect(asked[0].headers.accept).toBe(PLAIN);
});

test('no access policy accepts a signed answer as a token', async () => {
  const { check, issuer, policy, verifier } = await provider(() => ({}), { keys: [signer.jwk] });
  const compiled = verifier.compile({ ...policy, requireExp: false, requireSubject: false });
  const { body } = answer(issuer, { aud: 'agents', sub: 'ada', scope: 'read' });
  expect(await codeOf(check(body, compiled))).toBe('ERR_TOKEN_TYPE');
});

test('a provider whose keys cannot be had lets nobody in', async () => {
  const { asking, check, policy } = await provider((_token, issuer) => answer(issuer));
  const compiled = asking({ ...policy.introspection, signed: true });
  const outcome = await check(opaque(), compiled);
  expect(outcome).toMatchObject({ ok: false, code: UNUSABLE, fault: 'upstream' });
  expect(outcome.message).toContain('ERR_JWKS_DOCUMENT');
});

test('a token revoked at the provider is refused within the time, and one call serves a hundred', async () => {
  let active = true;
  const { asked, asking, check, policy } = await signedProvider((issuer) => answer(issuer, {}, { active }));
  const token = opaque();
  const kept = asking({ ...policy.introspection, signed: true });
  const all = await Promise.all(Array.from({ length: 100 }, () => codeOf(check(token, kept))));
  expect([[...new Set(all)], asked.length]).toEqual([['ok'], 1]);
  const fresh = asking({ ...policy.introspection, signed: true, cacheMs: 0 });
  expect(await codeOf(check(token, fresh))).toBe('ok');
  active = false;
  expect(await codeOf(check(token, fresh))).toBe('ERR_TOKEN_INACTIVE');
});
