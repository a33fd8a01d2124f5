'use strict';

// The targets this package set itself, beside what was measured.

const { digits, table } = require('./format');

const COLUMNS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

/** EdDSA is no algorithm of the incumbent's: jose stands in. */
const rival = (alg) => (alg === 'EdDSA' ? 'jose' : 'incumbent');
const ratio =
  (name, peer, figure = 'throughput', suffix = '') =>
  (cases, alg) =>
    cases[`${name} ${alg}`]?.ratios[suffix]?.[peer(alg)]?.[figure]?.median;

const GATES = [
  ['new token, one at a time, x incumbent (EdDSA: jose)', '>=', [8, 8, 4.5, 4, 4.5], ratio('fresh-one', rival)],
  ['the same, x fast-jwt', '>=', [1.25, 1.25, 1.25, 2.8, 2.4], ratio('fresh-one', () => 'fast-jwt')],
  [
    'main-thread us / bare check, one at a time',
    '<=',
    [1.7, 1.7, 1.2, 1.08, 1.25],
    (cases, alg) => cases[`fresh-one ${alg}`]?.limit?.mainOverBare.median,
  ],
  [
    'Rust core / bare check',
    '<=',
    [1.15, 1.15, 1.08, 1.03, 1.08],
    (cases, alg) => cases[`fresh-one ${alg}`]?.limit?.coreOverBare.median,
  ],
  ['64 in flight, x incumbent (EdDSA: jose)', '>=', [11, 11, 7, 6.5, 2.5], ratio('fresh-64', rival)],
  [
    '64 in flight, main-thread us, incumbent / ours',
    '>=',
    [12, 12, 14, 22, 1.8],
    ratio('fresh-64', rival, 'mainMicros'),
  ],
  [
    '64 in flight, event-loop delay p99, incumbent / ours',
    '>=',
    [5, 5, 4, 8, 2],
    ratio('fresh-64', rival, 'loopDelayP99Millis'),
  ],
  ['same token again, fresh claims, x incumbent (EdDSA: jose)', '>=', [60, 60, 60, 60, 60], ratio('repeat', rival)],
  [
    "same token again, fresh claims, x fast-jwt's cache",
    '>=',
    [1.1, 1.1, 1.1, 1.1, 1.1],
    ratio('repeat', () => 'fast-jwt (cache)'),
  ],
  [
    'same token again, shared claims, x incumbent (EdDSA: jose)',
    '>=',
    [400, 400, 400, 400, 400],
    ratio('repeat', rival, 'throughput', '-shared'),
  ],
  [
    "same token again, shared claims, x fast-jwt's cache",
    '>=',
    [8, 8, 8, 8, 8],
    ratio('repeat', () => 'fast-jwt (cache)', 'throughput', '-shared'),
  ],
  [
    'Express 5, 2,500/s, new token: main-thread us above no auth / bare check',
    '<=',
    [1.7, undefined, 1.7],
    overBare('ours'),
  ],
  ['the same, createBearerAuth', '<=', [1.7, undefined, 1.7], overBare('ours (bearer)')],
  ['Express 5, 2,500/s, known token: main-thread us above no auth', '<=', [5, undefined, 5], aboveNoAuth('ours')],
  ['the same, createBearerAuth', '<=', [5, undefined, 5], aboveNoAuth('ours (bearer)')],
  ["known token: us above fast-jwt's cache", '<=', [0, undefined, 0], aboveFastJwt('ours')],
  ['the same, createBearerAuth', '<=', [0, undefined, 0], aboveFastJwt('ours (bearer)')],
];

/** Of a new token at 2,500 requests a second. @param {string} row */
function overBare(row) {
  return (cases, alg) => {
    const above = cases[`express-2500-fresh ${alg}`]?.rows[row]?.aboveMicros.median;
    const bare = cases[`fresh-one ${alg}`]?.limit?.bareMicros.median;
    return above && bare && above / bare;
  };
}

/** Of a known token. @param {string} row */
function aboveNoAuth(row) {
  return (cases, alg) => cases[`express-2500-repeat ${alg}`]?.rows[row]?.aboveMicros.median;
}

/** @param {string} row */
function aboveFastJwt(row) {
  return (cases, alg) => {
    const own = aboveNoAuth(row)(cases, alg);
    const theirs = aboveNoAuth('fast-jwt (cache)')(cases, alg);
    return own === undefined || theirs === undefined ? undefined : own - theirs;
  };
}

/** @param {any} result of run.js */
function gates({ cases }) {
  const rows = GATES.map(([title, relation, targets, of]) => [
    title,
    ...COLUMNS.map((alg, i) => {
      const [target, value] = [targets[i], of(cases, alg)];
      if (target === undefined || value === undefined) return '';
      const reached = relation === '>=' ? value >= target : value <= target;
      const text = `${digits(value)} (${relation} ${target})`;
      return reached ? text : `**${text}**`;
    }),
  ]);
  return table(['measured (target), bold where it is missed', ...COLUMNS], rows);
}

module.exports = { gates };
