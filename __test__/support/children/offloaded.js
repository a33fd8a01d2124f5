'use strict';

// Ends while checks are off the JavaScript thread: worker threads that are terminated, or the process itself. ES512 is never
// checked on the JavaScript thread.

const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { RemoteTokenVerifier } = require('../../..');

const ISSUER = 'https://idp.example';
// Times thirty threads it stays below what the queue takes: those of a thread that ended are still worked off.
const AT_ONCE = 100;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-521',
    publicKeyEncoding: { format: 'jwk' },
  });
  const input = `${part({ alg: 'ES512', kid: 'k' })}.${part({ iss: ISSUER, aud: 'a', sub: 's', exp: 4e9 })}`;
  const signature = sign('sha512', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const jwks = JSON.stringify({ keys: [{ ...publicKey, kid: 'k' }] });
  return { token: `${input}.${signature.toString('base64url')}`, jwks };
}

/** @param {{ token: string, jwks: string }} made @returns {Promise<Promise<any>[]>} checks, all under way */
async function begin({ token, jwks }) {
  const verifier = new RemoteTokenVerifier({ verdictCache: false });
  const options = { issuer: ISSUER, audience: 'a', jwks };
  await verifier.prefetch(options);
  const policy = verifier.compile(options);
  return Array.from({ length: AT_ONCE }, () => Promise.resolve(verifier.check(token, policy)));
}

async function workers(count) {
  const made = signed();
  for (let ended = 0; ended < count; ended++) {
    const worker = new Worker(__filename, { workerData: made });
    await once(worker, 'message');
    await worker.terminate();
  }
  // Nobody's end took anything away from those who are left.
  const outcomes = await Promise.all(await begin(made));
  process.stdout.write(String(outcomes.filter(({ ok }) => ok).length));
}

async function main() {
  const [way, count] = process.argv.slice(2);
  if (way === 'workers') return workers(Number(count));
  const checks = await begin(signed());
  if (way === 'exit') process.exit(0);
  // Left to itself the process waits for the answers, and then ends.
  const outcomes = await Promise.all(checks);
  process.stdout.write(String(outcomes.filter(({ ok }) => ok).length));
}

if (isMainThread) main();
else begin(workerData).then(() => parentPort?.postMessage('under way'));
