'use strict';

// A worker shares keys and is ended; then this process, which shares keys too, has nothing left to do and must end by itself.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { RemoteTokenVerifier } = require('../../..');
const { memoryStore, shareKeys } = require('../../../lib/stores');
const { Issuer } = require('../issuer');

const share = () => shareKeys({ store: memoryStore(), sharedSecret: 'a secret of at least thirty-two bytes' });

async function main() {
  const issuer = await new Issuer().start();
  const worker = new Worker(__filename);
  await once(worker, 'message');
  const verifier = new RemoteTokenVerifier();
  const policy = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
  await verifier.prefetch(policy);
  await worker.terminate();
  // Nobody of the worker's answers any more: a refresh that waited for it would take 6 s.
  const began = performance.now();
  await verifier.prefetch(policy);
  const took = performance.now() - began;
  await share().ready;
  await issuer.stop();
  console.log(JSON.stringify({ took, fetches: issuer.requests.keys }));
}

if (isMainThread) main();
else {
  share().ready.then(() => parentPort.postMessage('ready'));
  setInterval(() => {}, 1000);
}
