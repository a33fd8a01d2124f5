'use strict';

// Express 5 end to end: closed loop for throughput and the server's CPU, open loop for latency at a fixed offered load.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { brief, summarize } = require('./summary');
const { Connection, closedLoop, openLoop, requestWith } = require('./load');
const { quantile } = require('./measure');
const { ours } = require('./subject');
const { JUNK, expired, forged, mintPool, tampered } = require('./tokens');

const CONNECTIONS = 64;
/** Requests a second; about a third of what the incumbent can do at most on two cores of our kind. */
const OFFERED = 800;
const ENTRANTS = ['no auth', 'ours', 'incumbent', 'jose', 'fast-jwt', 'express-oauth2-jwt-bearer'];

const CASES = [
  { name: 'express-fresh', fresh: true, run: closedLoop },
  { name: 'express-repeat', fresh: false, run: closedLoop },
  // What is offered is the same for all, so that throughput says nothing: these have no ratios.
  { name: 'open-loop-fresh', fresh: true, ours: {}, run: (...args) => openLoop(...args, OFFERED) },
  { name: 'open-loop-repeat', fresh: false, ours: {}, run: (...args) => openLoop(...args, OFFERED) },
];

/** A server with its connections. */
class Server {
  static async start(name, fresh, environment) {
    const server = new Server();
    server.name = name;
    server.child = fork(path.join(__dirname, 'server.js'));
    server.child.send({ name, fresh, environment });
    const [{ port }] = await once(server.child, 'message');
    server.connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(port)));
    return server;
  }

  async #tell(what) {
    this.child.send(what);
    const [answer] = await once(this.child, 'message');
    return answer;
  }

  async window(run, requests, millis) {
    await this.#tell('begin');
    const { latencies, statuses, wall } = await run(this.connections, requests, millis);
    const { cpu, loopDelayP99Millis } = await this.#tell('end');
    const count = latencies.length;
    if (statuses[200] !== count) throw new Error(`${this.name}: answers were ${JSON.stringify(statuses)}`);
    const sorted = Float64Array.from(latencies).sort();
    return {
      throughput: (count / wall) * 1000,
      mainMicros: cpu / count,
      p50Micros: quantile(sorted, 0.5) * 1000,
      p99Micros: quantile(sorted, 0.99) * 1000,
      loopDelayP99Millis,
    };
  }

  async assertAnswers({ keys, alg, issuer, pool }) {
    const [connection] = this.connections;
    const ask = async (token) => (await connection.ask(requestWith(token))).status;
    const wrong = (what) => new Error(`Express, ${this.name}, ${alg}: ${what}`);
    let asserted = 1;
    if ((await ask(pool[0])) !== 200) throw wrong('a good token was refused');
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

/**
 * @param {{ keys: any, issuer: string, jwksUri: string, rounds: number, millis: number, poolSize: number, only: RegExp, say: (line: string) => void }} options
 */
async function runExpress({ keys, issuer, jwksUri, rounds, millis, poolSize, only, say }) {
  const result = { asserted: 0, cases: {} };
  for (const alg of ['RS256', 'ES256']) {
    const pool = mintPool(keys, alg, issuer, poolSize);
    for (const fresh of [true, false]) {
      const wanted = CASES.filter((it) => it.fresh === fresh && only.test(`${it.name} ${alg}`));
      if (wanted.length === 0) continue;
      const environment = { alg, issuer, jwksUri, jwks: keys.jwks };
      // A version of the package that keeps no accounts has no such row.
      const accounts = 'invalidateFederatedAuth' in ours() ? ['ours (accounts)'] : [];
      const names = fresh ? ENTRANTS : [...ENTRANTS, ...accounts, 'fast-jwt (cache)'];
      const servers = await Promise.all(names.map((name) => Server.start(name, fresh, environment)));
      try {
        for (const server of servers) result.asserted += await server.assertAnswers({ keys, alg, issuer, pool });
        const requests = (fresh ? pool : pool.slice(0, 1)).map(requestWith);
        for (const { name, run, ours: own = { '': 'ours' } } of wanted) {
          const title = `${name} ${alg}`;
          const measured = Object.fromEntries(names.map((it) => [it, []]));
          for (let round = -1; round < rounds; round++) {
            for (let i = 0; i < servers.length; i++) {
              const server = servers[(i + round + servers.length) % servers.length];
              const window = await server.window(run, requests, millis * 5);
              if (round >= 0) measured[server.name].push(window);
            }
          }
          result.cases[title] = summarize(measured, own);
          say(`${title.padEnd(22)} ${brief(result.cases[title])}`);
        }
      } finally {
        servers.forEach((server) => server.stop());
      }
    }
  }
  return result;
}

module.exports = { runExpress };
