'use strict';

// What a known token takes in the middlewares, without Express around them, beside a function that does nothing but call the same callbacks:
//   node scripts/checks/bench.js middleware [-- --write]
// Each row is a process of its own, which takes turns with that function: where several rows share one, V8 compiles for all of them.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { range, table } = require('./format');
const { spread, threadCpu, turn } = require('./measure');
const { startProvider } = require('./provider');
const { fill } = require('./report');
const { ours } = require('./subject');
const { SUBJECTS } = require('./subjects');
const { AUDIENCE, Keys, SCOPE, claimsFor } = require('./tokens');

const ALG = 'RS256';
const ROUNDS = 15;
const WARM_UP = 5;
const REQUESTS = 6400;
/** Requests in a turn of the event loop: a server that has time, and one that is busy. */
const AT_ONCE = [1, 16];

function hostOf({ issuer, jwksUri }, tenantId) {
  const oidc = { enabled: true, issuer, jwksUri, audience: AUDIENCE, scope: SCOPE };
  const config = { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
  const user = { _id: '6a7f1a523c554f0e8a53cc2f', provider: 'openid', openidIssuer: issuer, role: 'USER', tenantId };
  return {
    getAppConfig: async () => config,
    findUser: async ({ openidId }) => ({ ...user, openidId }),
    updateUser: async () => null,
    apiKeyMiddleware() {},
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
}

/** The callbacks of a host, and who comes. */
const flow = (host, authenticate) => async (req, res, next) => {
  const { auth } = (await host.getAppConfig({ baseOnly: true })).endpoints.agents.remoteApi;
  const claims = await authenticate(req);
  if (!claims.scope.split(' ').includes(auth.oidc.scope)) throw new Error('scope');
  const user = await host.findUser({ openidId: claims.sub, openidIssuer: auth.oidc.issuer });
  await host.getAppConfig({ role: user.role, userId: user._id });
  req.user = Object.assign(user, { id: user._id });
  next();
};
const NOBODY = { sub: 'anybody', scope: SCOPE };

/** What is measured, by its title. */
const ROWS = {
  createRemoteAgentAuth: (provider) => ours().createRemoteAgentAuth(hostOf(provider)),
  'the same, for a user with a tenant, whose own configuration is asked as well': (provider) =>
    ours().createRemoteAgentAuth(hostOf(provider, 'tenant-1')),
  createBearerAuth: ({ issuer, jwksUri }, host) => {
    const check = ours().createBearerAuth({ issuer, jwksUri, audience: AUDIENCE, scope: SCOPE });
    const goOn = flow(host, ({ auth }) => ({ sub: auth.subject, scope: SCOPE }));
    return (req, res, next) => check(req, res, () => goOn(req, res, next));
  },
  'fast-jwt (cache)': async (provider, host, keys) => {
    const subject = SUBJECTS.find(({ name }) => name === 'fast-jwt (cache)');
    const verify = await subject.create({ keys, alg: ALG, ...provider });
    return flow(host, (req) => verify(req.headers.authorization.slice(7)));
  },
};

/** Microseconds of this thread a request. */
async function timed(handler, token, atOnce) {
  const headers = Array.from({ length: REQUESTS }, () => `Bearer ${token.latin1Slice()}`);
  const res = {
    status: (code) => ({ json: () => process.send({ failed: code }) }),
    setHeader() {},
    end: () => process.send({ failed: 'an answer' }),
  };
  let passed = 0;
  const next = () => passed++;
  const cpu = threadCpu();
  for (let i = 0; i < REQUESTS; i += atOnce) {
    await turn();
    for (const authorization of headers.slice(i, i + atOnce)) {
      const rawHeaders = ['Authorization', authorization];
      handler({ method: 'GET', url: '/', headers: { authorization }, rawHeaders }, res, next);
    }
  }
  await turn();
  if (passed !== REQUESTS) throw new Error(`${REQUESTS - passed} good tokens of ${REQUESTS} were refused`);
  return (threadCpu() - cpu) / REQUESTS;
}

async function serve({ title, provider, jwks, token }) {
  const keys = Object.assign(Object.create(Keys.prototype), { jwks });
  const key = require('node:crypto').createPublicKey({ key: jwks.keys[0], format: 'jwk' });
  keys.publicKey = () => key;
  const host = hostOf(provider);
  const alone = flow(host, () => NOBODY);
  const handler = await ROWS[title](provider, host, keys);
  const bytes = Buffer.from(token, 'latin1');
  const first = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` }, rawHeaders: [] };
  await new Promise((resolve) => handler(first, { status: () => ({ json() {} }), setHeader() {}, end() {} }, resolve));
  const rows = [];
  for (const atOnce of AT_ONCE) {
    const pairs = [];
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      const pair = [await timed(alone, bytes, atOnce), await timed(handler, bytes, atOnce)];
      if (round >= 0) pairs.push(pair);
    }
    rows.push({ alone: spread(pairs.map(([it]) => it)), above: spread(pairs.map(([less, more]) => more - less)) });
  }
  return rows;
}

async function main() {
  const keys = new Keys([ALG]);
  const provider = await startProvider(keys.jwks);
  const token = String(keys.mint(ALG, claimsFor(provider.issuer, 0)));
  const rows = [];
  for (const title of Object.keys(ROWS)) {
    const child = fork(__filename);
    child.send({ title, provider: { issuer: provider.issuer, jwksUri: provider.jwksUri }, jwks: keys.jwks, token });
    const [answer] = await once(child, 'message');
    if (answer.failed) throw new Error(`${title}: ${answer.failed}`);
    if (rows.length === 0) rows.push(['the callbacks alone', ...answer.map(({ alone }) => range(alone))]);
    rows.push([title, ...answer.map(({ above }) => `+ ${range(above)}`)]);
    child.disconnect();
  }
  provider.stop();
  const text = table(['main-thread us a request', ...AT_ONCE.map((count) => `${count} a turn`)], rows);
  console.log(text);
  if (process.argv.includes('--write')) fill(path.join(__dirname, '..', 'docs', 'performance.md'), 'middleware', text);
}

if (process.send === undefined) {
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
} else {
  process.once('message', (/** @type {any} */ what) => {
    serve(what).then(
      (rows) => process.send(rows),
      (error) => process.send({ failed: error.stack }),
    );
  });
  process.on('disconnect', () => process.exit());
}
