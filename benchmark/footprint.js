'use strict';

// What the package costs before and beside its work: time to load, time to the first keys, size, memory at rest. Every figure of
// a fresh process, taken by turns with the incumbent's. `-- --compare FOLDER`: loading alone, beside an earlier build.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const zlib = require('node:zlib');
const { spread } = require('./measure');
const { startProvider } = require('./provider');
const { fill } = require('./report');
const { digits, range, table } = require('./format');
const { folder } = require('./subject');
const { Keys } = require('./tokens');

const ROUNDS = 15;
/** Of a comparison: what differs is less than what two processes of one build do. */
const PAIRS = 61;

/** Each prints one JSON object: milliseconds, or megabytes. */
const PROGRAMS = {
  'ours, require': `
    const t = performance.now(); require(FOLDER); const r = performance.now() - t;
    console.log(JSON.stringify({ ms: r }));`,
  'ours, require and first verifier': `
    const t = performance.now(); const { RemoteTokenVerifier } = require(FOLDER); new RemoteTokenVerifier();
    console.log(JSON.stringify({ ms: performance.now() - t }));`,
  'ours, require and first middleware': `
    const t = performance.now(); const { createRemoteAgentAuth } = require(FOLDER); const nothing = () => {};
    createRemoteAgentAuth({ apiKeyMiddleware: nothing, findUser: nothing, updateUser: nothing, getAppConfig: nothing });
    console.log(JSON.stringify({ ms: performance.now() - t }));`,
  'ours, first JWKS fetch': `
    const { RemoteTokenVerifier } = require(FOLDER); const v = new RemoteTokenVerifier();
    const t = performance.now();
    v.prefetch({ issuer: ISSUER, audience: 'a', jwksUri: JWKS }).then(() => { console.log(JSON.stringify({ ms: performance.now() - t })); });`,
  'jsonwebtoken and jwks-rsa, require': `
    const t = performance.now(); require(PEERS + '/jsonwebtoken'); require(PEERS + '/jwks-rsa');
    console.log(JSON.stringify({ ms: performance.now() - t }));`,
  'jwks-rsa, first JWKS fetch': `
    const client = require(PEERS + '/jwks-rsa')({ jwksUri: JWKS, cache: true });
    const t = performance.now();
    client.getSigningKey(KID).then(() => console.log(JSON.stringify({ ms: performance.now() - t })));`,
  "Node's fetch of the same document": `
    const t = performance.now();
    fetch(JWKS).then((r) => r.json()).then(() => { console.log(JSON.stringify({ ms: performance.now() - t })); process.exit(); });`,
  'memory of ours with keys at hand': `
    gc(); const before = process.memoryUsage.rss();
    const { RemoteTokenVerifier } = require(FOLDER); const v = new RemoteTokenVerifier();
    v.prefetch({ issuer: ISSUER, audience: 'a', jwksUri: JWKS }).then(() => setTimeout(() => { gc(); console.log(JSON.stringify({ mb: (process.memoryUsage.rss() - before) / 2 ** 20 })); }, 200));`,
  'memory of the incumbent with keys at hand': `
    gc(); const before = process.memoryUsage.rss();
    require(PEERS + '/jsonwebtoken'); const client = require(PEERS + '/jwks-rsa')({ jwksUri: JWKS, cache: true });
    client.getSigningKey(KID).then(() => setTimeout(() => { gc(); console.log(JSON.stringify({ mb: (process.memoryUsage.rss() - before) / 2 ** 20 })); process.exit(); }, 200));`,
};

/** @param {string} program @returns {any} what it prints */
function printedBy(program) {
  const run = spawnSync(process.execPath, ['--expose-gc', '-e', program], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
}

/** Both builds by turns, each first as often as the other. @param {string} beside folder of a package with its native file */
function compareLoading(beside) {
  const names = ['ours, require', 'ours, require and first verifier', 'ours, require and first middleware'];
  const rows = names.map((name) => {
    const time = (/** @type {string} */ of) => printedBy(`const FOLDER = ${JSON.stringify(of)};${PROGRAMS[name]}`).ms;
    [folder, beside].map(time);
    const pairs = Array.from({ length: PAIRS }, (_, round) => {
      const [first, second] = round % 2 === 0 ? [folder, beside] : [beside, folder];
      const times = [time(first), time(second)];
      return round % 2 === 0 ? times : times.reverse();
    });
    const figures = [
      pairs.map(([here]) => here),
      pairs.map(([, there]) => there),
      pairs.map(([here, there]) => here / there),
    ];
    const [here, there, ratio] = figures.map(spread);
    return [name, `${range(here)} ms`, `${range(there)} ms`, range(ratio), digits(here.min / there.min)];
  });
  console.log(table(['', 'here', `beside: ${beside}`, 'ratio of pairs', 'ratio of the least'], rows));
}

async function main() {
  const { values } = parseArgs({
    options: { compare: { type: 'string' }, write: { type: 'boolean', default: false } },
  });
  if (values.compare !== undefined) return compareLoading(path.resolve(values.compare));
  const keys = new Keys(['RS256', 'ES256']);
  const provider = await startProvider(keys.jwks);
  const names = {
    FOLDER: folder,
    PEERS: path.join(__dirname, 'node_modules'),
    ISSUER: provider.issuer,
    JWKS: provider.jwksUri,
    KID: keys.kid('RS256'),
  };
  const prelude = Object.entries(names)
    .map(([name, value]) => `const ${name} = ${JSON.stringify(value)};`)
    .join('');
  const measured = Object.fromEntries(Object.keys(PROGRAMS).map((name) => [name, []]));
  try {
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, program] of Object.entries(PROGRAMS)) {
        const printed = printedBy(prelude + program);
        if (round >= 0) measured[name].push(printed);
      }
    }
  } finally {
    provider.stop();
  }
  const rows = Object.entries(measured).map(([name, all]) => {
    const unit = Object.keys(all[0])[0];
    return [name, `${range(spread(all.map((it) => it[unit])))} ${unit === 'mb' ? 'MB' : 'ms'}`];
  });
  const addon = fs.readFileSync(
    path.join(
      folder,
      fs.readdirSync(folder).find((file) => file.endsWith('.node')),
    ),
  );
  rows.push([
    'size of the native file',
    `${digits(addon.length / 1e6)} MB, ${digits(zlib.gzipSync(addon, { level: 9 }).length / 1e6)} MB gzipped`,
  ]);
  const text = table(['', `median (min-max) of ${ROUNDS} fresh processes`], rows);
  console.log(text);
  // `--write` keeps it in the documentation.
  if (values.write) fill(path.join(__dirname, '..', 'docs', 'performance.md'), 'footprint', text);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
