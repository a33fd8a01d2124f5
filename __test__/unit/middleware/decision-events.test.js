'use strict';

// One event for each decision, and the reference that leads from an answer to its line.

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { RemoteTokenVerifier } = require('../../..');
const { Issuer } = require('../../support/issuer');
const { failure, fullResponse, success } = require('../../support/fakes');
const { auth, isolateEnvironment, oidcOf, setUp, storedUser, ISSUER } = require('../../support/flow');

isolateEnvironment();

/** @type {any[]} */
const events = [];
const listen = (/** @type {any} */ event) => events.push(event);
beforeEach(() => {
  events.length = 0;
  subscribe('remote-agent-auth:decision', listen);
});
afterEach(() => unsubscribe('remote-agent-auth:decision', listen));

const REFERENCE = /^[0-9A-HJKMNP-TV-Z]{10}$/;

test('a request let in is one event, with the configured issuer and the header’s own words', async () => {
  const app = setUp({ user: storedUser(), answers: { agents: success({ header: '{"alg":"RS256","kid":"k\\n1"}' }) } });
  await app.call();
  await app.call();
  expect(events).toEqual([
    {
      reference: expect.stringMatching(REFERENCE),
      time: expect.any(Number),
      outcome: 'accepted',
      issuer: ISSUER,
      policy: expect.stringMatching(/^[0-9a-f]{8}$/),
      algorithm: 'RS256',
      kid: 'k\ufffd1',
      durationMicros: expect.any(Number),
      callbackMicros: expect.any(Number),
    },
    expect.objectContaining({ outcome: 'accepted', policy: events[0].policy }),
  ]);
  expect(events[0].reference).not.toBe(events[1].reference);
  expect(events.every(Object.isFrozen)).toBe(true);
});

test('whoever listens, `next` has no argument: hosts take any for an error', async () => {
  const app = setUp({ user: storedUser(), answers: { agents: success() } });
  const { next } = await app.call();
  expect(events.length).toBe(1);
  expect(next.mock.calls).toEqual([[]]);
});

test('a refusal has its reference in the header, in the line and in the event, and not in LibreChat’s body', async () => {
  const app = setUp({ config: auth({ apiKey: false }), answers: {} });
  const { res, answer } = await app.call();
  const reference = res.headers['Auth-Reference'];
  expect(answer).toEqual({ status: 401, body: { error: 'Unauthorized' } });
  expect(events).toEqual([
    expect.objectContaining({
      reference,
      outcome: 'refused',
      code: 'ERR_TOKEN_AUDIENCE',
      cause: 'token-refused',
      fault: 'token',
      status: 401,
      check: 'audience',
      action: "Request the token for this API, or correct the policy's `audience`.",
    }),
  ]);
  const lines = app.lines.filter(([, text]) => text.includes(reference));
  expect(lines).toHaveLength(1);
  expect(lines[0][1]).toBe(
    `[remoteAgentAuth] OIDC verification failed; reference ${reference}, ERR_TOKEN_AUDIENCE; ${events[0].action}`,
  );
});

test.each([
  ['standard', { responses: 'standard' }, (body) => body.reference],
  ['openai', { bodies: 'openai' }, (body) => body.error.reference],
])('a body that has room for it (%s) has the reference as well', async (_, options, referenceOf) => {
  const app = setUp({ config: auth({ apiKey: false }), answers: {}, options });
  const { res, answer } = await app.call();
  expect(referenceOf(answer.body)).toBe(res.headers['Auth-Reference']);
  expect(events[0].reference).toBe(res.headers['Auth-Reference']);
});

test('what the API-key middleware is asked for is an event of its own, and says why', async () => {
  const app = setUp({ answers: {} });
  await app.call();
  await app.call({ authorization: null });
  expect(events).toEqual([
    expect.objectContaining({ outcome: 'api-key', code: 'ERR_TOKEN_AUDIENCE' }),
    expect.objectContaining({ outcome: 'api-key', cause: 'no-bearer', check: 'credentials' }),
  ]);
  expect(events[0]).not.toHaveProperty('status');
});

test('a callback that throws is an error, and its own text is not in the event', async () => {
  const app = setUp({
    deps: {
      findUser: async () => {
        throw new Error('secret of the database');
      },
    },
  });
  const { answer } = await app.call();
  expect(answer.status).toBe(500);
  expect(events).toEqual([expect.objectContaining({ outcome: 'error', cause: 'unexpected', status: 500 })]);
  expect(JSON.stringify(events)).not.toContain('secret');
});

test('an account is named by a keyed hash alone', async () => {
  const app = setUp({ config: auth({ apiKey: false }), user: null });
  await app.call();
  expect(events).toEqual([
    expect.objectContaining({ cause: 'no-user', check: 'user', subjectHash: expect.stringMatching(/^[0-9a-f]{16}$/) }),
  ]);
  expect(JSON.stringify(events)).not.toMatch(/subject-1|ada@/);
});

test('where the host’s tenant middleware fails, nobody was let in', async () => {
  const app = setUp({
    user: storedUser(),
    deps: {
      tenantContextMiddleware: () => {
        throw new Error('no tenant');
      },
    },
  });
  await app.call();
  expect(events).toEqual([expect.objectContaining({ outcome: 'error' })]);
});

test('without a listener no event is made of a request that is let in, and a log line still has its reference', async () => {
  unsubscribe('remote-agent-auth:decision', listen);
  const app = setUp({ user: storedUser(), answers: { agents: success({ header: 'not read' }) } });
  const { next } = await app.call();
  expect(next).toHaveBeenCalledTimes(1);
  const refused = setUp({ config: auth({ apiKey: false }), answers: {} });
  const { res } = await refused.call();
  expect(refused.lines[0][1]).toContain(res.headers['Auth-Reference']);
  expect(events).toEqual([]);
});

test('a verifier that fails at evidence, or has another kind of header, fails no request', async () => {
  const failing = () => {
    throw new Error('no evidence');
  };
  const accepted = setUp({ user: storedUser(), answers: { agents: success({ header: 'no JSON' }) } });
  Object.assign(accepted.verifier, { keyState: failing, evidence: failing });
  expect((await accepted.call()).next).toHaveBeenCalledTimes(1);
  const refused = setUp({ config: auth({ apiKey: false }), answers: {} });
  Object.assign(refused.verifier, { evidence: failing });
  expect((await refused.call()).answer.status).toBe(401);
  expect(events.map(({ outcome }) => outcome)).toEqual(['accepted', 'refused']);
});

describe('over the native verifier', () => {
  let issuer;
  beforeAll(async () => {
    issuer = await new Issuer().start();
  });
  afterAll(() => issuer.stop());

  const call = async (token, options = {}) => {
    const config = auth({ apiKey: false, oidc: oidcOf({ issuer: issuer.url }) });
    const app = setUp({
      config,
      user: storedUser({ openidIssuer: issuer.url }),
      options: { verifier: new RemoteTokenVerifier(options) },
    });
    await app.call({ authorization: `Bearer ${token}`, res: fullResponse() });
    return app;
  };

  test('names the token’s kid, those the provider has, and the age of the keys', async () => {
    const other = issuer.token({}, { header: { kid: 'unknown-kid' } });
    const app = await call(other);
    expect(events).toEqual([
      expect.objectContaining({
        code: 'ERR_KEY_NOT_FOUND',
        check: 'key',
        kid: 'unknown-kid',
        algorithm: 'ES256',
        keys: 'fresh',
        providerKids: expect.arrayContaining([expect.any(String)]),
      }),
    ]);
    expect(app.lines[0][1]).toContain(`kid "unknown-kid", kids of the provider: "${events[0].providerKids[0]}"`);
  });

  test('says by how many seconds the clocks differ', async () => {
    const now = Math.floor(Date.now() / 1000);
    await call(issuer.token({ exp: now - 300, iat: now - 600 }), { clock: () => now });
    await call(issuer.token({ nbf: now + 300, exp: now + 600 }), { clock: () => now });
    expect(events.map(({ code, check, clockDifference }) => [code, check, clockDifference])).toEqual([
      ['ERR_TOKEN_EXPIRED', 'expiry', -300],
      ['ERR_TOKEN_NOT_YET_VALID', 'not-before', 300],
    ]);
  });

  test('an accepted token has fresh keys', async () => {
    await call(issuer.token());
    expect(events).toEqual([expect.objectContaining({ outcome: 'accepted', keys: 'fresh', algorithm: 'ES256' })]);
  });

  test('what is no token has no facts', async () => {
    await call('a.b.c');
    expect(events[0]).toMatchObject({ check: 'form', outcome: 'refused' });
    expect(events[0]).not.toHaveProperty('kid');
  });
});

const throwing = () =>
  new Proxy(
    {},
    {
      get: () => {
        throw new Error('odd');
      },
    },
  );

test.each([
  ['key ids that are null', { providerKids: null }],
  ['key ids that are no texts', { algorithm: 'RS256', providerKids: [null, 5, 'k'] }],
  ['an object that fails when it is read', throwing()],
  ['a text', 'evidence'],
])('evidence of a host’s own verifier that is %s changes no answer', async (_, evidence) => {
  const refused = failure('ERR_SIGNATURE_INVALID', 'token');
  for (const listening of [true, false]) {
    if (!listening) unsubscribe('remote-agent-auth:decision', listen);
    const app = setUp({ config: auth({ apiKey: false }), answers: { agents: refused } });
    app.verifier.evidence = () => evidence;
    const { answer, answers } = await app.call();
    expect([answer, answers]).toEqual([{ status: 401, body: { error: 'Unauthorized' } }, 1]);
    expect(app.lines).toEqual([['error', expect.stringContaining('[remoteAgentAuth]'), expect.anything()]]);
  }
  for (const { providerKids = [] } of events) expect(providerKids.every((kid) => typeof kid === 'string')).toBe(true);
});

test('where the event cannot be made, the plain line and the API-key middleware are as without it', async () => {
  const app = setUp({ answers: { agents: failure('ERR_SIGNATURE_INVALID', 'token') } });
  app.verifier.evidence = throwing;
  const { next } = await app.call();
  expect(next.mock.calls).toEqual([[]]);
  expect(app.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  expect(app.lines).toEqual([['debug', expect.not.stringContaining('reference'), expect.anything()]]);
  expect(events).toEqual([]);
});

test.each([
  ['without a message', { ok: false, code: 'ERR_CUSTOM', fault: 'token', reason: 'x' }, 401],
  ['with a code that is no text', { ok: false, code: 5, fault: 'token', message: 'm' }, 401],
  [
    'with expected and got that are no texts',
    { ...failure('ERR_TOKEN_AUDIENCE', 'token'), expected: [1], got: {} },
    401,
  ],
  ['with a subject that is no text', success({ subject: 5 }), undefined],
  ['with a header that is null', success({ header: null }), undefined],
])('an outcome %s of a host’s own verifier is answered', async (_, outcome, status) => {
  const app = setUp({ config: auth({ apiKey: false }), user: null, answers: { agents: outcome } });
  const { answer, answers } = await app.call();
  expect(answers).toBe(1);
  expect([401, 500]).toContain(answer.status);
  if (status !== undefined) expect(answer.status).toBe(status);
});

test('a token is let in although its event cannot be made', async () => {
  const app = setUp({ user: storedUser(), answers: { agents: success({ header: null }) } });
  app.verifier.keyState = () => Symbol('odd');
  expect((await app.call()).next.mock.calls).toEqual([[]]);
  expect(events).toEqual([expect.objectContaining({ outcome: 'accepted' })]);
});
