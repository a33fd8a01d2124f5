'use strict';

// Eight processes on one real Redis: what is revoked in one is refused in all, whatever becomes of Redis.

const path = require('node:path');
const IORedis = require('ioredis');
const { describeWith } = require('../support/needs');
const { installRedis, startRedis } = require('../support/redis');
const { startReplica: startChild } = require('../support/replicas');
const { score } = require('../support/score');
const { ISSUER, Signer, policyOf } = require('../support/signer');

const REPLICAS = 8;
const ROUNDS = 25;
const SECRET = 'a secret of at least thirty-two bytes';
const LIST = 'remote-agent-auth:revocations';
const CHILD = path.join(__dirname, '..', 'support', 'children', 'replica.js');

const signer = new Signer();
const later = () => Math.floor(Date.now() / 1000) + 600;
/** @type {Awaited<ReturnType<typeof startRedis>>} */
let redis;
let admin;
/** @type {Awaited<ReturnType<typeof startReplica>>[]} */
let replicas = [];

async function startReplica(index) {
  const settings = {
    port: redis.port,
    client: index % 2 ? 'ioredis' : 'node-redis',
    sharedSecret: SECRET,
    policy: policyOf([signer.jwk]),
  };
  return startChild(CHILD, settings);
}

const all = (action, argument) => Promise.all(replicas.map(({ ask }) => ask(action, argument)));
const codes = async (token) => [...new Set(await all('check', token))];

describeWith('redis-server', installRedis(), { required: true })('replicas', () => {
  beforeAll(async () => {
    redis = await startRedis();
    admin = new IORedis.Redis(redis.port, '127.0.0.1', { retryStrategy: () => 20 });
    admin.on('error', () => {});
    replicas = await Promise.all(Array.from({ length: REPLICAS }, (_, index) => startReplica(index)));
    expect(await Promise.all(replicas.map(({ ready }) => ready))).toEqual(replicas.map(() => true));
  }, 200_000);
  afterAll(async () => {
    for (const { child } of replicas) child.disconnect();
    admin.disconnect();
    await redis.kill();
  });

  test('what one of them revokes is refused by all within a second', async () => {
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const [sub, kept] = [`gone-${round}`, signer.token({ sub: `kept-${round}` })];
      const token = signer.token({ sub });
      expect(await codes(token)).toEqual(['ok']);
      const refused = all('refusedAt', token);
      const begun = Date.now();
      const { shared } = await replicas[round % REPLICAS].ask('revoke', { sub, issuer: ISSUER, until: later() });
      expect(shared).toBe(true);
      times.push(...(await refused).map((at) => at - begun));
      expect(await codes(kept)).toEqual(['ok']);
      expect(await codes(token)).toEqual(['ERR_TOKEN_REVOKED']);
    }
    times.sort((a, b) => a - b);
    const p99 = times[Math.ceil(times.length * 0.99) - 1];
    const figure = `${ROUNDS} revocations on ${REPLICAS} replicas: p99 ${p99} ms`;
    score('S49', figure, 'revocation p99 under 1 s', p99 < 1_000);
    score('S55', figure, 'p99 under 1 s', p99 < 1_000);
  }, 60_000);

  test('values in Redis without a right proof revoke nothing', async () => {
    const victim = signer.token({ sub: 'victim' });
    const { revocationText } = require('../../lib/verifier/revocation');
    const text = revocationText({ sub: 'victim', issuer: ISSUER, until: later() });
    const [known] = (await admin.zrange(LIST, 0, 0)).map((member) => member.split('.').at(-1));
    const poison = [
      text,
      `${text}.`,
      `${text}.${known}`,
      `${text}.${'A'.repeat(43)}`,
      '',
      '.',
      '*',
      'x'.repeat(100_000),
      '\u0000',
      '{}',
    ];
    for (const message of poison) {
      await admin.zadd(LIST, later(), message);
      await admin.publish(LIST, message);
    }
    await admin.publish(LIST, Array.from({ length: 1_000 }, () => text).join('\n'));
    // A replica that starts now reads all of it.
    const late = await startReplica(0);
    replicas.push(late);
    expect(await late.ready).toBe(true);
    expect(await codes(victim)).toEqual(['ok']);
    expect(await late.ask('check', signer.token({ sub: 'gone-0' }))).toBe('ERR_TOKEN_REVOKED');
    expect(Math.min(...(await all('problems')))).toBeGreaterThan(0);
    // Of another type: what is known stays, and each says so.
    await admin.del(LIST);
    await admin.set(LIST, 'text');
    const { shared } = await replicas[0].ask('revoke', { sub: 'while-wrong', issuer: ISSUER, until: later() });
    expect(shared).toBe(false);
    expect(await codes(victim)).toEqual(['ok']);
    expect(await codes(signer.token({ sub: 'gone-1' }))).toEqual(['ERR_TOKEN_REVOKED']);
    await admin.del(LIST);
    expect(await all('refusedAt', signer.token({ sub: 'while-wrong' }))).toHaveLength(replicas.length);
    score(
      'S50',
      `${poison.length + 2} poisoned lists and messages: 0 revoked, 0 crashes`,
      '0 without authentication',
      true,
    );
  }, 60_000);

  test('Redis killed and restarted empty: good tokens pass, revoked ones stay refused, and nothing is lost', async () => {
    const [good, gone] = [signer.token({ sub: 'good' }), signer.token({ sub: 'gone-2' })];
    await redis.kill();
    const { shared } = await replicas[0].ask('revoke', { sub: 'meanwhile', issuer: ISSUER, until: later() });
    expect(shared).toBe(false);
    const asked = await Promise.all(Array.from({ length: 100 }, () => codes(good)));
    expect(asked.flat().every((code) => code === 'ok')).toBe(true);
    expect(await codes(gone)).toEqual(['ERR_TOKEN_REVOKED']);
    expect(await replicas[0].ask('check', signer.token({ sub: 'meanwhile' }))).toBe('ERR_TOKEN_REVOKED');
    await redis.start();
    await all('refusedAt', signer.token({ sub: 'meanwhile' }));
    // Those that made revocations have written them again: who starts now knows them.
    const late = await startReplica(1);
    replicas.push(late);
    await late.ready;
    await late.ask('refusedAt', gone);
    expect(replicas.every(({ child }) => child.exitCode === null)).toBe(true);
    score(
      'S50',
      `Redis killed under ${replicas.length} replicas: good tokens 100 %, 0 crashes, no revocation lost`,
      'bearer tokens 100 %',
      true,
    );
  }, 60_000);
});
