'use strict';

// `onError: 'next'`: whatever a framework does with the error by default, the client gets no cause.

const http = require('node:http');
const { RemoteTokenVerifier, createBearerAuth } = require('../../..');
const { createTestIssuer } = require('../../../lib/testing');

/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());

const CAUSES = [
  ['of another audience', () => issuer.token({ aud: 'other' }), 'ERR_TOKEN_AUDIENCE'],
  ['that has expired', () => issuer.token({}, { expiresIn: -900 }), 'ERR_TOKEN_EXPIRED'],
];
const optionsOf = () => ({
  ...issuer.policy(),
  verifier: new RemoteTokenVerifier({ clock: issuer.clock }),
  onError: 'next',
});
async function answered(listener, token) {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const url = `http://127.0.0.1:${server.address().port}/`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, connection: 'close' } });
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      text: await response.text(),
    };
  } finally {
    server.close();
  }
}

/** Each with the error it hands on, where it can be seen. */
const FRAMEWORKS = {
  fastify: async (token, seen) => {
    const app = require('fastify').fastify();
    await app.register(require('../../../lib/adapters/fastify').bearerAuth, optionsOf());
    app.addHook('onError', async (_request, _reply, error) => seen(error));
    app.get('/', async () => 'in');
    await app.ready();
    return answered((req, res) => app.routing(req, res), token);
  },
  koa: (token, seen) => {
    const app = new (require('koa'))();
    app.on('error', seen);
    app.use(require('../../../lib/adapters/koa').bearerAuth(optionsOf()));
    return answered(app.callback(), token);
  },
  hono: async (token, seen) => {
    const { Hono } = require('hono');
    const app = new Hono().use(require('../../../lib/adapters/hono').bearerAuth(optionsOf()));
    app.onError((error) => {
      seen(error);
      return error.getResponse();
    });
    const response = await app.request('/', { headers: { authorization: `Bearer ${token}` } });
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      text: await response.text(),
    };
  },
  express: (token, seen) => {
    const app = require('express')();
    // Its development handler sends the stack.
    app.set('env', 'test');
    app.use(createBearerAuth(optionsOf()));
    app.use((error, _req, res, _next) => {
      seen(error);
      res.status(error.status).set(error.headers).send(error.stack);
    });
    return answered(app, token);
  },
};

describe.each(Object.entries(FRAMEWORKS))('%s', (_name, ask) => {
  test.each(CAUSES)('a token %s', async (_case, token, code) => {
    const seen = [];
    const { status, challenge, text } = await ask(token(), (error) => seen.push(error));
    expect({ status, challenge }).toEqual({ status: 401, challenge: 'Bearer realm="api", error="invalid_token"' });
    expect(text).not.toMatch(/ERR_|aud|expire|other/);
    for (const error of seen) {
      expect(error).toMatchObject({ message: 'Unauthorized', status: 401, expose: false, cause: { code } });
      expect(error.headers).toEqual({ 'Auth-Reference': error.reference, 'WWW-Authenticate': challenge });
    }
    expect(seen).toHaveLength(1);
  });
});

test('nest: the exception has the answer’s body, the error as its cause', async () => {
  const { BearerAuthGuard } = require('../../../lib/adapters/nest');
  const guard = new BearerAuthGuard(optionsOf());
  const req = { method: 'GET', url: '/', headers: { authorization: `Bearer ${issuer.token({ aud: 'other' })}` } };
  const context = {
    getType: () => 'http',
    getHandler: () => () => undefined,
    getClass: () => class {},
    switchToHttp: () => ({ getRequest: () => req, getResponse: () => ({ setHeader() {} }) }),
  };
  const error = await guard.canActivate(context).catch((thrown) => thrown);
  expect(JSON.stringify([error.message, error.getResponse()])).not.toMatch(/ERR_|aud|other/);
  expect(error.cause.code).toBe('ERR_TOKEN_AUDIENCE');
});

test('`onRefusal` gets the whole message', async () => {
  const onRefusal = jest.fn();
  const handler = createBearerAuth({ ...optionsOf(), onRefusal });
  const headers = { authorization: `Bearer ${issuer.token({ aud: 'other' })}` };
  await new Promise((resolve) => handler({ method: 'GET', url: '/', headers }, {}, resolve));
  expect(onRefusal.mock.calls[0][0].message).toMatch(/`aud` names no audience of ours/);
});
