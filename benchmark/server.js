'use strict';

// An Express 5 server in a process of its own, behind one of the middlewares. All call the same callbacks in the same order, as
// LibreChat's middleware does: configuration, user, the user's own configuration. The parent asks what a window cost.

const { AsyncLocalStorage } = require('node:async_hooks');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const express = require('express');
const { quantile, threadCpu } = require('./measure');
const { folder, ours } = require('./subject');
const { SUBJECTS } = require('./subjects');
const { AUDIENCE, SCOPE } = require('./tokens');

/** Spans kept of one window; more than a window of any case here has requests. */
const MOST_SPANS = 1 << 17;
/** Bytes that are read between two requests where the processor's caches are to be cold: twice the second-level cache of a core. */
const EVICTED = 1 << 22;
const LINE = 64;

const inTenant = new AsyncLocalStorage();
const currentTenant = () => inTenant.getStore();

/** A host's callbacks, without a database behind them: what they cost is no part of what is compared. */
function callbacks({ issuer, jwksUri, tenants = [] }) {
  const configOf = (provider) => {
    const oidc = { enabled: true, audience: AUDIENCE, scope: SCOPE, ...provider };
    return { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
  };
  const base = configOf({ issuer, jwksUri });
  const byTenant = new Map(
    tenants.map((tenant) => [tenant.id, configOf({ issuer: tenant.issuer, jwksUri: tenant.jwksUri })]),
  );
  const tenantId = tenants.length > 0 ? { getTenantId: currentTenant } : {};
  return {
    ...tenantId,
    getAppConfig: async (scope) => (scope.tenantId === undefined ? base : byTenant.get(scope.tenantId)),
    findUser: async (filter) => ({
      _id: '6a7f1a523c554f0e8a53cc2f',
      provider: 'openid',
      openidId: filter.openidId,
      openidIssuer: filter.openidIssuer,
      role: 'USER',
      tenantId: currentTenant(),
    }),
    updateUser: async () => {},
    apiKeyMiddleware: (request, response) => response.status(401).json({ error: 'Unauthorized' }),
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
}

/**
 * The middleware of a peer: its verification within the flow all share.
 * @param {(request: any) => any} authenticate gives the claims, or a promise of them; throws for a bad token
 */
function peerMiddleware(host, authenticate) {
  return async (request, response, next) => {
    try {
      const tenantId = host.getTenantId?.();
      const requested = tenantId === undefined ? { baseOnly: true } : { tenantId };
      const auth = (await host.getAppConfig(requested)).endpoints.agents.remoteApi.auth;
      const claims = await authenticate(request);
      if (!claims.scope.split(' ').includes(auth.oidc.scope)) throw new Error('scope');
      const user = await host.findUser({ openidId: claims.sub, openidIssuer: auth.oidc.issuer });
      await host.getAppConfig({ ...requested, role: user.role, userId: user._id });
      user.id = user._id;
      request.user = user;
    } catch {
      response.status(401).json({ error: 'Unauthorized' });
      return;
    }
    next();
  };
}

/** All about accounts that needs no provider: after the first call the cache answers. */
const EVERYTHING = {
  provisioning: { enabled: true },
  profileSync: { onCreate: true, forExisting: true },
  groupSync: { onCreate: true, forExisting: true, source: 'token' },
  federatedAuthCache: { enabled: true },
};
const ACCOUNT_CALLBACKS = {
  createUser: async () => null,
  isEmailDomainAllowed: () => true,
  findGroupsByExternalIds: async () => [],
  upsertGroupByExternalId: async () => null,
  bulkUpdateGroups: async () => null,
  updateUser: async (_id, fields) => fields,
};

const NOBODY = { sub: 'anybody', scope: SCOPE };
const bearer = (request) => request.headers.authorization.slice(7);

/** LibreChat's middleware of this package. @param {object} host @param {{ fresh: boolean, environment: any }} of @param {object} [more] */
function ourMiddleware(host, { fresh, environment }, more) {
  const { createRemoteAgentAuth, RemoteTokenVerifier } = ours();
  const options = {
    ...(environment.tenants && { tenantConflict: 'reject' }),
    ...(environment.alg === 'EdDSA' && { policy: { algorithms: ['EdDSA'] } }),
    ...(fresh && { verifier: new RemoteTokenVerifier({ verdictCache: false }) }),
    ...more,
  };
  return createRemoteAgentAuth({ ...host, ...ACCOUNT_CALLBACKS }, options);
}

/** The general middleware of this package, within the flow all share. */
function ourBearerAuth(host, { fresh, environment: { alg, issuer, jwksUri } }) {
  const { createBearerAuth, RemoteTokenVerifier } = ours();
  const algorithms = alg === 'EdDSA' ? { algorithms: ['EdDSA'] } : {};
  const check = createBearerAuth({
    issuers: [{ issuer, jwksUri, audience: AUDIENCE, scope: SCOPE, ...algorithms }],
    ...(fresh && { verifier: new RemoteTokenVerifier({ verdictCache: false }) }),
  });
  const flow = peerMiddleware(host, ({ auth }) => ({ sub: auth.subject, scope: SCOPE }));
  return [check, flow];
}

/** prom-client's registry, with the metrics of this package. */
function collectMetrics() {
  const { collectPrometheus } = require(`${folder}/lib/operations/metrics.js`);
  const { Registry } = require('prom-client');
  collectPrometheus(new Registry());
}

const OURS = {
  ours: ourMiddleware,
  'ours (bearer)': ourBearerAuth,
  'ours (accounts)': (host, of) => ourMiddleware(host, of, { accounts: EVERYTHING }),
  'ours (metrics)': (host, of) => (collectMetrics(), ourMiddleware(host, of)),
};

async function middleware(name, of) {
  const { environment } = of;
  const host = callbacks(environment);
  if (name === 'no auth') return peerMiddleware(host, () => NOBODY);
  if (name in OURS) return OURS[name](host, of);
  if (name === 'express-oauth2-jwt-bearer') {
    const { auth } = require('express-oauth2-jwt-bearer');
    const { issuer, jwksUri, alg } = environment;
    const check = auth({ issuer, jwksUri, audience: AUDIENCE, tokenSigningAlg: alg });
    return [check, peerMiddleware(host, (request) => request.auth.payload)];
  }
  const subject = SUBJECTS.find((it) => it.name === name);
  const verifiers = new Map();
  for (const tenant of environment.tenants ?? [{}]) {
    const { id, ...provider } = tenant;
    verifiers.set(id, await subject.create({ ...environment, ...provider }));
  }
  return peerMiddleware(host, (request) => verifiers.get(currentTenant())(bearer(request)));
}

/** What a window of requests took of this process. */
class Window {
  #delay = monitorEventLoopDelay({ resolution: 1 });
  #spans = new Float64Array(MOST_SPANS);
  #cold = new Uint8Array(EVICTED).fill(1);
  #evicts = false;
  #passed = 0;
  #asked = 0;
  #main = 0;
  #all = 0;

  begin({ evict }) {
    this.#evicts = evict === true;
    this.#passed = this.#asked = 0;
    this.#delay.reset();
    this.#delay.enable();
    this.#all = allCpu();
    this.#main = threadCpu();
  }

  end() {
    const main = threadCpu() - this.#main;
    const all = allCpu() - this.#all;
    this.#delay.disable();
    const spans = this.#spans.slice(0, Math.min(this.#passed, MOST_SPANS)).sort();
    const [spanP10Micros, spanP50Micros, spanP90Micros] = [0.1, 0.5, 0.9].map((q) => quantile(spans, q) * 1000);
    return {
      asked: this.#asked,
      mainMicros: main / this.#asked,
      otherMicros: Math.max(0, all - main) / this.#asked,
      spanP10Micros,
      spanP50Micros,
      spanP90Micros,
      loopDelayP99Millis: this.#delay.percentile(99) / 1e6,
    };
  }

  /** Before the middleware. */
  enter(request) {
    if (this.#evicts) this.evict();
    this.#asked++;
    request.since = performance.now();
  }

  /** After it. */
  leave(request) {
    this.#spans[this.#passed++ % MOST_SPANS] = performance.now() - request.since;
  }

  evict() {
    let sum = 0;
    for (let i = 0; i < EVICTED; i += LINE) sum += this.#cold[i];
    if (sum === 0) throw new Error('nothing was read');
  }
}

/** CPU time of all threads of this process, in microseconds. */
function allCpu() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function serve({ name, fresh, environment }) {
  const { Keys } = require('./tokens');
  // Keys come as the set; what a peer takes instead is made of it.
  const keys = Object.assign(Object.create(Keys.prototype), { jwks: environment.jwks });
  keys.publicKey = (alg) => {
    const jwk = environment.jwks.keys.find((entry) => entry.alg === alg);
    return require('node:crypto').createPublicKey({ key: jwk, format: 'jwk' });
  };
  const window = new Window();
  const app = express();
  if (environment.tenants) app.use((request, _, next) => inTenant.run(request.headers['x-tenant'], next));
  app.use((request, _, next) => (window.enter(request), next()));
  app.use(await middleware(name, { fresh, environment: { ...environment, keys } }));
  app.get('/', (request, response) => {
    window.leave(request);
    response.json({ id: request.user.id, sub: request.user.openidId });
  });
  app.use((error, request, response, _next) => response.status(401).json({ error: 'Unauthorized' }));

  const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  // A server under load closes no connection of the benchmark's between two rounds.
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0;
  process.on('message', (/** @type {any} */ { begin }) => {
    if (begin === undefined) return process.send(window.end());
    window.begin(begin);
    return process.send({ begun: true });
  });
}

process.once('message', (/** @type {any} */ what) => {
  serve(what).catch((error) => {
    process.send({ failed: error.stack });
  });
});
process.on('disconnect', () => process.exit());
