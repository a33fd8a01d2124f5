'use strict';

// Functions of the operator that fail, at once or later, cost neither the answer nor the process; nor does a request of another shape.

const { RemoteTokenVerifier, check, createBearerAuth, protectedResourceMetadata } = require('../../..');
const { createAuthenticator } = require('../../../lib/bearer-auth');
const { bearerAuth, requestVerifier } = require('../../../lib/adapters/hono');
const { RemoteAuthError } = require('../../../lib/verifier/errors');
const { createTestIssuer } = require('../../../lib/testing');

/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());

const policy = { issuer: 'https://auth.example', audience: 'api', jwks: { keys: [{ kty: 'EC' }] } };
const turn = () => new Promise((resolve) => setImmediate(resolve));
/** Rejections that nobody takes, as Node counts them. */
async function untaken(run) {
  const seen = [];
  const note = (reason) => seen.push(reason);
  process.on('unhandledRejection', note);
  try {
    await run();
    await turn();
    await turn();
  } finally {
    process.off('unhandledRejection', note);
  }
  return seen;
}
/** A promise of Node's own, as an application makes it. */
const rejecting = () => Promise.reject(new Error('secret of the database'));

test.each([['onRefusal'], ['resourceMetadata'], ['bodies']])('%s that rejects changes nothing', async (name) => {
  let result;
  const rejections = await untaken(async () => {
    result = await createAuthenticator({ ...policy, [name]: rejecting }).authenticate({ method: 'GET', headers: {} });
  });
  expect(rejections).toEqual([]);
  expect(result).toMatchObject({ status: 401, headers: { 'WWW-Authenticate': 'Bearer realm="api"' } });
  const { reference } = result.error;
  expect(JSON.parse(result.body)).toEqual(
    name === 'bodies'
      ? { error: 'Bearer token required', reference }
      : { type: 'about:blank', title: 'Unauthorized', status: 401, reference },
  );
});

test.each([
  ['null headers of a preflight', { method: 'OPTIONS', url: '/', headers: null }, 401],
  ['null headers', { method: 'GET', url: '/', headers: null }, 401],
  ['no headers', { method: 'OPTIONS', url: '/' }, 401],
  ['null rawHeaders', { method: 'GET', url: '/', headers: {}, rawHeaders: null }, 401],
  ['no request', null, 500],
  [
    'headers that throw',
    {
      get headers() {
        throw new Error('gone');
      },
    },
    500,
  ],
])('authenticate with %s refuses and does not throw', async (_case, request, status) => {
  const authenticator = createAuthenticator(policy);
  expect(await authenticator.authenticate(request, {})).toMatchObject({ ok: false, status });
});

test.each([
  [
    'throws',
    (error) => () => {
      throw error;
    },
  ],
  ['rejects', (error) => () => Promise.reject(error)],
])('resolvePolicy that %s an error of this package is a 500, never the token’s fault', async (_case, failing) => {
  const error = new RemoteAuthError({ code: 'ERR_TOKEN_EXPIRED', fault: 'token', message: 'of another token' });
  const onRefusal = jest.fn();
  const authenticator = createAuthenticator({ resolvePolicy: failing(error), onRefusal });
  const headers = { authorization: `Bearer ${issuer.token()}` };
  const result = await authenticator.authenticate({ method: 'GET', url: '/', headers });
  expect(result).toMatchObject({ status: 500, code: 'ERR_INTERNAL', headers: {} });
  expect(onRefusal.mock.calls[0][0].cause).toBe(error);
});

describe('metadata', () => {
  const ofHost = (req) => ({ resource: `https://${req.headers.host ?? req.headers.get?.('host')}/mcp` });
  const PATH = '/.well-known/oauth-protected-resource/mcp';

  test.each([
    ['a `Host` that is none', ofHost],
    [
      'a function that throws',
      () => {
        throw new Error('secret of the database');
      },
    ],
    ['a function that rejects', rejecting],
  ])('%s ends no process and says nothing', async (_case, resources) => {
    const handler = protectedResourceMetadata(resources);
    const req = { method: 'GET', url: PATH, headers: { host: 'a"b' } };
    const rejections = await untaken(async () => {
      const res = { setHeader() {}, end: jest.fn() };
      handler(req, res);
      expect([res.statusCode, res.end.mock.calls]).toEqual([500, [[]]]);
      const next = jest.fn();
      handler(req, res, next);
      const [[error]] = next.mock.calls;
      expect(error).toMatchObject({ code: 'ERR_INTERNAL', status: 500, message: 'Internal Server Error' });
      expect(error.cause).toBeInstanceOf(Error);
      const verify = requestVerifier({ ...policy, metadata: handler });
      const { ok, response } = await verify({
        method: 'GET',
        url: `http://h${PATH}`,
        headers: new Headers({ host: 'a"b' }),
      });
      expect([ok, response.status]).toEqual([false, 500]);
      expect(await response.text()).not.toMatch(/secret|resource/);
    });
    expect(rejections).toEqual([]);
  });

  test('of Hono: every challenge names it, as that of a Fetch handler', async () => {
    const { Hono } = require('hono');
    const named = 'Bearer realm="api", resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp"';
    const headers = { host: 'h.example' };
    const metadata = protectedResourceMetadata({ resource: 'https://h.example/mcp' });
    for (const options of [
      { metadata },
      { metadata, resourceMetadata: undefined },
      { metadata: protectedResourceMetadata(ofHost) },
      { resourceMetadata: metadata.urlFor },
    ]) {
      const app = new Hono().use('*', bearerAuth({ ...policy, ...options }));
      const response = await app.request('http://h.example/mcp', { headers });
      expect(response.headers.get('www-authenticate')).toBe(named);
      const verified = await requestVerifier({ ...policy, ...options })(
        new Request('http://h.example/mcp', { headers }),
      );
      expect(verified.response.headers.get('www-authenticate')).toBe(named);
    }
  });
});

describe('a preflight', () => {
  const preflight = {
    method: 'OPTIONS',
    url: 'http://h/',
    headers: new Headers({ origin: 'https://a.example', 'access-control-request-method': 'GET' }),
  };
  test.each([
    ['by default', {}, 401],
    ['with undefined', { preflight: undefined }, 401],
    ['where it is asked for', { preflight: true }, undefined],
  ])('of a Fetch handler, %s', async (_case, options, status) => {
    const { ok, auth, response } = await requestVerifier({ ...policy, ...options })(preflight);
    expect([ok, auth, response?.status]).toEqual([status === undefined, undefined, status]);
  });
});

test('a bound token that passes is warned of once for each issuer, and for no more than 100', async () => {
  const verifier = new RemoteTokenVerifier({ clock: issuer.clock });
  const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    const send = async (cnf) => {
      const handler = createBearerAuth({ ...issuer.policy(), verifier });
      const headers = { authorization: `Bearer ${issuer.token({ cnf })}` };
      return new Promise((resolve) => handler({ method: 'GET', url: '/', headers }, {}, resolve));
    };
    await send(undefined);
    expect(emitted).not.toHaveBeenCalled();
    for (let round = 0; round < 3; round += 1) await send({ jkt: 'x' });
    const code = { code: 'REMOTE_AGENT_AUTH_BOUND_TOKEN' };
    expect(emitted.mock.calls).toEqual([[expect.stringContaining(issuer.policy().issuer), code]]);
    const { warnOfBoundToken } = require('../../../lib/bearer-auth/bound-token-warning');
    for (let n = 0; n < 200; n += 1) warnOfBoundToken(`https://${n}.example/\n`);
    expect(emitted).toHaveBeenCalledTimes(100);
    expect(emitted.mock.calls.every(([text]) => !text.includes('\n'))).toBe(true);
  } finally {
    emitted.mockRestore();
  }
});

test('a function of a route that never settles is a 500 after the time limit', async () => {
  const audience = 'api';
  const authenticator = createAuthenticator({ issuer: issuer.issuer, audience, verifier: new RemoteTokenVerifier() });
  const token = issuer.token({ aud: audience });
  const headers = { authorization: `Bearer ${token}` };
  const { auth } = await authenticator.authenticate({ method: 'GET', url: '/', headers });
  const refusal = await check(() => new Promise(() => {}), { callbackTimeout: 5 }).evaluate(auth);
  expect(refusal).toMatchObject({ code: 'ERR_INTERNAL', message: 'the function given to check failed' });
  expect(refusal.cause.message).toBe('the function has not settled within 5 ms');
  expect(await check(async () => true, { callbackTimeout: 5 }).evaluate(auth)).toBeUndefined();
});

test.each([
  [null, 'check: the options must be an object'],
  [{ timeout: 5 }, 'check: unknown option timeout; there is callbackTimeout'],
  [{ callbackTimeout: -1 }, 'check: callbackTimeout must be a number of milliseconds from 0 (no limit) to 2147483647'],
])('check with the options %j is an error', (options, message) => {
  expect(() => check(() => true, options)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_OPTION', message }));
});
