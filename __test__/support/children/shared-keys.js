'use strict';

// Eight worker threads check tokens of one issuer at once. Prints how often its keys were fetched and what passed.

const crypto = require('node:crypto');
const http = require('node:http');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const ROOT = path.join(__dirname, '../../..');
const WORKERS = 8;

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { createRemoteAgentAuth } = require(workerData.native);
  Promise.resolve(createRemoteAgentAuth().check(workerData.token, workerData.policy))
    .then((outcome) => parentPort.postMessage(outcome.ok));
`;

const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
});
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function mint() {
  const input = `${part({ alg: 'ES256', kid: 'k' })}.${part({ iss: 'http://localhost', aud: 'a', sub: 's', exp: 4e9 })}`;
  const signature = crypto.sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

let fetches = 0;
const issuer = http.createServer((_req, res) => {
  fetches += 1;
  res.end(JSON.stringify({ keys: [{ ...publicKey, kid: 'k' }] }));
});
issuer.listen(0, '127.0.0.1', async () => {
  const { port } = issuer.address();
  const policy = { issuer: 'http://localhost', audience: 'a', jwksUri: `http://127.0.0.1:${port}/` };
  const passed = await Promise.all(
    Array.from({ length: WORKERS }, () => {
      const workerData = { native: path.join(ROOT, 'native.js'), token: mint(), policy };
      const worker = new Worker(WORKER, { eval: true, workerData });
      return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    }),
  );
  process.stdout.write(JSON.stringify({ fetches, passed: passed.filter(Boolean).length }));
  process.exit(0);
});
