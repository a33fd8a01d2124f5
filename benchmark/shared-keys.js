'use strict';

// What shared keys cost a check while the keys are fresh, over a store in memory that counts its calls:
//   node scripts/checks/bench.js shared-keys
// Two processes, off and on, measured by turns: a known token, and tokens that come for the first time.

const { fork } = require('node:child_process');
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const path = require('node:path');
const { performance } = require('node:perf_hooks');
const { folder, ours } = require('./subject');

const ISSUER = 'https://id.example/realms/a';
const ROUNDS = 21;
const KNOWN = 50_000;
const NEW = 200;
/** Percent by which the medians may differ: more than rounds on one machine do. */
const MOST = 10;

const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});

function mint(sub) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: ISSUER, aud: 'agents', sub, exp: Math.floor(Date.now() / 1000) + 3600 };
  const signed = `${encode({ alg: 'ES256', kid: 'a' })}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** A child: nanoseconds of a check, each time it is asked. */
async function measure(isShared) {
  // A life that does not end while this runs.
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=3600' });
    response.end(JSON.stringify({ keys: [{ ...publicKey, kid: 'a', alg: 'ES256', use: 'sig' }] }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { memoryStore, shareKeys } = require(path.join(folder, 'lib', 'stores'));
  let calls = 0;
  const counted = Object.entries(memoryStore()).map(([name, method]) => [
    name,
    (...args) => ((calls += 1), method(...args)),
  ]);
  const store = Object.fromEntries(counted);
  const published = new Promise((resolve) => {
    const { publish } = store;
    store.publish = (...args) => (setImmediate(resolve), publish(...args));
  });
  if (isShared) await shareKeys({ store, sharedSecret: 'a secret of at least thirty-two bytes' }).ready;
  const verifier = new (ours().RemoteTokenVerifier)();
  const jwksUri = `http://127.0.0.1:${server.address().port}/keys`;
  const policy = verifier.compile({ issuer: ISSUER, audience: 'agents', jwksUri, maxAdvisedAge: 3600 });
  const accepted = (outcome) => {
    if (outcome.ok !== true) throw new Error('a good token was refused, or a known one had to wait');
  };
  const token = mint('known');
  await verifier.check(token, policy);
  const nanoseconds = (began, count) => ((performance.now() - began) * 1e6) / count;
  const timedKnown = () => {
    const began = performance.now();
    for (let i = 0; i < KNOWN; i += 1) accepted(verifier.check(token, policy));
    return nanoseconds(began, KNOWN);
  };
  // One after the other: some are checked by another thread.
  const timedNew = async (tokens) => {
    const began = performance.now();
    for (const fresh of tokens) accepted(await verifier.check(fresh, policy));
    return nanoseconds(began, tokens.length);
  };
  let serial = 0;
  if (isShared) await published;
  timedKnown();
  const before = calls;
  process.on('message', async () => {
    const fresh = Array.from({ length: NEW }, () => mint(`s${(serial += 1)}`));
    const known = timedKnown();
    process.send({ known, new: await timedNew(fresh), calls: calls - before });
  });
  process.on('disconnect', () => process.exit());
  process.send('ready');
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function main() {
  const children = { off: fork(__filename, ['off']), on: fork(__filename, ['on']) };
  for (const child of Object.values(children)) child.once('exit', (code) => code && process.exit(code));
  await Promise.all(Object.values(children).map((child) => once(child, 'message')));
  const rounds = { off: [], on: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of round % 2 === 0 ? ['off', 'on'] : ['on', 'off']) {
      const answer = once(children[name], 'message');
      children[name].send('');
      rounds[name].push((await answer)[0]);
    }
  }
  for (const child of Object.values(children)) child.disconnect();
  for (const which of ['known', 'new']) {
    const [off, on] = [rounds.off, rounds.on].map((all) => median(all.map((round) => round[which])));
    const percent = (on / off - 1) * 100;
    console.log(`${which} token: off ${off.toFixed(0)} ns, on ${on.toFixed(0)} ns (${percent.toFixed(1)} %)`);
    if (percent > MOST) process.exitCode = 1;
  }
  const calls = rounds.on.at(-1).calls;
  console.log(`calls of the store while keys are fresh: ${calls}`);
  if (calls > 0) process.exitCode = 1;
}

if (process.argv[2] === undefined) main();
else measure(process.argv[2] === 'on');
