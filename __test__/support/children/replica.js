'use strict';

// One replica of many: revocations over Redis, and a verifier. Talks by messages of the parent process.

const IORedis = require('ioredis');
const { createClient } = require('redis');
const { RemoteTokenVerifier } = require('../../..');
const { redisStore, shareRevocations } = require('../../../lib/stores');

const { port, client: kind, sharedSecret, policy } = JSON.parse(process.argv[2]);
const verifier = new RemoteTokenVerifier();
const compiled = verifier.compile(policy);

async function clientOf() {
  if (kind === 'ioredis') {
    const client = new IORedis.Redis(port, '127.0.0.1', { retryStrategy: () => 20 });
    client.on('error', () => {});
    return client;
  }
  const client = createClient({ socket: { port, host: '127.0.0.1', reconnectStrategy: 20 } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function codeOf(token) {
  const outcome = await verifier.check(token, compiled);
  return outcome.ok ? 'ok' : outcome.code;
}

/** When the token is refused for the first time. */
async function refusedAt(token) {
  while ((await codeOf(token)) === 'ok') await new Promise((resolve) => setTimeout(resolve, 2));
  return Date.now();
}

async function main() {
  let problems = 0;
  const store = redisStore(await clientOf(), { timeoutMs: 1500 });
  const shared = shareRevocations({ store, sharedSecret, onProblem: () => (problems += 1) });
  const actions = {
    check: codeOf,
    refusedAt,
    revoke: (revocation) => shared.revoke(revocation),
    problems: async () => problems,
    count: async () => verifier.stats().revocations,
  };
  process.on('message', async ({ id, action, argument }) =>
    process.send({ id, answer: await actions[action](argument) }),
  );
  process.on('disconnect', () => process.exit());
  process.send({ id: 0, answer: await shared.ready });
}

main();
