'use strict';

// Processes on one real Redis: keys that one of them has fetched serve all, whatever becomes of Redis.

const { createHmac } = require('node:crypto');
const path = require('node:path');
const IORedis = require('ioredis');
const { Issuer } = require('../support/issuer');
const { describeWith } = require('../support/needs');
const { installRedis, startRedis } = require('../support/redis');
const { startReplica: startChild } = require('../support/replicas');
const { score } = require('../support/score');

const REPLICAS = 8;
const AT_ONCE = 50;
const ROTATIONS = 10;
const SECRET = 'a secret of at least thirty-two bytes';
const PREFIX = 'remote-agent-auth:keys';
const CHILD = path.join(__dirname, '..', 'support', 'children', 'key-replica.js');

/** @type {Awaited<ReturnType<typeof startRedis>>} */
let redis;
let admin;
/** Keys at a URL, and keys found by discovery. @type {Issuer[]} */
let issuers = [];
let policies = [];
/** @type {ReturnType<typeof startReplica>[]} */
const started = [];

function startReplica(index) {
  const settings = { port: redis.port, client: index % 2 ? 'ioredis' : 'node-redis', sharedSecret: SECRET, policies };
  const replica = startChild(CHILD, settings);
  started.push(replica);
  return replica;
}

const ask = (replicas, action, argument) => Promise.all(replicas.map((replica) => replica.ask(action, argument)));
const codesOf = async (replicas, token, policy = 0) => [...new Set(await ask(replicas, 'check', { token, policy }))];
/** How often each command came that a look or a publication makes. */
async function callsOfRedis() {
  const stats = await admin.info('commandstats');
  return [...stats.matchAll(/^cmdstat_(getrange|set|del|publish):calls=(\d+)/gm)].map(([, name, count]) => [
    name,
    count,
  ]);
}

const fetches = () => issuers.map(({ requests }) => requests.keys);
const since = (before) => fetches().map((count, index) => count - before[index]);

function endAll() {
  for (const { child } of started.splice(0)) if (child.connected) child.disconnect();
}

describeWith('redis-server', installRedis(), { required: true })('keys of replicas', () => {
  beforeAll(async () => {
    redis = await startRedis();
    admin = new IORedis.Redis(redis.port, '127.0.0.1', { retryStrategy: () => 20 });
    admin.on('error', () => {});
    issuers = await Promise.all([new Issuer().start(), new Issuer().start()]);
    policies = issuers.map(({ url, jwksUri }, index) => ({
      issuer: url,
      audience: 'agents',
      ...(index === 0 && { jwksUri }),
    }));
  }, 200_000);
  afterEach(endAll);
  afterAll(async () => {
    admin.disconnect();
    await redis.kill();
    await Promise.all(issuers.map((issuer) => issuer.stop()));
  });

  test('fifty that start together fetch the keys of an issuer at most twice', async () => {
    const replicas = Array.from({ length: AT_ONCE }, (_, index) => startReplica(index));
    expect(await Promise.all(replicas.map(({ ready }) => ready))).toEqual(replicas.map(() => true));
    const codes = await Promise.all(issuers.map((issuer, policy) => codesOf(replicas, issuer.token(), policy)));
    expect(codes).toEqual([['ok'], ['ok']]);
    const most = Math.max(...fetches());
    score('S49', `${AT_ONCE} start together: ${most} key fetches per issuer`, 'at most 2', most <= 2);
    // Keys that are fresh: nothing is asked of Redis, whatever tokens come.
    const calls = await callsOfRedis();
    for (let n = 0; n < 20; n += 1) {
      expect(await codesOf(replicas.slice(0, 2), issuers[0].token({ sub: `s${n}` }))).toEqual(['ok']);
    }
    expect(await callsOfRedis()).toEqual(calls);
    // What Redis holds: entries without an address, which end.
    const entries = (await admin.keys(`${PREFIX}:*`)).sort();
    expect(entries).toHaveLength(2);
    for (const entry of entries) {
      expect(entry).toMatch(/^remote-agent-auth:keys:[\w-]{43}$/);
      expect(await admin.get(entry)).not.toContain('127.0.0.1');
      expect(await admin.pttl(entry)).toBeLessThanOrEqual(4 * 60 * 60 * 1000);
    }
  }, 200_000);

  describe('eight of them', () => {
    /** @type {ReturnType<typeof startReplica>[]} */
    let replicas;
    beforeEach(async () => {
      await admin.flushall();
      replicas = Array.from({ length: REPLICAS }, (_, index) => startReplica(index));
      await Promise.all(replicas.map(({ ready }) => ready));
      expect(await codesOf(replicas, issuers[0].token())).toEqual(['ok']);
    }, 60_000);

    test('a rotation found by one is used by all within a second', async () => {
      const times = [];
      let most = 0;
      for (let round = 0; round < ROTATIONS; round += 1) {
        const [old, before] = [issuers[0].token(), fetches()];
        issuers[0].rotate();
        const token = issuers[0].token();
        const [{ kid }] = issuers[0].jwks;
        const finder = replicas[round % REPLICAS];
        // By a token of the new key: a refresh alone may import what another one has fetched before.
        expect(await finder.ask('check', { token })).toBe('ok');
        const found = Date.now();
        times.push(...(await ask(replicas, 'knowsAt', kid)).map((at) => at - found));
        expect(await codesOf(replicas, token)).toEqual(['ok']);
        expect(await codesOf(replicas, old)).toEqual(['ERR_KEY_NOT_FOUND']);
        most = Math.max(most, since(before)[0]);
      }
      const latest = Math.max(...times);
      const figure = `${ROTATIONS} rotations, ${REPLICAS} replicas: used by all after at most ${Math.max(0, latest)} ms, ${most} fetch each`;
      score('S49', figure, 'within 1 s, at most 2 fetches', latest < 1_000 && most <= 2);
    }, 120_000);

    test('a token of a new key costs one fetch, whichever replicas it comes to at once', async () => {
      const before = fetches();
      issuers[0].rotate();
      expect(await codesOf(replicas, issuers[0].token())).toEqual(['ok']);
      expect(since(before)[0]).toBeLessThanOrEqual(2);
    }, 60_000);

    test('poison in Redis: nothing is imported, nobody is let in, and good tokens pass', async () => {
      const [entry] = await admin.keys(`${PREFIX}:*`);
      const good = await admin.get(entry);
      const source = entry.slice(PREFIX.length + 1);
      const text = good.slice(0, good.lastIndexOf('.'));
      const signed = (changed, secret = SECRET, purpose = 'remote-agent-auth/shared-keys/1') =>
        `${changed}.${createHmac('sha256', secret).update(`${purpose} ${changed}`).digest('base64url')}`;
      const attacker = new Issuer();
      const document = (change) => {
        const read = JSON.parse(text.slice(source.length + 1));
        return `${source} ${JSON.stringify({ ...read, fetchedAt: Date.now() / 1000, ...change })}`;
      };
      const [{ kid }] = issuers[0].jwks;
      const theirs = { keys: attacker.jwks.map((jwk) => ({ ...jwk, kid })) };
      const poison = {
        'no proof': document(theirs),
        'an empty proof': `${document(theirs)}.`,
        'the proof of another text': `${document(theirs)}${good.slice(good.lastIndexOf('.'))}`,
        'another secret': signed(document(theirs), 'another secret of thirty-two bytes!'),
        'the proof of a message': signed(document(theirs), SECRET, 'remote-agent-auth/shared-keys-message/1'),
        'the proof of a revocation': signed(document(theirs), SECRET, 'remote-agent-auth/revocation/1'),
        'the entry of another source': signed(document(theirs).replace(source, 'A'.repeat(43))),
        'another source inside': signed(document({ ...theirs, source: 'A'.repeat(43) })),
        'from the future': signed(document({ ...theirs, fetchedAt: Date.now() / 1000 + 3600 })),
        'a private key': signed(document({ keys: [{ ...issuers[0].jwks[0], d: 'AQ' }] })),
        'a symmetric key': signed(document({ keys: [{ kty: 'oct', k: 'AQ', kid: 'key-1' }] })),
        'no key': signed(document({ keys: [] })),
        'an older one': signed(document({ ...theirs, fetchedAt: 1 })),
        'no JSON': signed(`${source} {`),
        huge: 'x'.repeat(5_000_000),
        'a huge proven one': signed(`${source} ${'['.repeat(1_900_000)}`),
        empty: '.',
      };
      const forged = attacker.token({ iss: issuers[0].url }, { header: { kid } });
      const importedBy = async (replica) => (await replica.ask('sources')).at(0)?.refreshes.imported ?? 0;
      const keysOf = async (replica) => (await replica.ask('sources')).flatMap(({ keys }) => keys);
      const [{ thumbprint }] = await keysOf(replicas[0]);
      let [accepted, imported] = [0, 0];
      for (const [name, value] of Object.entries(poison)) {
        // One that has keys, alone: by messages, and by a refresh.
        const [known] = replicas;
        await admin.set(entry, value);
        for (const message of [source, `${source} x`, signed(`${source} x`), value.slice(0, 100_000)]) {
          await admin.publish('remote-agent-auth:keys', message);
        }
        expect([name, await known.ask('prefetch', 0)]).toEqual([name, 'ok']);
        // It publishes what it got of the provider; then one starts.
        while ((await admin.get(entry)) === value);
        await admin.set(entry, value);
        const late = startReplica(0);
        await late.ready;
        expect([name, await late.ask('check', { token: issuers[0].token() })]).toEqual([name, 'ok']);
        imported += await importedBy(late);
        const codes = await codesOf([late, ...replicas], forged);
        if (codes.includes('ok')) accepted += 1;
        const keys = (await Promise.all([late, ...replicas].map(keysOf))).flat();
        imported += keys.filter((key) => key.thumbprint !== thumbprint).length;
        expect([name, await codesOf([late, ...replicas], issuers[0].token())]).toEqual([name, ['ok']]);
        late.child.disconnect();
      }
      // What only a replica can sign is taken: it is the proof and the rules that keep out the others.
      await admin.set(entry, signed(document(theirs)));
      const fooled = startReplica(0);
      await fooled.ready;
      expect(await fooled.ask('check', { token: forged })).toBe('ok');
      expect(await importedBy(fooled)).toBe(1);
      // Of another type.
      await admin.del(entry);
      await admin.rpush(entry, 'a', 'b');
      const late = startReplica(1);
      await late.ready;
      expect(await codesOf([late], issuers[0].token())).toEqual(['ok']);
      expect((await late.ask('problems')).length).toBeGreaterThan(0);
      score(
        'S50',
        `${Object.keys(poison).length + 1} poisoned entries: ${imported} imported, ${accepted} forged tokens accepted`,
        '0',
        accepted + imported === 0,
      );
    }, 200_000);

    test('what was stolen from Redis brings no withdrawn key back', async () => {
      const [entry] = await admin.keys(`${PREFIX}:*`);
      const [stolen, old] = [await admin.get(entry), issuers[0].token()];
      issuers[0].rotate();
      const [{ kid }] = issuers[0].jwks;
      expect(await replicas[0].ask('check', { token: issuers[0].token() })).toBe('ok');
      await ask(replicas, 'knowsAt', kid);
      await admin.set(entry, stolen);
      expect(await codesOf(replicas, old)).toEqual(['ERR_KEY_NOT_FOUND']);
      expect(await codesOf(replicas, issuers[0].token())).toEqual(['ok']);
    }, 60_000);

    test('Redis killed and restarted under load: good tokens pass', async () => {
      const load = () => ask(replicas, 'checks', { token: issuers[0].token(), count: 300 });
      const refresh = () => ask(replicas, 'prefetch', 0);
      const [before] = await Promise.all([load(), refresh()]);
      const during = Promise.all([load(), refresh(), load()]);
      await redis.kill();
      const [first, refreshed, second] = await during;
      // A rotation while Redis is gone: each finds it alone.
      issuers[0].rotate();
      expect(await codesOf(replicas, issuers[0].token())).toEqual(['ok']);
      await redis.start();
      const after = await load();
      const codes = [before, first, second, after].flat().flatMap((counts) => Object.keys(counts));
      expect(new Set(codes)).toEqual(new Set(['ok']));
      expect(new Set(refreshed)).toEqual(new Set(['ok']));
      // And shared again, once the replicas have found it.
      const [{ kid }] = (issuers[0].rotate(), issuers[0].jwks);
      while (!(await admin.get((await admin.keys(`${PREFIX}:*`))[0] ?? 'none'))?.includes(kid)) {
        await replicas[0].ask('prefetch', 0);
      }
      await ask(replicas, 'knowsAt', kid);
      expect(replicas.every(({ child }) => child.exitCode === null)).toBe(true);
      score(
        'S50',
        `Redis killed under ${REPLICAS} replicas that share keys: good tokens 100 %, 0 crashes`,
        '100 %',
        true,
      );
    }, 120_000);

    test('Redis that hangs holds up no known key, and a start by no more than its time limits', async () => {
      redis.pause();
      try {
        const counts = await ask(replicas, 'checks', { token: issuers[0].token(), count: 50 });
        expect(counts).toEqual(replicas.map(() => ({ ok: 50 })));
        expect(await ask(replicas, 'prefetch', 0)).toEqual(replicas.map(() => 'ok'));
      } finally {
        redis.resume();
      }
    }, 60_000);
  });
});
