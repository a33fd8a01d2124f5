'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');
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

test.each([
  [{ expected: '"agents"', action: 'Do it.' }, 'expected "agents"; Do it. Example: reference R1'],
  [{ got: '"account"' }, 'got "account"; Example: reference R1'],
  [{ action: 'Do it.' }, 'Do it. Example: reference R1'],
  [{}, 'Example: reference R1'],
])('names only what there is: %j', (event, said) => {
  const { add, timers, lines } = create();
  add({ issuer: 'i', code: 'ERR_JWKS_FETCH', ...event });
  timers[0].run();
  expect(lines[0][1]).toMatch(/tried instead: 1 ERR_JWKS_FETCH \(/);
  expect(lines[0][1].endsWith(`(${said})`)).toBe(true);
});

test('is written in the context of no request, by the timer as by a late request', async () => {
  const tenant = new AsyncLocalStorage();
  const seen = [];
  const time = { now: 0 };
  const log = { warn: (text) => seen.push([text.includes('issuer a'), tenant.getStore()]) };
  let ended;
  const written = new Promise((resolve) => (ended = resolve));
  const later = (run) => setImmediate(() => (seen.push(tenant.getStore()), run(), ended()));
  const summary = new RefusalSummary(log, () => time.now, later);
  tenant.run('acme', () => summary.add({ issuer: 'a', code: 'X', reference: 'R' }));
  await written;
  expect(seen.splice(0)).toEqual([undefined, [true, undefined]]);
  const late = new RefusalSummary(
    log,
    () => time.now,
    () => {},
  );
  tenant.run('acme', () => late.add({ issuer: 'a', code: 'X', reference: 'R' }));
  time.now = 60_000;
  tenant.run('other', () => late.add({ issuer: 'b', code: 'X', reference: 'R' }));
  expect(seen).toEqual([[true, undefined]]);
});

test('the first request of a process is no exception', () => {
  const root = path.join(__dirname, '..', '..', '..');
  const script = `
    const { AsyncLocalStorage } = require('node:async_hooks');
    const { createRemoteAgentAuth } = require(${JSON.stringify(root)});
    const tenant = new AsyncLocalStorage();
    const { setTimeout: real } = globalThis;
    globalThis.setTimeout = (run, after) => (after === 60_000 ? (setImmediate(run), { unref() {} }) : real(run, after));
    const none = () => {};
    const warn = (text) => text.includes('in the last minute') && console.log('tenant', tenant.getStore());
    const refused = { ok: false, code: 'ERR_TOKEN_AUDIENCE', fault: 'token', message: 'm' };
    const oidc = { enabled: true, issuer: 'https://a.example', audience: 'a' };
    const handler = createRemoteAgentAuth({
      getAppConfig: async () => ({ endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: true }, oidc } } } } }),
      findUser: none, updateUser: none, apiKeyMiddleware: (req, res, next) => next(),
      logger: { debug: none, info: none, warn, error: none },
    }, { verifier: { compile: () => ({}), check: () => refused, recheck: none } });
    tenant.run('acme', () => handler({ headers: { authorization: 'Bearer a.b.c' } }, {}, none));`;
  expect(execFileSync(process.execPath, ['-e', script], { timeout: 20_000, encoding: 'utf8' })).toBe(
    'tenant undefined\n',
  );
});

test('keeps no process alive', () => {
  const file = path.join(__dirname, '..', '..', '..', 'lib', 'middleware', 'refusal-summary.js');
  const script = `new (require(${JSON.stringify(file)}).RefusalSummary)(console).add({ issuer: 'a', code: 'b' })`;
  expect(execFileSync(process.execPath, ['-e', script], { timeout: 20_000, encoding: 'utf8' })).toBe('');
});
