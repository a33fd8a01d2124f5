'use strict';

// What events cost a request through the middleware, in this process, with callbacks that answer at once:
//   node benchmark/events.js [--base FOLDER]
// Rows: nobody listens; metrics on (prom-client's registry). `--base`: another checkout of this package, built, to compare the first with.

const path = require('node:path');
const { parseArgs } = require('node:util');
const { generateKeyPairSync, sign } = require('node:crypto');
const { performance } = require('node:perf_hooks');

const root = path.join(__dirname, '..');
const ISSUER = 'https://id.example/realms/a';
const ROUNDS = 15;
const REQUESTS = 4000;
/** Microseconds that metrics may add to a request, and the share that events may where nobody listens. */
const MOST_METRICS = 3;
const MOST_OFF = 0.02;

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});

let serial = 0;
function mint() {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: 'agents', sub: 'subject-1', iat: now, exp: now + 3600, jti: String(++serial) };
  const signed = `${encode({ alg: 'ES256', typ: 'at+jwt', kid: 'a' })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** A middleware of one checkout, over keys at hand. */
function handlerOf(folder) {
  const { createRemoteAgentAuth } = require(folder);
  const config = {
    endpoints: {
      agents: {
        remoteApi: {
          auth: { apiKey: { enabled: false }, oidc: { enabled: true, issuer: ISSUER, audience: 'agents' } },
        },
      },
    },
  };
  const user = { _id: '1', role: 'USER', openidId: 'subject-1', openidIssuer: ISSUER };
  const deps = {
    getAppConfig: () => config,
    findUser: () => user,
    updateUser: () => null,
    apiKeyMiddleware: (_req, _res, next) => next(),
  };
  const jwks = { keys: [{ ...publicKey, kid: 'a', alg: 'ES256', use: 'sig' }] };
  return createRemoteAgentAuth(deps, { policy: () => ({ jwks }) });
}

/** Microseconds a request. */
async function timed(handler, tokens) {
  const res = { status: () => ({ json: (body) => console.error('refused', body) }), setHeader() {} };
  let passed = 0;
  const next = () => {
    passed += 1;
  };
  const since = performance.now();
  for (const token of tokens) await handler({ headers: { authorization: `Bearer ${token}` } }, res, next);
  const took = performance.now() - since;
  if (passed !== tokens.length)
    throw new Error(`${tokens.length - passed} of ${tokens.length} good tokens were refused`);
  return (took / tokens.length) * 1000;
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function measure(handlers, tokensOf) {
  const figures = Object.fromEntries(Object.keys(handlers).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    // In turn, so that what the machine does meanwhile is everybody's.
    for (const [name, { handler, around }] of Object.entries(handlers)) {
      const tokens = tokensOf();
      const end = around();
      const micros = await timed(handler, tokens);
      end();
      if (round > 2) figures[name].push(micros);
    }
  }
  return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, median(values)]));
}

async function main() {
  const { values } = parseArgs({ options: { base: { type: 'string' } } });
  const { collectPrometheus } = require(path.join(root, 'lib', 'operations', 'metrics'));
  const { Registry } = require('prom-client');
  const here = handlerOf(root);
  const off = () => () => {};
  const handlers = {
    ...(values.base && { base: { handler: handlerOf(path.resolve(values.base)), around: off } }),
    'nobody listens': { handler: here, around: off },
    'metrics on': { handler: here, around: () => collectPrometheus(new Registry()) },
  };
  const known = [mint()];
  const rows = {
    'known token': () => Array(REQUESTS).fill(known[0]),
    'new token': () => Array.from({ length: REQUESTS / 4 }, mint),
  };
  for (const [row, tokensOf] of Object.entries(rows)) {
    const figures = await measure(handlers, tokensOf);
    const text = Object.entries(figures).map(([name, micros]) => `${name} ${micros.toFixed(2)} us`);
    const added = figures['metrics on'] - figures['nobody listens'];
    const share = figures.base && figures['nobody listens'] / figures.base - 1;
    console.log(`${row}: ${text.join(', ')}; metrics add ${added.toFixed(2)} us (at most ${MOST_METRICS})`);
    if (share !== undefined) console.log(`  events off: ${(share * 100).toFixed(1)} % (at most ${MOST_OFF * 100})`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
