'use strict';

// What events cost a request through the middleware, with callbacks that answer at once:
//   node scripts/checks/bench.js events [--base FOLDER]
// Rows: a known token and a new one. Subjects: nobody listens; metrics on (a registry of prom-client). `--base`: another checkout of this
// package, built, to compare the first with. Each subject is a process of its own: a listener that comes or goes has V8 compile anew what
// asks for listeners. They are measured in turn, and every figure is a difference or a ratio within one round.

const { fork } = require('node:child_process');
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { folder: PACKAGE } = require('./subject');

const ROUNDS = 41;
/** Rounds before V8 has compiled everything. */
const WARM_UP = 6;
const REQUESTS = { 'known token': 20_000, 'new token': 500 };
/** Microseconds that metrics may add to a request, and the share that events may where nobody listens. */
const MOST_METRICS = 3;
const MOST_OFF = 0.02;

// ---- the process of a subject

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});

let serial = 0;
/** @param {string} issuer */
function mint(issuer) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, aud: 'agents', sub: 'subject-1', iat: now, exp: now + 3600, jti: String(++serial) };
  const signed = `${encode({ alg: 'ES256', typ: 'at+jwt', kid: 'a' })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** An issuer on loopback, which has one key. */
async function startIssuer() {
  const jwks = JSON.stringify({ keys: [{ ...publicKey, kid: 'a', alg: 'ES256', use: 'sig' }] });
  const server = http.createServer((_req, res) => res.setHeader('content-type', 'application/json').end(jwks));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

/** A middleware of one checkout. */
function handlerOf(folder, issuer) {
  const { createRemoteAgentAuth } = require(folder);
  const oidc = { enabled: true, issuer, audience: 'agents', jwksUri: `${issuer}/keys` };
  const config = { endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } } };
  const user = { _id: '1', role: 'USER', openidId: 'subject-1', openidIssuer: issuer };
  const deps = {
    getAppConfig: () => config,
    findUser: () => user,
    updateUser: () => null,
    apiKeyMiddleware: (_req, _res, next) => next(),
  };
  return createRemoteAgentAuth(deps);
}

/** Microseconds of processor time a request: what others do on the machine meanwhile counts less than in time on the wall. */
async function timed(handler, tokens) {
  const res = { status: () => ({ json: (body) => console.error('refused', body) }), setHeader() {} };
  let passed = 0;
  const next = () => {
    passed += 1;
  };
  const before = process.cpuUsage();
  for (const token of tokens) await handler({ headers: { authorization: `Bearer ${token}` } }, res, next);
  const { user, system } = process.cpuUsage(before);
  if (passed !== tokens.length)
    throw new Error(`${tokens.length - passed} of ${tokens.length} good tokens were refused`);
  return (user + system) / tokens.length;
}

async function serve(folder, withMetrics) {
  const issuer = await startIssuer();
  const handler = handlerOf(folder, issuer);
  const known = Array(REQUESTS['known token']).fill(mint(issuer));
  // Made beforehand: what making them leaves to the garbage collector is no request's.
  const stock = Array.from({ length: (ROUNDS + WARM_UP) * REQUESTS['new token'] }, () => mint(issuer));
  // In every process, so that their heaps are alike.
  const register = new (require('prom-client').Registry)();
  if (withMetrics) require(path.join(folder, 'lib', 'operations', 'metrics')).collectPrometheus(register);
  process.on('message', async (row) => {
    const tokens = row === 'known token' ? known : stock.splice(-REQUESTS['new token']);
    process.send(await timed(handler, tokens));
  });
}

// ---- the process that measures

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[values.length >> 1];
/** The median, and in brackets the middle half of the rounds. */
function shown(values, digits = 2) {
  const all = sorted(values);
  const at = (share) => all[Math.floor((all.length - 1) * share)].toFixed(digits);
  return `${at(0.5)} (${at(0.25)} to ${at(0.75)}; ${at(0)} to ${at(1)})`;
}

async function measure(subjects, row) {
  const rounds = [];
  const names = Object.keys(subjects);
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    const figures = {};
    // Each first by turns.
    for (let place = 0; place < names.length; place++) {
      const name = names[(place + round) % names.length];
      const answer = once(subjects[name], 'message');
      subjects[name].send(row);
      [figures[name]] = await answer;
    }
    if (round >= WARM_UP) rounds.push(figures);
  }
  return rounds;
}

async function main() {
  const { values } = parseArgs({ options: { base: { type: 'string' } } });
  const start = (...args) => fork(__filename, ['--child', ...args]);
  const subjects = {
    ...(values.base && { base: start(path.resolve(values.base), 'off') }),
    off: start(PACKAGE, 'off'),
    metrics: start(PACKAGE, 'metrics'),
  };
  try {
    for (const row of Object.keys(REQUESTS)) {
      const rounds = await measure(subjects, row);
      const each = Object.keys(subjects).map((name) => `${name} ${median(rounds.map((of) => of[name])).toFixed(2)} us`);
      console.log(`${row}: ${each.join(', ')}`);
      const added = rounds.map(({ metrics, off }) => metrics - off);
      console.log(`  metrics add ${shown(added)} us; at most ${MOST_METRICS}`);
      if (!values.base) continue;
      const shares = rounds.map(({ off, base }) => (off / base - 1) * 100);
      console.log(`  nobody listens, against the base: ${shown(shares, 1)} %; at most ${MOST_OFF * 100}`);
    }
  } finally {
    for (const child of Object.values(subjects)) child.kill();
  }
}

const [flag, folder, what] = process.argv.slice(2);
if (flag === '--child') {
  serve(folder, what === 'metrics');
} else {
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
