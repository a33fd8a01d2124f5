'use strict';

// Runs inside a Node of some platform, started by run-platform.js: `node platform-trial.js FILE.node` loads a native file and lets it
// do what it is for. Knows Node alone, so that it runs where nothing is installed. Prints one line of JSON; throws where the file
// does not do what it should. Ends by itself, or is caught by its starter.

const assert = require('node:assert');
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const path = require('node:path');
const { isMainThread, Worker, workerData } = require('node:worker_threads');

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

/** Every algorithm, with the keys at hand: a good token is let in, the same with another payload is not. @param {any} native */
async function inlineKeys(native) {
  const issuer = 'https://provider.test';
  for (const algorithm of Object.keys(KEYS)) {
    const { jwks, token } = signer(algorithm);
    const policy = { issuer, audience: 'agents', jwks: JSON.stringify(jwks), algorithms: [algorithm] };
    const good = token(claims(issuer));
    const found = await native.verifyRemoteToken(good, policy);
    assert.strictEqual(found.ok, true, `${algorithm}: ${found.code}`);
    assert.strictEqual(found.subject, 'someone');
    const [head, , signature] = good.split('.');
    const forged = await native.verifyRemoteToken(`${head}.${encode({ ...claims(issuer), sub: 'other' })}.${signature}`, policy);
    assert.strictEqual(forged.code, 'ERR_SIGNATURE_INVALID', algorithm);
  }
  return Object.keys(KEYS);
}

/** Keys fetched by the file's own HTTP client. @param {any} native */
async function fetchedKeys(native) {
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
  const found = await native.verifyRemoteToken(token(claims(issuer)), policy);
  const fetched = milliseconds(started);
  assert.strictEqual(found.ok, true, found.code);
  assert.strictEqual((await native.verifyRemoteToken(token(claims(issuer)), policy)).ok, true);
  assert.strictEqual(requests, 1, 'the second token is verified with the keys of the first');
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  return fetched;
}

/** The time of one signature check, without the verdict cache. @param {any} native */
async function checkTime(native) {
  const issuer = 'https://provider.test';
  const { jwks, token } = signer('ES256');
  const auth = native.createRemoteAgentAuth({ verdictCache: false });
  const policy = native.compilePolicy({ issuer, audience: 'agents', jwks: JSON.stringify(jwks) });
  const good = token(claims(issuer));
  assert.strictEqual((await auth.check(good, policy)).ok, true);
  const rounds = 200;
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) assert.strictEqual(auth.check(good, policy).ok, true);
  return (milliseconds(started) * 1000) / rounds;
}

/** @param {string} file */
async function main(file) {
  const started = process.hrtime.bigint();
  const native = require(file);
  const loaded = milliseconds(started);
  const algorithms = await inlineKeys(native);
  const fetched = await fetchedKeys(native);
  if (!isMainThread) return;

  const checked = await checkTime(native);
  const worker = new Worker(__filename, { workerData: file });
  const [code] = await once(worker, 'exit');
  assert.strictEqual(code, 0, 'the same in a worker thread');
  console.log(
    JSON.stringify({
      node: process.versions.node,
      arch: process.arch,
      libc: /** @type {any} */ (process.report.getReport()).header.glibcVersionRuntime ?? null,
      version: native.version?.() ?? null,
      probe: Object.keys(native).filter((name) => /probe/i.test(name)),
      algorithms,
      loaded,
      fetched,
      checked,
    }),
  );
}

main(isMainThread ? path.resolve(process.argv[2] ?? '') : workerData);
