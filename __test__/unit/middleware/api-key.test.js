'use strict';

const { runApiKey } = require('../../../lib/middleware/api-key');
const { createLog } = require('../../../lib/middleware/log');
const { recordingLogger } = require('../../support/fakes');

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Runs a middleware of the host's; `answers` is what was answered, in order. */
function setUp(run, over = {}) {
  const answers = [];
  const logger = recordingLogger();
  const request = {
    run,
    objection: async () => undefined,
    hasAnswered: () => false,
    pass: () => answers.push('pass'),
    forward: (value) => answers.push(['forward', value]),
    refuse: (cause) => answers.push(['refuse', cause]),
    fail: (error) => answers.push(['fail', error.message]),
    log: createLog(logger),
    ...over,
  };
  return { done: runApiKey(request), answers, levels: () => logger.lines.map(([level]) => level), logger };
}

test('a middleware that answers itself is the end of it', async () => {
  const { done, answers } = setUp(async () => {});
  await done;
  expect(answers).toEqual([]);
});

test.each([
  ['nothing', []],
  ['undefined', [undefined]],
  ['null', [null]],
])('next with %s is passed on after the policy check', async (_name, args) => {
  const { done, answers } = setUp((next) => next(...args));
  expect(answers).toEqual([]);
  await done;
  expect(answers).toEqual(['pass']);
});

test.each([[new Error('boom')], ['route'], [0], [false], ['']])(
  'next(%p) is forwarded at once, without a policy check',
  async (value) => {
    const objection = jest.fn();
    const { done, answers } = setUp((next) => next(value), { objection });
    expect(answers).toEqual([['forward', value]]);
    await done;
    expect(objection).not.toHaveBeenCalled();
  },
);

test('a policy that disables API keys refuses', async () => {
  const { done, answers } = setUp((next) => next(), { objection: async () => 'api-key-off' });
  await done;
  expect(answers).toEqual([['refuse', 'api-key-off']]);
});

test('a policy check that fails is a failure', async () => {
  const objection = async () => {
    throw new Error('config down');
  };
  const { done, answers } = setUp((next) => next(), { objection });
  await done;
  expect(answers).toEqual([['fail', 'config down']]);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('broken');
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('broken');
    },
  ],
])('a middleware that %s is a failure', async (_name, run) => {
  const { done, answers } = setUp(run);
  await done;
  expect(answers).toEqual([['fail', 'broken']]);
});

test('the handler waits for the policy check, and next is called before the middleware returns', async () => {
  let finish;
  const { done, answers } = setUp((next) => {
    next();
    return new Promise((resolve) => {
      finish = resolve;
    });
  });
  await tick();
  expect(answers).toEqual(['pass']);
  finish();
  await done;
});

describe('a middleware that misbehaves', () => {
  test('calling next twice is passed on once, with a warning', async () => {
    const { done, answers, levels } = setUp((next) => {
      next();
      next();
    });
    await done;
    expect(answers).toEqual(['pass']);
    expect(levels()).toEqual(['warn']);
  });

  test('calling next after an error is ignored', async () => {
    const { done, answers, levels } = setUp((next) => {
      next('first');
      next();
    });
    await done;
    expect(answers).toEqual([['forward', 'first']]);
    expect(levels()).toEqual(['warn']);
  });

  test('an error that follows next() while the policy is being checked stops the request', async () => {
    const error = new Error('no such key');
    const { done, answers } = setUp((next) => {
      next();
      next(error);
    });
    await done;
    expect(answers).toEqual([['forward', error]]);
  });

  test('failing after next(), while the policy is being checked, closes the request', async () => {
    const { done, answers } = setUp((next) => {
      next();
      throw new Error('broken');
    });
    await done;
    expect(answers).toEqual([['fail', 'broken']]);
  });

  test('failing after the request has gone on is logged and gives no second answer', async () => {
    const { done, answers, logger } = setUp(async (next) => {
      next();
      await tick();
      throw new Error('broken');
    });
    await done;
    expect(answers).toEqual(['pass']);
    expect(logger.lines).toEqual([['error', expect.stringContaining('failed after'), expect.any(Error)]]);
  });

  test('answering and then calling next: its answer stands', async () => {
    const { done, answers, levels } = setUp((next) => next(), { hasAnswered: () => true });
    await done;
    expect(answers).toEqual([]);
    expect(levels()).toEqual(['warn']);
  });

  test('calling next late is checked like any other', async () => {
    let late;
    const allowed = setUp((next) => {
      late = next;
    });
    await allowed.done;
    late();
    await tick();
    expect(allowed.answers).toEqual(['pass']);

    const refused = setUp(
      (next) => {
        late = next;
      },
      { objection: async () => 'api-key-off' },
    );
    await refused.done;
    late();
    await tick();
    expect(refused.answers).toEqual([['refuse', 'api-key-off']]);
  });

  test('calling next late with a failing policy check is a failure and no unhandled rejection', async () => {
    let late;
    const { done, answers } = setUp(
      (next) => {
        late = next;
      },
      {
        objection: async () => {
          throw new Error('config down');
        },
      },
    );
    await done;
    late();
    await tick();
    expect(answers).toEqual([['fail', 'config down']]);
  });

  test('calling next late, after it has failed, is ignored', async () => {
    let late;
    const { done, answers, levels } = setUp((next) => {
      late = next;
      throw new Error('broken');
    });
    await done;
    late();
    await tick();
    expect(answers).toEqual([['fail', 'broken']]);
    expect(levels()).toEqual(['warn']);
  });
});

describe('an error thrown by the host’s own next', () => {
  const boom = new Error('downstream');
  const pass = () => {
    throw boom;
  };

  test('goes out unchanged, as no answer of ours', async () => {
    const { done, answers } = setUp((next) => next(), { pass });
    await expect(done).rejects.toBe(boom);
    expect(answers).toEqual([]);
  });

  test('never reaches the API-key middleware', async () => {
    let seen;
    const { done } = setUp(
      (next) => {
        try {
          next('route');
        } catch (error) {
          seen = error;
        }
      },
      { forward: pass },
    );
    await expect(done).rejects.toBe(boom);
    expect(seen).toBeUndefined();
  });

  test('can only be logged when next comes late', async () => {
    let late;
    const { done, logger } = setUp(
      (next) => {
        late = next;
      },
      { pass },
    );
    await done;
    late();
    await tick();
    expect(logger.lines).toEqual([['error', expect.any(String), boom]]);
  });
});
