'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { RefusalSummary } = require('../../../lib/middleware/refusal-summary');
const { recordingLogger } = require('../../support/fakes');
const { setUp, TOKEN } = require('../../support/flow');

const AUDIENCE = {
  issuer: 'https://a.example',
  code: 'ERR_TOKEN_AUDIENCE',
  expected: '"agents"',
  got: '"account"',
  action: 'Correct it.',
};
const EXPIRED = { issuer: 'https://a.example', code: 'ERR_TOKEN_EXPIRED', action: 'Get a new token.' };

function create() {
  const log = recordingLogger();
  const time = { now: 0 };
  const timers = [];
  const summary = new RefusalSummary(
    log,
    () => time.now,
    (run, milliseconds) => timers.push({ run, at: time.now + milliseconds }),
  );
  let serial = 0;
  const add = (event) => summary.add({ reference: `R${++serial}`, ...event });
  return { add, time, timers, lines: log.lines };
}

test('sums up a minute by issuer and code, with an example and what to do', () => {
  const { add, time, timers, lines } = create();
  add(EXPIRED);
  for (let count = 0; count < 36; count++) add(AUDIENCE);
  add({ ...EXPIRED, issuer: 'https://b.example' });
  expect([lines, timers.map(({ at }) => at)]).toEqual([[], [60_000]]);
  time.now = 60_000;
  timers[0].run();
  expect(lines).toEqual([
    [
      'warn',
      'in the last minute 37 tokens of issuer https://a.example were refused, API keys were tried instead: 36 ERR_TOKEN_AUDIENCE ' +
        '(expected "agents", got "account"; Correct it. Example: reference R2), 1 ERR_TOKEN_EXPIRED (Get a new token. Example: reference R1)',
    ],
    ['warn', expect.stringMatching(/^in the last minute 1 token of issuer https:\/\/b\.example was refused/)],
  ]);
});

test('says nothing of a minute without refusals, and begins anew with the next', () => {
  const { add, time, timers, lines } = create();
  add(AUDIENCE);
  time.now = 60_000;
  timers[0].run();
  time.now = 500_000;
  add(EXPIRED);
  expect([lines.length, timers.length]).toEqual([1, 2]);
  time.now = 560_000;
  timers[1].run();
  expect(lines[1][1]).toContain('1 token of');
});

test('a late timer: the next request ends the minute, and the timer then says nothing of the new one', () => {
  const { add, time, timers, lines } = create();
  add(AUDIENCE);
  time.now = 61_000;
  add(EXPIRED);
  expect(lines).toHaveLength(1);
  timers[0].run();
  expect(lines).toHaveLength(1);
});

test('counts at most a hundred issuers by name', () => {
  const { add, timers, lines } = create();
  for (let count = 0; count < 100_000; count++) add({ ...AUDIENCE, issuer: `https://${count}.example` });
  timers[0].run();
  expect(lines).toHaveLength(101);
  expect(lines[100][1]).toContain('99900 tokens of issuer other issuers');
});

test('the middleware feeds it what is logged at debug, and nothing while the option is off', async () => {
  jest.useFakeTimers();
  try {
    const on = setUp({ answers: {} });
    const off = setUp({ answers: {}, options: { refusalSummary: false } });
    await on.call();
    await on.call({ authorization: null });
    await off.call();
    jest.advanceTimersByTime(60_000);
    const said = (app) => app.lines.filter(([, text]) => text.includes('in the last minute'));
    expect(said(on)).toEqual([
      ['warn', expect.stringContaining(' 1 token of issuer https://issuer.example/realms/a was')],
    ]);
    expect(said(on)[0][1]).not.toContain(TOKEN);
    expect(said(off)).toEqual([]);
  } finally {
    jest.useRealTimers();
  }
});

test('keeps no process alive', () => {
  const file = path.join(__dirname, '..', '..', '..', 'lib', 'middleware', 'refusal-summary.js');
  const script = `new (require(${JSON.stringify(file)}).RefusalSummary)(console).add({ issuer: 'a', code: 'b' })`;
  expect(execFileSync(process.execPath, ['-e', script], { timeout: 20_000, encoding: 'utf8' })).toBe('');
});
