'use strict';

// Servers of the tests: started, or ended with the reason.

const { startServer } = require('../support/server-process');

const inNode = (script, options) => startServer(process.execPath, ['-e', script], /listening on (\d+)/, options);
const isThere = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('one that says it is ready is there until it is stopped', async () => {
  const { found, stop } = await inNode("console.log('listening on ' + process.pid); setInterval(() => {}, 1000)");
  expect(isThere(Number(found))).toBe(true);
  await stop();
  expect(isThere(Number(found))).toBe(false);
});

test('one that never becomes ready is ended, and the error holds what it printed', async () => {
  const error = await inNode("console.error('I am ' + process.pid + '.'); setInterval(() => {}, 1000)", {
    patience: 3000,
  }).catch((it) => it);
  expect(error.message).toMatch(/is not ready\nI am \d+\./);
  expect(isThere(Number(/I am (\d+)/.exec(error.message)[1]))).toBe(false);
});

test('one that ends at once and one that does not exist are reported as such', async () => {
  await expect(inNode("console.error('no database'); process.exitCode = 3")).rejects.toThrow(/ended: 3\nno database/);
  await expect(startServer('/no/such/program', [], /x/)).rejects.toThrow(
    /ended: Error: spawn \/no\/such\/program ENOENT/,
  );
});
