'use strict';

// The general middleware over real servers: Express 4, Express 5 and node:http, with a real issuer on loopback.

const { createServer } = require('node:http');
const { once } = require('node:events');
const { AsyncLocalStorage } = require('node:async_hooks');
const express4 = require('express4');
const express5 = require('express');
const {
  RemoteTokenVerifier,
  allOf,
  anyOf,
  check,
  createBearerAuth,
  requireAnyScope,
  requireAuthentication,
  requireClaim,
  requirePermissions,
  requireRoles,
  requireScopes,
} = require('../..');
const { Issuer } = require('../support/issuer');

const REALM = 'Bearer realm="api"';
const issuer = new Issuer();
const servers = [];

beforeAll(() => issuer.start());
afterAll(async () => {
  await issuer.stop();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

async function listen(handler) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

const optionsOf = (more = {}) => ({
  issuer: issuer.url,
  audience: 'agents',
  verifier: new RemoteTokenVerifier(),
  ...more,
});
const bearer = (token) => ({ authorization: `Bearer ${token}` });
/** What a request came to: status, challenge, parsed body. */
async function call(url, { headers = {}, ...init } = {}) {
  const response = await fetch(url, { headers, ...init });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    retryAfter: response.headers.get('retry-after'),
    type,
    body: /json/.test(type) ? JSON.parse(text) : text,
  };
}
const shown = (req, res) => res.json({ auth: req.auth ?? null, claims: req.auth?.claims.sub ?? null });

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('%s', (_name, express) => {
  const context = new AsyncLocalStorage();
  let base;
  beforeAll(async () => {
    const app = express();
    app.use((_req, _res, next) => context.run('of this request', next));
    app.use('/optional', createBearerAuth(optionsOf({ authRequired: false })), shown);
    app.use('/named', createBearerAuth(optionsOf({ property: 'caller', preflight: false })), (req, res) =>
      res.json(req.caller.subject),
    );
    app.use('/next', createBearerAuth(optionsOf({ onError: 'next' })), shown);
    app.use(express.urlencoded({ extended: false }), express.json());
    app.use(createBearerAuth(optionsOf()));
    app.get('/open', (req, res) => res.json({ auth: req.auth, token: req.auth.token, context: context.getStore() }));
    app.post('/open', (_req, res) => res.json('posted'));
    app.get('/scopes', requireScopes('read write'), shown);
    app.all('/every', requireScopes('read'), shown);
    app.get('/any', requireAnyScope(['admin', 'read']), shown);
    app.get('/permissions', requirePermissions('read:all'), shown);
    app.get('/roles', requireRoles('editor'), shown);
    app.get('/claim', requireClaim('org.id', 7), shown);
    app.get(
      '/predicate',
      requireClaim('groups', (groups) => Array.isArray(groups) && groups.includes('staff')),
      shown,
    );
    app.get(
      '/check',
      check(async (auth, req) => auth.subject === req.query.subject),
      shown,
    );
    app.get(
      '/throws',
      check(() => Promise.reject(new Error('database'))),
      shown,
    );
    app.get('/all', allOf(requireScopes('read'), requireRoles('editor')), shown);
    app.get('/either', anyOf(requireScopes('admin'), requireRoles('editor')), shown);
    app.get('/step-up', requireAuthentication({ acrValues: 'gold silver', maxAge: 60 }), shown);
    app.get(
      '/fooled',
      (req, _res, next) => ((req.auth = { scopes: ['admin'] }), next()),
      requireScopes('admin'),
      shown,
    );
    app.use('/next', (error, _req, res, _next) => {
      res.status(error.status).set(error.headers).json({ code: error.code });
    });
    base = await listen(app);
  });

  test('a good token passes, in the context of its request', async () => {
    const token = issuer.token({ scope: 'read write', azp: 'cli' });
    const { status, body } = await call(`${base}/open`, { headers: bearer(token) });
    expect(status).toBe(200);
    expect(body.context).toBe('of this request');
    expect(body.token).toBe(token);
    const { expiresAt, ...auth } = body.auth;
    expect(auth).toEqual({ subject: 'subject-1', clientId: 'cli', scopes: ['read', 'write'], issuer: issuer.url });
    expect(expiresAt).toBeGreaterThan(Date.now() / 1000);
  });

  const good = () => bearer(issuer.token({ scope: 'read' }));
  test.each([
    ['no credential', () => ({}), 401, REALM],
    ['another scheme', () => ({ headers: { authorization: 'Basic YTpi' } }), 401, REALM],
    ['a token in the query alone', () => ({ path: `/open?access_token=${issuer.token()}` }), 401, REALM],
    ['a bad token', () => ({ headers: bearer('a.b.c') }), 401, `${REALM}, error="invalid_token"`],
    ['an expired one', () => ({ headers: bearer(issuer.token({ exp: 1 })) }), 401, `${REALM}, error="invalid_token"`],
    ['the scheme alone', () => ({ headers: { authorization: 'Bearer' } }), 400, `${REALM}, error="invalid_request"`],
    [
      'two tokens in one header',
      () => ({ headers: { authorization: 'Bearer a, Bearer b' } }),
      400,
      `${REALM}, error="invalid_request"`,
    ],
    [
      'header and query',
      () => ({ path: '/open?x=1&access_token=x', headers: good() }),
      400,
      `${REALM}, error="invalid_request"`,
    ],
    [
      'header and query, spelled otherwise',
      () => ({ path: '/open?access%5Ftoken=x', headers: good() }),
      400,
      `${REALM}, error="invalid_request"`,
    ],
    [
      'header and form',
      () => ({
        method: 'POST',
        headers: { ...good(), 'content-type': 'application/x-www-form-urlencoded' },
        body: 'access_token=x',
      }),
      400,
      `${REALM}, error="invalid_request"`,
    ],
  ])('%s is refused as RFC 6750 has it', async (_case, request, status, challenge) => {
    const { path = '/open', ...init } = request();
    const answer = await call(`${base}${path}`, init);
    expect([answer.status, answer.challenge]).toEqual([status, challenge]);
    expect(answer.type).toBe('application/problem+json; charset=utf-8');
    expect(answer.body).toMatchObject({ type: 'about:blank', status });
  });

  test('a member of a JSON body is the application’s', async () => {
    const init = {
      method: 'POST',
      body: '{"access_token":"x"}',
      headers: { ...good(), 'content-type': 'application/json' },
    };
    expect(await call(`${base}/open`, init)).toMatchObject({ status: 200, body: 'posted' });
  });

  test('a preflight passes, but for a guard that stands before a handler of every method', async () => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
    expect((await call(`${base}/scopes`, { method: 'OPTIONS', headers })).status).toBe(200);
    expect((await call(`${base}/scopes`, { method: 'OPTIONS' })).status).toBe(401);
    expect((await call(`${base}/every`, { method: 'OPTIONS', headers })).status).toBe(401);
    expect((await call(`${base}/named`, { method: 'OPTIONS', headers })).status).toBe(401);
  });

  const refused = (scope) => [403, `${REALM}, error="insufficient_scope"${scope ? `, scope="${scope}"` : ''}`];
  const acr = [401, `${REALM}, error="insufficient_user_authentication", acr_values="gold silver", max_age="60"`];
  const now = () => Math.floor(Date.now() / 1000);
  test.each([
    ['/scopes', { scope: 'write read' }, undefined],
    ['/scopes', { scope: 'read' }, refused('read write')],
    ['/scopes', { scope: ['read', 'write'] }, undefined],
    ['/any', { scp: 'read' }, undefined],
    ['/any', { scp: 'reader' }, refused('admin read')],
    ['/permissions', { permissions: ['read:all'] }, undefined],
    ['/permissions', { permissions: ['read'] }, refused()],
    ['/roles', { realm_access: { roles: ['editor'] } }, undefined],
    ['/roles', { roles: ['viewer'], realm_access: { roles: ['editor'] } }, refused()],
    ['/claim', { org: { id: 7 } }, undefined],
    ['/claim', { org: { id: '7' } }, refused()],
    ['/claim', {}, refused()],
    ['/predicate', { groups: ['staff'] }, undefined],
    ['/predicate', { groups: 'staff' }, refused()],
    ['/check?subject=subject-1', {}, undefined],
    ['/check?subject=subject-2', {}, refused()],
    ['/throws', {}, [500, null]],
    ['/all', { scope: 'read', roles: ['editor'] }, undefined],
    ['/all', { scope: 'read' }, refused()],
    ['/either', { roles: ['editor'] }, undefined],
    ['/either', { scope: 'read' }, refused('admin')],
    ['/step-up', () => ({ acr: 'silver', auth_time: now() - 10 }), undefined],
    ['/step-up', () => ({ acr: 'bronze', auth_time: now() }), acr],
    ['/step-up', () => ({ acr: 'gold', auth_time: now() - 100 }), acr],
    ['/step-up', () => ({ acr: ['gold'], auth_time: now() }), acr],
    ['/step-up', () => ({ acr: 'gold', auth_time: `${now()}` }), acr],
    ['/step-up', () => ({ acr: 'gold', auth_time: now() + 10_000 }), acr],
    ['/step-up', {}, acr],
    ['/fooled', { scope: 'read' }, refused('admin')],
  ])('guard %s, claims %j', async (path, claims, refusal) => {
    const token = issuer.token({ client_id: 'cli', ...(typeof claims === 'function' ? claims() : claims) });
    const { status, challenge } = await call(`${base}${path}`, { headers: bearer(token) });
    expect([status, challenge]).toEqual(refusal ?? [200, null]);
  });

  test('where nobody has to be known a token that came is checked all the same', async () => {
    expect(await call(`${base}/optional`)).toMatchObject({ status: 200, body: { auth: null } });
    expect(await call(`${base}/optional`, { headers: bearer('x') })).toMatchObject({ status: 401 });
    expect(await call(`${base}/optional`, { headers: good() })).toMatchObject({
      status: 200,
      body: { claims: 'subject-1' },
    });
  });

  test('property and onError are the host’s to choose', async () => {
    expect(await call(`${base}/named`, { headers: good() })).toMatchObject({ body: 'subject-1' });
    expect(await call(`${base}/next`)).toMatchObject({
      status: 401,
      challenge: REALM,
      body: { code: 'ERR_CREDENTIALS_MISSING' },
    });
  });
});

describe('node:http', () => {
  test('two Authorization headers are one too many, which Node itself does not show', async () => {
    const middleware = createBearerAuth(optionsOf());
    const base = await listen((req, res) => middleware(req, res, () => res.end('in')));
    const { request } = require('node:http');
    const asked = request(`${base}/`);
    asked.setHeader('Authorization', [`Bearer ${issuer.token()}`, 'Bearer other']);
    asked.end();
    const [response] = await once(asked, 'response');
    response.resume();
    expect(response.statusCode).toBe(400);
    expect(await call(base, { headers: bearer(issuer.token()) })).toMatchObject({ status: 200, body: 'in' });
  });

  test('a provider that cannot be reached is 503, with a time to retry', async () => {
    const middleware = createBearerAuth({ ...optionsOf(), issuer: 'http://127.0.0.1:1' });
    const base = await listen((req, res) => middleware(req, res, () => res.end('in')));
    const answer = await call(base, { headers: bearer(issuer.token({ iss: 'http://127.0.0.1:1' })) });
    expect(answer).toMatchObject({ status: 503, challenge: null, retryAfter: expect.stringMatching(/^[1-9]\d*$/) });
  });

  test('a guard without the middleware is an error and not an open route', async () => {
    const next = jest.fn();
    await requireScopes('read')({ headers: {} }, {}, next);
    expect(next).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_POLICY_OPTION', status: 500 }));
  });
});
