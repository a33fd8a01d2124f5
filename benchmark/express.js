'use strict';

// Express 5 end to end. Closed loop: as much as the server can do. Open loop: the same load for all, what it costs and how long it takes.
// Whoever takes part has run for seconds before anything counts, and each window stands beside one of the server without a check.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { autocannonLoop } = require('./autocannon');
const { brief, summarize } = require('./summary');
const { Connection, closedLoop, openLoop, requestWith } = require('./load');
const { quantile } = require('./measure');
const { ours } = require('./subject');
const { JUNK, claimsFor, expired, forged, mintPool, tampered } = require('./tokens');

const CONNECTIONS = 64;
const TENANTS = 8;
/** Of so many requests one carries junk. */
const ONE_IS_JUNK = 20;
const HOT = 500;

const PEERS = ['incumbent', 'jose', 'fast-jwt', 'express-oauth2-jwt-bearer'];
const OURS = ['ours', 'ours (bearer)', 'ours (metrics)'];
/** Those that remember a token, and the floor: what a known token is compared by. */
const REMEMBER = ['no auth', ...OURS, 'fast-jwt (cache)'];
const FRESH = ['no auth', ...OURS, ...PEERS];

const closed = (...args) => closedLoop(...args);
const offered = (perSecond) => Object.assign((...args) => openLoop(...args, perSecond), { offered: perSecond });

const same = (requests) => requests.slice(0, 1);
const hot = (requests) => requests.slice(0, HOT);
const withJunk = (requests) =>
  Array.from({ length: HOT }, (_, i) => (i % ONE_IS_JUNK === 0 ? requestWith(JUNK) : requests[i % requests.length]));

/**
 * `group`: the servers that it is about. `of`: those of them that take part. `requests`: out of one for each token. `client`: another
 * one than ours.
 */
const CASES = [
  { name: 'express-fresh', group: 'fresh', run: closed },
  { name: 'express-2500-fresh', group: 'fresh', run: offered(2500) },
  { name: 'express-800-fresh', group: 'fresh', run: offered(800), algs: ['RS256'] },
  {
    name: 'express-autocannon-fresh',
    group: 'fresh',
    client: autocannonLoop,
    // It makes all of them for each connection.
    requests: hot,
    algs: ['RS256'],
    of: ['no auth', 'ours', 'fast-jwt'],
  },
  { name: 'express-repeat', group: 'repeat', run: closed, requests: same },
  {
    name: 'express-2500-repeat',
    group: 'repeat',
    run: offered(2500),
    requests: same,
    of: [...REMEMBER, 'ours (accounts)'],
  },
  { name: 'express-800-repeat', group: 'repeat', run: offered(800), requests: same, algs: ['RS256'], of: REMEMBER },
  { name: 'express-2500-hot-500', group: 'repeat', run: offered(2500), requests: hot, algs: ['RS256'], of: REMEMBER },
  {
    name: 'express-2500-junk',
    group: 'repeat',
    run: offered(2500),
    requests: withJunk,
    junk: true,
    algs: ['RS256'],
    of: REMEMBER,
  },
  // The processor's caches are emptied before each request: a server that does other work in between.
  {
    name: 'express-200-cold',
    group: 'repeat',
    run: offered(200),
    requests: same,
    evict: true,
    algs: ['RS256'],
    of: REMEMBER,
  },
  {
    name: 'express-autocannon-repeat',
    group: 'repeat',
    client: autocannonLoop,
    requests: same,
    algs: ['RS256'],
    of: ['no auth', 'ours', 'fast-jwt (cache)'],
  },
  { name: 'express-2500-tenants', group: 'tenants', run: offered(2500), requests: hot, algs: ['RS256'] },
];

/** Who has a server in each group. */
function entrants(group) {
  // A version of the package that keeps no accounts has no such row.
  const accounts = 'invalidateFederatedAuth' in ours() ? ['ours (accounts)'] : [];
  if (group === 'fresh') return FRESH;
  if (group === 'tenants') return ['no auth', 'ours', 'fast-jwt (cache)', 'jose'];
  return [...REMEMBER, ...accounts, ...PEERS];
}

/** A server with its connections. */
class Server {
  /** @param {{ name: string, fresh: boolean, environment: object, folder?: string, title?: string }} what `folder`: of another build */
  static async start({ name, fresh, environment, folder, title = name }) {
    const server = new Server();
    server.name = name;
    server.title = title;
    const env = folder === undefined ? process.env : { ...process.env, BENCH_PACKAGE: folder };
    server.child = fork(path.join(__dirname, 'server.js'), { env });
    const { port } = await server.#ask({ name, fresh, environment });
    server.port = port;
    server.connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(port)));
    return server;
  }

  async #ask(what) {
    this.child.send(what);
    const [answer] = await once(this.child, 'message');
    if (answer.failed) throw new Error(`${this.title}: ${answer.failed}`);
    return answer;
  }

  /** @param {{ run?: Function, client?: Function, evict?: boolean, junk?: boolean }} how */
  async window({ run, client, evict = false, junk = false }, requests, millis) {
    await this.#ask({ begin: { evict } });
    const { latencies, statuses, wall } = client
      ? await client({ port: this.port, connections: CONNECTIONS, requests, millis })
      : await run(this.connections, requests, millis);
    const { asked, ...spent } = await this.#ask({});
    this.#assertStatuses(statuses, junk);
    const sorted = Float64Array.from(latencies).sort();
    const latency = client ? {} : { p50Micros: quantile(sorted, 0.5) * 1000, p99Micros: quantile(sorted, 0.99) * 1000 };
    return { throughput: (asked / wall) * 1000, ...spent, ...latency };
  }

  #assertStatuses(statuses, junk) {
    const refused = statuses[401] ?? 0;
    const good = statuses[200] ?? 0;
    const all = Object.values(statuses).reduce((sum, count) => sum + count, 0);
    // The windows begin anywhere in the list of requests, so that the share is right to a few.
    const most = junk && this.name !== 'no auth' ? all / ONE_IS_JUNK + ONE_IS_JUNK : 0;
    const least = junk && this.name !== 'no auth' ? all / ONE_IS_JUNK - ONE_IS_JUNK : 0;
    if (good + refused !== all || all === 0 || refused > most || refused < least)
      throw new Error(`${this.title}: answers were ${JSON.stringify(statuses)}`);
  }

  async assertAnswers({ keys, alg, issuer, pool, headers = [''] }) {
    const [connection] = this.connections;
    const ask = async (token, at = 0) =>
      (await connection.ask(requestWith(token, headers[at % headers.length]))).status;
    const wrong = (what) => new Error(`Express, ${this.title}, ${alg}: ${what}`);
    let asserted = 0;
    for (let i = 0; i < headers.length; i++, asserted++)
      if ((await ask(pool[i], i)) !== 200) throw wrong('a good token was refused');
    if (this.name === 'no auth') return asserted;
    for (const bad of [forged(pool[0]), tampered(pool[0]), expired(keys, alg, issuer), JUNK]) {
      if ((await ask(bad)) !== 401) throw wrong('a bad token passed');
      asserted++;
    }
    return asserted;
  }

  stop() {
    this.connections.forEach((connection) => connection.close());
    this.child.disconnect();
  }
}

/** The requests sent to a group of servers, and the environment they start with. */
function traffic(group, { keys, alg, issuer, jwksUri, poolSize }) {
  const base = { alg, issuer, jwksUri, jwks: keys.jwks };
  if (group !== 'tenants') {
    const pool = mintPool(keys, alg, issuer, poolSize);
    return { environment: base, pool, headers: [''], requests: pool.map((token) => requestWith(token)), issuer };
  }
  const tenants = Array.from({ length: TENANTS }, (_, i) => {
    const own = `${issuer}-${i}`;
    return { id: `tenant-${i}`, issuer: own, jwksUri: `${own}/keys` };
  });
  const headers = tenants.map(({ id }) => `X-Tenant: ${id}\r\n`);
  const pool = Array.from({ length: Math.min(poolSize, HOT) }, (_, i) =>
    keys.mint(alg, claimsFor(tenants[i % TENANTS].issuer, i)),
  );
  const requests = pool.map((token, i) => requestWith(token, headers[i % TENANTS]));
  return { environment: { ...base, tenants }, pool, headers, requests, issuer: tenants[0].issuer };
}

/** One round after the other; another server begins each. @param {Server[]} servers */
async function measure(servers, how, requests, { rounds, millis }) {
  const measured = Object.fromEntries(servers.map(({ title }) => [title, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(i + round) % servers.length];
      measured[server.title].push(await server.window(how, requests, millis));
    }
  }
  return measured;
}

/**
 * @param {{ keys: any, issuer: string, jwksUri: string, rounds: number, express: { millis: number, warmMillis: number }, poolSize: number,
 *   only: RegExp, say: (line: string) => void }} options
 */
async function runExpress({ rounds, express, only, say, ...shared }) {
  const result = { asserted: 0, cases: {} };
  for (const alg of ['RS256', 'ES256']) {
    for (const group of ['fresh', 'repeat', 'tenants']) {
      const wanted = CASES.filter(
        (it) => it.group === group && (it.algs ?? [alg]).includes(alg) && only.test(`${it.name} ${alg}`),
      );
      if (wanted.length === 0) continue;
      const sent = traffic(group, { ...shared, alg });
      const takesPart = (name) => wanted.some(({ of }) => of === undefined || of.includes(name));
      const names = entrants(group).filter(takesPart);
      const { environment } = sent;
      const fresh = group === 'fresh';
      const servers = await Promise.all(names.map((name) => Server.start({ name, fresh, environment })));
      try {
        for (const server of servers) result.asserted += await server.assertAnswers({ ...shared, alg, ...sent });
        for (const server of servers) {
          await server.window({ run: closed }, fresh ? sent.requests : hot(sent.requests), express.warmMillis);
        }
        for (const { name, requests = (all) => all, of = names, ...how } of wanted) {
          const title = `${name} ${alg}`;
          const taking = servers.filter((server) => of.includes(server.name));
          const measured = await measure(taking, how, requests(sent.requests), { rounds, millis: express.millis });
          // Where all were offered the same, throughput says nothing: no ratios.
          const own = how.run?.offered ? {} : { '': 'ours' };
          result.cases[title] = { ...summarize(measured, own, [], 'no auth'), offered: how.run?.offered };
          say(`${title.padEnd(30)} ${brief(result.cases[title])}`);
        }
      } finally {
        servers.forEach((server) => server.stop());
      }
    }
  }
  return result;
}

module.exports = { Server, closed, measure, offered, runExpress, same, traffic };
