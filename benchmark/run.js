'use strict';

// `npm run bench` after its set-up: measures, prints a table or the ratios, keeps everything in target/bench/result.json.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ALGORITHMS, runAlgorithm } = require('./cases');
const { comparison, runCompare } = require('./compare');
const { runExpress } = require('./express');
const { startProvider } = require('./provider');
const { gates } = require('./gates');
const { tables } = require('./report');
const { rounded } = require('./format');
const { Keys } = require('./tokens');

const root = path.join(__dirname, '..');

function readArguments() {
  const { values } = parseArgs({
    options: {
      compare: { type: 'string' },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rounds: { type: 'string' },
      millis: { type: 'string' },
      out: { type: 'string', default: path.join(root, 'target', 'bench', 'result.json') },
    },
  });
  const { quick } = values;
  const number = (text, otherwise) => (text === undefined ? otherwise : Number(text));
  const millis = number(values.millis, quick ? 6 : 100);
  return {
    ...values,
    only: new RegExp(values.only),
    rounds: number(values.rounds, quick ? 2 : 7),
    millis,
    poolSize: quick ? 200 : 4000,
    express: {
      rounds: number(values.rounds, quick ? 1 : 5),
      // V8 needs seconds of work before it has compiled a server, and a window needs many of its turns.
      millis: millis * 15,
      warmMillis: quick ? 60 : 3000,
    },
  };
}

/** What a reader needs to assess the figures. */
function circumstances() {
  const peers = require('./package.json').dependencies;
  const own = require('../package.json').version;
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${os.cpus()[0].model.trim()}, ${os.availableParallelism()} cores, ${os.type()} ${os.arch()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    versions: { 'remote-agent-auth': own, ...peers },
    command: ['npm run bench', ...process.argv.slice(2)].join(' ').replace('bench --', 'bench -- --'),
    loadBefore: os.loadavg()[0],
  };
}

/**
 * `{ ratios: { case: { peer: r } }, aboveNoAuth: { case: { row: { median, min, max } } } }`: r our throughput over theirs; microseconds of the
 * server's main thread for a request, above those of the server without a check.
 */
function ratiosOf(cases) {
  const ratios = {};
  const aboveNoAuth = {};
  for (const [title, { rows }] of Object.entries(cases)) {
    const above = Object.entries(rows).filter(([, row]) => row.aboveMicros);
    if (above.length > 0)
      aboveNoAuth[title] = Object.fromEntries(above.map(([name, row]) => [name, rounded(row.aboveMicros)]));
  }
  for (const [title, { ratios: bySuffix }] of Object.entries(cases)) {
    for (const [suffix, byPeer] of Object.entries(bySuffix)) {
      const [name, alg] = title.split(' ');
      ratios[`${name}${suffix} ${alg}`] = Object.fromEntries(
        Object.entries(byPeer).map(([peer, { throughput }]) => [peer, Number(throughput.median.toPrecision(3))]),
      );
    }
  }
  return { ratios, aboveNoAuth };
}

/** As JSON text, a line per case, four digits a figure: more than any of them is good for. */
function written(result) {
  const short = (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  const { cases, ...head } = result;
  const lines = Object.entries(cases).map(([title, it]) => `  ${JSON.stringify(title)}: ${JSON.stringify(it, short)}`);
  return `${JSON.stringify(head, short, 1).slice(0, -2)},\n "cases": {\n${lines.join(',\n')}\n }\n}\n`;
}

/** This build beside an earlier one. */
async function compare(options, say) {
  const rows = await runCompare({ ...options, say });
  if (options.json) console.log(JSON.stringify({ here: 'this build', beside: options.compare, rows }, undefined, 2));
  else console.log(comparison(rows, options.compare));
}

async function main() {
  const options = readArguments();
  const say = (line) => process.stderr.write(`${line}\n`);
  if (options.compare !== undefined) return compare(options, say);
  const began = Date.now();
  const result = { ...circumstances(), rounds: options.rounds, asserted: 0, cases: {} };
  const algorithms = Object.keys(ALGORITHMS);
  const keys = new Keys(algorithms);
  const provider = await startProvider(keys.jwks);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  try {
    const shared = { ...options, keys, issuer: provider.issuer, jwksUri: provider.jwksUri, say, scratch };
    for (const alg of algorithms) {
      const { asserted, cases } = await runAlgorithm({ ...shared, alg });
      result.asserted += asserted;
      Object.assign(result.cases, cases);
    }
    const { asserted, cases } = await runExpress({ ...shared, rounds: options.express.rounds });
    result.asserted += asserted;
    Object.assign(result.cases, cases);
  } finally {
    provider.stop();
    fs.rmSync(scratch, { recursive: true });
  }
  result.loadAfter = os.loadavg()[0];
  result.seconds = Math.round((Date.now() - began) / 1000);
  fs.mkdirSync(path.dirname(options.out), { recursive: true });
  fs.writeFileSync(options.out, written(result));
  if (options.json) console.log(JSON.stringify(ratiosOf(result.cases), undefined, 2));
  else console.log(`${tables(result)}\n\n### Targets\n\n${gates(result)}`);
  say(
    `\n${result.asserted} answers asserted, ${Object.keys(result.cases).length} cases in ${result.seconds} s; all figures in ${path.relative(process.cwd(), options.out)}`,
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
