// What 1,000 replicas and 10,000 issuers cost with and without shared keys: fetches, memory and traffic of Redis. Bytes and memory are
// measured on the real code; the hour of requests is simulated, by the times that Rust and lib/stores/shared-keys.js have.
//
//     node scripts/checks/simulate-replicas.mjs [--replicas 1000] [--issuers 10000] [--requests 20]

import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const SELF = fileURLToPath(import.meta.url);
const ROOT = path.join(path.dirname(SELF), '..', '..');

/** A number declared in a source file. */
function declared(file, pattern) {
  const found = pattern.exec(readFileSync(path.join(ROOT, file), 'utf8'));
  if (found === null) throw new Error(`${file} has no ${pattern}`);
  return Number(found[1].replaceAll('_', ''));
}

/** Seconds. */
const LIFE = declared('src/policy/lifetimes.rs', /MIN_LIFE: Duration = Duration::from_secs\((\d+)\)/);
const FIRST_AHEAD = declared('src/provider/store.rs', /spread\.saturating_add\((\d+)\)/);
const SPREAD = declared('src/provider/store.rs', /subsec_nanos\(\) % (\d+)/);
const PAUSE = declared('lib/stores/shared-keys.js', /const PAUSE = (\d+)/) / 1000;
/** An answer of a provider, and one of Redis: usual figures between data centres and within one. */
const FETCH = 0.15;
const CALL = 0.001;
/** Simulated, from a start of all replicas on. */
const HOUR = 3600;
/** Ranks of issuers that are simulated; those between are taken to be like them. */
const RANKS = 60;
/** Sources that are fetched before memory is measured; twice as many are fetched then. */
const MEASURED = 300;
/** Bytes of a key of Redis beside its value, about. */
const REDIS_KEY = 150;

const whole = (number) => Math.round(number).toLocaleString('en-US');

/** Numbers that are the same on every run (SplitMix32). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** The earliest first. */
class Agenda {
  #heap = [];

  add(at, replica) {
    const heap = this.#heap;
    let place = heap.push([at, replica]) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (heap[parent][0] <= heap[place][0]) break;
      [heap[parent], heap[place]] = [heap[place], heap[parent]];
      place = parent;
    }
  }

  next() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let place = 0; ; ) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < heap.length && heap[child][0] < heap[least][0]) least = child;
      }
      if (least === place) return first;
      [heap[place], heap[least]] = [heap[least], heap[place]];
      place = least;
    }
  }

  get size() {
    return this.#heap.length;
  }
}

/**
 * An hour of one issuer: each replica has a request so often, and refreshes its keys at the first one after 75 to 85 % of their life.
 * `shared`: it looks in the store first, waits while another one asks, and imports what is young enough.
 */
function hourOf(replicas, perSecond, shared, chance) {
  const counts = { fetches: 0, calls: 0, read: 0, written: 0 };
  const agenda = new Agenda();
  const ahead = Array.from({ length: replicas }, () => ((FIRST_AHEAD + Math.floor(chance() * SPREAD)) / 100) * LIFE);
  const gap = () => -Math.log(1 - chance()) / perSecond;
  for (let replica = 0; replica < replicas; replica += 1) agenda.add(gap(), replica);
  /** When the provider was asked for what is in the store, and when that was there. */
  let [fetchedAt, thereAt, lockedUntil] = [-Infinity, -Infinity, -Infinity];
  const fetched = (now, replica) => {
    counts.fetches += 1;
    agenda.add(now + ahead[replica] + gap(), replica);
  };
  while (agenda.size > 0) {
    const [now, replica] = agenda.next();
    if (now > HOUR) continue;
    if (!shared) {
      fetched(now, replica);
      continue;
    }
    counts.calls += 1;
    const isThere = now >= thereAt && now - fetchedAt < 4 * HOUR;
    if (isThere) counts.read += 1;
    if (isThere && now - fetchedAt < ahead[replica]) {
      agenda.add(fetchedAt + ahead[replica] + gap(), replica);
      continue;
    }
    counts.calls += 1;
    if (now < lockedUntil) {
      // The message that keys have changed ends the pause; where they have not, none comes.
      agenda.add(Math.min(now + PAUSE, lockedUntil + CALL), replica);
      continue;
    }
    // Looked at once more, written after a last look, and the lock given back.
    counts.calls += 4;
    counts.read += isThere ? 2 : 0;
    counts.written += 1;
    [fetchedAt, thereAt, lockedUntil] = [now, now + FETCH + CALL, now + FETCH + CALL];
    fetched(now, replica);
  }
  return counts;
}

/** Issuers are used as names on the Web are: the n-th one n times as rarely as the first. */
function simulated({ replicas, issuers, requests }, shared) {
  let harmonic = 0;
  for (let rank = 1; rank <= issuers; rank += 1) harmonic += 1 / rank;
  const borders = [0];
  for (let step = 1; step <= RANKS; step += 1) {
    borders.push(Math.max(borders.at(-1) + 1, Math.round(issuers ** (step / RANKS))));
  }
  const sums = { fetches: 0, calls: 0, read: 0, written: 0, busiest: 0 };
  for (let step = 1; step < borders.length && borders[step - 1] < issuers; step += 1) {
    const [from, to] = [borders[step - 1] + 1, Math.min(borders[step], issuers)];
    const rank = Math.round(Math.sqrt(from * to));
    const counts = hourOf(replicas, requests / rank / harmonic, shared, random(step));
    for (const [name, count] of Object.entries(counts)) sums[name] += count * (to - from + 1);
    if (rank === 1) sums.busiest = counts.fetches;
  }
  return sums;
}

/** In a process of its own: an entry's and a message's bytes, and the memory of a source, by the real code over a provider on loopback. */
async function measure(isShared) {
  const { RemoteTokenVerifier } = require('../..');
  const { memoryStore, shareKeys } = require('../../lib/stores');
  const keys = [0, 1].map((index) => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { format: 'jwk' } });
    return { ...publicKey, kid: `key-${index}-of-a-provider`, alg: 'RS256', use: 'sig' };
  });
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', ETag: '"0123456789abcdef"' });
    response.end(JSON.stringify({ keys }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const verifier = new RemoteTokenVerifier();
  const policyOf = (index) => ({
    issuer: 'https://issuer.example',
    audience: 'agents',
    jwksUri: `http://127.0.0.1:${server.address().port}/${index}`,
  });
  const [entries, messages] = [[0], [0]];
  // It keeps nothing: what Redis holds is not this process's.
  const store = {
    ...memoryStore(),
    get: async () => undefined,
    set: async (_key, value) => void entries.push(value.length),
    publish: async (_channel, message) => void messages.push(message.length),
  };
  const sharing = isShared ? shareKeys({ store, sharedSecret: 'a secret of at least thirty-two bytes' }) : undefined;
  const fetchSome = async (from, to) => {
    for (let index = from; index < to; index += 1) await verifier.prefetch(policyOf(index));
    return process.memoryUsage().rss;
  };
  // What the first ones cost is the process's own.
  const before = await fetchSome(0, MEASURED);
  const after = await fetchSome(MEASURED, 3 * MEASURED);
  await sharing?.close();
  server.close();
  server.closeAllConnections();
  const sizes = {
    memory: (after - before) / (2 * MEASURED),
    entry: Math.max(...entries),
    message: Math.max(...messages),
  };
  console.log(JSON.stringify(sizes));
}

function measured(which) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SELF, '--measure', which], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function main(values) {
  const settings = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  if (!Object.values(settings).every((number) => number >= 1)) throw new Error('each argument is a number from 1 on');
  const [alone, shared] = [measured('alone'), measured('shared')];
  const [apart, together] = [simulated(settings, false), simulated(settings, true)];
  const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
  const megabytes = (bytes, digits) => (bytes / 1e6).toFixed(digits);
  console.log(
    `${whole(settings.replicas)} replicas, ${whole(settings.issuers)} issuers, ${settings.requests} requests a second each, one hour\n`,
  );
  const rows = [
    ['', 'each fetches its own', 'shared'],
    ['---', '---', '---'],
    ['key fetches, all issuers', whole(apart.fetches), whole(together.fetches)],
    ['of the most used issuer, a minute', whole(apart.busiest / 60), (together.busiest / 60).toFixed(1)],
    ['calls of Redis, a second', '0', whole(together.calls / HOUR)],
    ['read from Redis, MB a second', '0', megabytes((together.read * shared.entry) / HOUR, 2)],
    ['written to Redis, MB a second', '0', megabytes((together.written * shared.entry) / HOUR, 2)],
    ['Redis holds, MB at most', '0', megabytes(settings.issuers * (shared.entry + REDIS_KEY), 0)],
    [
      'a rotation, for each replica',
      'a fetch',
      `a message of ${shared.message} bytes, an entry of ${kilobytes(shared.entry)}`,
    ],
    ['memory of a source in a process', kilobytes(alone.memory), kilobytes(shared.memory)],
  ];
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
}

const { values } = parseArgs({
  options: {
    measure: { type: 'string' },
    replicas: { type: 'string', default: '1000' },
    issuers: { type: 'string', default: '10000' },
    requests: { type: 'string', default: '20' },
  },
});
const { measure: which, ...numbers } = values;
if (which === undefined) main(numbers);
else await measure(which === 'shared');
