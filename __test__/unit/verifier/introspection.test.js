'use strict';

// Opaque tokens (RFC 7662) against an endpoint on loopback: what it may answer, how often it is asked, and what happens without it.

const { RemoteTokenVerifier, revoke } = require('../../..');
const {
  AUDIENCE,
  SECRET,
  closeProviders,
  codeOf,
  good,
  now,
  opaque,
  provider,
} = require('../../support/introspecting');
const { score } = require('../../support/score');
const { Signer } = require('../../support/signer');

afterAll(closeProviders);

test('an active token is accepted by what the provider says of it, and the client has shown who it is', async () => {
  const { asked, check, issuer } = await provider((_token, issuer) => good(issuer));
  const token = opaque();
  const outcome = await check(token);
  expect(outcome).toMatchObject({ ok: true, subject: 'ada', header: '{}', isBound: false });
  expect([outcome.scopes, JSON.parse(outcome.claims).iss]).toEqual([['read'], issuer]);
  expect(asked).toHaveLength(1);
  const [{ method, url, headers, form }] = asked;
  expect([method, url, headers['content-type']]).toEqual(['POST', '/introspect', 'application/x-www-form-urlencoded']);
  expect([...form]).toEqual([
    ['token', token],
    ['token_type_hint', 'access_token'],
  ]);
  // RFC 6749 2.3.1.
  const pair = Buffer.from(headers.authorization.slice('Basic '.length), 'base64').toString();
  expect(pair).toBe('the+client:the+secret%2Bof%3Athe%2Fclient');
});

test('the secret goes into the body where `auth` says so, and an endpoint that is named is asked', async () => {
  const { asked, check, issuer, policy, verifier } = await provider((_token, issuer) => good(issuer));
  const introspection = { ...policy.introspection, auth: 'post', endpoint: `${issuer}/elsewhere` };
  expect(await codeOf(check(opaque(), verifier.compile({ ...policy, introspection })))).toBe('ok');
  expect([asked[0].url, asked[0].headers.authorization]).toEqual(['/elsewhere', undefined]);
  expect([asked[0].form.get('client_id'), asked[0].form.get('client_secret')]).toEqual(['the client', SECRET]);
});

/** Each: what the endpoint says beside what is good, or instead; and the outcome. */
const json = { 'content-type': 'application/json' };
const whole = (body, headers = json) => ({ body, headers });
const ANSWERS = [
  ['nothing more', {}, 'ok'],
  ['no end', { exp: undefined }, 'ok'],
  ['no issuer', { iss: undefined }, 'ok'],
  ['a list of audiences', { aud: ['x', AUDIENCE] }, 'ok'],
  ['token_type Bearer', { token_type: 'Bearer' }, 'ok'],
  ['a list of scopes', { scope: ['read', 'x'] }, 'ok'],
  ['scopes in scp', { scope: undefined, scp: 'read' }, 'ok'],
  ['a beginning that has passed', { nbf: now() - 1 }, 'ok'],
  ['members nobody knows', { username: 'a', ext: { a: [1] } }, 'ok'],
  ['a key of its holder’s', { cnf: { jkt: 'a' } }, 'ok'],
  ['active false', { active: false }, 'ERR_TOKEN_INACTIVE'],
  ['active false alone', () => ({ active: false }), 'ERR_TOKEN_INACTIVE'],
  ['no active', { active: undefined }, 'ERR_ENDPOINT_ANSWER'],
  ['active null', { active: null }, 'ERR_ENDPOINT_ANSWER'],
  ['active as text', { active: 'true' }, 'ERR_ENDPOINT_ANSWER'],
  ['active 1', { active: 1 }, 'ERR_ENDPOINT_ANSWER'],
  ['active as a list', { active: [true] }, 'ERR_ENDPOINT_ANSWER'],
  ['active as an object', { active: {} }, 'ERR_ENDPOINT_ANSWER'],
  ['Active', { active: undefined, Active: true }, 'ERR_ENDPOINT_ANSWER'],
  ['active twice', () => whole('{"active":false,"active":true,"aud":"agents","sub":"a"}'), 'ERR_ENDPOINT_ANSWER'],
  ['an audience twice', () => whole('{"active":true,"aud":"x","aud":"agents","sub":"a"}'), 'ERR_ENDPOINT_ANSWER'],
  ['true', () => whole('true'), 'ERR_ENDPOINT_ANSWER'],
  ['null', () => whole('null'), 'ERR_ENDPOINT_ANSWER'],
  ['a list', () => whole('[{"active":true}]'), 'ERR_ENDPOINT_ANSWER'],
  ['nothing', () => whole(''), 'ERR_ENDPOINT_ANSWER'],
  ['half of it', () => whole('{"active":true'), 'ERR_ENDPOINT_ANSWER'],
  ['two of them', () => whole('{"active":true}{"active":true}'), 'ERR_ENDPOINT_ANSWER'],
  ['no UTF-8', () => whole(Buffer.from([0x7b, 0xff, 0x7d])), 'ERR_ENDPOINT_ANSWER'],
  ['HTML', () => whole('<html>', { 'content-type': 'text/html' }), 'ERR_ENDPOINT_ANSWER'],
  [
    'JSON that says it is HTML',
    (_t, i) => whole(JSON.stringify(good(i)), { 'content-type': 'text/html' }),
    'ERR_ENDPOINT_ANSWER',
  ],
  [
    'a JWT (RFC 9701)',
    () => whole('a.b.c', { 'content-type': 'application/token-introspection+jwt' }),
    'ERR_ENDPOINT_ANSWER',
  ],
  ['more than a token may have', { more: 'x'.repeat(17_000) }, 'ERR_ENDPOINT_ANSWER'],
  ['status 201', (_t, i) => ({ status: 201, body: JSON.stringify(good(i)), headers: json }), 'ok'],
  [
    'status 302',
    (_t, i) => ({ status: 302, body: JSON.stringify(good(i)), headers: { location: '/introspect2' } }),
    'ERR_ENDPOINT_STATUS',
  ],
  [
    'status 307',
    (_t, i) => ({ status: 307, body: JSON.stringify(good(i)), headers: { location: '/introspect2' } }),
    'ERR_ENDPOINT_STATUS',
  ],
  ['status 400', (_t, i) => ({ status: 400, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 401', (_t, i) => ({ status: 401, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 403', (_t, i) => ({ status: 403, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 404', (_t, i) => ({ status: 404, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 429', (_t, i) => ({ status: 429, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 500', (_t, i) => ({ status: 500, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['status 503', (_t, i) => ({ status: 503, body: JSON.stringify(good(i)), headers: json }), 'ERR_ENDPOINT_STATUS'],
  ['another issuer', { iss: 'https://other.example' }, 'ERR_TOKEN_ISSUER'],
  ['an issuer that is null', { iss: null }, 'ERR_TOKEN_ISSUER'],
  ['a list of issuers', (_t, i) => ({ ...good(i), iss: [i] }), 'ERR_TOKEN_ISSUER'],
  ['another audience', { aud: 'other' }, 'ERR_TOKEN_AUDIENCE'],
  ['no audience', { aud: undefined }, 'ERR_TOKEN_AUDIENCE'],
  ['an empty list of audiences', { aud: [] }, 'ERR_TOKEN_AUDIENCE'],
  ['an audience that is null', { aud: null }, 'ERR_TOKEN_AUDIENCE'],
  ['an audience in other letters', { aud: 'Agents' }, 'ERR_TOKEN_AUDIENCE'],
  ['an end that has passed', { exp: now() - 1 }, 'ERR_TOKEN_EXPIRED'],
  ['an end that is now', { exp: now() - 0.5 }, 'ERR_TOKEN_EXPIRED'],
  ['an end as text', { exp: '9999999999' }, 'ERR_TOKEN_CLAIMS'],
  ['an end that is null', { exp: null }, 'ERR_TOKEN_CLAIMS'],
  ['a beginning in the future', { nbf: now() + 300 }, 'ERR_TOKEN_NOT_YET_VALID'],
  ['no scope', { scope: undefined }, 'ERR_SCOPE_MISSING'],
  ['another scope', { scope: 'reader' }, 'ERR_SCOPE_MISSING'],
  ['a scope that is a number', { scope: 7 }, 'ERR_SCOPE_MALFORMED'],
  ['no subject', { sub: undefined }, 'ERR_TOKEN_SUBJECT'],
  ['a blank subject', { sub: ' ' }, 'ERR_TOKEN_SUBJECT'],
  ['a subject that is a number', { sub: 7 }, 'ERR_TOKEN_SUBJECT'],
  ['a refresh token (Hydra)', { token_use: 'refresh_token' }, 'ERR_REFRESH_TOKEN'],
  ['a refresh token (Keycloak)', { typ: 'Refresh' }, 'ERR_REFRESH_TOKEN'],
  ['a refresh token by token_type', { token_type: 'refresh_token' }, 'ERR_REFRESH_TOKEN'],
  ['a logout token', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, 'ERR_LOGOUT_TOKEN'],
  ['an authorization answer', { code: 'c', state: 's' }, 'ERR_AUTHORIZATION_RESPONSE'],
  ['claims of another kind', { typ: 'dpop+jwt' }, 'ERR_TOKEN_TYPE'],
];

test('each answer has its outcome', async () => {
  const answers = new Map();
  const { check, policy, verifier } = await provider((token, issuer) => answers.get(token)(token, issuer));
  const compiled = verifier.compile({ ...policy, scope: 'read' });
  const differing = [];
  for (const [name, said, expected] of ANSWERS) {
    const token = opaque();
    answers.set(token, typeof said === 'function' ? said : (_token, issuer) => ({ ...good(issuer), ...said }));
    // Once more: what is at hand has the same outcome.
    for (const time of ['first', 'again']) {
      const code = await codeOf(check(token, compiled));
      if (code !== expected) differing.push([name, time, code]);
      if (expected.startsWith('ERR_ENDPOINT')) break;
    }
  }
  expect(differing).toEqual([]);
  score('S56', `${ANSWERS.length} introspection answers, each with its outcome`, '60 answers', ANSWERS.length >= 60);
});

test('a hundred who present one token at once cause one call, and so do a hundred later', async () => {
  const { asked, check } = await provider((_token, issuer) => good(issuer));
  const token = opaque();
  const all = await Promise.all(Array.from({ length: 100 }, () => codeOf(check(token))));
  expect([...new Set(all)]).toEqual(['ok']);
  for (let time = 0; time < 100; time += 1) expect(await codeOf(check(token))).toBe('ok');
  expect(asked).toHaveLength(1);
  score('S56', '100 parallel requests with one opaque token: 1 call', '1 call', asked.length === 1);
});

test('with `cacheMs: 0` a token revoked at the provider is refused at once', async () => {
  let active = true;
  const { check, policy, verifier } = await provider((_token, issuer) => ({ ...good(issuer), active }));
  const compiled = verifier.compile({ ...policy, introspection: { ...policy.introspection, cacheMs: 0 } });
  const token = opaque();
  expect(await codeOf(check(token, compiled))).toBe('ok');
  active = false;
  expect(await codeOf(check(token, compiled))).toBe('ERR_TOKEN_INACTIVE');
  score('S56', 'revoked at the provider: refused within cacheMs', 'within the cache time', true);
});

test('a token revoked here is refused whatever is at hand', async () => {
  const sub = opaque();
  const { check, issuer } = await provider((_token, from) => ({ ...good(from), sub }));
  const token = opaque();
  expect(await codeOf(check(token))).toBe('ok');
  revoke({ sub, issuer, until: now() + 600 });
  expect(await codeOf(check(token))).toBe('ERR_TOKEN_REVOKED');
});

test('a provider that is down is 503, never accepted, and no answer of one policy serves another', async () => {
  const { asked, check, issuer, policy, server, verifier } = await provider((_token, from) => good(from));
  const token = opaque();
  expect(await codeOf(check(token))).toBe('ok');
  const other = verifier.compile({ ...policy, audience: 'other' });
  expect(await codeOf(check(token, other))).toBe('ERR_TOKEN_AUDIENCE');
  expect(asked).toHaveLength(2);
  server.close();
  server.closeAllConnections();
  const outcome = await check(opaque());
  expect(outcome).toMatchObject({ ok: false, code: 'ERR_ENDPOINT_FETCH', fault: 'upstream' });
  expect(outcome.message).not.toContain(SECRET);
  expect(issuer).toContain('127.0.0.1');
  score('S56', 'endpoint down: fault upstream (503), not accepted', '503, never accepted', true);
});

test('with `also`, a JWT is asked about once it is found good', async () => {
  const signer = new Signer();
  const active = new Map();
  const { asked, policy, verifier } = await provider((token) => ({ active: active.get(token) ?? true }));
  const also = {
    ...policy,
    jwks: { keys: [signer.jwk] },
    introspection: { ...policy.introspection, also: true, cacheMs: 0 },
  };
  const compiled = verifier.compile(also);
  const token = signer.token({ iss: policy.issuer });
  expect(await verifier.check(token, compiled)).toMatchObject({ ok: true, subject: 'subject-1' });
  const accepted = await verifier.check(token, compiled, { forRecheck: true });
  active.set(token, false);
  expect(await codeOf(verifier.check(token, compiled))).toBe('ERR_TOKEN_INACTIVE');
  expect(await codeOf(verifier.recheck(accepted.verdict, compiled))).toBe('ERR_TOKEN_INACTIVE');
  const calls = asked.length;
  expect(await codeOf(verifier.check(new Signer().token({ iss: policy.issuer }), compiled))).toBe(
    'ERR_SIGNATURE_INVALID',
  );
  expect(await codeOf(verifier.check(signer.token({ iss: policy.issuer, aud: 'x' }), compiled))).toBe(
    'ERR_TOKEN_AUDIENCE',
  );
  expect(asked).toHaveLength(calls);
});

test.each([
  ['nothing more', {}, 'ok'],
  ['all of it', { aud: AUDIENCE, sub: 'subject-1', exp: now() + 300 }, 'ok'],
  ['an end that has passed', { exp: now() - 1 }, 'ERR_TOKEN_EXPIRED'],
  ['an end that is text', { exp: 'x' }, 'ERR_TOKEN_CLAIMS'],
  ['another issuer', { iss: 'https://other.example' }, 'ERR_TOKEN_ISSUER'],
  ['another audience', { aud: 'other' }, 'ERR_TOKEN_AUDIENCE'],
  ['another subject', { sub: 'other' }, 'ERR_TOKEN_SUBJECT'],
  ['no subject', { sub: null }, 'ERR_TOKEN_SUBJECT'],
  ['its own jti', { jti: 'j' }, 'ok'],
  ['another jti', { jti: 'other' }, 'ERR_ENDPOINT_ANSWER'],
  ['the scope that is needed', { scope: 'read' }, 'ok'],
  ['a narrower scope', { scope: 'other' }, 'ERR_SCOPE_MISSING'],
  ['a scope that is a number', { scope: 7 }, 'ERR_SCOPE_MALFORMED'],
  ['a beginning in the future', { nbf: now() + 300 }, 'ERR_TOKEN_NOT_YET_VALID'],
  ['the kind of a refresh token', { token_type: 'refresh_token' }, 'ERR_REFRESH_TOKEN'],
  ['the type of an access token', { token_type: 'Bearer' }, 'ok'],
  ['a key of its holder’s', { cnf: { jkt: 'a' } }, 'ok'],
])('with `also`, an answer that has %s', async (_name, said, code) => {
  const signer = new Signer();
  const { policy, verifier } = await provider(() => ({ active: true, ...said }));
  const introspection = { ...policy.introspection, also: true };
  const compiled = verifier.compile({ ...policy, scope: 'read', jwks: { keys: [signer.jwk] }, introspection });
  const token = signer.token({ iss: policy.issuer, jti: 'j', scope: 'read' });
  const outcome = await verifier.check(token, compiled);
  expect(outcome.ok ? 'ok' : outcome.code).toBe(code);
  if (outcome.ok) expect(outcome.isBound).toBe(said.cnf !== undefined);
});

test.each([
  ['opaque', false, { jkt: 'a' }],
  ['opaque', false, { 'x5t#S256': 'a' }],
  ['a JWT', true, { jkt: 'a' }],
  ['a JWT', true, { 'x5t#S256': 'a' }],
])(
  'a token that is %s and by its answer bound to a key is refused with `requireUnbound`',
  async (_name, isJwt, cnf) => {
    const signer = new Signer();
    const { policy, verifier } = await provider((_token, issuer) => ({
      ...(isJwt ? { active: true } : good(issuer)),
      cnf,
    }));
    const introspection = { ...policy.introspection, also: isJwt };
    const keys = { jwks: { keys: [signer.jwk] }, introspection };
    const token = isJwt ? signer.token({ iss: policy.issuer }) : opaque();
    expect(await verifier.check(token, verifier.compile({ ...policy, ...keys }))).toMatchObject({
      ok: true,
      isBound: true,
    });
    const unbound = verifier.compile({ ...policy, ...keys, requireUnbound: true });
    expect(await codeOf(verifier.check(token, unbound))).toBe('ERR_TOKEN_BOUND');
  },
);

test('a known JWT costs no call and no promise, and its answer at hand with `also` no promise either', async () => {
  const signer = new Signer();
  let active = true;
  const { asked, asking, check, policy } = await provider(() => ({ active, sub: 'subject-1' }));
  const keys = { jwks: { keys: [signer.jwk] } };
  const token = signer.token({ iss: policy.issuer });
  const on = asking(policy.introspection, keys);
  expect(await codeOf(check(token, on))).toBe('ok');
  const known = check(token, on);
  expect(check(token, on)).toBe(known);
  expect(known.ok).toBe(true);
  expect(asked).toEqual([]);
  const also = asking({ ...policy.introspection, also: true }, keys);
  expect(await codeOf(check(token, also))).toBe('ok');
  active = false;
  expect(check(token, also)).toMatchObject({ ok: true, subject: 'subject-1' });
  revoke({ sub: 'subject-1', issuer: policy.issuer, until: now() + 600 });
  expect(check(token, also)).toMatchObject({ ok: false, code: 'ERR_TOKEN_REVOKED' });
  expect(asked).toHaveLength(1);
});

test('with `opaque: false` a token that is no JWT is shown to nobody, and JWTs are asked about', async () => {
  const signer = new Signer();
  const { asked, asking, check, policy } = await provider(() => ({ active: true }));
  const introspection = { ...policy.introspection, opaque: false, also: true };
  const compiled = asking(introspection, { jwks: { keys: [signer.jwk] } });
  expect(await codeOf(check(opaque(), compiled))).toBe('ERR_TOKEN_OPAQUE');
  expect(asked).toEqual([]);
  expect(await codeOf(check(signer.token({ iss: policy.issuer }), compiled))).toBe('ok');
  expect(asked).toHaveLength(1);
});

test('with `also`, a token that is revoked while the provider is asked is refused', async () => {
  const signer = new Signer();
  const sub = opaque();
  const { policy, verifier } = await provider((_token, issuer) => {
    revoke({ sub, issuer, until: now() + 600 });
    return { active: true };
  });
  const introspection = { ...policy.introspection, also: true };
  const compiled = verifier.compile({ ...policy, jwks: { keys: [signer.jwk] }, introspection });
  const token = signer.token({ iss: policy.issuer, sub });
  expect(await codeOf(verifier.check(token, compiled))).toBe('ERR_TOKEN_REVOKED');
});

test('under several issuers an answer has to name one of them', async () => {
  let named = true;
  const { issuer, policy, verifier } = await provider((_token, from) => ({
    ...good(from),
    ...(named ? {} : { iss: undefined }),
  }));
  const introspection = { ...policy.introspection, endpoint: `${issuer}/introspect` };
  const several = { ...policy, issuer: [issuer, `${issuer}/other`], introspection };
  const compiled = verifier.compile(several);
  expect(await codeOf(verifier.check(opaque(), compiled))).toBe('ok');
  named = false;
  expect(await codeOf(verifier.check(opaque(), compiled))).toBe('ERR_TOKEN_ISSUER');
});

test('what is no bearer token is sent to nobody, and without the option nothing is', async () => {
  const { asked, check, policy, verifier } = await provider((_token, issuer) => good(issuer));
  for (const token of ['', 'a b', 'é', 'a\u0000b', '=', `a\r\nb`])
    expect(await codeOf(check(token))).toMatch(/^ERR_TOKEN_(OPAQUE|MALFORMED)$/);
  expect(await codeOf(check('x'.repeat(17_000)))).toBe('ERR_TOKEN_TOO_LARGE');
  const { introspection: _, ...without } = policy;
  expect(await codeOf(check(opaque(), verifier.compile(without)))).toBe('ERR_TOKEN_OPAQUE');
  expect(asked).toEqual([]);
});

test.each([
  'a',
  {},
  { clientId: 'a' },
  { clientId: '', clientSecret: 'b' },
  { clientId: 'a', clientSecret: '' },
  { clientId: 'a', clientSecret: 'b', auth: 'none' },
  { clientId: 'a', auth: 'mtls' },
  { clientId: 'a', clientSecret: 'b', auth: 'mtls' },
  { clientId: 'a', clientSecret: 'b', cacheMs: -1 },
  { clientId: 'a', clientSecret: 'b', cacheMs: 60_001 },
  { clientId: 'a', clientSecret: 'b', cacheMs: NaN },
  { clientId: 'a', clientSecret: 'b', also: 'yes' },
  { clientId: 'a', clientSecret: 'b', endpoint: 'http://idp.example' },
  { clientId: 'a', clientSecret: 'b', endpoint: 'https://a:b@idp.example/introspect' },
  { clientId: 'a', clientSecret: 'b', endpoint: 'https://a@idp.example/introspect' },
  { clientId: 'a', clientSecret: 'b', endpoint: 'https://idp.example/introspect#a' },
  { clientId: 'a', clientSecret: 'b', more: 1 },
  { clientId: 'a', clientSecret: 'b', opaque: false },
  { clientId: 'a', clientSecret: 'b', opaque: 'no' },
  { clientId: 'a', clientSecret: 'b', signed: 1 },
])('%j is no way to introspect', (introspection) => {
  const policy = { issuer: 'https://idp.example', audience: AUDIENCE, introspection };
  expect(() => new RemoteTokenVerifier().compile(policy)).toThrow(
    expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
  );
});
