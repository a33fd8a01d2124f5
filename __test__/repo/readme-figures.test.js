'use strict';

const { read } = require('../support/markdown');

test('the three figures beside its promises are those of their sources', () => {
  const figures = /^## What it promises$([^]*?)^## /m.exec(read('README.md'))?.[1] ?? '';
  const { rows, ratios } = require('../../docs/benchmark.json').cases['fresh-one RS256'];
  const tokens = /const TOKENS = long \? [\d_]+ : ([\d_]+);/
    .exec(read('__test__/journey/differential.test.js'))?.[1]
    .replaceAll('_', '');
  const seconds =
    /STALE_BOUND: Duration = Duration::from_secs\((.*?)\)/.exec(read('src/policy/lifetimes.rs'))?.[1] ?? '';
  const hours = seconds.split('*').reduce((product, factor) => product * Number(factor), 1) / 3600;
  expect(figures).toContain(`${Number(tokens).toLocaleString('en-US')} generated tokens`);
  expect(figures).toContain(`for ${hours} hours`);
  expect(figures).toContain(`${rows.ours.mainMicros.median.toFixed(1)} us of the main thread`);
  expect(figures).toContain(`${ratios[''].incumbent.throughput.median.toFixed(1)} times`);
});
