'use strict';

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../..');
const { Summary } = require('../../../lib/middleware/shadow');
const { Registry } = require('prom-client');
const { collectPrometheus } = require('../../../lib/operations/metrics');
const { bareResponse, configOf, recordingLogger } = require('../../support/fakes');
const { Issuer } = require('../../support/issuer');

const CHANNEL = 'remote-agent-auth:decision';
let issuer;
let events;
let logger;
const note = (event) => events.push(event);

beforeAll(async () => {
  issuer = await new Issuer().start();
  subscribe(CHANNEL, note);
});
afterAll(async () => {
  unsubscribe(CHANNEL, note);
  await issuer.stop();
});
beforeEach(async () => {
  events = [];
  logger = recordingLogger();
  new RemoteTokenVerifier().clear();
  // What must be waited for is in no event.
  await new RemoteTokenVerifier().prefetch({ issuer: issuer.url, audience: 'agents' });
});

function handlerOf(options, { verifier = new RemoteTokenVerifier(), oidc, deps } = {}) {
  const auth = { apiKey: { enabled: false }, oidc: { enabled: true, issuer: issuer.url, audience: 'agents', ...oidc } };
  return createRemoteAgentAuth(
    {
      getAppConfig: async () => configOf(auth),
      findUser: async ({ openidId, openidIssuer }) =>
        openidIssuer ? { _id: 'u1', provider: 'openid', openidId, openidIssuer, role: 'USER' } : null,
      updateUser: async () => null,
      apiKeyMiddleware: (_req, res) => res.status(403).json({}),
      logger,
      ...deps,
    },
    { verifier, ...options },
  );
}

/** @returns the status, or 'passed' */
async function send(handler, token) {
  const res = bareResponse();
  let passed = false;
  await handler({ headers: { authorization: `Bearer ${token}` } }, res, () => void (passed = true));
  return passed ? 'passed' : res.sent[0].status;
}

const warnings = () =>
  logger.lines.filter(([level, text]) => level === 'warn' && text.includes('shadow')).map(([, text]) => text);

describe('where the shadow differs the request is decided as without it, and the event says so', () => {
  test.each([
    ['audience', { audience: 'https://chat.example' }, {}, 'ERR_TOKEN_AUDIENCE'],
    ['scope', { scope: 'agents:use' }, { scope: 'openid' }, 'ERR_SCOPE_MISSING'],
    ['typ', { typ: 'required' }, {}, 'ERR_TOKEN_TYPE', { typ: 'JWT' }],
    ['maxTokenLifetime', { maxTokenLifetime: 60 }, {}, 'ERR_TOKEN_LIFETIME'],
  ])('%s that is tighter', async (_name, shadow, claims, code, header = {}) => {
    expect(await send(handlerOf({ shadow }), issuer.token(claims, { header }))).toBe('passed');
    expect(events).toEqual([
      expect.objectContaining({ outcome: 'accepted', shadow: expect.objectContaining({ outcome: 'refused', code }) }),
    ]);
    expect(Object.isFrozen(events[0].shadow)).toBe(true);
    expect(warnings()).toEqual([expect.stringMatching(new RegExp(`differs in 1 request .* 1 refused ${code}`))]);
  });

  test('a shadow that is wider lets nobody in', async () => {
    const handler = handlerOf({ shadow: { audience: ['agents', 'account'] } });
    expect(await send(handler, issuer.token({ aud: 'account' }))).toBe(401);
    expect(events).toEqual([
      expect.objectContaining({ outcome: 'refused', code: 'ERR_TOKEN_AUDIENCE', shadow: { outcome: 'accepted' } }),
    ]);
    const open = handlerOf({ policy: { typ: 'required' }, shadow: { typ: 'off' } });
    expect(await send(open, issuer.token({}, { header: { typ: 'JWT' } }))).toBe(401);
    expect(events[1].shadow).toEqual({ outcome: 'accepted' });
  });

  test('where both agree nothing is said, whatever the code', async () => {
    const handler = handlerOf({ shadow: { scope: 'agents:use' } });
    expect(await send(handler, issuer.token({ scope: 'agents:use' }))).toBe('passed');
    expect(await send(handler, issuer.token({ aud: 'account' }))).toBe(401);
    expect(await send(handler, 'opaque')).toBe(401);
    expect(events.map(({ shadow }) => shadow)).toEqual([undefined, undefined, undefined]);
    expect(warnings()).toEqual([]);
  });

  test('the members of `policy` hold in the shadow too, and its own take their place', async () => {
    const options = { policy: { requireKid: true, maxTokenLifetime: 60 }, shadow: { maxTokenLifetime: 600 } };
    expect(await send(handlerOf(options), issuer.token())).toBe(401);
    expect(events[0]).toMatchObject({ code: 'ERR_TOKEN_LIFETIME', shadow: { outcome: 'accepted' } });
    expect(await send(handlerOf(options), issuer.token({}, { header: { kid: undefined } }))).toBe(401);
    expect(events[1].shadow).toBeUndefined();
  });
});

/** One whose `check` is another. */
function verifierWith(check) {
  const verifier = new RemoteTokenVerifier();
  return { check, compile: (policy) => verifier.compile(policy), recheck: (...args) => verifier.recheck(...args) };
}

test('a difference is an event of its own channel and a metric, also where it is known only after the request', async () => {
  const differences = [];
  const listen = (event) => differences.push(event);
  subscribe('remote-agent-auth:shadow', listen);
  const register = new Registry();
  const stop = collectPrometheus(register);
  try {
    const verifier = new RemoteTokenVerifier();
    const handler = handlerOf({ shadow: { audience: 'https://chat.example' } }, { verifier });
    expect(await send(handler, issuer.token())).toBe('passed');
    let calls = 0;
    const late = verifierWith((...args) =>
      ++calls % 2 === 0 ? Promise.resolve(verifier.check(...args)) : verifier.check(...args),
    );
    expect(await send(handlerOf({ shadow: { scope: 'agents:use' } }, { verifier: late }), issuer.token())).toBe(
      'passed',
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(differences).toEqual([
      expect.objectContaining({ issuer: issuer.url, outcome: 'refused', code: 'ERR_TOKEN_AUDIENCE' }),
      expect.objectContaining({ issuer: issuer.url, outcome: 'refused', code: 'ERR_SCOPE_MISSING' }),
    ]);
    expect(differences.every(Object.isFrozen)).toBe(true);
    expect(events.map(({ shadow }) => shadow?.code)).toEqual(['ERR_TOKEN_AUDIENCE', undefined]);
    const text = await register.metrics();
    for (const code of ['ERR_TOKEN_AUDIENCE', 'ERR_SCOPE_MISSING']) {
      const labels = `issuer="${issuer.url}",outcome="refused",code="${code}"`;
      expect(text).toContain(`remote_agent_auth_shadow_differences_total{${labels}} 1\n`);
    }
  } finally {
    stop();
    unsubscribe('remote-agent-auth:shadow', listen);
  }
});

test('the second check is part of the check’s time, and of no callback’s', async () => {
  const verifier = new RemoteTokenVerifier();
  let calls = 0;
  const slow = verifierWith((...args) => {
    const until = performance.now() + (++calls === 2 ? 20 : 0);
    while (performance.now() < until);
    return verifier.check(...args);
  });
  expect(await send(handlerOf({ shadow: { scope: 'agents:use' } }, { verifier: slow }), issuer.token())).toBe('passed');
  const [{ durationMicros, callbackMicros }] = events;
  expect(durationMicros - callbackMicros).toBeGreaterThanOrEqual(20_000);
});

test('a function is asked for the block and the tenant of each request', async () => {
  const asked = [];
  const shadow = (oidc, { tenantId }) => {
    asked.push([oidc.audience, tenantId]);
    return tenantId === 'acme' ? { scope: 'agents:use' } : undefined;
  };
  let tenant = 'acme';
  const handler = handlerOf({ shadow }, { deps: { getTenantId: () => tenant } });
  expect(await send(handler, issuer.token())).toBe('passed');
  tenant = 'globex';
  expect(await send(handler, issuer.token())).toBe('passed');
  expect(asked).toEqual([
    ['agents', 'acme'],
    ['agents', 'globex'],
  ]);
  expect(events.map(({ tenant: of, shadow: differs }) => [of, differs?.code])).toEqual([
    ['acme', 'ERR_SCOPE_MISSING'],
    ['globex', undefined],
  ]);
});

describe('what is wrong with a shadow', () => {
  test.each([
    [{ audience: 3 }],
    [{ typ: 'sometimes' }],
    [{ unknown: true }],
    [{ requireSubject: false }],
    [{ jwks: { keys: [] } }],
    ['strict'],
    [[]],
    [Promise.resolve({})],
  ])('an object that is no policy stops the start: %j', (shadow) => {
    expect(() => handlerOf({ shadow })).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION' }));
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
    ],
    ['is asynchronous', async () => ({ typ: 'required' })],
    ['returns no policy', () => 'strict'],
    ['returns an option that is none', () => ({ unknown: true })],
    ['returns a value that is none', () => ({ typ: 'sometimes' })],
    [
      'changes what it is given',
      (oidc) => {
        oidc.issuer = 'https://evil.example';
        return { audience: 'x'.repeat(9) };
      },
    ],
  ])('a function that %s changes nothing for the request', async (_what, shadow) => {
    const handler = handlerOf({ shadow });
    expect(await send(handler, issuer.token())).toBe('passed');
    expect(await send(handler, issuer.token({ aud: 'account' }))).toBe(401);
    expect(warnings()).toHaveLength(1);
  });

  test('a verifier whose second check rejects changes nothing either', async () => {
    const real = new RemoteTokenVerifier();
    let count = 0;
    const verifier = {
      compile: (options) => real.compile(options),
      recheck: (...args) => real.recheck(...args),
      check: (...args) => ((count += 1) === 2 ? Promise.reject(new Error('of the shadow')) : real.check(...args)),
    };
    expect(await send(handlerOf({ shadow: { typ: 'required' } }, { verifier }), issuer.token())).toBe('passed');
    expect(warnings()).toEqual([expect.stringContaining('cannot be asked')]);
  });
});

describe('what a shadow costs the provider', () => {
  test('unknown kids cause no more fetches than without one', async () => {
    const fetches = async (options) => {
      new RemoteTokenVerifier().clear();
      issuer.requests.keys = 0;
      const handler = handlerOf(options);
      await send(handler, issuer.token());
      for (let index = 0; index < 3; index += 1)
        await send(handler, issuer.token({}, { header: { kid: `unknown-${index}` } }));
      return issuer.requests.keys;
    };
    const without = await fetches({});
    expect(without).toBeGreaterThan(1);
    expect(await fetches({ shadow: { typ: 'required', audience: 'other' } })).toBe(without);
  });

  test('a request does not wait for the keys of its shadow', async () => {
    let open;
    const gate = new Promise((resolve) => (open = resolve));
    issuer.gate = () => gate;
    try {
      // Another bound of bodies is another source of keys, which is asked for only now.
      const handler = handlerOf({ shadow: { maxBodyBytes: 100_000, scope: 'agents:use' } });
      expect(await send(handler, issuer.token())).toBe('passed');
      expect(events.at(-1).shadow).toBeUndefined();
      expect(warnings()).toEqual([]);
    } finally {
      issuer.gate = async () => {};
      open();
    }
    while (warnings().length === 0) await new Promise(setImmediate);
    expect(warnings()).toEqual([expect.stringContaining('1 refused ERR_SCOPE_MISSING')]);
  });
});

describe('the line', () => {
  const difference = (over) => ({ outcome: 'refused', code: 'ERR_TOKEN_AUDIENCE', expected: 'a', got: 'b', ...over });

  test('comes at once and then once a minute, and counts all of it', () => {
    let now = 0;
    const lines = [];
    const summary = new Summary({ warn: (text) => lines.push(text) }, () => now);
    summary.add('https://one.example', difference());
    for (let index = 0; index < 40; index += 1) summary.add('https://one.example', difference());
    summary.add('https://two.example', difference({ code: 'ERR_TOKEN_TYPE' }));
    expect(lines).toHaveLength(1);
    now = 60_000;
    summary.add('https://one.example', difference());
    expect(lines[1]).toMatch(
      /differs in 42 requests .*: 41 refused ERR_TOKEN_AUDIENCE of issuer https:\/\/one\.example \(expected a, got b\), 1 refused ERR_TOKEN_TYPE of issuer https:\/\/two\.example/,
    );
  });

  test('names a few kinds and counts a bounded number of them', () => {
    let now = 0;
    const lines = [];
    const summary = new Summary({ warn: (text) => lines.push(text) }, () => now);
    summary.add('x', difference());
    for (let index = 0; index < 1000; index += 1) summary.add(`https://${index}.example`, difference());
    now = 60_000;
    summary.add('x', difference());
    expect(lines[1]).toMatch(/^the shadow policy differs in 1001 requests .*, and 46 more kinds$/);
    expect(lines[1].length).toBeLessThan(1500);
  });
});

test('without the option nothing of it is loaded', () => {
  jest.isolateModules(() => {
    const loaded = [];
    jest.doMock('../../../lib/middleware/shadow', () => loaded.push('shadow'));
    const { createRemoteAgentAuth: create } = require('../../..');
    const none = async () => null;
    create({ getAppConfig: none, findUser: none, updateUser: none, apiKeyMiddleware: none });
    expect(loaded).toEqual([]);
    jest.dontMock('../../../lib/middleware/shadow');
  });
});
