'use strict';

const { once } = require('node:events');
const http = require('node:http');
const { RemoteTokenVerifier } = require('../../index');
const { failure } = require('../support/fakes');
const { setUp } = require('../support/flow');
const { Signer, resultOf, policyOf } = require('../support/signer');

const verifier = new RemoteTokenVerifier();
const signer = new Signer();
const of = (token, more) => resultOf(verifier, token, policyOf([signer.jwk], more));
const encode = (text) => Buffer.from(text).toString('base64url');
afterAll(() => verifier.clear());

const JWE = encode('{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"JWT"}');

test.each([
  ['an opaque token with a dot (Ory Hydra)', 'ory_at_jSn6Gk5WdL-1.x4_0', 'ERR_TOKEN_OPAQUE'],
  ['an opaque token with dots', 'ya29.a0AfH6SM.bX.Yz', 'ERR_TOKEN_OPAQUE'],
  ['an opaque token', 'sk-0123456789', 'ERR_TOKEN_OPAQUE'],
  ['a JWE', `${JWE}.AAAA.AAAA.AAAA.AAAA`, 'ERR_TOKEN_ENCRYPTED'],
  [
    'a JWE without an encrypted key',
    `${encode('{"alg":"dir","enc":"A128GCM"}')}..AAAA.AAAA.AAAA`,
    'ERR_TOKEN_ENCRYPTED',
  ],
  ['a JWS that lost its signature', signer.token().split('.').slice(0, 2).join('.'), 'ERR_TOKEN_MALFORMED'],
  ['a JWS with a part too many', `${signer.token()}.AAAA`, 'ERR_TOKEN_MALFORMED'],
])('C3 %s has words of its own', async (kind, token, code) => {
  const error = await of(token);
  expect(error.code).toBe(code);
  const words = { ERR_TOKEN_OPAQUE: 'opaque', ERR_TOKEN_ENCRYPTED: 'encrypted', ERR_TOKEN_MALFORMED: 'three parts' };
  expect(error.message).toContain(words[code]);
});

/** JSON text, and what is said of it. */
const UNREADABLE = [
  ['{"aud":"a","aud":"a"}', '"aud" is there twice'],
  ['{"x":{"resource_access":1,"y":2,"resource_access":3}}', '"resource_access" is there twice'],
  [`{"${'n'.repeat(500)}":1,"${'n'.repeat(500)}":2}`, 'is there twice'],
  ['{"a":1', 'ends before'],
  ['{"a":1}x', 'follows'],
  ['{"a":01}', 'character'],
  ['{"a":1e999}', 'too large'],
  ['{"a":"\\ud800"}', 'surrogate'],
  ['{"a":"\\x"}', 'escape'],
  ['{"a":"\u0001"}', 'control character'],
  [`{"a":${'['.repeat(17)}${']'.repeat(17)}}`, 'nested deeper than 16'],
];

test.each(UNREADABLE)('C4 claims %s', async (text, words) => {
  const error = await of(signer.token(text));
  expect(error.code).toBe('ERR_TOKEN_MALFORMED');
  expect(error.message).toContain('claims');
  expect(error.message).toContain(words);
  expect(error.message.length).toBeLessThan(200);
});

test.each(UNREADABLE)('C4 header %s', async (text, words) => {
  const error = await of(signer.token({}, text));
  expect(error.code).toBe('ERR_TOKEN_MALFORMED');
  expect(error.message).toContain('header');
  expect(error.message).toContain(words);
});

test('C4 a list, and bytes that are no text, have words of their own, and a name cannot forge a log line', async () => {
  expect(await of(signer.token('[1]'))).toMatchObject({
    code: 'ERR_TOKEN_CLAIMS',
    message: expect.stringContaining('object'),
  });
  expect(await of(signer.token({}, '[1]'))).toMatchObject({
    code: 'ERR_TOKEN_MALFORMED',
    message: expect.stringContaining('object'),
  });
  const error = await of(signer.token('{"a\\nforged":1,"a\\nforged":2}'));
  expect(error.message).not.toContain('\n');
});

test('C5 an ID token with the right audience and without the scope is named as one', async () => {
  for (const claims of [{ nonce: 'n' }, { at_hash: 'h' }, { typ: 'ID' }]) {
    const error = await of(signer.token(claims, { typ: 'JWT' }), { scope: 'agents:use' });
    expect(error).toMatchObject({ code: 'ERR_SCOPE_MISSING', fault: 'scope', expected: '"agents:use"' });
    expect(error.message).toContain('ID token');
  }
  expect((await of(signer.token({ scope: 'x' }), { scope: 'agents:use' })).message).not.toContain('ID token');
});

const META = 'http://localhost:9';
const metadata = (issuer) => ({ issuer, jwks_uri: `${META}/keys` });
test.each([
  ['a web page', () => '<!doctype html><title>Sign in</title>', /not JSON; a web page/],
  ['nothing', () => '', /not JSON/],
  ['JSON that is cut short', () => '{"issuer":"', /not JSON/],
  ['a list', () => '[]', /JSON, but not an object/],
  ['a text', () => '"x"', /JSON, but not an object/],
  ['no jwks_uri', (issuer) => JSON.stringify({ issuer }), /no `jwks_uri`/],
  [
    'a jwks_uri that is a list',
    (issuer) => JSON.stringify({ ...metadata(issuer), jwks_uri: [META] }),
    /no `jwks_uri`, or one that is not text/,
  ],
  [
    'a jwks_uri by http',
    (issuer) => JSON.stringify({ ...metadata(issuer), jwks_uri: 'http://keys.example' }),
    /not an https URL/,
  ],
])('C4 metadata that are %s have words of their own', async (_what, body, words) => {
  let issuer;
  const server = http.createServer((_req, res) => res.end(body(issuer))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${server.address().port}`;
  try {
    const error = await new RemoteTokenVerifier().prefetch({ issuer, audience: 'api' }).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: 'ERR_DISCOVERY_DOCUMENT',
      message: expect.stringMatching(words),
      host: '127.0.0.1',
    });
  } finally {
    server.close().closeAllConnections();
  }
});

test.each([
  ['a role', { requiredRoles: ['agents'] }, 'ERR_ROLE_MISSING'],
  ['a permission', { requiredPermissions: ['agents'] }, 'ERR_PERMISSION_MISSING'],
])('C5 an ID token that lacks %s is named as one', async (_what, more, code) => {
  const error = await of(signer.token({ nonce: 'n', at_hash: 'h' }, { typ: 'JWT' }), more);
  expect(error).toMatchObject({ code, message: expect.stringContaining('this is an ID token: send the access token') });
  const other = await of(signer.token({}, { typ: 'JWT' }), more);
  expect(other).toMatchObject({ code, message: expect.not.stringContaining('ID token') });
});

test('C5 the log calls a missing role a role', async () => {
  for (const [code, word] of [
    ['ERR_SCOPE_MISSING', 'scope'],
    ['ERR_ROLE_MISSING', 'role'],
    ['ERR_PERMISSION_MISSING', 'permission'],
  ]) {
    const app = setUp({ answers: { agents: failure(code, 'scope', 'expected "agents", got "user"') } });
    await app.call();
    const [[level, text, error]] = app.lines;
    expect([level, text]).toEqual([
      'warn',
      expect.stringMatching(new RegExp(`lacks a required .*${word}.* \\(${code}\\)`)),
    ]);
    expect(text.includes('scope')).toBe(word === 'scope');
    expect(word === 'scope' ? text : error.message).toContain('expected "agents", got "user"');
  }
});

test('C5 a missing role is named', async () => {
  const error = await of(signer.token({ realm_access: { roles: ['user'] } }), { requiredRoles: ['agents'] });
  expect(error).toMatchObject({ code: 'ERR_ROLE_MISSING', fault: 'scope' });
  expect(error.message).toContain('agents');
});
