'use strict';

const { OutcomeCache } = require('../../../lib/verifier/outcome-cache');

const policy = { a: 'policy' };
const entry = (over = {}) => ({
  token: 'header.payload.0123456789012345678901234567890123',
  policy,
  epoch: 7,
  from: 100,
  until: 200,
  freshUntil: 5000,
  outcome: { ok: true, subject: 'ada' },
  ...over,
});

/** Whether an entry answers, asked so. */
function answers({ token = entry().token, by = policy, now = 150, monotonic = 0, epoch = 7 } = {}) {
  const recent = new OutcomeCache();
  recent.keep(entry());
  return recent.find(token, by, now, monotonic, () => epoch) !== undefined;
}

test('answers for the same token under the same policy', () => {
  expect(answers()).toBe(true);
});

test.each([
  ['another token with the same end', { token: 'hacked.payload.0123456789012345678901234567890123' }],
  ['another policy, be it equal', { by: { a: 'policy' } }],
  ['a second before its time', { now: 99.9 }],
  ['the second it ends', { now: 200 }],
  ['the moment its keys want another look', { monotonic: 5000 }],
  ['a change of any keys', { epoch: 8 }],
  ['a time that is no number', { now: NaN }],
])('does not answer for %s', (_name, asked) => {
  expect(answers(asked)).toBe(false);
});

test.each([-Infinity, Infinity, NaN, '150', null, undefined])(
  'does not answer for the time %p, not even where the claims have none',
  (now) => {
    const recent = new OutcomeCache();
    recent.keep(entry({ from: -Infinity, until: Infinity }));
    expect(recent.find(entry().token, policy, now, 0, () => 7)).toBeUndefined();
  },
);

test.each([
  ['the last moment of its last second', { now: 199.999 }],
  ['its first second', { now: 100 }],
  ['the moment before its keys want another look', { monotonic: 4999.9 }],
])('answers at %s', (_name, asked) => {
  expect(answers(asked)).toBe(true);
});

test('an entry that no longer holds is gone for good, also when the clock steps back', () => {
  const recent = new OutcomeCache();
  recent.keep(entry());
  expect(recent.find(entry().token, policy, 200, 0, () => 7)).toBeUndefined();
  expect(recent.find(entry().token, policy, 150, 0, () => 7)).toBeUndefined();
});

test('keeps what is asked for and lets go of the rest', () => {
  const recent = new OutcomeCache(10);
  const tokenOf = (n) => `header.payload.${String(n).padStart(40, '0')}`;
  const has = (n) => recent.find(tokenOf(n), policy, 150, 0, () => 7) !== undefined;
  recent.keep(entry({ token: tokenOf(0) }));
  for (let n = 1; n < 100; n += 1) {
    recent.keep(entry({ token: tokenOf(n) }));
    expect(has(0)).toBe(true);
  }
  const kept = Array.from({ length: 100 }, (_, n) => n).filter(has);
  expect(kept.length).toBeLessThanOrEqual(20);
  expect(kept).toContain(99);
  recent.clear();
  expect(has(99)).toBe(false);
});

test('lets go of long tokens sooner', () => {
  const recent = new OutcomeCache();
  const tokenOf = (n) => `${'x'.repeat(16_000)}${String(n).padStart(40, '0')}`;
  for (let n = 0; n < 3000; n += 1) recent.keep(entry({ token: tokenOf(n) }));
  const kept = Array.from({ length: 3000 }, (_, n) => n).filter(
    (n) => recent.find(tokenOf(n), policy, 150, 0, () => 7) !== undefined,
  );
  expect(kept.length).toBeGreaterThan(900);
  expect(kept.length).toBeLessThanOrEqual(2000);
  expect(kept).toContain(2999);
});
