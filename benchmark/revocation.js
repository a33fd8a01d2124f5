'use strict';

// What introspection and revocation cost a request, in this process:
//   node scripts/checks/bench.js revocation
// Rows: a known JWT without `introspection` in its policy, with it, and with `also`; a known opaque token; each with an empty list of
// revocations, with 1,000 and with 1,000,000 of them. Rows of one list by turns, each first by turns.

const { generateKeyPairSync, randomUUID, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { performance } = require('node:perf_hooks');
const { ours } = require('./subject');

const ROUNDS = 21;
const CHECKS = 20_000;
const LISTS = [0, 1_000, 1_000_000];
const AUDIENCE = 'agents';

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});
const exp = Math.floor(Date.now() / 1000) + 3600;

/** @param {string} issuer */
function mint(issuer) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: issuer, aud: AUDIENCE, sub: 'ada', jti: 'a-token', sid: 'a-session', iat: exp - 3600, exp };
  const signed = `${encode({ alg: 'ES256', kid: 'a', typ: 'at+jwt' })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** A provider that calls every token active; how often it was asked. */
async function provider() {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    request.resume();
    const said = { active: true, aud: AUDIENCE, sub: 'ada', scope: 'read', jti: 'a-token', sid: 'a-session', exp };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(said));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { issuer: `http://127.0.0.1:${server.address().port}`, asked: () => asked, close: () => server.close() };
}

/** Microseconds a check of `check`, which answers at once wherever it can. */
async function timed(check) {
  const began = performance.now();
  for (let i = 0; i < CHECKS; i++) {
    let outcome = check();
    if ('then' in outcome) outcome = await outcome;
    if (!outcome.ok) throw new Error(`a good token was refused: ${outcome.code}`);
  }
  return ((performance.now() - began) * 1000) / CHECKS;
}

const shown = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[sorted.length >> 1].toFixed(2)} (${sorted[0].toFixed(2)} to ${sorted[sorted.length - 1].toFixed(2)}) us`;
};

/** Fills the list up to `count`. @param {any} revoke @param {number} from @param {number} count */
function fill(revoke, from, count) {
  const issuer = 'https://other.example';
  const before = process.memoryUsage.rss();
  const began = performance.now();
  for (let i = from; i < count; i++) revoke({ jti: randomUUID(), issuer, until: exp });
  if (count === from) return;
  const megabytes = (process.memoryUsage.rss() - before) / 2 ** 20;
  const micros = ((performance.now() - began) * 1000) / (count - from);
  console.log(
    `${count} revocations: ${micros.toFixed(2)} us to add each, resident memory ${megabytes.toFixed(0)} MiB more`,
  );
}

async function main() {
  const { RemoteTokenVerifier, revoke } = ours();
  const { issuer, asked, close } = await provider();
  const verifier = new RemoteTokenVerifier();
  const jwks = { keys: [{ ...publicKey, kid: 'a', alg: 'ES256', use: 'sig' }] };
  const introspection = { clientId: 'c', clientSecret: 's', endpoint: `${issuer}/introspect` };
  const policyOf = (more) => verifier.compile({ issuer, audience: AUDIENCE, jwks, ...more });
  const [jwt, opaque] = [mint(issuer), 'an-opaque-token'];
  const policies = {
    off: policyOf({}),
    on: policyOf({ introspection }),
    also: policyOf({ introspection: { ...introspection, also: true } }),
  };
  const rows = {
    'known JWT, no introspection': () => verifier.check(jwt, policies.off),
    'known JWT, introspection of opaque tokens': () => verifier.check(jwt, policies.on),
    'known JWT, introspected too (`also`)': () => verifier.check(jwt, policies.also),
    'known opaque token': () => verifier.check(opaque, policies.on),
  };
  let filled = 0;
  for (const count of LISTS) {
    fill(revoke, filled, count);
    filled = count;
    const names = Object.keys(rows);
    const measured = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + round + names.length) % names.length];
        const micros = await timed(rows[name]);
        // The first round warms up and counts for nothing.
        if (round >= 0) measured[name].push(micros);
      }
    }
    for (const name of names) console.log(`${count} revocations, ${name}: ${shown(measured[name])}`);
  }
  console.log(`the provider was asked ${asked()} times`);
  close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
