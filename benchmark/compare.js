'use strict';

// `npm run bench -- --compare FOLDER`: this build beside an earlier one. Each runs in processes of its own, and they take turns window by
// window, so that what else the machine does meanwhile is both's. FOLDER is a package with its native file: a checkout that was built, an
// installed package, or what an earlier benchmark has left in target/bench-package. Of a FILE, the result of an earlier run, only how both
// stand to the same peers can be compared: times of two runs cannot.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { range, rounded, table } = require('./format');
const { inFlight, oneAtATime, spread, turn } = require('./measure');
const { startProvider } = require('./provider');
const { folder: here } = require('./subject');
const { JUNK, Keys, forged, mintPool } = require('./tokens');

const HOT = 500;
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
/** Of one kind each, so that a change is seen where it acts. */
const CASES = [
  { name: 'fresh-one', subject: 'ours', pool: (good) => good, run: oneAtATime },
  { name: 'fresh-64', subject: 'ours', pool: (good) => good, run: inFlight },
  { name: 'repeat', subject: 'ours (cache)', pool: (good) => good.slice(0, 1), run: oneAtATime },
  { name: 'repeat-shared', subject: 'ours (cache, shared claims)', pool: (good) => good.slice(0, 1), run: oneAtATime },
  { name: 'repeat-verify', subject: 'ours (verify)', pool: (good) => good.slice(0, 1), run: oneAtATime },
  { name: 'hot-500', subject: 'ours (cache)', pool: (good) => good.slice(0, HOT), run: oneAtATime },
  { name: 'junk', subject: 'ours', pool: () => [JUNK], run: oneAtATime, refused: true },
  { name: 'forged', subject: 'ours', pool: (good) => good.slice(0, 200).map(forged), run: oneAtATime, refused: true },
];
/** The servers of the Express rows, by the group of tokens they are sent. */
const SERVERS = [
  { group: 'fresh', name: 'ours' },
  { group: 'fresh', name: 'ours (bearer)', needs: 'bearer-auth.d.ts' },
  { group: 'repeat', name: 'ours' },
  { group: 'repeat', name: 'ours (bearer)', needs: 'bearer-auth.d.ts' },
  { group: 'repeat', name: 'ours (metrics)', needs: 'metrics.d.ts' },
];
/** What is compared, where a window has it. Of each less is better, but of the first. */
const FIGURES = {
  throughput: 'tokens/s',
  mainMicros: 'main-thread us',
  aboveMicros: 'us above no auth',
  spanP50Micros: 'span p50 us',
  p99Micros: 'latency p99 us',
  loopDelayP99Millis: 'loop delay p99 ms',
};

/** A process with one build. */
class Build {
  static async start(folder, environment) {
    const build = new Build();
    build.child = fork(__filename, { env: { ...process.env, BENCH_PACKAGE: folder } });
    await build.#ask({ environment });
    return build;
  }

  async #ask(what) {
    this.child.send(what);
    const [answer] = await once(this.child, 'message');
    if (answer.failed) throw new Error(answer.failed);
    return answer;
  }

  window(name, millis) {
    return this.#ask({ name, millis });
  }

  stop() {
    this.child.disconnect();
  }
}

/** What such a process does: sets up the verifiers when it is first asked for them, and runs windows. */
async function serve() {
  const { SUBJECTS } = require('./subjects');
  const verifiers = new Map();
  let environment;
  let pool;
  const window = async ({ name, millis }) => {
    const { subject, pool: poolOf, run, refused } = CASES.find((it) => it.name === name);
    const of = SUBJECTS.find((it) => it.name === subject);
    if (of.isThere?.() === false) return {};
    if (!verifiers.has(subject)) verifiers.set(subject, await of.create(environment));
    await turn();
    return run(verifiers.get(subject), poolOf(pool), { millis, refused });
  };
  process.on('message', async (/** @type {any} */ what) => {
    try {
      if (what.environment === undefined) return process.send(await window(what));
      environment = what.environment;
      pool = environment.pool.map((token) => Buffer.from(token, 'latin1'));
      return process.send({ ready: true });
    } catch (error) {
      return process.send({ failed: error.stack });
    }
  });
  process.on('disconnect', () => process.exit());
}

/** Figures of both, window by window. @param {any[]} ours @param {any[]} theirs */
function compared(ours, theirs) {
  const figures = Object.keys(FIGURES).filter(
    (name) => ours[0]?.[name] !== undefined && theirs[0]?.[name] !== undefined,
  );
  return Object.fromEntries(
    figures.map((name) => {
      const row = {
        here: rounded(spread(ours.map((it) => it[name]))),
        beside: rounded(spread(theirs.map((it) => it[name]))),
      };
      // A quotient of what may be nothing, or less, says nothing.
      const difference = name === 'aboveMicros';
      const pairs = ours.map((it, round) =>
        difference ? it[name] - theirs[round][name] : it[name] / theirs[round][name],
      );
      return [name, { ...row, [difference ? 'difference' : 'ratio']: rounded(spread(pairs)) }];
    }),
  );
}

/** @param {{ rounds: number, millis: number, only: RegExp, say: (line: string) => void }} options */
async function inProcess(there, { keys, issuer, jwksUri, poolSize, rounds, millis, only, say }) {
  const rows = {};
  for (const alg of ALGORITHMS) {
    const wanted = CASES.filter(({ name }) => only.test(`${name} ${alg}`));
    if (wanted.length === 0) continue;
    const pool = mintPool(keys, alg, issuer, poolSize).map((token) => token.toString('latin1'));
    const environment = { alg, issuer, jwksUri, pool };
    const builds = await Promise.all([here, there].map((folder) => Build.start(folder, environment)));
    try {
      for (const { name } of wanted) {
        const measured = [[], []];
        // The first round warms up and counts for nothing.
        for (let round = -1; round < rounds; round++) {
          for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
            const window = await builds[at].window(name, round < 0 ? millis * 5 : millis);
            if (round >= 0) measured[at].push(window);
          }
        }
        rows[`${name} ${alg}`] = compared(...measured);
        say(line(`${name} ${alg}`, rows[`${name} ${alg}`]));
      }
    } finally {
      builds.forEach((build) => build.stop());
    }
  }
  return rows;
}

/** Whether an earlier build has what a server is made of. @param {string} folder @param {string} [needs] one of its files */
function offers(folder, needs) {
  return needs === undefined || fs.existsSync(path.join(folder, needs));
}

async function inExpress(there, { express, only, say, ...shared }) {
  const { Server, closed, measure, offered, same, traffic } = require('./express');
  const alg = 'RS256';
  const rows = {};
  for (const group of ['fresh', 'repeat']) {
    const names = SERVERS.filter((it) => it.group === group && offers(there, it.needs)).map(({ name }) => name);
    const loads = { [`express-2500-${group}`]: { run: offered(2500) }, [`express-${group}`]: { run: closed } };
    const titles = Object.keys(loads).filter((name) => only.test(`${name} ${alg}`));
    if (titles.length === 0) continue;
    const { environment, requests: all, pool } = traffic(group, { ...shared, alg });
    const requests = group === 'repeat' ? same(all) : all;
    const fresh = group === 'fresh';
    const of = (title, name, folder) => Server.start({ title, name, folder, fresh, environment });
    /** @type {Server[]} */
    const servers = [];
    try {
      servers.push(await of('no auth', 'no auth', here));
      for (const name of names) {
        servers.push(await of(`here ${name}`, name, here));
        servers.push(await of(`beside ${name}`, name, there));
      }
      for (const server of servers) await server.assertAnswers({ ...shared, alg, pool });
      for (const server of servers) await server.window({ run: closed }, requests, express.warmMillis);
      for (const title of titles) {
        const windows = await measure(servers, loads[title], requests, {
          rounds: express.rounds,
          millis: express.millis,
        });
        const above = (it) =>
          it.map((window, round) => ({
            ...window,
            aboveMicros: window.mainMicros - windows['no auth'][round].mainMicros,
          }));
        for (const name of names) {
          const row = `${title} ${alg}, ${name}`;
          rows[row] = compared(above(windows[`here ${name}`]), above(windows[`beside ${name}`]));
          say(line(row, rows[row]));
        }
      }
    } finally {
      servers.forEach((server) => server.stop());
    }
  }
  return rows;
}

const shownAs = ({ ratio, difference }) => (ratio ? `x ${range(ratio)}` : `${range(difference)} us`);

/** @param {string} title @param {Record<string, any>} figures */
function line(title, figures) {
  const parts = Object.entries(figures).map(([name, row]) => `${FIGURES[name]} ${shownAs(row)}`);
  return `${title.padEnd(24)} ${parts.join(', ')}`;
}

/** @param {any} options of run.js */
async function runCompare(options) {
  const beside = path.resolve(options.compare);
  if (fs.statSync(beside).isFile()) return besideResult(JSON.parse(fs.readFileSync(beside, 'utf8')), options);
  if (!fs.readdirSync(beside).some((name) => name.endsWith('.node')))
    throw new Error(`${beside} has no native file: build it, or name the folder of a built package`);
  const keys = new Keys(ALGORITHMS);
  const provider = await startProvider(keys.jwks);
  try {
    const shared = { ...options, keys, issuer: provider.issuer, jwksUri: provider.jwksUri };
    return { ...(await inProcess(beside, shared)), ...(await inExpress(beside, shared)) };
  } finally {
    provider.stop();
  }
}

/** This build's last full run beside an earlier one: ours over each peer, then over now. */
function besideResult(earlier, { out }) {
  if (!fs.existsSync(out)) throw new Error(`no figures of this build in ${out}: run the benchmark first`);
  const { cases } = JSON.parse(fs.readFileSync(out, 'utf8'));
  const rows = {};
  for (const [title, { ratios }] of Object.entries(cases)) {
    for (const [suffix, peers] of Object.entries(ratios)) {
      for (const [peer, { throughput }] of Object.entries(peers)) {
        const before = earlier.cases?.[title]?.ratios[suffix]?.[peer]?.throughput;
        if (before === undefined) continue;
        // Two runs: the worst of one over the best of the other bounds it.
        const ratio = {
          median: throughput.median / before.median,
          min: throughput.min / before.max,
          max: throughput.max / before.min,
        };
        rows[`${title}${suffix}, x ${peer}`] = {
          throughput: { here: throughput, beside: before, ratio: rounded(ratio) },
        };
      }
    }
  }
  return rows;
}

/** As a Markdown table. @param {Record<string, Record<string, any>>} rows @param {string} beside */
function comparison(rows, beside) {
  const lines = Object.entries(rows).flatMap(([title, figures]) =>
    Object.entries(figures).map(([name, row]) => [
      title,
      FIGURES[name],
      range(row.here),
      range(row.beside),
      shownAs(row),
    ]),
  );
  return table(['', 'figure', 'this build: median (min-max)', beside, 'this / that'], lines);
}

module.exports = { comparison, runCompare };

if (require.main === module) serve();
