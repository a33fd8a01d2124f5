'use strict';

// The time limit of callbacks under the timers of a host's tests. What it does with Node's own is in
// __test__/unit/middleware/switches.test.js.

const { createTimeLimit } = require('../../../lib/events/time-limit');

const never = () => new Promise(() => {});
/** What a callback that never settles has ended with, as far as it is known. */
function begin(within) {
  const ended = { message: undefined };
  within('findUser', never).catch(({ message }) => {
    ended.message = message;
  });
  return ended;
}
const settle = async () => {
  for (let turn = 0; turn < 10; turn += 1) await null;
};

afterEach(() => jest.useRealTimers());

test.each([
  ['whose clock goes with them', {}],
  ['beside a clock that is the system’s', { doNotFake: ['performance'] }],
  ['of the older kind', { legacyFakeTimers: true }],
])('ends by timers put in the place of Node’s, %s', async (_kind, timers) => {
  jest.useFakeTimers(timers);
  const within = createTimeLimit(3500);
  const first = begin(within);
  jest.advanceTimersByTime(300);
  const second = begin(within);
  jest.advanceTimersByTime(3199);
  await settle();
  expect([first.message, second.message]).toEqual([undefined, undefined]);
  jest.advanceTimersByTime(1);
  await settle();
  expect([first.message, second.message]).toEqual(['findUser has not settled within 3500 ms', undefined]);
  // One that began while a timer was set: by that timer's end at the latest.
  jest.advanceTimersByTime(1000);
  await settle();
  expect(second.message).toBe('findUser has not settled within 3500 ms');
});

test('all timers can be run to their end', async () => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  const ended = begin(createTimeLimit(30_000));
  jest.runAllTimers();
  await settle();
  expect(ended.message).toBe('findUser has not settled within 30000 ms');
});

test.each([
  ['of a test before it', {}],
  ['of a test before it, beside the system’s clock', { doNotFake: ['performance'] }],
])('goes on where a timer %s was dropped', async (_kind, timers) => {
  jest.useFakeTimers(timers);
  const within = createTimeLimit(20);
  await within('findUser', async () => undefined);
  jest.useRealTimers();
  await expect(within('findUser', never)).rejects.toThrow('findUser has not settled within 20 ms');
  // And the other way round.
  const waiting = within('findUser', async () => undefined);
  jest.useFakeTimers(timers);
  await waiting;
  const ended = begin(within);
  jest.advanceTimersByTime(20);
  await settle();
  expect(ended.message).toBe('findUser has not settled within 20 ms');
});
