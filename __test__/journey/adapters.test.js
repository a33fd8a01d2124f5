'use strict';

// Each framework for real, over one table of requests: what a client sees does not depend on the framework.

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const http = require('node:http');
const { createTestIssuer } = require('../../lib/testing');
const { RESOURCE, SERVERS } = require('../support/adapters/servers');
const { closeProviders, good, opaque, provider } = require('../support/introspecting');

/** @type {import('../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => (closeProviders(), issuer.stop()));

/**
 * One request, with headers as they are written: `fetch` would join two of a name.
 * @param {string} url
 * @param {{ method?: string, headers?: any }} [options]
 */
function send(url, options = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const { 'www-authenticate': challenge, 'content-type': type, 'auth-reference': reference } = response.headers;
        resolve({ status: response.statusCode, challenge, type, reference, text: Buffer.concat(chunks).toString() });
      });
    });
    request.once('error', reject);
    request.end();
  });
}
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
/** Nest writes every exception so. */
const TYPES = { nest: /^application\/json/, 'nest on fastify': /^application\/json/ };
const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"';

describe.each(Object.entries(SERVERS))('%s', (name, start) => {
  /** @type {any} */
  let server;
  beforeAll(async () => {
    server = await start(issuer.policy());
  });
  afterAll(() => server.close());
  const at = (path) => `${server.url}${path}`;
  const challenged = name === 'hono' || name === 'koa' || name === 'a Fetch handler' ? ['/me'] : ['/me', '/agents'];

  test('lets a good token in, and says whose it is', async () => {
    const { status, text } = await send(at('/me'), bearer(issuer.token({ sub: 'ada' })));
    expect({ status, body: JSON.parse(text) }).toEqual({ status: 200, body: { subject: 'ada' } });
  });

  test('lets an opaque token in that the provider calls active, and no other', async () => {
    let active = true;
    const { asked, policy } = await provider((_token, from) => ({ ...good(from), active }));
    const asking = await start(policy);
    const token = opaque();
    for (let time = 0; time < 2; time += 1) {
      const { status, text } = await send(`${asking.url}/me`, bearer(token));
      expect({ status, body: JSON.parse(text) }).toEqual({ status: 200, body: { subject: 'ada' } });
    }
    active = false;
    expect((await send(`${asking.url}/me`, bearer(opaque()))).status).toBe(401);
    expect(asked).toHaveLength(2);
    await asking.close();
  });

  test('without a token: 401, a challenge without an error, the metadata named', async () => {
    for (const path of challenged) {
      const { status, challenge, type, text } = await send(at(path));
      expect({ status, type }).toEqual({
        status: 401,
        type: expect.stringMatching(TYPES[name] ?? /^application\/problem\+json/),
      });
      expect(challenge).toBe(`Bearer realm="api", ${METADATA}`);
      expect(JSON.parse(text).status).toBe(401);
    }
    expect((await send(at('/agents'))).status).toBe(401);
  });

  test('with a bad one: 401 invalid_token', async () => {
    for (const token of [issuer.token({}, { forged: true }), issuer.token({}, { expiresIn: -1 }), 'x', 'a.b.c']) {
      const { status, challenge, text } = await send(at('/me'), bearer(token));
      expect({ status, challenge }).toEqual({ status: 401, challenge: expect.stringMatching(/error="invalid_token"/) });
      expect(text).not.toContain(token);
    }
  });

  test('a guard: 403 with the scope that is wanted, 200 with it', async () => {
    const refused = await send(at('/agents'), bearer(issuer.token()));
    expect({ status: refused.status, challenge: refused.challenge }).toEqual({
      status: 403,
      challenge: expect.stringMatching(/error="insufficient_scope".*scope="agents:use"/),
    });
    const token = issuer.token({ sub: 'ada', scope: 'agents:use' });
    expect(await send(at('/agents'), bearer(token))).toMatchObject({ status: 200, text: '{"subject":"ada"}' });
  });

  test('two credentials: 400 invalid_request', async () => {
    const token = issuer.token();
    const twice = { headers: ['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`, 'Host', 'x'] };
    for (const request of [
      [at('/me'), twice],
      [at(`/me?access_token=${token}`), bearer(token)],
    ]) {
      const { status, challenge } = await send(...request);
      expect({ status, challenge }).toEqual({ status: 400, challenge: expect.stringMatching(/invalid_request/) });
    }
  });

  test('each refusal has its reference in the header, in the body and in the event of it', async () => {
    const token = issuer.token();
    const twice = { headers: ['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`, 'Host', 'x'] };
    const events = [];
    const note = (event) => events.push(event);
    subscribe('remote-agent-auth:decision', note);
    try {
      for (const [path, request, status, code] of [
        ['/me', {}, 401, 'ERR_CREDENTIALS_MISSING'],
        ['/me', bearer(issuer.token({ aud: 'other' })), 401, 'ERR_TOKEN_AUDIENCE'],
        ['/me', twice, 400, 'ERR_REQUEST_MALFORMED'],
        ['/agents', bearer(token), 403, 'ERR_SCOPE_MISSING'],
      ]) {
        events.length = 0;
        const answer = await send(at(path), request);
        const { reference } = answer;
        expect([answer.status, reference]).toEqual([status, expect.stringMatching(/^[0-9A-Z]{10}$/)]);
        expect(JSON.parse(answer.text).reference).toBe(reference);
        const guard = status === 403 ? { guard: true } : {};
        expect(events.at(-1)).toMatchObject({ reference, outcome: 'refused', code, status, ...guard });
        expect(events.slice(0, -1).map(({ outcome }) => outcome)).toEqual(status === 403 ? ['accepted'] : []);
      }
    } finally {
      unsubscribe('remote-agent-auth:decision', note);
    }
  });

  test('an open route needs no token, a preflight has none', async () => {
    expect(await send(at('/open'))).toMatchObject({ status: 200, text: '{"subject":null}' });
    const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'GET' };
    // One handler of every method would answer it as a request that was let in.
    const passed = name === 'a Fetch handler' ? 401 : 200;
    expect((await send(at('/me'), { method: 'OPTIONS', headers })).status).toBe(passed);
    expect((await send(at('/me'), { method: 'OPTIONS' })).status).toBe(401);
  });

  test('serves the metadata of the resource', async () => {
    const { status, type, text } = await send(at('/.well-known/oauth-protected-resource'));
    expect({ status, type }).toEqual({ status: 200, type: expect.stringMatching(/^application\/json/) });
    expect(JSON.parse(text)).toMatchObject({ resource: RESOURCE });
  });

  test('many requests at once each get their own caller', async () => {
    const subjects = Array.from({ length: 20 }, (_, n) => `user-${n}`);
    const answers = await Promise.all(subjects.map((sub) => send(at('/me'), bearer(issuer.token({ sub })))));
    expect(answers.map(({ text }) => JSON.parse(text).subject)).toEqual(subjects);
  });
});

describe('fastify', () => {
  const { bearerAuth } = require('../../lib/adapters/fastify');
  const { fastify } = require('fastify');

  /** @type {any} */
  let app;
  afterEach(() => app?.close());
  /** @param {object} [more] */
  async function registered(more) {
    app = fastify();
    await app.register(bearerAuth, { ...issuer.policy(), ...more });
    return app;
  }
  const ask = async (path, options) => send(`${await app.listen({ port: 0, host: '127.0.0.1' })}${path}`, options);

  test.each([
    ['nothing', {}, 200, null],
    ['a good token', () => bearer(issuer.token()), 200, 'user-1'],
    ['a bad one', () => bearer('a.b.c'), 401, undefined],
  ])('a route that does without a token, sent %s', async (_name, options, status, subject) => {
    const route = { config: { auth: { authRequired: false } } };
    (await registered()).get('/', route, async ({ auth }) => ({ subject: auth?.subject ?? null }));
    const answer = await ask('/', typeof options === 'function' ? options() : options);
    expect([answer.status, JSON.parse(answer.text).subject]).toEqual([status, subject]);
  });

  test('what nobody registered wants a token too, and children are protected', async () => {
    (await registered()).register(async (child) => child.get('/child', async () => 'x'));
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    for (const path of ['/nowhere', '/child']) expect((await send(`${url}${path}`)).status).toBe(401);
  });

  test.each(['open', null, { guard: [] }, { guards: [() => true] }, { authRequired: 'no' }])(
    'a route with auth: %j is refused when it is registered',
    async (auth) => {
      await registered();
      const register = () => app.get('/', { config: { auth } }, async () => 'x');
      expect(register).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
    },
  );

  test("onError: 'next' hands the error to the host's handler, with the challenge set", async () => {
    await registered({ onError: 'next' });
    app.setErrorHandler((error, _request, reply) => reply.send({ own: error.cause.code }));
    app.get('/', async () => 'x');
    expect(await ask('/')).toMatchObject({
      status: 401,
      text: '{"own":"ERR_CREDENTIALS_MISSING"}',
      challenge: 'Bearer realm="api"',
    });
  });
});

describe("onError: 'next'", () => {
  test('koa and hono throw what their error handlers answer by', async () => {
    const Koa = require('koa');
    const koa = new Koa();
    koa.silent = true;
    koa.use(require('../../lib/adapters/koa').bearerAuth({ ...issuer.policy(), onError: 'next' }));
    const server = http.createServer(koa.callback());
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const answer = await send(`http://127.0.0.1:${server.address().port}/`);
    server.close();
    expect(answer).toMatchObject({ status: 401, challenge: 'Bearer realm="api"' });

    const { Hono } = require('hono');
    const hono = new Hono().use(require('../../lib/adapters/hono').bearerAuth({ ...issuer.policy(), onError: 'next' }));
    hono.onError((error) => error.getResponse());
    expect((await hono.request('/')).status).toBe(401);
  });
});

describe('nest', () => {
  test.each(['nest', 'nest on fastify'])(
    '%s: what is asked of a route counts more than that it is open',
    async (name) => {
      const server = await SERVERS[name](issuer.policy());
      expect((await send(`${server.url}/closed`)).status).toBe(401);
      const token = issuer.token({ scope: 'agents:use' });
      expect((await send(`${server.url}/closed`, bearer(token))).status).toBe(200);
      await server.close();
    },
  );

  test('other protocols are refused', async () => {
    const { BearerAuthGuard } = require('../../lib/adapters/nest');
    const guard = new BearerAuthGuard(issuer.policy());
    await expect(guard.canActivate({ getType: () => 'ws' })).rejects.toMatchObject({ code: 'ERR_POLICY_OPTION' });
  });
});

test('a peer that is missing is named, and another error is not hidden', () => {
  const { peer } = require('../../lib/adapters/peer');
  const missing = () => require('@nobody/there');
  expect(() => peer('@nobody/there', missing)).toThrow(/npm install @nobody\/there/);
  const broken = () => {
    throw new Error('broken inside');
  };
  expect(() => peer('x', broken)).toThrow('broken inside');
});

test('what is no guard, and no metadata, is refused by each', () => {
  for (const name of ['hono', 'koa']) {
    const { bearerAuth } = require(`../../lib/adapters/${name}`);
    expect(() => bearerAuth(issuer.policy(), () => true)).toThrow(/guards must be made by/);
    expect(() => bearerAuth({ ...issuer.policy(), metadata: {} })).toThrow(/metadata must be/);
    expect(() => bearerAuth({ ...issuer.policy(), audiense: 'x' })).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
    );
  }
});
