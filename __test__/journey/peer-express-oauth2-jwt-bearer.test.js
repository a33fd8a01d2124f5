'use strict';

// The same requests through express-oauth2-jwt-bearer and through ours: status, and error and scope of the challenge. Where they differ,
// the table of differences says by which clause. Texts (realm, error_description) always differ: ours names no cause.

const { createServer } = require('node:http');
const http = require('node:http');
const { once } = require('node:events');
const express = require('express');
const peer = require('express-oauth2-jwt-bearer');
const ours = require('../..');
const { Issuer } = require('../support/issuer');

const issuer = new Issuer();
const other = new Issuer();
const servers = [];
/** @type {{ ours: number, theirs: number }} */
let ports;

async function listen(app) {
  const server = createServer(app).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return server.address().port;
}

/** The routes of both: open to any good token, and one for each guard. */
function routes(app, auth, guards) {
  app.use(express.urlencoded({ extended: false }), express.json());
  app.use('/optional', auth.optional);
  app.use('/api', auth.required);
  const end = (_req, res) => res.end('in');
  app.all('/optional', end);
  app.all('/api/open', end);
  for (const [name, guard] of Object.entries(guards)) app.all(`/api/${name}`, guard, end);
  app.use((error, _req, res, _next) =>
    res
      .status(error.status ?? 500)
      .set(error.headers ?? {})
      .end(),
  );
  return app;
}

beforeAll(async () => {
  await Promise.all([issuer.start(), other.start()]);
  const policy = { issuer: issuer.url, audience: 'agents', algorithms: ['ES256'] };
  const bearer = (more) => ours.createBearerAuth({ ...policy, onError: 'next', ...more });
  const mine = routes(
    express(),
    { required: bearer(), optional: bearer({ authRequired: false }) },
    {
      scopes: ours.requireScopes('read write'),
      any: ours.requireAnyScope('admin read'),
      equals: ours.requireClaim('tier', 'gold'),
      check: ours.check((auth) => auth.claims.tier === 'gold'),
    },
  );
  const settings = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri, tokenSigningAlg: 'ES256' };
  const theirs = routes(
    express(),
    { required: peer.auth(settings), optional: peer.auth({ ...settings, authRequired: false }) },
    {
      scopes: peer.requiredScopes('read write'),
      any: peer.scopeIncludesAny('admin read'),
      equals: peer.claimEquals('tier', 'gold'),
      check: peer.claimCheck((claims) => claims.tier === 'gold'),
    },
  );
  ports = { ours: await listen(mine), theirs: await listen(theirs) };
});
afterAll(async () => {
  await Promise.all([issuer.stop(), other.stop()]);
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

async function send(port, { path = '/api/open', method = 'GET', headers = {}, body }) {
  const request = http.request({ host: '127.0.0.1', port, path, method });
  for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
  request.end(body);
  const [response] = await once(request, 'response');
  response.resume();
  const challenge = response.headers['www-authenticate'];
  const part = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge ?? '')?.[1] ?? '';
  return [response.statusCode, part('error'), part('scope')].filter(Boolean).join(' ') + (challenge ? '' : ' -');
}

const now = () => Math.floor(Date.now() / 1000);
const bearer = (token, more = {}) => ({ headers: { authorization: `Bearer ${token}`, ...more } });
const claims = (changes, path) => () => ({ path, ...bearer(issuer.token(changes)) });
const header = (changes) => () => bearer(issuer.token({}, { header: changes }));
const raw = (authorization) => () => ({ headers: { authorization } });
const good = () => issuer.token({ scope: 'read write' });
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** @type {Array<[string, () => object]>} */
const REQUESTS = [
  ['a good token', () => bearer(good())],
  ['the scheme in lower case', () => ({ headers: { authorization: `bearer ${good()}` } })],
  ['the scheme in upper case', () => ({ headers: { authorization: `BEARER ${good()}` } })],
  ['two blanks behind the scheme', () => ({ headers: { authorization: `Bearer  ${good()}` } })],
  ['no header', () => ({})],
  ['an empty header', raw('')],
  ['Basic', raw('Basic YTpi')],
  ['Digest', raw('Digest username="a"')],
  ['the scheme alone', raw('Bearer')],
  ['a token without a scheme', () => ({ headers: { authorization: good() } })],
  ['something behind the token', () => ({ headers: { authorization: `Bearer ${good()} x` } })],
  ['two tokens in one header', () => ({ headers: { authorization: `Bearer ${good()}, Bearer ${good()}` } })],
  ['two headers, both good', () => ({ headers: { authorization: [`Bearer ${good()}`, `Bearer ${good()}`] } })],
  [
    'two headers, the second another scheme',
    () => ({ headers: { authorization: [`Bearer ${good()}`, 'Basic YTpi'] } }),
  ],
  ['a token in the query', () => ({ path: `/api/open?access_token=${good()}` })],
  ['a token in the query of a POST', () => ({ method: 'POST', path: `/api/open?access_token=${good()}` })],
  ['a token in a form', () => ({ method: 'POST', headers: form, body: `access_token=${good()}` })],
  ['header and query', () => ({ path: `/api/open?access_token=${good()}`, ...bearer(good()) })],
  ['header and form', () => ({ method: 'POST', ...bearer(good(), form), body: `access_token=${good()}` })],
  [
    'header and a member of a JSON body',
    () => ({ method: 'POST', ...bearer(good(), { 'content-type': 'application/json' }), body: '{"access_token":"x"}' }),
  ],
  [
    'a preflight',
    () => ({ method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' } }),
  ],
  ['OPTIONS that is no preflight', () => ({ method: 'OPTIONS' })],
  ['no token where none is needed', () => ({ path: '/optional' })],
  ['Basic where no token is needed', () => ({ path: '/optional', headers: { authorization: 'Basic YTpi' } })],
  ['a bad token where none is needed', () => ({ path: '/optional', ...bearer('x') })],
  ['an opaque token', () => bearer('opaque')],
  ['three words', () => bearer('a.b.c')],
  ['expired', claims({ exp: 1 })],
  ['expired by 3 s', () => bearer(issuer.token({ exp: now() - 3 }))],
  ['not valid yet', () => bearer(issuer.token({ nbf: now() + 100 }))],
  ['issued in the future', () => bearer(issuer.token({ iat: now() + 100 }))],
  ['no exp', claims({ exp: undefined })],
  ['exp as a text', claims({ exp: '9999999999' })],
  ['no iat', claims({ iat: undefined })],
  ['no sub', claims({ sub: undefined })],
  ['another issuer', claims({ iss: 'https://evil.example' })],
  ['no issuer', claims({ iss: undefined })],
  ['the issuer with a slash', () => bearer(issuer.token({ iss: `${issuer.url}/` }))],
  ['another audience', claims({ aud: 'web' })],
  ['no audience', claims({ aud: undefined })],
  ['one audience of two', claims({ aud: ['web', 'agents'] })],
  ['another issuer’s key', () => bearer(other.token({ iss: issuer.url }))],
  ['an unknown kid', header({ kid: 'unknown' })],
  ['no kid', header({ kid: undefined })],
  ['alg none', () => bearer(`${encode({ alg: 'none' })}.${encode(issuer.claims())}.`)],
  ['alg HS256', header({ alg: 'HS256' })],
  ['crit', header({ crit: ['x'], x: 1 })],
  ['typ JWT', header({ typ: 'JWT' })],
  ['no typ', header({ typ: undefined })],
  ['a logout token by its typ', header({ typ: 'logout+jwt' })],
  ['an ID token by its nonce', claims({ nonce: 'n' })],
  ['a claim twice', () => bearer(issuer.signed(JSON.stringify(issuer.claims()).replace('{', '{"sub":"other",')))],
  ['all scopes', claims({ scope: 'write read more' }, '/api/scopes')],
  ['one scope of two', claims({ scope: 'read' }, '/api/scopes')],
  ['no scope claim', claims({}, '/api/scopes')],
  ['scopes in a list', claims({ scope: ['read', 'write'] }, '/api/scopes')],
  ['scopes in scp', claims({ scp: 'read write' }, '/api/scopes')],
  ['one scope is enough', claims({ scope: 'read' }, '/api/any')],
  ['none of the scopes', claims({ scope: 'other' }, '/api/any')],
  ['the claim', claims({ tier: 'gold' }, '/api/equals')],
  ['another value of the claim', claims({ tier: 'tin' }, '/api/equals')],
  ['a check that says no', claims({ tier: 'tin' }, '/api/check')],
];

/** What differs: [theirs, ours, by which clause]. */
const DIFFERENCES = {
  'two blanks behind the scheme': ['400', '200 -', 'RFC 6750 2.1: `1*SP`'],
  'an empty header': ['400', '401', 'RFC 6750 3.1: no credential'],
  Basic: ['400', '401', 'RFC 6750 3.1: a method that is not supported, no error code'],
  Digest: ['400', '401', 'RFC 6750 3.1: the same'],
  'the scheme alone': ['400', '400 invalid_request', 'RFC 6750 3.1: malformed, with its error code'],
  'a token without a scheme': ['400', '401', 'RFC 9110 11.6.2: another scheme, by its grammar'],
  'something behind the token': ['400', '400 invalid_request', 'RFC 6750 3.1: malformed, with its error code'],
  'two tokens in one header': ['400', '400 invalid_request', 'RFC 6750 3.1: the same'],
  'two headers, both good': [
    '200 -',
    '400 invalid_request',
    'RFC 9110 5.3: one `Authorization`; RFC 6750 2: one credential',
  ],
  'two headers, the second another scheme': ['200 -', '400 invalid_request', 'RFC 9110 5.3'],
  'a token in the query': ['200 -', '401', 'RFC 6750 2.3: should not be used; it ends in logs'],
  'a token in the query of a POST': ['200 -', '401', 'RFC 6750 2.3'],
  'a token in a form': ['200 -', '401', 'RFC 6750 2.2: should not be used'],
  'a preflight': ['401', '200 -', 'Fetch 4.8: it comes without credentials, and fails for good if it is refused'],
  'a bad token where none is needed': [
    '200 -',
    '401 invalid_token',
    'RFC 6750 3.1: whoever sends a token learns that it does not hold',
  ],
  'expired by 3 s': [
    '200 -',
    '401 invalid_token',
    'RFC 7519 4.1.4: 5 s of tolerance there, `clockTolerance` (default 0) here',
  ],
  'no sub': ['200 -', '401 invalid_token', 'RFC 9068 2.2: required; `requireSubject: false`'],
  'a logout token by its typ': ['200 -', '401 invalid_token', 'RFC 8725 3.11'],
  'an ID token by its nonce': ['200 -', '401 invalid_token', "RFC 8725 3.11; `typ: 'off'`"],
  'a claim twice': ['200 -', '401 invalid_token', 'RFC 7519 4: unique names'],
  'scopes in scp': ['403 insufficient_scope read write', '200 -', 'Entra ID and Okta write them there'],
  'another value of the claim': [
    '401 invalid_token',
    '403 insufficient_scope',
    'RFC 6750 3.1: the token holds; its privileges do not reach',
  ],
  'a check that says no': ['401 invalid_token', '403 insufficient_scope', 'RFC 6750 3.1: the same'],
};

test('there are 60 requests and more', () => expect(REQUESTS.length).toBeGreaterThanOrEqual(60));

test.each(REQUESTS)('%s', async (name, request) => {
  const asked = request();
  const [theirs, mine] = [await send(ports.theirs, asked), await send(ports.ours, asked)];
  const [theirsThen, mineThen] = DIFFERENCES[name] ?? [mine, mine];
  expect([theirs, mine]).toEqual([theirsThen, mineThen]);
  if (name in DIFFERENCES) expect(theirs).not.toBe(mine);
});
