#!/usr/bin/env node
'use strict';

// Runs inside a Node of some platform, with REMOTE_AGENT_AUTH_BINARY naming a native file: lets the package do with that file what it
// is for. Knows Node and the package alone, so that it runs where nothing is installed. Prints one line of JSON; throws where the
// package does not do what it should, and must end by itself.

const assert = require('node:assert');
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { isMainThread, Worker } = require('node:worker_threads');

const KEYS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS384: () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

/** @param {object} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const milliseconds = (/** @type {bigint} */ since) => Number(process.hrtime.bigint() - since) / 1e6;

/** @param {string} algorithm */
function signer(algorithm) {
  const { publicKey, privateKey } = KEYS[/** @type {keyof KEYS} */ (algorithm)]();
  const digest = algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`;
  const how = algorithm.startsWith('PS') ? { padding: 6, saltLength: 48 } : /** @type {const} */ ({ dsaEncoding: 'ieee-p1363' });
  return {
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: algorithm, alg: algorithm, use: 'sig' }] },
    /** @param {object} claims */
    token(claims) {
      const text = `${encode({ alg: algorithm, kid: algorithm })}.${encode(claims)}`;
      return `${text}.${sign(digest, Buffer.from(text), { key: privateKey, ...how }).toString('base64url')}`;
    },
  };
}

const seconds = Math.floor(Date.now() / 1000);
/** @param {string} issuer */
const claims = (issuer) => ({ iss: issuer, aud: 'agents', sub: 'someone', iat: seconds, exp: seconds + 600 });

/** @typedef {typeof import('../index')} Package */

/** Every algorithm, with the keys at hand: a good token is let in, the same with another payload is not. @param {Package} ours */
async function inlineKeys({ verifyRemoteToken }) {
  const issuer = 'https://provider.test';
  for (const algorithm of Object.keys(KEYS)) {
    const { jwks, token } = signer(algorithm);
    const policy = { issuer, audience: 'agents', jwks, algorithms: [algorithm] };
    const good = token(claims(issuer));
    const found = await verifyRemoteToken(good, policy);
    assert.strictEqual(found.claims.sub, 'someone');
    const [head, , signature] = good.split('.');
    const forged = `${head}.${encode({ ...claims(issuer), sub: 'other' })}.${signature}`;
    await assert.rejects(verifyRemoteToken(forged, policy), { code: 'ERR_SIGNATURE_INVALID' }, algorithm);
  }
  return Object.keys(KEYS);
}

/** Keys fetched by the file's own HTTP client. @param {Package} ours */
async function fetchedKeys({ verifyRemoteToken }) {
  const { jwks, token } = signer('ES256');
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(jwks));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const issuer = `http://127.0.0.1:${port}`;
  const policy = { issuer, audience: 'agents', jwksUri: `${issuer}/keys` };
  const started = process.hrtime.bigint();
  await verifyRemoteToken(token(claims(issuer)), policy);
  const fetched = milliseconds(started);
  await verifyRemoteToken(token(claims(issuer)), policy);
  assert.strictEqual(requests, 1, 'the second token is verified with the keys of the first');
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  return fetched;
}

/** Microseconds of one signature check, without the verdict cache. @param {Package} ours */
async function checkTime({ RemoteTokenVerifier }) {
  const issuer = 'https://provider.test';
  const { jwks, token } = signer('ES256');
  const verifier = new RemoteTokenVerifier({ verdictCache: false });
  const policy = { issuer, audience: 'agents', jwks };
  const good = token(claims(issuer));
  const rounds = 200;
  await verifier.verify(good, policy);
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) await verifier.verify(good, policy);
  return (milliseconds(started) * 1000) / rounds;
}

async function main() {
  const started = process.hrtime.bigint();
  const ours = require('..');
  const loaded = milliseconds(started);
  const algorithms = await inlineKeys(ours);
  const fetched = await fetchedKeys(ours);
  if (!isMainThread) return;

  const checked = await checkTime(ours);
  const [code] = await once(new Worker(__filename), 'exit');
  assert.strictEqual(code, 0, 'the same in a worker thread');
  const native = require(process.env.REMOTE_AGENT_AUTH_BINARY ?? '');
  console.log(
    JSON.stringify({
      node: process.versions.node,
      arch: process.arch,
      libc: /** @type {any} */ (process.report.getReport()).header.glibcVersionRuntime ?? null,
      version: native.version(),
      probes: Object.keys(native).filter((name) => /panic/i.test(name)),
      algorithms,
      loaded,
      fetched,
      checked,
    }),
  );
}

main();
