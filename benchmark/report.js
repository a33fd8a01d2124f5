'use strict';

// Tables from a result, as Markdown: for the terminal, and between the marks of docs/performance.md
// (`node benchmark/report.js docs/benchmark.json`).

const fs = require('node:fs');
const path = require('node:path');
const { digits, perSecond, range, table } = require('./format');
const { gates } = require('./gates');

const root = path.join(__dirname, '..');
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

const FIGURES = [
  ['tokens/s (min-max)', 'throughput', (it) => range(it, perSecond)],
  ['main-thread us', 'mainMicros', range],
  ['above no auth, us', 'aboveMicros', range],
  ['span p50 above it', 'spanAboveMicros', range],
  ['span p10', 'spanP10Micros', ({ median }) => digits(median)],
  ['p50', 'spanP50Micros', ({ median }) => digits(median)],
  ['p90 us', 'spanP90Micros', ({ median }) => digits(median)],
  ['other threads us', 'otherMicros', ({ median }) => digits(median)],
  ['latency p50 us', 'p50Micros', ({ median }) => digits(median)],
  ['p99 us', 'p99Micros', ({ median }) => digits(median)],
  ['loop delay p99 ms', 'loopDelayP99Millis', ({ median }) => digits(median)],
];

/** One case: a row per entrant, fastest first, and our throughput over theirs. */
function caseTable({ ours, rows, ratios }) {
  const figures = FIGURES.filter(([, name]) => Object.values(rows).some((row) => row[name]));
  const suffixes = Object.keys(ratios);
  const head = [
    '',
    ...figures.map(([title]) => title),
    ...suffixes.map((suffix) => (suffix === '' ? 'ours / it' : `${ours[suffix]} / it`)),
  ];
  // Where all were offered the same, whoever takes least of the main thread leads.
  const rank = suffixes.length > 0 ? ({ throughput }) => -throughput.median : ({ mainMicros }) => mainMicros.median;
  const entries = Object.entries(rows).sort(([, a], [, b]) => rank(a) - rank(b));
  return table(
    head,
    entries.map(([name, row]) => [
      name.startsWith('ours') ? `**${name}**` : name,
      ...figures.map(([, figure, format]) =>
        row[figure]?.median !== undefined && row[figure].median !== null ? format(row[figure]) : '',
      ),
      ...suffixes.map((suffix) => (ratios[suffix][name] ? range(ratios[suffix][name].throughput) : '')),
    ]),
  );
}

/** How far ours is from the crypto library's bare check. */
function limitTable(cases) {
  const rows = ALGORITHMS.map((alg) => [alg, cases[`fresh-one ${alg}`]?.limit]).filter(([, bounds]) => bounds);
  if (rows.length === 0) return '';
  return table(
    ['', 'bare check, us', 'Rust core, us', 'core / bare', 'main thread / bare'],
    rows.map(([alg, it]) => [
      alg,
      range(it.bareMicros),
      range(it.coreMicros),
      range(it.coreOverBare),
      range(it.mainOverBare),
    ]),
  );
}

function circumstances(result) {
  const versions = Object.entries(result.versions).map(([name, version]) => `${name} ${version}`);
  return (
    `${result.date}, ${result.machine}, Node ${result.node} (OpenSSL ${result.openssl}), \`${result.command}\`: medians of ${result.rounds} rounds, ` +
    `min-max in brackets, ${result.asserted} answers asserted first; load average ${result.loadBefore.toFixed(1)} before and ` +
    `${result.loadAfter.toFixed(1)} after. ${versions.join(', ')}.`
  );
}

/** Everything, for the terminal and docs/performance.md. */
function tables(result) {
  const parts = [circumstances(result)];
  const limits = limitTable(result.cases);
  if (limits) parts.push('### Distance to the limit', limits);
  for (const [title, it] of Object.entries(result.cases)) parts.push(`### ${title}`, caseTable(it));
  return parts.join('\n\n');
}

/** At a glance: our throughput over each peer's, by case. */
function overview(result) {
  const PEERS = [
    'incumbent',
    'jose',
    'fast-jwt',
    'fast-jwt (cache)',
    'aws-jwt-verify',
    'express-oauth2-jwt-bearer',
    '@node-rs/jsonwebtoken',
  ];
  const CASES = [
    ['fresh-one', 'new token, one at a time'],
    ['fresh-64', 'new token, 64 in flight'],
    ['repeat', 'the same token again'],
    ['hot-500', '500 tokens by turns'],
    ['express-fresh', 'Express 5, new token'],
    ['express-repeat', 'Express 5, same token'],
  ];
  const rows = [];
  for (const [name, title] of CASES) {
    for (const alg of name.startsWith('express') ? ['RS256', 'ES256'] : ['RS256', 'ES256', 'EdDSA']) {
      const it = result.cases[`${name} ${alg}`];
      if (!it) continue;
      const own = it.rows[it.ours['']];
      const ratio = (peer) => {
        const value = it.ratios[''][peer]?.throughput.median;
        if (value === undefined) return '';
        return value < 1 ? `**${value.toFixed(2)}**` : value.toFixed(value < 10 ? 1 : 0);
      };
      rows.push([
        `${title}, ${alg}`,
        perSecond(own.throughput.median),
        digits(own.mainMicros.median),
        ...PEERS.map(ratio),
      ]);
    }
  }
  return table(['', 'ours, tokens/s', 'main-thread us', ...PEERS.map((peer) => `x ${peer}`)], rows);
}

/** Puts text between `<!-- benchmark:name -->` and `<!-- /benchmark -->`. */
function fill(file, name, text) {
  const before = fs.readFileSync(file, 'utf8');
  const marks = new RegExp(`(<!-- benchmark:${name} -->\\n)[\\s\\S]*?(<!-- /benchmark -->)`);
  if (!marks.test(before)) throw new Error(`${file} has no place for ${name}`);
  fs.writeFileSync(
    file,
    before.replace(marks, (_, open, close) => `${open}\n${text}\n\n${close}`),
  );
}

module.exports = { caseTable, circumstances, fill, limitTable, overview, tables };

if (require.main === module) {
  const result = JSON.parse(fs.readFileSync(process.argv[2] ?? path.join(root, 'docs', 'benchmark.json'), 'utf8'));
  fill(path.join(root, 'docs', 'performance.md'), 'gates', gates(result));
  fill(path.join(root, 'docs', 'performance.md'), 'tables', tables(result));
  fill(path.join(root, 'docs', 'performance.md'), 'overview', `${overview(result)}\n\n${circumstances(result)}`);
  require('./chart').draw(result, path.join(root, 'docs', 'benchmark.svg'));
}
