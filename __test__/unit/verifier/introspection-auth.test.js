'use strict';

// How the client proves to an introspection endpoint who it is: assertions that it signs (RFC 7523), and its certificate (RFC 8705).

const { constants, generateKeyPairSync, verify } = require('node:crypto');
const https = require('node:https');
const { inspect } = require('node:util');
const { RemoteTokenVerifier } = require('../../..');
const { certificates } = require('../../support/certificates');
const { AUDIENCE, closeProviders, codeOf, good, now, opaque, provider } = require('../../support/introspecting');

afterAll(closeProviders);

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const KINDS = {
  rsa: ['rsa', { modulusLength: 2048 }],
  p256: ['ec', { namedCurve: 'P-256' }],
  p384: ['ec', { namedCurve: 'P-384' }],
  p521: ['ec', { namedCurve: 'P-521' }],
  ed25519: ['ed25519', {}],
};
const PEM = { rsa: ['pkcs8', 'pkcs1'], p256: ['pkcs8', 'sec1'], p384: ['pkcs8', 'sec1'], p521: ['pkcs8', 'sec1'] };
const publicKeyEncoding = { format: 'pem', type: 'spki' };
/** @type {Record<string, { publicKey: string, privateKey: any }>} each private key as JWK and in its PEM forms */
const keys = Object.fromEntries(
  Object.entries(KINDS).map(([name, [kind, options]]) => {
    const { privateKey, publicKey } = generateKeyPairSync(kind, options);
    const forms = (PEM[name] ?? ['pkcs8']).map((type) => [type, privateKey.export({ format: 'pem', type })]);
    return [
      name,
      {
        publicKey: publicKey.export(publicKeyEncoding),
        jwk: privateKey.export({ format: 'jwk' }),
        ...Object.fromEntries(forms),
      },
    ];
  }),
);

/** The assertion of a request, once node:crypto has found it signed. @param {URLSearchParams} form @param {string} publicKey */
function assertionOf(form, publicKey) {
  const [header, payload, signature] = form.get('client_assertion').split('.');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
  const { alg } = read(header);
  const padding = alg.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  const digest = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363', ...padding };
  const signed = verify(digest, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
  return { header: read(header), claims: read(payload), signed };
}

const by = (members) => ({ clientId: 'agents', auth: 'private_key_jwt', ...members });

/** Which key, in which form, what the policy says of it, and the algorithm of the assertion. */
const FORMS = [
  ['rsa', 'pkcs8', {}, 'RS256'],
  ['rsa', 'pkcs1', { alg: 'RS512' }, 'RS512'],
  ['rsa', 'jwk', { alg: 'PS256' }, 'PS256'],
  ['rsa', 'pkcs8', { alg: 'PS384', kid: 'a' }, 'PS384'],
  ['rsa', 'jwk', { alg: 'RS384' }, 'RS384'],
  ['rsa', 'jwk', { alg: 'PS512' }, 'PS512'],
  ['p256', 'pkcs8', {}, 'ES256'],
  ['p256', 'sec1', { kid: 'b' }, 'ES256'],
  ['p256', 'jwk', { alg: 'ES256' }, 'ES256'],
  ['p384', 'pkcs8', {}, 'ES384'],
  ['p384', 'sec1', {}, 'ES384'],
  ['p384', 'jwk', {}, 'ES384'],
  ['p521', 'pkcs8', {}, 'ES512'],
  ['p521', 'jwk', {}, 'ES512'],
  ['ed25519', 'pkcs8', {}, 'EdDSA'],
  ['ed25519', 'jwk', { alg: 'Ed25519' }, 'EdDSA'],
];

test.each(FORMS)('an assertion signed by %s as %s with %j says %s', async (name, form, members, alg) => {
  const { asked, asking, check, issuer } = await provider((_token, from) => good(from));
  const { publicKey, [form]: privateKey } = keys[name];
  const compiled = asking(by({ privateKey, ...members }));
  const before = now();
  expect(await codeOf(check(opaque(), compiled))).toBe('ok');
  const [{ form: sent, headers }] = asked;
  expect(headers.authorization).toBeUndefined();
  expect([...sent.keys()]).toEqual([
    'token',
    'token_type_hint',
    'client_id',
    'client_assertion_type',
    'client_assertion',
  ]);
  expect([sent.get('client_id'), sent.get('client_assertion_type')]).toEqual(['agents', TYPE]);
  const { header, claims, signed } = assertionOf(sent, publicKey);
  expect(signed).toBe(true);
  expect(header).toEqual({ alg, typ: 'JWT', ...(members.kid && { kid: members.kid }) });
  expect(claims).toEqual({
    iss: 'agents',
    sub: 'agents',
    aud: issuer,
    jti: expect.stringMatching(/^[\w-]{22}$/),
    iat: expect.any(Number),
    exp: claims.iat + 60,
  });
  expect(claims.iat - before).toBeGreaterThanOrEqual(0);
  expect(claims.iat - before).toBeLessThan(10);
});

test('each call has an assertion of its own, and a JWK’s own names count', async () => {
  const { asked, asking, check } = await provider((_token, from) => good(from));
  const privateKey = { ...keys.p256.jwk, kid: 'of the key', alg: 'ES256', use: 'sig', key_ops: ['sign'] };
  const compiled = asking(by({ privateKey: JSON.stringify(privateKey), cacheMs: 0 }));
  const token = opaque();
  for (let time = 0; time < 2; time += 1) expect(await codeOf(check(token, compiled))).toBe('ok');
  const [first, second] = asked.map(({ form }) => assertionOf(form, keys.p256.publicKey));
  expect([first.header.kid, second.header.kid]).toEqual(['of the key', 'of the key']);
  expect(first.claims.jti).not.toBe(second.claims.jti);
});

test.each([
  ['issuer', undefined, (issuer) => issuer],
  ['issuer', 'issuer', (issuer) => issuer],
  ['endpoint', 'endpoint', (issuer) => `${issuer}/introspect`],
  ['URL', 'https://idp.example/token', () => 'https://idp.example/token'],
])('the assertion is for the %s with `assertionAudience: %j`', async (_name, assertionAudience, expected) => {
  const { asked, asking, check, issuer } = await provider((_token, from) => good(from));
  const compiled = asking(by({ privateKey: keys.p256.pkcs8, assertionAudience }));
  expect(await codeOf(check(opaque(), compiled))).toBe('ok');
  expect(assertionOf(asked[0].form, keys.p256.publicKey).claims.aud).toBe(expected(issuer));
});

test.each([
  [401, 'invalid_client'],
  [403, 'access_denied'],
  [400, 'invalid_client'],
])('status %i and %s is about our own client, and shows neither key nor assertion', async (status, error) => {
  const { asked, asking, check } = await provider(() => ({ status, body: JSON.stringify({ error }) }));
  const outcome = await check(opaque(), asking(by({ privateKey: keys.p256.pkcs8 })));
  expect(outcome).toMatchObject({ ok: false, code: 'ERR_ENDPOINT_STATUS', fault: 'upstream' });
  for (const word of [error, 'client', 'key', 'secret']) expect(outcome.message).toContain(word);
  const shown = inspect(outcome, { depth: 9 });
  for (const secret of [asked[0].form.get('client_assertion'), keys.p256.jwk.d]) expect(shown).not.toContain(secret);
});

test('any other status is not said to be about the client', async () => {
  const { asking, check } = await provider(() => ({ status: 503, body: '{"error":"temporarily_unavailable"}' }));
  const outcome = await check(opaque(), asking(by({ privateKey: keys.p256.pkcs8 })));
  expect(outcome).toMatchObject({ ok: false, code: 'ERR_ENDPOINT_STATUS' });
  expect(outcome.message).not.toContain('client');
});

const { d, ...publicOnly } = keys.p256.jwk;
const { d: other } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  format: 'pem',
  type: 'pkcs8',
  cipher: 'aes-128-cbc',
  passphrase: 'p',
});
const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
const x25519 = generateKeyPairSync('x25519').privateKey;

test.each([
  ['no key', {}],
  ['an empty key', { privateKey: '' }],
  ['text', { privateKey: 'a key' }],
  ['a public key as PEM', { privateKey: keys.p256.publicKey }],
  ['a public JWK', { privateKey: publicOnly }],
  ['a JWK whose halves do not belong together', { privateKey: { ...publicOnly, d: other } }],
  ['a JWK in padded base64', { privateKey: { ...publicOnly, d: `${d}=` } }],
  ['a secret as JWK', { privateKey: { kty: 'oct', k: 'AAAA' } }],
  ['an RSA JWK without its primes', { privateKey: { ...keys.rsa.jwk, p: undefined, q: undefined } }],
  ['an RSA JWK of more than two primes', { privateKey: { ...keys.rsa.jwk, oth: [] } }],
  ['RSA of 1024 bits', { privateKey: small.export({ format: 'pem', type: 'pkcs8' }) }],
  ['RSA of 1024 bits as JWK', { privateKey: small.export({ format: 'jwk' }) }],
  ['an encrypted key', { privateKey: encrypted }],
  ['secp256k1', { privateKey: secp256k1.export({ format: 'pem', type: 'pkcs8' }) }],
  ['secp256k1 as JWK', { privateKey: secp256k1.export({ format: 'jwk' }) }],
  ['X25519', { privateKey: x25519.export({ format: 'pem', type: 'pkcs8' }) }],
  ['X25519 as JWK', { privateKey: x25519.export({ format: 'jwk' }) }],
  ['a key for encryption', { privateKey: { ...keys.p256.jwk, use: 'enc' } }],
  ['a key that may only verify', { privateKey: { ...keys.p256.jwk, key_ops: ['verify'] } }],
  ['a JWK Set', { privateKey: { keys: [keys.p256.jwk] } }],
  ['a list', { privateKey: [keys.p256.jwk] }],
  ['a number', { privateKey: 7 }],
  ['an algorithm of another type of key', { privateKey: keys.p256.pkcs8, alg: 'RS256' }],
  ['an algorithm of another curve', { privateKey: keys.p256.pkcs8, alg: 'ES384' }],
  ['another algorithm than the key’s own', { privateKey: { ...keys.rsa.jwk, alg: 'RS256' }, alg: 'PS256' }],
  ['a key’s own algorithm that does not fit', { privateKey: { ...keys.p256.jwk, alg: 'RS256' } }],
  ['HS256', { privateKey: keys.p256.pkcs8, alg: 'HS256' }],
  ['none', { privateKey: keys.p256.pkcs8, alg: 'none' }],
  ['an empty kid', { privateKey: keys.p256.pkcs8, kid: '' }],
  ['a kid that is too long', { privateKey: keys.p256.pkcs8, kid: 'k'.repeat(257) }],
  ['a secret beside the key', { privateKey: keys.p256.pkcs8, clientSecret: 's' }],
  ['a key for another way', { privateKey: keys.p256.pkcs8, clientSecret: 's', auth: 'basic' }],
  ['an algorithm for another way', { clientSecret: 's', auth: 'post', alg: 'ES256' }],
  ['a plain audience', { privateKey: keys.p256.pkcs8, assertionAudience: 'http://idp.example' }],
  ['an audience with a password', { privateKey: keys.p256.pkcs8, assertionAudience: 'https://a:b@idp.example/token' }],
  ['an audience that is no URL', { privateKey: keys.p256.pkcs8, assertionAudience: 'token' }],
])('%s is a configuration error that names the option and shows no key', (_name, members) => {
  const policy = { issuer: 'https://idp.example', audience: AUDIENCE, introspection: by(members) };
  let thrown;
  try {
    new RemoteTokenVerifier().compile(policy);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'ERR_POLICY_OPTION', message: expect.stringContaining('introspection') });
  const shown = inspect(thrown, { depth: 9 });
  for (const secret of [d, keys.rsa.jwk.d, 'PRIVATE KEY']) expect(shown).not.toContain(secret);
});

test('for an issuer of many tenants the assertion’s audience has to be said', () => {
  const issuer = 'https://login.example/{tenantid}/v2.0';
  const many = { issuer, audience: AUDIENCE, allowedTenants: ['t'], jwksUri: 'https://login.example/keys' };
  const introspection = by({ privateKey: keys.p256.pkcs8, endpoint: 'https://login.example/introspect' });
  const verifier = new RemoteTokenVerifier();
  expect(() => verifier.compile({ ...many, introspection })).toThrow(
    expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
  );
  verifier.compile({ ...many, introspection: { ...introspection, assertionAudience: 'endpoint' } });
});

describe('mtls', () => {
  const made = certificates();
  const ca = made.make('ca', { ca: true });
  const server = made.make('server', { issuer: 'ca' });
  const client = made.make('client', { issuer: 'ca' });
  afterAll(() => made.remove?.());
  const listen = (handler) =>
    https.createServer(
      { cert: server.cert, key: server.key, ca: ca.cert, requestCert: true, rejectUnauthorized: false },
      handler,
    );
  const secure = (answer, metadata) => provider(answer, { listen, scheme: 'https', host: 'localhost', metadata });
  const more = { ca: ca.cert, clientCertificate: { cert: client.cert, key: client.key } };

  test('the endpoint sees the certificate and the client id, and no secret', async () => {
    const { asked, asking, check } = await secure((_token, issuer) => good(issuer));
    expect(await codeOf(check(opaque(), asking({ clientId: 'agents', auth: 'mtls' }, more)))).toBe('ok');
    const [{ form, headers, peer, url }] = asked;
    expect([peer.subject.CN, headers.authorization, url]).toEqual(['client', undefined, '/introspect']);
    expect([...form.keys()]).toEqual(['token', 'token_type_hint', 'client_id']);
    expect(form.get('client_id')).toBe('agents');
  });

  test('the endpoint for clients with a certificate is asked where the metadata have one, by the rule for hosts', async () => {
    const aliases = (url) => (issuer) => ({ mtls_endpoint_aliases: { introspection_endpoint: url(issuer) } });
    const way = [{ clientId: 'agents', auth: 'mtls' }, more];
    const there = await secure(
      (_token, issuer) => good(issuer),
      aliases((issuer) => `${issuer}/by-certificate`),
    );
    expect(await codeOf(there.check(opaque(), there.asking(...way)))).toBe('ok');
    expect(there.asked[0].url).toBe('/by-certificate');
    // Others are asked where they always are.
    const secret = { clientId: 'agents', clientSecret: 's' };
    expect(await codeOf(there.check(opaque(), there.asking(secret, { ca: ca.cert })))).toBe('ok');
    expect(there.asked[1].url).toBe('/introspect');
    for (const url of ['https://evil.example/introspect', 'introspect', 7, null]) {
      const elsewhere = await secure(
        (_token, issuer) => good(issuer),
        aliases(() => url),
      );
      expect(await codeOf(elsewhere.check(opaque(), elsewhere.asking(...way)))).toBe('ERR_ENDPOINT_REFUSED');
      expect(elsewhere.asked).toEqual([]);
    }
  });
});
