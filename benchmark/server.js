'use strict';

// An Express 5 server in a process of its own, behind one of the middlewares. All call the same callbacks in the same order, as
// LibreChat's middleware does: configuration, user, the user's own configuration. The parent asks what the main thread spent.

const { monitorEventLoopDelay } = require('node:perf_hooks');
const express = require('express');
const { threadCpu } = require('./measure');
const { ours } = require('./subject');
const { SUBJECTS } = require('./subjects');
const { AUDIENCE, SCOPE } = require('./tokens');

/** A host's callbacks, without a database behind them: what they cost is no part of what is compared. */
function callbacks({ issuer, jwksUri }) {
  const oidc = { enabled: true, issuer, audience: AUDIENCE, jwksUri, scope: SCOPE };
  const config = { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
  return {
    getAppConfig: async () => config,
    findUser: async (filter) => ({
      _id: '6a7f1a523c554f0e8a53cc2f',
      provider: 'openid',
      openidId: filter.openidId,
      openidIssuer: issuer,
      role: 'USER',
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
      const auth = (await host.getAppConfig({ baseOnly: true })).endpoints.agents.remoteApi.auth;
      const claims = await authenticate(request);
      if (!claims.scope.split(' ').includes(auth.oidc.scope)) throw new Error('scope');
      const user = await host.findUser({ openidId: claims.sub, openidIssuer: auth.oidc.issuer });
      await host.getAppConfig({ role: user.role, userId: user._id });
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

async function middleware(name, { fresh, environment }) {
  const host = callbacks(environment);
  if (name === 'no auth') return peerMiddleware(host, () => NOBODY);
  if (name === 'ours' || name === 'ours (accounts)') {
    const { createRemoteAgentAuth, RemoteTokenVerifier } = ours();
    const algorithms = environment.alg === 'EdDSA' ? { policy: { algorithms: ['EdDSA'] } } : {};
    const accounts = name === 'ours' ? {} : { accounts: EVERYTHING };
    return createRemoteAgentAuth(
      { ...host, ...ACCOUNT_CALLBACKS },
      { ...accounts, ...(fresh && { verifier: new RemoteTokenVerifier({ verdictCache: false }) }), ...algorithms },
    );
  }
  if (name === 'express-oauth2-jwt-bearer') {
    const { auth } = require('express-oauth2-jwt-bearer');
    const { issuer, jwksUri, alg } = environment;
    const check = auth({ issuer, jwksUri, audience: AUDIENCE, tokenSigningAlg: alg });
    return [check, peerMiddleware(host, (request) => request.auth.payload)];
  }
  const verify = await SUBJECTS.find((subject) => subject.name === name).create(environment);
  return peerMiddleware(host, (request) => verify(bearer(request)));
}

process.once('message', async (/** @type {any} */ { name, fresh, environment }) => {
  const { Keys } = require('./tokens');
  // Keys come as the set; what a peer takes instead is made of it.
  const keys = Object.assign(Object.create(Keys.prototype), { jwks: environment.jwks });
  keys.publicKey = (alg) => {
    const jwk = environment.jwks.keys.find((entry) => entry.alg === alg);
    return require('node:crypto').createPublicKey({ key: jwk, format: 'jwk' });
  };
  const app = express();
  app.use(await middleware(name, { fresh, environment: { ...environment, keys } }));
  app.get('/', (request, response) => response.json({ id: request.user.id, sub: request.user.openidId }));
  app.use((error, request, response, _next) => response.status(401).json({ error: 'Unauthorized' }));

  const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  // A server under load closes no connection of the benchmark's between two rounds.
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let cpu = 0;
  process.on('message', (/** @type {any} */ what) => {
    if (what === 'begin') {
      delay.reset();
      delay.enable();
      cpu = threadCpu();
      process.send({ begun: true });
    } else {
      const spent = threadCpu() - cpu;
      delay.disable();
      process.send({ cpu: spent, loopDelayP99Millis: delay.percentile(99) / 1e6 });
    }
  });
});
process.on('disconnect', () => process.exit());
