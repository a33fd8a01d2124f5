'use strict';

// The targets this package set itself (issue 5), beside what was measured.

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
  ['same token again, fresh claims, x incumbent (EdDSA: jose)', '>=', [40, 40, 40, 40, 40], ratio('repeat', rival)],
  [
    'same token again, shared claims, x incumbent (EdDSA: jose)',
    '>=',
    [150, 150, 150, 150, 150],
    ratio('repeat', rival, 'throughput', '-shared'),
  ],
  [
    "same token again, shared claims, x fast-jwt's cache",
    '>=',
    [2, 2, 2, 2, 2],
    ratio('repeat', () => 'fast-jwt (cache)', 'throughput', '-shared'),
  ],
  ['Express 5, server main-thread us, ours / no auth, new token', '<=', [1.1, undefined, 1.1], noAuth('express-fresh')],
  [
    'Express 5, server main-thread us, ours / no auth, same token',
    '<=',
    [1.1, undefined, 1.1],
    noAuth('express-repeat'),
  ],
];

function noAuth(name) {
  return (cases, alg) => {
    const theirsOverOurs = cases[`${name} ${alg}`]?.ratios['']?.['no auth']?.mainMicros?.median;
    return theirsOverOurs && 1 / theirsOverOurs;
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
