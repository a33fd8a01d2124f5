'use strict';

// Starts and ends worker threads, each with checks under way that wait for a provider that never answers.

const net = require('node:net');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const ROOT = path.join(__dirname, '../../..');
const [, , count, token] = process.argv;

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { createRemoteAgentAuth } = require(workerData.native);
  const auth = createRemoteAgentAuth();
  for (let n = 0; n < 4; n += 1) auth.check(workerData.token, { ...workerData.policy, jwksUri: workerData.jwksUri + n });
  parentPort.postMessage('under way');
`;

const silent = net
  .createServer(() => {})
  .listen(0, '127.0.0.1', async () => {
    const { port } = /** @type {net.AddressInfo} */ (silent.address());
    for (let n = 0; n < Number(count); n += 1) {
      const worker = new Worker(WORKER, {
        eval: true,
        workerData: {
          native: path.join(ROOT, 'native.js'),
          token,
          policy: { issuer: 'http://localhost', audience: 'a' },
          jwksUri: `http://127.0.0.1:${port}/${n % 8}/`,
        },
      });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
    }
    process.stdout.write('done');
    process.exit(0);
  });
