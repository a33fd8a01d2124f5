'use strict';

const { LONGEST_SHARED, SharedFlights } = require('../../../lib/accounts/shared-flights');

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const never = () => new Promise(() => {});

test('those who come meanwhile share one resolution, and whoever comes later begins another', async () => {
  const flights = new SharedFlights();
  let resolve;
  const begin = jest.fn(() => new Promise((resolved) => (resolve = resolved)));
  const all = Promise.all([1, 2, 3].map(() => flights.join('a', begin)));
  const other = flights.join('b', async () => 'another');
  resolve('account');
  expect(await all).toEqual([
    { shared: false, account: 'account' },
    { shared: true, account: 'account' },
    { shared: true, account: 'account' },
  ]);
  expect(await other).toEqual({ shared: false, account: 'another' });
  expect(begin).toHaveBeenCalledTimes(1);
  expect(await flights.join('a', async () => 'anew')).toEqual({ shared: false, account: 'anew' });
});

test('a failure is everybody’s, and is not kept', async () => {
  const flights = new SharedFlights();
  const fail = jest.fn(() => Promise.reject(new Error('down')));
  const all = await Promise.allSettled([flights.join('a', fail), flights.join('a', fail)]);
  expect(all.map(({ reason }) => reason.message)).toEqual(['down', 'down']);
  expect(fail).toHaveBeenCalledTimes(1);
  expect(await flights.join('a', async () => 'anew')).toEqual({ shared: false, account: 'anew' });
});

test('one that hangs is shared for 30 s: after that one of those who wait begins anew, and the others wait for that one', async () => {
  expect(LONGEST_SHARED).toBe(30_000);
  const flights = new SharedFlights();
  const begun = [];
  let resolve;
  const begin = (name) => () => {
    begun.push(name);
    return name === 'first' ? never() : new Promise((resolved) => (resolve = resolved));
  };
  void flights.join('a', begin('first'));
  const second = flights.join('a', begin('second'));
  await jest.advanceTimersByTimeAsync(LONGEST_SHARED - 1);
  const third = flights.join('a', begin('third'));
  expect(begun).toEqual(['first']);
  await jest.advanceTimersByTimeAsync(1);
  expect(begun).toEqual(['first', 'second']);
  resolve('account');
  expect(await second).toEqual({ shared: false, account: 'account' });
  expect(await third).toEqual({ shared: true, account: 'account' });
});

test('one that was replaced takes nothing along when it ends at last', async () => {
  const flights = new SharedFlights();
  let end;
  const first = flights.join('a', () => new Promise((resolved) => (end = resolved)));
  await jest.advanceTimersByTimeAsync(LONGEST_SHARED);
  void flights.join('a', never);
  end('late');
  expect(await first).toEqual({ shared: false, account: 'late' });
  const begin = jest.fn();
  void flights.join('a', begin);
  expect(begin).not.toHaveBeenCalled();
  expect(jest.getTimerCount()).toBe(1);
});
