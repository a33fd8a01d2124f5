'use strict';

// Callbacks that misbehave: one response each, with the right status, and nothing uncaught. Row S23.

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { score } = require('../support/score');

const child = path.join(__dirname, '..', 'support', 'children', 'bad-callbacks.js');
/** @type {{ results: { name: string, expected: number, status: number, answers: number }[], uncaught: string[] }} */
const { results, uncaught } = JSON.parse(
  execFileSync(process.execPath, [child], { encoding: 'utf8', timeout: 60_000 }),
);

test.each(results)('$name: answered once, with $expected', ({ status, answers, expected }) => {
  expect({ status, answers }).toEqual({ status: expected, answers: 1 });
});

test('nothing is uncaught', () => {
  expect(uncaught).toEqual([]);
  const right = results.filter(({ status, answers, expected }) => status === expected && answers === 1).length;
  score(
    'S23',
    `${results.length} kinds of bad callback: ${right} answered once with the right status, ${uncaught.length} uncaught`,
    'at least 12 kinds, all of them; 0 uncaught',
    results.length >= 12 && right === results.length && uncaught.length === 0,
  );
});
