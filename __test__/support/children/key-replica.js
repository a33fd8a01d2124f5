'use strict';

// One replica of many that share keys over Redis. Talks by messages of the parent process.

const { once } = require('node:events');
const IORedis = require('ioredis');
const { createClient } = require('redis');
const { RemoteTokenVerifier } = require('../../..');
const { redisStore, shareKeys } = require('../../../lib/stores');

const { port, client: kind, sharedSecret, policies } = JSON.parse(process.argv[2]);
const verifier = new RemoteTokenVerifier();
const compiled = policies.map((policy) => verifier.compile(policy));

async function clientOf() {
  if (kind === 'ioredis') {
    const client = new IORedis.Redis(port, '127.0.0.1', { retryStrategy: () => 20 });
    client.on('error', () => {});
    await once(client, 'ready');
    return client;
  }
  const client = createClient({ socket: { port, host: '127.0.0.1', reconnectStrategy: 20 } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function codeOf({ token, policy = 0 }) {
  const outcome = await verifier.check(token, compiled[policy]);
  return outcome.ok ? 'ok' : outcome.code;
}

/** When the keys at hand are those of this `kid` alone. Nobody asks for a refresh meanwhile. */
async function knowsAt(kid) {
  const isThere = () => verifier.stats().sources.some(({ keys }) => keys.length === 1 && keys[0].kid === kid);
  while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 2));
  return Date.now();
}

async function main() {
  const problems = [];
  const store = redisStore(await clientOf(), { timeoutMs: 1500 });
  const shared = shareKeys({ store, sharedSecret, onProblem: ({ message }) => problems.push(message) });
  const actions = {
    check: codeOf,
    checks: async ({ count, ...check }) => {
      const codes = {};
      for (let done = 0; done < count; done += 1) {
        const code = await codeOf(check);
        codes[code] = (codes[code] ?? 0) + 1;
      }
      return codes;
    },
    knowsAt,
    problems: async () => problems.splice(0),
    prefetch: async (policy) =>
      verifier.prefetch(policies[policy]).then(
        () => 'ok',
        ({ code }) => code,
      ),
    sources: async () => verifier.stats().sources,
  };
  process.on('message', async ({ id, action, argument }) =>
    process.send({ id, answer: await actions[action](argument) }),
  );
  process.on('disconnect', () => process.exit());
  process.send({ id: 0, answer: await shared.ready });
}

main();
