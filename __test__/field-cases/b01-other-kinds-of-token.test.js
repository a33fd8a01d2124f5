'use strict';

// A provider signs more than access tokens with the same keys. RFC 8725 3.11: none of the others passes for one.

const { RemoteTokenVerifier } = require('../../index');
const { AUDIENCE, Signer, resultOf, policyOf } = require('../support/signer');
const { score } = require('../support/score');

const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const EVENT = { 'http://schemas.openid.net/event/backchannel-logout': {} };
const NO_EXP = { exp: undefined, iat: undefined };
const code = async (token, more) => {
  const result = await resultOf(verifier, token, policyOf([signer.jwk], more));
  return result.code ?? result;
};
const anywhere = [
  {},
  { typ: 'off' },
  { requireExp: false },
  { typ: 'preferred' },
  { typ: 'preferred', requireExp: false },
];
afterAll(() => verifier.clear());

/** Kind, claims, header, code. */
const ALWAYS = [
  ['a logout token of Keycloak', { typ: 'Logout', events: EVENT, sid: 's' }, { typ: 'logout+jwt' }, 'ERR_LOGOUT_TOKEN'],
  ['a logout token by its header alone', {}, { typ: 'logout+jwt' }, 'ERR_LOGOUT_TOKEN'],
  ['a logout token by its claims alone', { events: EVENT }, { typ: 'JWT' }, 'ERR_LOGOUT_TOKEN'],
  ['a logout token that says it is an access token', { events: EVENT }, { typ: 'at+jwt' }, 'ERR_LOGOUT_TOKEN'],
  ['a logout token without exp', { events: EVENT, ...NO_EXP }, {}, 'ERR_LOGOUT_TOKEN'],
  [
    'a security event',
    { events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} } },
    { typ: 'secevent+jwt' },
    'ERR_LOGOUT_TOKEN',
  ],
  ['a refresh token', { typ: 'Refresh' }, {}, 'ERR_REFRESH_TOKEN'],
  ['an offline token', { typ: 'Offline' }, {}, 'ERR_REFRESH_TOKEN'],
  ...['refresh', 'REFRESH', 'refresh_token'].flatMap((word) =>
    ['typ', 'token_use', 'token_type', 'type', 'purpose'].map((name) => [
      `a refresh token by ${name} ${word}`,
      { [name]: word },
      {},
      'ERR_REFRESH_TOKEN',
    ]),
  ),
  [
    'a refresh token that says it is an access token',
    { token_type: 'refresh', scope: 'read', azp: 'cli' },
    { typ: 'at+jwt' },
    'ERR_REFRESH_TOKEN',
  ],
  ['a refresh token by its header', {}, { typ: 'Refresh' }, 'ERR_REFRESH_TOKEN'],
  ['a refresh token by a media type', {}, { typ: 'rt+jwt' }, 'ERR_TOKEN_TYPE'],
  ...['logout', 'LOGOUT', 'logout_token'].map((typ) => [
    `a logout token by the claim typ ${typ}`,
    { typ },
    {},
    'ERR_LOGOUT_TOKEN',
  ]),
  [
    'a logout token by a type with parameters',
    {},
    { typ: 'application/logout+jwt; charset=utf-8' },
    'ERR_LOGOUT_TOKEN',
  ],
  ['a logout token by the word alone', {}, { typ: 'Logout' }, 'ERR_LOGOUT_TOKEN'],
  [
    'a userinfo answer of Hydra without a profile',
    { exp: undefined, jti: 'j', auth_time: 1, rat: 1 },
    {},
    'ERR_USERINFO_TOKEN',
  ],
  [
    'an authorization answer of the implicit flow',
    { sub: undefined, access_token: 't', token_type: 'Bearer', scope: 'read' },
    {},
    'ERR_AUTHORIZATION_RESPONSE',
  ],
  [
    'a signed userinfo answer',
    { ...NO_EXP, name: 'Ada', email: 'ada@example.com', email_verified: true },
    { typ: 'JWT' },
    'ERR_USERINFO_TOKEN',
  ],
  [
    'a signed userinfo answer with iat and jti',
    { exp: undefined, jti: 'j', preferred_username: 'ada' },
    {},
    'ERR_USERINFO_TOKEN',
  ],
  ['an authorization answer', { sub: undefined, code: 'c', state: 's' }, {}, 'ERR_AUTHORIZATION_RESPONSE'],
  ['an authorization answer with a subject', { code: 'c', state: 's' }, {}, 'ERR_AUTHORIZATION_RESPONSE'],
  [
    'an authorization answer with an error',
    { sub: undefined, error: 'access_denied' },
    {},
    'ERR_AUTHORIZATION_RESPONSE',
  ],
  ...[
    'dpop+jwt',
    'application/dpop+jwt',
    'DPoP+JWT',
    'entity-statement+jwt',
    'oauth-authz-req+jwt',
    'token-introspection+jwt',
    'dpop+jwt;v=1',
    'DPOP+JWT ; v=1',
    'wallet-unit-attestation+jwt',
    'vp+sd-jwt',
    'client-authentication+jwt',
    'kb+jwt',
    'vc+sd-jwt',
    'x+jwt',
  ].map((typ) => [`a token of type ${typ}`, {}, { typ }, 'ERR_TOKEN_TYPE']),
  ...[
    'Serialized-ID',
    'RegistrationAccessToken',
    'InitialAccessToken',
    'reset-credentials',
    'RESET-CREDENTIALS',
    'ORGIVT',
    'dpop+jwt',
  ].map((typ) => [`a token with the claim typ ${typ}`, { typ }, {}, 'ERR_TOKEN_TYPE']),
];

test.each(ALWAYS)('B1 %s is refused under every policy', async (kind, claims, header, expected) => {
  for (const more of anywhere) expect([more, await code(signer.token(claims, header), more)]).toEqual([more, expected]);
});

test.each([
  undefined,
  'JWT',
  'jwt',
  'at+jwt',
  'AT+JWT',
  'application/at+jwt',
  'application/AT+JWT',
  'at+jwt;v=1',
  ' application/at+jwt ; charset=utf-8',
])('B1 an access token of type %s passes', async (typ) => {
  for (const more of anywhere)
    expect(await code(signer.token({ scope: 'read', azp: 'cli' }, { typ }), more)).toBe('ok');
});

test('B1 claims that only look a little like those of other kinds do no harm', async () => {
  for (const claims of [
    { events: ['read'] },
    { code: 'DE' },
    { state: 'CA' },
    { typ: 'Bearer', nonce: 'n' },
    { typ: 'DPoP' },
    { email: 'ada@example.com', name: 'Ada' },
    { type: 'user', purpose: 'api' },
    { token_type: 'Bearer' },
    { type: 'refreshing' },
  ]) {
    expect(await code(signer.token(claims), { typ: 'preferred' })).toBe('ok');
  }
  expect(await code(signer.token({ exp: undefined }), { requireExp: false })).toBe('ok');
  // Keycloak's lightweight tokens: no `sub`, and `session_state` in older versions.
  const lightweight = { sub: undefined, typ: 'Bearer', azp: 'cli', session_state: 's', state: 'CA' };
  expect(await code(signer.token(lightweight), { requireSubject: false })).toBe('ok');
  expect(await code(signer.token(lightweight))).toBe('ERR_TOKEN_SUBJECT');
});

test.each([{}, { typ: 'preferred' }])(
  'B1 a token without `exp`, `iat`, `jti` and a grant is taken for a userinfo answer, under %j',
  async (more) => {
    const policy = { ...more, requireExp: false };
    expect(await code(signer.token(NO_EXP), policy)).toBe('ERR_USERINFO_TOKEN');
    for (const said of [{ scope: 'read' }, { client_id: 'cli' }, { azp: 'cli' }, { typ: 'Bearer' }])
      expect(await code(signer.token({ ...NO_EXP, ...said }), policy)).toBe('ok');
    expect(await code(signer.token(NO_EXP, { typ: 'at+jwt' }), policy)).toBe('ok');
  },
);

test('B1 B2 genuine tokens of other kinds: none always, or none under typ: preferred (S45)', async () => {
  const jwe = `${Buffer.from('{"alg":"RSA-OAEP","enc":"A256GCM"}').toString('base64url')}.AAAA.AAAA.AAAA.AAAA`;
  const graph = new Signer();
  const preferred = [
    ['ID', signer.token({ typ: 'ID', nonce: 'n', at_hash: 'h', azp: AUDIENCE }), 'ERR_ID_TOKEN'],
    ['ID by c_hash', signer.token({ c_hash: 'h' }), 'ERR_ID_TOKEN'],
    ['ID of Curity', signer.token({ purpose: 'id' }), 'ERR_ID_TOKEN'],
    ['ID by token_type', signer.token({ token_type: 'id_token' }), 'ERR_ID_TOKEN'],
    ['PASETO', 'v4.public.eyJzdWIiOiJhIn0', 'ERR_TOKEN_OPAQUE'],
    ['ID of a login', signer.token({ auth_time: 1, azp: AUDIENCE }, { typ: 'JWT' }), 'ERR_ID_TOKEN'],
    ['refresh', signer.token({ typ: 'Refresh' }), 'ERR_REFRESH_TOKEN'],
    ['Graph', graph.token({}, { nonce: 'n' }), 'ERR_GRAPH_TOKEN'],
    ['opaque', 'sk-0123456789', 'ERR_TOKEN_OPAQUE'],
    ['opaque with dots', 'ory_at_AbC.dEf', 'ERR_TOKEN_OPAQUE'],
    ['JWE', jwe, 'ERR_TOKEN_ENCRYPTED'],
    [
      'userinfo of nothing but a subject',
      signer.token(NO_EXP, { typ: 'JWT' }),
      'ERR_USERINFO_TOKEN',
      { requireExp: false },
    ],
  ];
  const wrong = [];
  for (const [kind, token, expected, more] of preferred) {
    const said = await code(token, { typ: 'preferred', ...more });
    if (said !== expected) wrong.push(`${kind}: ${said}`);
  }
  for (const [kind, claims, header, expected] of ALWAYS) {
    for (const more of anywhere) {
      const said = await code(signer.token(claims, header), more);
      if (said !== expected) wrong.push(`${kind}: ${said}`);
    }
  }
  const cases = preferred.length + ALWAYS.length * anywhere.length;
  score(
    'S45',
    `${cases} cases, ${wrong.length} accepted or not named${wrong.length ? `: ${wrong.slice(0, 3)}` : ''}`,
    '0 accepted always (logout, userinfo, JARM), 0 under typ: preferred',
    wrong.length === 0,
  );
  expect(wrong).toEqual([]);
});
