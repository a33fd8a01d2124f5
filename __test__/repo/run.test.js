'use strict';

// How the runners of tests are run: to their end, or ended with the reason.

const fs = require('node:fs');
const { JEST_IS_DONE, run } = require('../../scripts/checks/run');

const inNode = (script, limits) => run(process.execPath, ['-e', script], limits);
/** Its child holds the other end of the same pipes, and writes its process id there. */
const CHILD = `const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
  console.log('child ' + child.pid);`;
/** One that was killed is in the list until its parent has asked for its status, which not every container's first process does. */
const isThere = (pid) => {
  try {
    process.kill(pid, 0);
    return !fs.existsSync(`/proc/${pid}/stat`) || !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('what exits by itself is reported with its code', async () => {
  expect(await inNode(`process.stdout.write('one\\n'); process.exitCode = 3`)).toEqual({
    code: 3,
    output: 'one\n',
    ended: undefined,
  });
});

test('what is done and stays is ended, and says why', async () => {
  const stays = `setInterval(() => {}, 1000); console.error('PASS a\\nRan all test suites.')`;
  const { code, ended } = await inNode(stays, { done: JEST_IS_DONE, grace: 50 });
  expect(ended).toBe('done, but still there after 0.05 s: a test left something open');
  expect(code).not.toBe(0);
});

test('the line that says so may come in pieces, and is looked for at the beginning of lines alone', async () => {
  const pieces = `process.stderr.write('Ran all te'); setTimeout(() => process.stderr.write('st suites'), 50); setInterval(() => {}, 1000)`;
  expect((await inNode(pieces, { done: JEST_IS_DONE, grace: 50 })).ended).toMatch(/^done/);
  const within = `console.log('it wrote: Ran all test suites'); setTimeout(() => {}, 500)`;
  expect(await inNode(within, { done: JEST_IS_DONE, grace: 50 })).toMatchObject({ code: 0, ended: undefined });
});

test('what never comes to its end is ended by the limit', async () => {
  const { code, ended } = await inNode('setInterval(() => {}, 1000)', { limit: 300 });
  expect(ended).toBe('not done after 0.005 minutes');
  expect(code).not.toBe(0);
});

test('what it has started does not outlive it, nor keep its reader waiting', async () => {
  const { code, output } = await inNode(`${CHILD} child.unref(); setTimeout(() => process.exit(0), 100)`);
  expect(code).toBe(0);
  const pid = Number(/child (\d+)/.exec(output)[1]);
  for (let turn = 0; turn < 500 && isThere(pid); turn += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isThere(pid)).toBe(false);
});

test('what cannot be started is an error', async () => {
  await expect(run('/no/such/program', [])).rejects.toMatchObject({ code: 'ENOENT' });
});
