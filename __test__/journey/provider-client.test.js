'use strict';

// The native client of an issuer's endpoints, over real HTTP on loopback: what is asked, what comes back, and which hosts
// never receive a token.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createServer } = require('node:http');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { RemoteTokenVerifier } = require('../../index');
const { createProviderClient } = require('../../lib/verifier/provider-client');

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.the-users.token';
const SECRET = 'the-clients-secret';
const LIB = path.join(__dirname, '..', '..', 'lib', 'verifier');

/** Servers of the test under way. @type {import('node:http').Server[]} */
let servers = [];
const client = createProviderClient();
const verifier = new RemoteTokenVerifier();

afterEach(async () => {
  verifier.clear();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  servers = [];
});

/** @param {(request: import('node:http').IncomingMessage & { text: string }, response: import('node:http').ServerResponse) => void} answer */
async function listening(answer) {
  const asked = [];
  const server = createServer(async (request, response) => {
    request.text = '';
    for await (const chunk of request) request.text += chunk;
    asked.push({ method: request.method, url: request.url, headers: request.headers, text: request.text });
    answer(request, response);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${server.address().port}`, host: `127.0.0.1:${server.address().port}`, asked };
}

const json = (response, status, body, headers = {}) =>
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(typeof body === 'string' ? body : JSON.stringify(body));

/** A provider whose endpoints answer by `routes`; `metadata` replaces members of its document. */
async function provider(routes = {}, metadata = {}) {
  const own = await listening((request, response) => {
    const { pathname } = new URL(request.url, own.origin);
    if (pathname === '/.well-known/openid-configuration') {
      const document = {
        issuer: own.origin,
        jwks_uri: `${own.origin}/keys`,
        userinfo_endpoint: `${own.origin}/me`,
        token_endpoint: `${own.origin}/token`,
      };
      return json(response, 200, { ...document, ...metadata });
    }
    const route = routes[pathname];
    return route === undefined ? json(response, 404, {}) : route(request, response);
  });
  const policy = verifier.compile({ issuer: own.origin, audience: 'api', jwksUri: `${own.origin}/keys` });
  return { ...own, policy };
}

const userinfo = ({ policy }, more = {}) => client.userinfo(policy, { token: TOKEN, subject: 'user', ...more });
const exchange = ({ policy }, more = {}) =>
  client.exchange(policy, { token: TOKEN, scope: 'user.read', clientId: 'id', clientSecret: SECRET, ...more });
const graph = ({ policy, origin }, more = {}) =>
  client.graph(policy, { token: TOKEN, method: 'GET', path: '/v1.0/me', graphBase: origin, ...more });

/** A failure has these members and no others, and nothing of a secret in them. */
function expectFailure(answer, expected) {
  expect(answer).toMatchObject({ ok: false, reason: 'service_error', ...expected });
  const names = ['ok', 'reason', 'code', 'message', 'host', 'connection', 'status'];
  expect(Object.keys(answer).filter((name) => !names.includes(name))).toEqual([]);
  expect(JSON.stringify(answer)).not.toMatch(/the-users|the-clients/);
}

describe('userinfo', () => {
  test('gives the claims of the subject, and asks the metadata once', async () => {
    const claims = '{"sub":"user","email":"a@b.example","__proto__":{"admin":true},"n":1.5}';
    const own = await provider({ '/me': (_, response) => json(response, 200, claims) });
    for (let i = 0; i < 3; i++) {
      const answer = await userinfo(own);
      expect(answer).toEqual({ ok: true, claims: JSON.parse(claims) });
      expect(Object.getPrototypeOf(answer.claims)).toBe(Object.prototype);
      expect(answer.claims.admin).toBeUndefined();
    }
    expect(own.asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /.well-known/openid-configuration',
      ...Array(3).fill('GET /me'),
    ]);
    expect(own.asked[0].headers.authorization).toBeUndefined();
    expect(own.asked[1].headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, accept: 'application/json' });
  });

  test.each([
    [
      'another subject',
      (response) => json(response, 200, { sub: 'User' }),
      { reason: 'subject_mismatch', code: 'ERR_USERINFO_SUBJECT' },
    ],
    [
      '401',
      (response) => json(response, 401, {}),
      { reason: 'unauthorized', code: 'ERR_ENDPOINT_UNAUTHORIZED', status: 401 },
    ],
    [
      '403',
      (response) => json(response, 403, {}),
      { reason: 'unauthorized', code: 'ERR_ENDPOINT_UNAUTHORIZED', status: 403 },
    ],
    ['500', (response) => json(response, 500, { sub: 'user' }), { code: 'ERR_ENDPOINT_STATUS', status: 500 }],
    ['members twice', (response) => json(response, 200, '{"sub":"x","sub":"user"}'), { code: 'ERR_ENDPOINT_ANSWER' }],
    [
      'a page',
      (response) => json(response, 200, { sub: 'user' }, { 'content-type': 'text/html' }),
      { code: 'ERR_ENDPOINT_ANSWER' },
    ],
    [
      'half an answer',
      (response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{"sub":"user"');
        setImmediate(() => response.destroy());
      },
      { code: 'ERR_ENDPOINT_FETCH' },
    ],
    [
      'too much',
      (response) => json(response, 200, ' '.repeat(1_048_577)),
      { code: 'ERR_ENDPOINT_FETCH', connection: 'too-large' },
    ],
  ])('%s is a value', async (_, answer, expected) => {
    const own = await provider({ '/me': (_request, response) => answer(response) });
    expectFailure(await userinfo(own), { host: '127.0.0.1', ...expected });
  });

  test('a call ends in its time, and the thread is free meanwhile', async () => {
    const own = await provider({ '/me': () => {} });
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 5);
    const answer = await userinfo(own, { timeoutMs: 300 });
    clearInterval(ticking);
    expectFailure(answer, { code: 'ERR_ENDPOINT_FETCH', connection: 'timeout-body' });
    expect(ticks).toBeGreaterThan(3);
  });

  test('another port of this machine gets the token only if it is listed', async () => {
    const canary = await listening((_, response) => json(response, 200, { sub: 'user' }));
    const own = await provider({}, { userinfo_endpoint: `${canary.origin}/me` });
    for (const hosts of [
      undefined,
      [],
      ['127.0.0.1'],
      ['127.0.0.1:1'],
      ['localhost'],
      [canary.host.replace('127.0.0.1', 'localhost')],
    ]) {
      expectFailure(await userinfo(own, { hosts }), { code: 'ERR_ENDPOINT_REFUSED' });
    }
    expectFailure(await userinfo(own, { hosts: [canary.origin] }), { code: 'ERR_POLICY_OPTION' });
    expect(canary.asked).toEqual([]);
    expect(await userinfo(own, { hosts: [canary.host] })).toEqual({ ok: true, claims: { sub: 'user' } });
    expect(canary.asked).toHaveLength(1);
  });

  test('no redirect is followed', async () => {
    const canary = await listening((_, response) => json(response, 200, { sub: 'user', access_token: 'x' }));
    for (const status of [301, 302, 303, 307, 308]) {
      const away = (_, response) => response.writeHead(status, { location: `${canary.origin}/me` }).end();
      const own = await provider({ '/me': away, '/token': away, '/v1.0/me': away });
      for (const call of [userinfo, exchange, graph]) {
        expectFailure(await call(own), { code: 'ERR_ENDPOINT_STATUS', status });
      }
    }
    expect(canary.asked).toEqual([]);
  });

  test('metadata that are another issuer’s, or gone, lead nowhere', async () => {
    const other = await provider({}, { issuer: 'https://evil.example' });
    expectFailure(await userinfo(other), { code: 'ERR_DISCOVERY_ISSUER' });
    const gone = verifier.compile({
      issuer: 'http://127.0.0.1:9',
      audience: 'api',
      jwksUri: 'http://127.0.0.1:9/keys',
    });
    expectFailure(await userinfo({ policy: gone }), {
      code: 'ERR_DISCOVERY_FETCH',
      connection: 'refused',
      host: '127.0.0.1',
    });
    const none = await provider({}, { userinfo_endpoint: undefined });
    expectFailure(await userinfo(none), { code: 'ERR_ENDPOINT_MISSING' });
  });
});

describe('exchange', () => {
  test('sends the form and gives the token', async () => {
    const granted = { access_token: 'other.token', token_type: 'Bearer', expires_in: '3599', refresh_token: 'never' };
    const own = await provider({ '/token': (_, response) => json(response, 200, granted) });
    expect(await exchange(own)).toEqual({ ok: true, accessToken: 'other.token', expiresIn: 3599 });
    const { method, headers, text } = own.asked[1];
    expect([method, headers['content-type'], headers.authorization]).toEqual([
      'POST',
      'application/x-www-form-urlencoded',
      undefined,
    ]);
    expect(Object.fromEntries(new URLSearchParams(text))).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      client_id: 'id',
      client_secret: SECRET,
      assertion: TOKEN,
      scope: 'user.read',
      requested_token_use: 'on_behalf_of',
    });
  });

  test('a refusal says the known word and nothing else of it', async () => {
    const refused = { error: 'invalid_grant', error_description: `AADSTS: ${TOKEN}` };
    const own = await provider({ '/token': (_, response) => json(response, 400, refused) });
    const answer = await exchange(own);
    expectFailure(answer, { code: 'ERR_ENDPOINT_STATUS', status: 400 });
    expect(answer.message).toContain('invalid_grant');
    const unknown = await provider({ '/token': (_, response) => json(response, 401, { error: TOKEN }) });
    expectFailure(await exchange(unknown), { code: 'ERR_ENDPOINT_STATUS', status: 401 });
  });
});

describe('graph', () => {
  test('429 and 503 say when to come back', async () => {
    const busy = (status, retryAfter) => (_, response) =>
      json(
        response,
        status,
        { error: { code: 'TooManyRequests' } },
        retryAfter === undefined ? {} : { 'retry-after': retryAfter },
      );
    const own = await provider({ '/v1.0/a': busy(429, '7'), '/v1.0/b': busy(503, 'soon'), '/v1.0/c': busy(503) });
    const body = { error: { code: 'TooManyRequests' } };
    expect(await graph(own, { path: '/v1.0/a' })).toEqual({ ok: true, status: 429, retryAfter: 7, body });
    expect(await graph(own, { path: '/v1.0/b' })).toEqual({ ok: true, status: 503, body });
    expect(await graph(own, { path: '/v1.0/c' })).toEqual({ ok: true, status: 503, body });
    const date = new Date(Date.now() + 60_000).toUTCString();
    const dated = await provider({ '/v1.0/me': busy(429, date) });
    const { retryAfter } = await graph(dated);
    expect(retryAfter).toBeGreaterThan(40);
    expect(retryAfter).toBeLessThanOrEqual(60);
    // Nobody asked for metadata: Graph is not of the issuer.
    expect([...own.asked, ...dated.asked].filter(({ url }) => url.includes('well-known'))).toEqual([]);
  });

  test('a page for an error is a status without a body', async () => {
    const page = (_, response) => response.writeHead(503, { 'content-type': 'text/html' }).end('<html>');
    expect(await graph(await provider({ '/v1.0/me': page }))).toEqual({ ok: true, status: 503, body: null });
  });

  test('10,000 ids fit, by POST and by the next link', async () => {
    const value = Array.from({ length: 10_000 }, (_, i) => `${i}`.padStart(36, '0'));
    const own = await provider({
      '/v1.0/me/getMemberGroups': (_, response) =>
        json(response, 200, { value, '@odata.nextLink': `${own.origin}/v1.0/next?$skiptoken=x` }),
      '/v1.0/next': (_, response) => json(response, 200, { value: ['last'] }),
    });
    const first = await graph(own, {
      method: 'POST',
      path: '/v1.0/me/getMemberGroups',
      body: { securityEnabledOnly: false },
    });
    expect(first.body.value).toEqual(value);
    expect(await graph(own, { path: first.body['@odata.nextLink'] })).toEqual({
      ok: true,
      status: 200,
      body: { value: ['last'] },
    });
    expect(own.asked.map(({ method, url, text }) => [method, url, text])).toEqual([
      ['POST', '/v1.0/me/getMemberGroups', '{"securityEnabledOnly":false}'],
      ['GET', '/v1.0/next?$skiptoken=x', ''],
    ]);
    expect(own.asked[0].headers).toMatchObject({
      'content-type': 'application/json',
      authorization: `Bearer ${TOKEN}`,
    });
  });

  test('half an answer, no JSON and another place are failures', async () => {
    const canary = await listening((_, response) => json(response, 200, {}));
    const own = await provider({
      '/v1.0/half': (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 }).write('{"value":["a"');
        setImmediate(() => response.destroy());
      },
      '/v1.0/page': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      '/v1.0/twice': (_, response) => json(response, 200, '{"value":[],"value":["a"]}'),
      '/v1.0/no': (_, response) => json(response, 401, {}),
    });
    expectFailure(await graph(own, { path: '/v1.0/half' }), { code: 'ERR_ENDPOINT_FETCH' });
    expectFailure(await graph(own, { path: '/v1.0/page' }), { code: 'ERR_ENDPOINT_ANSWER' });
    expectFailure(await graph(own, { path: '/v1.0/twice' }), { code: 'ERR_ENDPOINT_ANSWER' });
    expectFailure(await graph(own, { path: '/v1.0/no' }), {
      code: 'ERR_ENDPOINT_UNAUTHORIZED',
      reason: 'unauthorized',
      status: 401,
    });
    for (const elsewhere of [`${canary.origin}/v1.0`, `//${canary.host}/v1.0`, `/\\${canary.host}/v1.0`, 'v1.0', '']) {
      expectFailure(await graph(own, { path: elsewhere }), { code: 'ERR_POLICY_OPTION' });
    }
    expectFailure(await graph(own, { graphBase: 'http://graph.example' }), { code: 'ERR_POLICY_OPTION' });
    expect(canary.asked).toEqual([]);
  });
});

test('arguments of the wrong kind reject, and what is no policy or no token is refused', async () => {
  const own = await provider({ '/me': (_, response) => json(response, 200, { sub: 'user' }) });
  const wrong = [
    () => userinfo(own, { token: undefined }),
    () => userinfo(own, { subject: 7 }),
    () => userinfo(own, { hosts: 'a' }),
    () => userinfo(own, { hosts: [7] }),
    () => client.userinfo(own.policy),
    () => exchange(own, { clientSecret: null }),
    () => graph(own, { method: 'DELETE' }),
    () => graph(own, { body: {} }),
    () => graph(own, { method: 'POST', body: 'text' }),
    () => graph(own, { graphBase: 7 }),
  ];
  for (const call of wrong) await expect(call()).rejects.toMatchObject({ code: 'ERR_POLICY_OPTION' });
  expectFailure(await userinfo({ policy: {} }), { code: 'ERR_POLICY_OPTION' });
  expectFailure(await userinfo({ policy: undefined }), { code: 'ERR_POLICY_OPTION' });
  for (const token of ['', 'a b', 'a\r\nx: y', 'é', 'a'.repeat(70_000)]) {
    const answer = await userinfo(own, { token });
    expect(answer).toMatchObject({ ok: false, reason: 'service_error', code: 'ERR_POLICY_OPTION' });
  }
  expect(own.asked).toEqual([]);
});

test('a hundred calls share one look at the metadata', async () => {
  const own = await provider({ '/me': (_, response) => json(response, 200, { sub: 'user' }) });
  const answers = await Promise.all(Array.from({ length: 100 }, () => userinfo(own)));
  expect(answers.every(({ ok }) => ok)).toBe(true);
  expect(own.asked.filter(({ url }) => url.includes('well-known'))).toHaveLength(1);
});

describe('a call that hangs', () => {
  const script = (/** @type {string} */ origin) => `
    const { RemoteTokenVerifier } = require(${JSON.stringify(path.join(LIB, 'index.js'))});
    const { createProviderClient } = require(${JSON.stringify(path.join(LIB, 'provider-client.js'))});
    const policy = new RemoteTokenVerifier().compile({ issuer: '${origin}', audience: 'api', jwksUri: '${origin}/keys' });
    createProviderClient({ timeoutMs: 0 }).userinfo(policy, { token: 'token', subject: 'user' });`;

  test('does not keep a process that ends itself', async () => {
    const own = await provider({ '/me': () => child.stdin.end() });
    const child = spawn(process.execPath, [
      '-e',
      `${script(own.origin)} process.stdin.on('end', () => process.exit(0)).resume()`,
    ]);
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(own.asked.map(({ url }) => url)).toContain('/me');
  });

  test('goes with its worker, and leaves the others whole', async () => {
    let arrived = () => {};
    const asked = new Promise((resolve) => (arrived = resolve));
    const own = await provider({
      '/me': (request, response) => {
        if (request.headers.authorization === 'Bearer token') return arrived();
        return json(response, 200, { sub: 'user' });
      },
    });
    const worker = new Worker(script(own.origin), { eval: true });
    await asked;
    await worker.terminate();
    expect(await userinfo(own)).toMatchObject({ ok: true });
  });
});
