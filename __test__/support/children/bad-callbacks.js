'use strict';

// Callbacks and hosts that misbehave, one request each over real HTTP. In a process of its own, where nothing but this file
// listens for what is uncaught. Prints { results: [{ name, expected, status, answers }], uncaught } as JSON.

const { once } = require('node:events');
const { setImmediate: turn } = require('node:timers/promises');
const express = require('express');
const { createRemoteAgentAuth } = require('../../..');
const { configOf } = require('../fakes');
const { Issuer } = require('../issuer');

/** Milliseconds a callback may take here, so that one that never settles is not waited for. */
const LIMIT = 200;

const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(String(error)));
process.on('unhandledRejection', (error) => uncaught.push(String(error)));

const broken = () => {
  throw new Error('broken');
};
const never = () => new Promise(() => {});

/** What each kind overrides, how the request is sent, and the one status it must be answered with. */
const KINDS = [
  { name: 'getAppConfig throws', deps: { getAppConfig: broken }, expected: 500 },
  { name: 'getAppConfig rejects with nothing', deps: { getAppConfig: () => Promise.reject() }, expected: 500 },
  { name: 'getAppConfig gives null', deps: { getAppConfig: async () => null }, expected: 500 },
  { name: 'getAppConfig never settles', deps: { getAppConfig: never }, expected: 500 },
  { name: 'findUser throws', deps: { findUser: broken }, expected: 500 },
  { name: 'findUser gives a user without an id', deps: { findUser: async () => ({ role: 'USER' }) }, expected: 500 },
  { name: 'findUser never settles', deps: { findUser: never }, expected: 500 },
  { name: 'findUser settles too late, and by rejecting', deps: { findUser: lateRejection }, expected: 500 },
  { name: 'findUser gives a thenable that throws', deps: { findUser: () => ({ then: broken }) }, expected: 500 },
  { name: 'findUser gives a thenable that settles twice', deps: { findUser: twice }, expected: 200 },
  { name: 'updateUser rejects', deps: { updateUser: async () => broken() }, unbound: true, expected: 500 },
  { name: 'updateUser never settles', deps: { updateUser: never }, unbound: true, expected: 500 },
  { name: 'isPrincipalActive throws', deps: { isPrincipalActive: broken }, expected: 500 },
  { name: 'getTenantId throws', deps: { getTenantId: broken }, expected: 500 },
  {
    name: 'the logger throws',
    deps: { logger: { warn: broken, error: broken, debug: broken, info: broken } },
    token: 'bad',
    expected: 403,
  },
  { name: 'the logger rejects', deps: { logger: { debug: async () => broken() } }, token: 'bad', expected: 403 },
  { name: 'onUserLookup throws', deps: { onUserLookup: broken }, expected: 200 },
  { name: 'apiKeyMiddleware throws', deps: { apiKeyMiddleware: broken }, token: 'none', expected: 500 },
  { name: 'apiKeyMiddleware rejects', deps: { apiKeyMiddleware: async () => broken() }, token: 'none', expected: 500 },
  { name: 'apiKeyMiddleware calls next twice', deps: { apiKeyMiddleware: nextTwice }, token: 'none', expected: 200 },
  { name: 'apiKeyMiddleware calls next late', deps: { apiKeyMiddleware: nextLate }, token: 'none', expected: 200 },
  {
    name: 'apiKeyMiddleware calls next and then rejects',
    deps: { apiKeyMiddleware: nextThenReject },
    token: 'none',
    expected: 200,
  },
  {
    name: 'apiKeyMiddleware answers and calls next',
    deps: { apiKeyMiddleware: answerThenNext },
    token: 'none',
    expected: 403,
  },
  {
    name: 'the policy of the API user never settles',
    deps: { getAppConfig: secondNever(), apiKeyMiddleware: nextLate },
    token: 'none',
    expected: 500,
  },
  { name: 'what comes after throws', after: broken, expected: 418 },
];

/** Work that continues after its request was answered; awaited before the results are counted. */
const late = [];
function lateRejection() {
  const rejection = new Promise((resolve) => setTimeout(resolve, LIMIT + 100)).then(broken);
  late.push(rejection.then(null, turn));
  return rejection;
}
function twice() {
  return {
    then(resolve, reject) {
      resolve({ _id: 'user-1', role: 'USER' });
      resolve(null);
      reject(new Error('broken'));
    },
  };
}
function nextTwice(req, res, next) {
  next();
  next();
}
function nextLate(req, res, next) {
  setImmediate(next);
}
async function nextThenReject(req, res, next) {
  next();
  await turn();
  broken();
}
function answerThenNext(req, res, next) {
  res.status(403).json({ error: 'key' });
  next();
}
function secondNever() {
  let calls = 0;
  return (scope) => (calls++ === 0 ? configOf({}) : never(scope));
}

async function run(issuer, { name, deps = {}, after, token = 'good', unbound = false, expected }) {
  const oidc = { enabled: true, issuer: issuer.url, audience: 'agents' };
  const user = unbound ? { _id: 'user-1' } : { _id: 'user-1', role: 'USER' };
  const handler = createRemoteAgentAuth(
    {
      getAppConfig: async () => configOf({ oidc }),
      findUser: async () => ({ ...user }),
      updateUser: async () => null,
      apiKeyMiddleware: (_req, res) => res.status(403).json({ error: 'key' }),
      logger: {},
      ...deps,
    },
    { callbackTimeout: LIMIT, tenantConflict: 'allow' },
  );
  let answers = 0;
  const app = express();
  app.use((_req, res, next) => {
    const { json } = res;
    res.json = function counted(body) {
      answers += 1;
      return json.call(this, body);
    };
    next();
  });
  app.get('/', handler, after ?? ((req, res) => res.json({ id: req.user?.id ?? null })));
  app.use((_error, _req, res, next) => (res.headersSent ? next(_error) : res.status(418).json({ error: 'host' })));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sent = { good: issuer.token(), bad: `${issuer.token()}x`, none: undefined }[token];
  const headers = sent === undefined ? {} : { authorization: `Bearer ${sent}` };
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`, {
    headers,
    signal: AbortSignal.timeout(10_000),
  });
  await response.text();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { name, expected, status: response.status, answers };
}

async function main() {
  const issuer = await new Issuer().start();
  const results = await Promise.all(KINDS.map((kind) => run(issuer, kind)));
  await Promise.all(late);
  await issuer.stop();
  console.log(JSON.stringify({ results, uncaught }));
}

main();
