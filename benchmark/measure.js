'use strict';

// One window of work, and what it cost.

const fs = require('node:fs');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

const LANES = 64;

/** CPU time of this very thread in microseconds, other threads' work (pools, garbage collection) left out. */
const threadCpu = (() => {
  if (typeof process.threadCpuUsage === 'function') {
    return () => {
      const { user, system } = process.threadCpuUsage();
      return user + system;
    };
  }
  const file = `/proc/self/task/${process.pid}/schedstat`;
  if (fs.existsSync(file)) {
    return () => {
      // The file is brought up to date once per tick only; asking for the process's usage brings it up to now.
      process.cpuUsage();
      return Number(fs.readFileSync(file, 'latin1').split(' ', 1)[0]) / 1000;
    };
  }
  return () => NaN;
})();

const turn = () => new Promise(setImmediate);

/** The q-th of sorted numbers. */
function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

/**
 * New strings, as a server gets them with each request: none has a hash yet, none is another's slice.
 * @param {Buffer[]} pool
 * @param {number} from
 * @param {number} count
 */
function arrive(pool, from, count) {
  return Array.from({ length: count }, (_, i) => pool[(from + i) % pool.length].latin1Slice());
}

/** What a window of work amounts to. */
class Tally {
  count = 0;
  wall = 0;
  cpu = 0;
  /** @type {number[]} */
  latencies = [];

  result(delay) {
    const sorted = Float64Array.from(this.latencies).sort();
    return {
      throughput: (this.count / this.wall) * 1000,
      mainMicros: this.cpu / this.count,
      p50Micros: quantile(sorted, 0.5) * 1000,
      p99Micros: quantile(sorted, 0.99) * 1000,
      ...(delay && { loopDelayP99Millis: delay.percentile(99) / 1e6 }),
    };
  }
}

/** Whether a token passes. A refusal is an answer too; which one is right was asserted before. */
async function answer(verify, token) {
  try {
    const result = verify(token);
    if (typeof result?.then === 'function') await result;
    return true;
  } catch {
    return false;
  }
}

/**
 * One token after another. What answers at once is not made to wait for a turn of the event loop.
 * @param {(token: string) => unknown} verify
 * @param {Buffer[]} pool
 * @param {{ millis: number, refused?: boolean }} options `refused`: the tokens are bad ones
 */
async function oneAtATime(verify, pool, { millis, refused = false }) {
  const tally = new Tally();
  const batchOf = Math.min(2000, Math.max(20, pool.length));
  let at = Math.floor(Math.random() * pool.length);
  while (tally.wall < millis) {
    const tokens = arrive(pool, at, batchOf);
    at += batchOf;
    const timed = arrive(pool, at, 20);
    at += 20;
    await turn();
    const cpu = threadCpu();
    const start = performance.now();
    let done = 0;
    if (refused) {
      for (; done < tokens.length && !(done % 64 === 0 && performance.now() - start > millis); done++) {
        await answer(verify, tokens[done]);
      }
    } else {
      for (; done < tokens.length && !(done % 64 === 0 && performance.now() - start > millis); done++) {
        const result = verify(tokens[done]);
        if (typeof result?.then === 'function') await result;
      }
    }
    tally.wall += performance.now() - start;
    tally.cpu += threadCpu() - cpu;
    tally.count += done;
    // Apart, because reading the clock costs as much as some of the answers.
    for (const token of timed) {
      const begun = performance.now();
      if (refused) await answer(verify, token);
      else {
        const result = verify(token);
        if (typeof result?.then === 'function') await result;
      }
      tally.latencies.push(performance.now() - begun);
    }
  }
  return tally.result();
}

/**
 * 64 requests in flight: each takes its next token a turn of the event loop after its last answer, as a request on a
 * connection would. Latency counts from that answer on, so waiting for the event loop is part of it.
 */
async function inFlight(verify, pool, { millis }) {
  const tally = new Tally();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let at = Math.floor(Math.random() * pool.length);
  const take = () => pool[at++ % pool.length].latin1Slice();
  await turn();
  delay.enable();
  const cpu = threadCpu();
  const start = performance.now();
  const lane = async () => {
    let since = performance.now();
    while (since - start < millis) {
      await turn();
      const result = verify(take());
      if (typeof result?.then === 'function') await result;
      const now = performance.now();
      tally.latencies.push(now - since);
      since = now;
      tally.count++;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  tally.wall = performance.now() - start;
  tally.cpu = threadCpu() - cpu;
  delay.disable();
  return tally.result(delay);
}

/** Median with what it was taken of. */
function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

module.exports = { LANES, answer, inFlight, oneAtATime, quantile, spread, threadCpu, turn };
