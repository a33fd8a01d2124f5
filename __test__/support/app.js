'use strict';

// A host in the small: Express 5, tenants in AsyncLocalStorage as LibreChat keeps them, users, configs and API
// keys in memory, our middleware with the real native verifier in front of one route.

const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const express = require('express');
const { createRemoteAgentAuth } = require('../..');
const { configOf, recordingLogger } = require('./fakes');

const tenants = new AsyncLocalStorage();

/** Whether a stored user meets a filter of LibreChat's shapes. */
const meets = (user, filter) =>
  Object.entries(filter).every(([key, wanted]) => {
    const stored = user[key];
    if (wanted !== null && typeof wanted === 'object') return !(key in user);
    if (key === 'email') return stored?.toLowerCase() === wanted.trim().toLowerCase();
    return wanted === null ? stored === null : stored === wanted;
  });

class App {
  configs = {};
  users = [];
  /** What an API key does, by key; a key not named here is answered with 403. */
  apiKeys = {};
  calls = { getAppConfig: [], findUser: [], updateUser: [], apiKey: [] };
  logger = recordingLogger();
  /** What the route saw of each request that passed. */
  passed = [];
  /** Errors that reached the application's own error handler. */
  errors = [];
  #server;

  constructor({ options, deps } = {}) {
    this.options = options;
    this.deps = deps;
  }

  /** Configures the base, or a tenant. */
  configure(auth, tenant = 'base') {
    this.configs[tenant] = auth instanceof Error ? auth : configOf(auth);
  }

  async start() {
    const handler = createRemoteAgentAuth(
      {
        apiKeyMiddleware: (req, res, next) => this.#apiKey(req, res, next),
        findUser: async (filter) => {
          this.calls.findUser.push({ filter, tenant: tenants.getStore() });
          const user = this.users.find((candidate) => meets(candidate, filter));
          // As a database gives it: a fresh object each time.
          return user ? { ...user } : null;
        },
        updateUser: async (id, fields) => {
          this.calls.updateUser.push({ id, fields, tenant: tenants.getStore() });
          Object.assign(
            this.users.find(({ _id }) => String(_id) === id),
            fields,
          );
        },
        getAppConfig: async (scope) => {
          this.calls.getAppConfig.push(scope);
          const config = this.configs[scope.tenantId ?? 'base'];
          if (config instanceof Error) throw config;
          return config;
        },
        logger: this.logger,
        getTenantId: () => tenants.getStore(),
        runInTenant: (tenantId, fn) => tenants.run(tenantId, fn),
        ...this.deps,
      },
      this.options,
    );

    const app = express();
    app.use((req, res, next) => tenants.run(req.headers['x-tenant-id'], next));
    app.get('/models', handler, (req, res) => {
      this.passed.push({ user: req.user, tenant: tenants.getStore() });
      res.json({ id: req.user?.id ?? null });
    });
    app.use((error, req, res, next) => {
      if (res.headersSent) return next(error);
      this.errors.push(error);
      res.status(418).json({ error: 'from the application' });
    });
    this.#server = app.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}/models`;
    return this;
  }

  async stop() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #apiKey(req, res, next) {
    const key = req.headers.authorization?.replace(/^Bearer /, '');
    this.calls.apiKey.push(key);
    const act = this.apiKeys[key];
    return act === undefined ? res.status(403).json({ error: 'no such API key' }) : act(req, res, next);
  }

  /** One request over real HTTP. */
  async get(token, { tenant, authorization = token === undefined ? undefined : `Bearer ${token}` } = {}) {
    const headers = {};
    if (authorization !== undefined) headers.authorization = authorization;
    if (tenant !== undefined) headers['x-tenant-id'] = tenant;
    const response = await fetch(this.url, { headers });
    return {
      status: response.status,
      body: await response.json(),
      challenge: response.headers.get('www-authenticate'),
    };
  }
}

module.exports = { App, tenants };
