'use strict';

// How a request through the middleware grows with tenants, each with an issuer and a configuration of its own; and what a process takes to
// start with many of them. Two sections of scale.js.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const { performance } = require('node:perf_hooks');
const { perSecond, range, table } = require('./format');
const { spread } = require('./measure');
const { startProvider } = require('./provider');
const { ours } = require('./subject');
const { AUDIENCE, Keys, SCOPE, claimsFor } = require('./tokens');

const ALG = 'ES256';
const ROUNDS = 9;
const REQUESTS = 4000;
/** Fetches of keys under way at once. */
const TOGETHER = 50;
const STARTS = 7;
const TENANTS_AT_START = 1000;

const kilobytes = () => process.memoryUsage.rss() / 1024;

/** What a host has: a configuration for each tenant, and the tenant of the request. */
function hostOf(tenants) {
  let current = '';
  const configs = new Map(
    tenants.map(({ id, issuer, jwksUri }) => {
      const oidc = { enabled: true, issuer, audience: AUDIENCE, scope: SCOPE, jwksUri };
      return [id, { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } }];
    }),
  );
  const deps = {
    getTenantId: () => current,
    getAppConfig: async ({ tenantId }) => configs.get(tenantId),
    findUser: async ({ openidId, openidIssuer }) => ({
      _id: '1',
      provider: 'openid',
      openidId,
      openidIssuer,
      role: 'USER',
      tenantId: current,
    }),
    updateUser: async () => null,
    apiKeyMiddleware() {},
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
  return { deps, enter: (id) => (current = id) };
}

const tenantsOf = (provider, count) =>
  Array.from({ length: count }, (_, i) => {
    const issuer = `${provider.issuer}/${count}/${i}`;
    return { id: `tenant-${i}`, issuer, jwksUri: `${issuer}/keys` };
  });

const policyOf = ({ issuer, jwksUri }) => ({ issuer, jwksUri, audience: AUDIENCE, scope: SCOPE });

async function prefetchAll(verifier, tenants) {
  for (let i = 0; i < tenants.length; i += TOGETHER) {
    await Promise.all(tenants.slice(i, i + TOGETHER).map((tenant) => verifier.prefetch(policyOf(tenant))));
  }
}

/** Microseconds a request, tenants by turns. */
async function timed(handler, host, tenants, tokens) {
  const answer = { status: (code) => ({ json: () => fail(code) }), setHeader() {} };
  const fail = (code) => {
    throw new Error(`a good token was answered ${code}`);
  };
  const headers = Array.from({ length: REQUESTS }, (_, i) => `Bearer ${tokens[i % tokens.length].latin1Slice()}`);
  const start = performance.now();
  for (let i = 0; i < REQUESTS; i++) {
    host.enter(tenants[i % tenants.length].id);
    await new Promise((resolve) => handler({ headers: { authorization: headers[i] } }, answer, resolve));
  }
  return ((performance.now() - start) * 1000) / REQUESTS;
}

async function rounds(work) {
  const taken = [];
  while (taken.length < ROUNDS) taken.push(await work());
  return range(spread(taken));
}

async function tenants() {
  const { RemoteTokenVerifier, createRemoteAgentAuth } = ours();
  const keys = new Keys([ALG]);
  const provider = await startProvider(keys.jwks);
  const rows = [];
  // The largest first, while the process is still small and its memory says something.
  for (const count of [10_000, 1000, 100, 10, 1]) {
    const all = tenantsOf(provider, count);
    const host = hostOf(all);
    const tokens = all.map(({ issuer }, i) => keys.mint(ALG, claimsFor(issuer, i)));
    const verifiers = { fresh: new RemoteTokenVerifier({ verdictCache: false }), known: new RemoteTokenVerifier() };
    verifiers.known.clear();
    global.gc?.();
    const before = kilobytes();
    await prefetchAll(verifiers.known, all);
    const handlers = Object.fromEntries(
      Object.entries(verifiers).map(([name, verifier]) => [
        name,
        createRemoteAgentAuth(host.deps, { verifier, tenantConflict: 'reject' }),
      ]),
    );
    const run = (name) => timed(handlers[name], host, all, tokens);
    // Every tenant's policy is compiled by its first request.
    for (let i = 0; i < count; i += REQUESTS) await run('known');
    global.gc?.();
    const grown = (kilobytes() - before) / count;
    const memory = count < 10_000 ? '' : grown.toFixed(1);
    rows.push([perSecond(count), await rounds(() => run('fresh')), await rounds(() => run('known')), memory]);
  }
  provider.stop();
  return table(
    ['tenants by turns', 'new token, us a request', 'known token, us a request', 'memory per tenant, kB'],
    rows.reverse(),
  );
}

/** In a process of its own: from nothing to the first answer. */
function startedProcess() {
  process.once('message', async (/** @type {any} */ { provider, token }) => {
    const began = performance.now();
    const { RemoteTokenVerifier, createRemoteAgentAuth } = ours();
    const loaded = performance.now();
    const all = tenantsOf(provider, TENANTS_AT_START);
    const host = hostOf(all);
    const verifier = new RemoteTokenVerifier();
    const handler = createRemoteAgentAuth(host.deps, { verifier, tenantConflict: 'reject' });
    await prefetchAll(verifier, all);
    const fetched = performance.now();
    host.enter(all[0].id);
    const res = { status: (code) => ({ json: () => process.send({ failed: code }) }), setHeader() {} };
    await new Promise((resolve) => handler({ headers: { authorization: `Bearer ${token}` } }, res, resolve));
    const answered = performance.now();
    process.send({ load: loaded - began, prefetch: fetched - loaded, first: answered - fetched });
  });
  process.on('disconnect', () => process.exit());
}

async function start() {
  const keys = new Keys([ALG]);
  const provider = await startProvider(keys.jwks);
  const [first] = tenantsOf(provider, TENANTS_AT_START);
  const token = String(keys.mint(ALG, claimsFor(first.issuer, 0)));
  const runs = [];
  for (let run = 0; run < STARTS; run++) {
    const child = fork(__filename);
    child.send({ provider: { issuer: provider.issuer }, token });
    const [taken] = await once(child, 'message');
    if (taken.failed) throw new Error(`the first request was answered ${taken.failed}`);
    runs.push(taken);
    child.disconnect();
  }
  provider.stop();
  const figure = (name) => `${range(spread(runs.map((run) => run[name])))} ms`;
  return table(
    ['a process with the keys of 1,000 tenants fetched before its first request', `median (min-max) of ${STARTS}`],
    [
      ['loading the package', figure('load')],
      ['making the middleware, and fetching all keys', figure('prefetch')],
      ['the first request', figure('first')],
    ],
  );
}

module.exports = { start, tenants };

if (require.main === module) startedProcess();
