'use strict';

// In an installed project: the CommonJS entry on the main thread and in four worker threads at once. Prints how many let a token in.

const { once } = require('node:events');
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');
const { generateKeyPairSync, sign } = require('node:crypto');
const { verifyRemoteToken } = require('remote-agent-auth');

const issuer = 'https://provider.test';
const encode = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function minted() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', { publicKeyEncoding: { format: 'jwk' } });
  const jwks = JSON.stringify({ keys: [{ ...publicKey, kid: 'one' }] });
  const claims = { iss: issuer, aud: 'agents', sub: 'someone', exp: Math.floor(Date.now() / 1000) + 600 };
  const signed = `${encode({ alg: 'EdDSA', kid: 'one' })}.${encode(claims)}`;
  return { jwks, token: `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}` };
}

/** @param {{ jwks: string, token: string }} given */
async function passes({ jwks, token }) {
  const { subject } = await verifyRemoteToken(token, { issuer, audience: 'agents', jwks, algorithms: ['EdDSA'] });
  return subject === 'someone';
}

async function main() {
  const given = minted();
  const workers = Array.from({ length: 4 }, () => new Worker(__filename, { workerData: given }));
  const answers = await Promise.all([
    passes(given),
    ...workers.map((worker) => once(worker, 'message').then(([answer]) => answer)),
  ]);
  await Promise.all(workers.map((worker) => worker.terminate()));
  console.log(JSON.stringify({ passed: answers.filter(Boolean).length, of: answers.length }));
}

if (isMainThread) void main();
else void passes(workerData).then((answer) => parentPort?.postMessage(answer));
