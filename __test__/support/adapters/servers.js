'use strict';

// The same server in each framework: `/me` wants a token, `/agents` the scope `agents:use` besides, `/open` nothing.

const http = require('node:http');
const { createBearerAuth, protectedResourceMetadata, requireScopes } = require('../../..');

const SCOPE = requireScopes('agents:use');
const RESOURCE = 'https://api.example.com/';
const metadata = protectedResourceMetadata({
  resource: RESOURCE,
  authorization_servers: ['https://login.example.com'],
});

/** @param {http.Server} server @returns {Promise<{ url: string, close: () => Promise<unknown> }>} */
function listening(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const close = () =>
        new Promise((closed) => {
          server.close(closed);
          server.closeAllConnections();
        });
      resolve({ url: `http://127.0.0.1:${port}`, close });
    });
  });
}

/** @param {object} options @param {...any} platform default: Express */
async function nest(options, ...platform) {
  require('reflect-metadata');
  const { Controller, Get, Module, Options } = require('@nestjs/common');
  const { NestFactory } = require('@nestjs/core');
  const { Auth, BearerAuthGuard, Public, Require } = require('../../../lib/adapters/nest');
  class Agents {
    me(auth) {
      return { subject: auth?.subject ?? null };
    }
    agents(auth) {
      return this.me(auth);
    }
    open() {
      return { subject: null };
    }
    closed() {
      return { subject: 'nobody may see this' };
    }
    preflight() {
      return {};
    }
  }
  const route = (name, decorators) => {
    const descriptor = Object.getOwnPropertyDescriptor(Agents.prototype, name);
    for (const decorate of decorators) decorate(Agents.prototype, name, descriptor);
  };
  route('me', [Get('me')]);
  route('agents', [Get('agents'), Require(SCOPE)]);
  route('open', [Get('open'), Public()]);
  route('closed', [Get('closed'), Public(), Require(SCOPE)]);
  route('preflight', [Options('me')]);
  for (const name of ['me', 'agents']) Auth()(Agents.prototype, name, 0);
  Controller()(Agents);
  class Application {}
  Module({ controllers: [Agents] })(Application);
  const app = await NestFactory.create(Application, ...platform, { logger: false });
  app.use(metadata);
  app.useGlobalGuards(new BearerAuthGuard({ ...options, resourceMetadata: metadata.urlFor }));
  await app.listen(0, '127.0.0.1');
  return { url: await app.getUrl(), close: () => app.close(), app };
}

const SERVERS = {
  'node:http': (options) => {
    const auth = createBearerAuth({ ...options, resourceMetadata: metadata.urlFor });
    return listening(
      http.createServer((req, res) => {
        const answer = () => res.end(JSON.stringify({ subject: req.auth?.subject ?? null }));
        metadata(req, res, () => {
          if (req.url === '/open') return answer();
          return auth(req, res, () => (req.url === '/agents' ? SCOPE(req, res, answer) : answer()));
        });
      }),
    );
  },

  fastify: async (options) => {
    const { fastify } = require('fastify');
    const { bearerAuth } = require('../../../lib/adapters/fastify');
    const app = fastify();
    await app.register(bearerAuth, { ...options, metadata });
    const answer = async (request) => ({ subject: request.auth?.subject ?? null });
    app.get('/me', answer);
    app.get('/agents', { config: { auth: { guards: SCOPE } } }, answer);
    app.get('/open', { config: { auth: false } }, answer);
    app.options('/me', answer);
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return { url, close: () => app.close(), app };
  },

  hono: (options) => {
    const { Hono } = require('hono');
    const { getRequestListener } = require('@hono/node-server');
    const { bearerAuth } = require('../../../lib/adapters/hono');
    const app = new Hono();
    const answer = (c) => c.json({ subject: c.get('auth')?.subject ?? null });
    app.get('/open', answer);
    app.use('/agents', bearerAuth(options, SCOPE));
    app.use(bearerAuth({ ...options, metadata }));
    app.on(['GET', 'OPTIONS'], '/me', answer);
    app.get('/agents', answer);
    return listening(http.createServer(getRequestListener(app.fetch)));
  },

  'a Fetch handler': (options) => {
    const { getRequestListener } = require('@hono/node-server');
    const { requestVerifier } = require('../../../lib/adapters/hono');
    const verifyRequest = requestVerifier({ ...options, metadata });
    const verifyAgents = requestVerifier(options, SCOPE);
    const handler = async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/open') return Response.json({ subject: null });
      const { auth, response } = await (pathname === '/agents' ? verifyAgents : verifyRequest)(request);
      return response ?? Response.json({ subject: auth?.subject ?? null });
    };
    return listening(http.createServer(getRequestListener(handler)));
  },

  koa: (options) => {
    const Koa = require('koa');
    const { bearerAuth } = require('../../../lib/adapters/koa');
    const app = new Koa();
    app.silent = true;
    const auth = bearerAuth({ ...options, metadata });
    const agents = bearerAuth(options, SCOPE);
    app.use((ctx, next) => (ctx.path === '/open' ? next() : (ctx.path === '/agents' ? agents : auth)(ctx, next)));
    app.use((ctx) => {
      ctx.body = { subject: ctx.state.auth?.subject ?? null };
    });
    return listening(http.createServer(app.callback()));
  },

  nest: (options) => nest(options),
  'nest on fastify': async (options) => {
    const { FastifyAdapter } = require('@nestjs/platform-fastify');
    return nest(options, new FastifyAdapter());
  },
};

module.exports = { RESOURCE, SCOPE, SERVERS };
