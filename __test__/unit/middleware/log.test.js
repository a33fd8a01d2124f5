'use strict';

const { inspect } = require('node:util');
const { pseudonym } = require('../../../lib/events/pseudonym');
const { createLog, onceAMinute } = require('../../../lib/middleware/log');
const { recordingLogger } = require('../../support/fakes');

test('every line begins with the prefix LibreChat’s operators search for', () => {
  const logger = recordingLogger();
  const log = createLog(logger);
  for (const level of ['debug', 'info', 'warn', 'error']) log[level]('text');
  expect(logger.lines).toEqual([
    ['debug', '[remoteAgentAuth] text'],
    ['info', '[remoteAgentAuth] text'],
    ['warn', '[remoteAgentAuth] text'],
    ['error', '[remoteAgentAuth] text'],
  ]);
});

test('an error is the second argument, and without one there is no second argument', () => {
  const logger = recordingLogger();
  const cause = new Error('cause');
  createLog(logger).error('text', cause);
  createLog(logger).error('text', undefined);
  expect(logger.lines).toEqual([
    ['error', '[remoteAgentAuth] text', cause],
    ['error', '[remoteAgentAuth] text'],
  ]);
});

test.each([
  ['an error of MongoDB', (error) => error],
  ['one that is another’s cause', (cause) => new Error('could not write', { cause })],
])('%s about a value that is there already is logged without the value', (_what, wrap) => {
  const logger = recordingLogger();
  const error = Object.assign(
    new Error('E11000 duplicate key error: dup key: { openidId: "sub-1", email: "ada@example.com" }'),
    {
      code: 11000,
      keyPattern: { openidId: 1, email: 1 },
      keyValue: { openidId: 'sub-1', email: 'ada@example.com' },
    },
  );
  createLog(logger).error('text', wrap(error));
  expect(inspect(logger.lines, { depth: null })).not.toMatch(/sub-1|ada@example/);
  expect(logger.lines[0][2]).toMatchObject({
    code: 11000,
    message: expect.stringContaining('(openidId, email; values left out)'),
  });
  createLog(logger).error('text', { code: 11000 });
  expect(logger.lines[1][2].message).toContain('a unique index');
});

test('keeps the logger’s own this', () => {
  const seen = [];
  class Logger {
    prefix = 'mine';
    warn(message) {
      seen.push([this.prefix, message]);
    }
  }
  createLog(new Logger()).warn('text');
  expect(seen).toEqual([['mine', '[remoteAgentAuth] text']]);
});

test('a logger that throws, rejects or lacks a level breaks nothing', async () => {
  const log = createLog({
    warn() {
      throw new Error('disk full');
    },
    error: async () => {
      throw new Error('disk full');
    },
  });
  expect(() => {
    log.debug('x');
    log.info('x');
    log.warn('x');
    log.error('x');
  }).not.toThrow();
  // An unhandled rejection would fail this file.
  await new Promise((resolve) => setImmediate(resolve));
});

test('without a logger, warnings and errors go to the console and the rest nowhere', () => {
  const spies = ['debug', 'info', 'log', 'warn', 'error'].map((name) =>
    jest.spyOn(console, name).mockImplementation(() => {}),
  );
  const log = createLog();
  for (const level of ['debug', 'info', 'warn', 'error']) log[level](level);
  expect(spies.map((spy) => spy.mock.calls)).toEqual([
    [],
    [],
    [],
    [['[remoteAgentAuth] warn']],
    [['[remoteAgentAuth] error']],
  ]);
  for (const spy of spies) spy.mockRestore();
});

test('a pseudonym is the same for the same value, shows nothing of it, and differs between processes', () => {
  expect(pseudonym('ada@example.com')).toMatch(/^[0-9a-f]{16}$/);
  expect(pseudonym('ada@example.com')).toBe(pseudonym('ada@example.com'));
  expect(pseudonym('ada@example.com')).not.toBe(pseudonym('ada@example.org'));
  jest.isolateModules(() => {
    expect(require('../../../lib/events/pseudonym').pseudonym('ada@example.com')).not.toBe(
      pseudonym('ada@example.com'),
    );
  });
});

describe('once a minute', () => {
  let now;
  let mayWrite;
  beforeEach(() => {
    now = 5;
    mayWrite = onceAMinute(() => now);
  });

  test('a cause is let through at once, and again when a minute is over', () => {
    expect([mayWrite('a'), mayWrite('a'), mayWrite('b')]).toEqual([true, false, true]);
    now += 59_999;
    expect([mayWrite('a'), mayWrite('b')]).toEqual([false, false]);
    now += 1;
    expect([mayWrite('b'), mayWrite('a'), mayWrite('a')]).toEqual([true, true, false]);
  });

  test('a hundred causes a minute, whatever their number', () => {
    const passed = Array.from({ length: 10_000 }, (_, n) => mayWrite(`cause ${n}`)).filter(Boolean);
    expect(passed).toHaveLength(100);
    now += 60_000;
    expect(mayWrite('another')).toBe(true);
  });
});
