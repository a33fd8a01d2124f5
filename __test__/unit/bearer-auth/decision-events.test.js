'use strict';

// One event for each decision of the general middleware, one more for a guard's refusal, and the reference that leads from an answer to them.

const { execFile } = require('node:child_process');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const path = require('node:path');
const {
  RemoteTokenVerifier,
  createBearerAuth,
  requireAuthentication,
  requireRoles,
  requireScopes,
} = require('../../..');
const { createAuthenticator } = require('../../../lib/bearer-auth');
const { pseudonym } = require('../../../lib/events/pseudonym');
const { createTestIssuer } = require('../../../lib/testing');

const CHANNEL = 'remote-agent-auth:decision';
const REFERENCE = /^[0-9A-HJKMNP-TV-Z]{10}$/;
/** @type {any[]} */
const events = [];
const note = (/** @type {any} */ event) => events.push(event);
/** @type {import('../../../testing').TestIssuer} */
let issuer;
beforeAll(async () => {
  issuer = await createTestIssuer({ alg: 'ES256' });
});
afterAll(() => issuer.stop());
beforeEach(() => {
  events.length = 0;
  subscribe(CHANNEL, note);
});
afterEach(() => unsubscribe(CHANNEL, note));

const request = (token) => ({ method: 'GET', url: '/', headers: token ? { authorization: `Bearer ${token}` } : {} });
const ask = (token, options = {}) =>
  createAuthenticator({ ...issuer.policy(), ...options }).authenticate(request(token));

/** What a request came to behind the middleware and a guard: `passed`, or the answer. */
async function through(guard, token, options = {}) {
  const auth = createBearerAuth({ ...issuer.policy(), ...options });
  const req = request(token);
  const answer = { headers: {} };
  const res = {
    headersSent: false,
    setHeader: (name, value) => (answer.headers[name] = value),
    end: (body) => Object.assign(answer, { status: res.statusCode, body: JSON.parse(body) }),
  };
  let passed = false;
  await auth(req, res, () => guard(req, res, () => void (passed = true)));
  return passed ? 'passed' : answer;
}

test('a request let in is one event, by the configured issuer, with the age of the keys', async () => {
  const { ok } = await ask(issuer.token());
  expect(ok).toBe(true);
  expect(events).toEqual([
    {
      reference: expect.stringMatching(REFERENCE),
      time: expect.any(Number),
      outcome: 'accepted',
      issuer: issuer.issuer,
      policy: expect.stringMatching(/^[0-9a-f]{8}$/),
      algorithm: 'ES256',
      kid: expect.any(String),
      keys: 'fresh',
      durationMicros: expect.any(Number),
      callbackMicros: expect.any(Number),
    },
  ]);
  expect(events[0].durationMicros).toBeGreaterThanOrEqual(events[0].callbackMicros);
  expect(Object.isFrozen(events[0])).toBe(true);
});

test('equal policies have one name, others another', async () => {
  const scope = { scope: 'a' };
  await ask(issuer.token({ scope: 'a' }));
  await ask(issuer.token({ scope: 'a' }));
  await ask(issuer.token({ scope: 'a' }), scope);
  expect(events.map(({ outcome }) => outcome)).toEqual(Array(3).fill('accepted'));
  expect(events[1].policy).toBe(events[0].policy);
  expect(events[2].policy).not.toBe(events[0].policy);
});

test.each([
  ['no token', () => undefined, {}, 'ERR_CREDENTIALS_MISSING', 401],
  ['another audience', () => issuer.token({ aud: 'other' }), {}, 'ERR_TOKEN_AUDIENCE', 401],
  ['no JWT', () => 'a.b.c', {}, 'ERR_TOKEN_OPAQUE', 401],
  ['a scope that the policy wants', () => issuer.token(), { scope: 'agents:use' }, 'ERR_SCOPE_MISSING', 403],
])('a refusal (%s) has one reference in header, body, error and event', async (_, token, options, code, status) => {
  const seen = [];
  const { headers, body } = await ask(token(), { ...options, onRefusal: (error) => seen.push(error) });
  const reference = headers['Auth-Reference'];
  expect(reference).toMatch(REFERENCE);
  expect(JSON.parse(body).reference).toBe(reference);
  expect(seen).toEqual([expect.objectContaining({ code, reference, action: expect.stringMatching(/^[A-Z].*\.$/) })]);
  expect(events).toEqual([
    expect.objectContaining({ reference, outcome: 'refused', code, status, action: seen[0].action }),
  ]);
  expect(events[0]).not.toHaveProperty('guard');
});

test('LibreChat’s bodies stay as they are; the header has the reference', async () => {
  const { headers, body } = await ask(undefined, { bodies: 'librechat' });
  expect(JSON.parse(body)).toEqual({ error: 'Bearer token required' });
  expect(events[0].reference).toBe(headers['Auth-Reference']);
});

test('what was expected, what came, and which keys there are, is in the event', async () => {
  await ask(issuer.token({ aud: 'other' }), { audience: 'mine' });
  await ask(issuer.token({}, { header: { kid: 'unknown-kid' } }));
  expect(events).toEqual([
    expect.objectContaining({
      check: 'audience',
      expected: '"mine"',
      got: '"other"',
      keys: 'fresh',
      algorithm: 'ES256',
    }),
    expect.objectContaining({ check: 'key', kid: 'unknown-kid', providerKids: [expect.any(String)] }),
  ]);
});

test.each([
  [
    'scopes',
    requireScopes('agents:use'),
    { scope: 'openid' },
    'ERR_SCOPE_MISSING',
    403,
    'scope',
    'agents:use',
    'openid',
  ],
  ['roles', requireRoles('admin'), {}, 'ERR_ROLE_MISSING', 403, 'role', 'admin', 'none'],
  ['step-up', requireAuthentication({ maxAge: 60 }), {}, 'ERR_AUTHENTICATION_LEVEL', 401, 'authentication-level'],
])(
  'a guard’s refusal (%s) is the second event of its request',
  async (_, guard, claims, code, status, check, ...sides) => {
    const answer = await through(guard, issuer.token(claims));
    expect(answer.status).toBe(status);
    expect(events.map(({ outcome, guard: by }) => [outcome, by])).toEqual([
      ['accepted', undefined],
      ['refused', true],
    ]);
    const { expected, got, policy } = events[1];
    expect(events[1]).toMatchObject({ code, status, check, issuer: issuer.issuer, durationMicros: 0 });
    expect([expected, got]).toEqual([sides[0], sides[1]]);
    expect(policy).toBe(events[0].policy);
    expect(events[1].reference).toBe(answer.headers['Auth-Reference']);
    expect(answer.body.reference).toBe(events[1].reference);
    expect(events[1].reference).not.toBe(events[0].reference);
    expect(events[1].subjectHash).toBe(pseudonym('user-1'));
  },
);

test('a guard of a request without a token says so, and names nobody', async () => {
  const answer = await through(requireScopes('a'), undefined, { authRequired: false });
  expect(events).toEqual([
    expect.objectContaining({
      guard: true,
      code: 'ERR_CREDENTIALS_MISSING',
      reference: answer.headers['Auth-Reference'],
    }),
  ]);
  expect(events[0]).not.toHaveProperty('subjectHash');
});

test('a delegated token names user and actor, by keyed hashes alone', async () => {
  const token = issuer.token({ sub: 'ada-lovelace', act: { sub: 'service-of-ada' } });
  expect(await ask(token)).toMatchObject({ ok: true });
  expect(await through(requireScopes('a'), token)).toMatchObject({ status: 403 });
  const hashes = { subjectHash: pseudonym('ada-lovelace'), actorHash: pseudonym('service-of-ada') };
  expect(events).toEqual([
    expect.objectContaining({ outcome: 'accepted', ...hashes }),
    expect.objectContaining({ outcome: 'accepted', ...hashes }),
    expect.objectContaining({ guard: true, ...hashes }),
  ]);
  expect(JSON.stringify(events)).not.toMatch(/ada-lovelace|service-of-ada/);
});

test('where nobody has to be known, nothing was decided', async () => {
  await ask(undefined, { authRequired: false });
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
  };
  await createAuthenticator(issuer.policy()).authenticate(preflight);
  expect(events).toEqual([]);
});

test('a token of nobody’s issuer is counted under none; what the operator’s function throws is an error', async () => {
  const token = issuer.token({ iss: 'https://nobody.example' });
  await createAuthenticator({ issuers: [issuer.policy()], resolvePolicy: () => undefined }).authenticate(
    request(token),
  );
  const resolvePolicy = () => Promise.reject(new Error('secret of the database'));
  await createAuthenticator({ resolvePolicy }).authenticate(request(token));
  expect(events).toEqual([
    expect.objectContaining({ outcome: 'refused', code: 'ERR_TOKEN_ISSUER', got: 'https://nobody.example' }),
    expect.objectContaining({ outcome: 'error', code: 'ERR_INTERNAL', status: 500 }),
  ]);
  expect(events[0]).not.toHaveProperty('issuer');
  expect(JSON.stringify(events)).not.toContain('secret');
});

test('a provider that does not answer is named, with what to do', async () => {
  await ask(issuer.token({ iss: 'http://localhost:1' }), { issuer: 'http://localhost:1' });
  expect(events).toEqual([
    expect.objectContaining({ code: 'ERR_DISCOVERY_FETCH', fault: 'upstream', status: 503, host: 'localhost' }),
  ]);
  expect(events[0].action).toMatch(/nothing listens/);
});

test('a verifier that fails at evidence and key state, or gives odd parts, costs nobody the answer', async () => {
  const failing = () => {
    throw new Error('no evidence');
  };
  const verifier = new RemoteTokenVerifier();
  Object.assign(verifier, { keyState: failing, evidence: failing });
  expect(await ask(issuer.token(), { verifier })).toMatchObject({ ok: true });
  expect(await ask(issuer.token({ aud: 'x' }), { verifier })).toMatchObject({ ok: false, status: 401 });
  expect(events.map(({ outcome }) => outcome)).toEqual(['accepted', 'refused']);
  const odd = { compile: () => 'a text', check: () => ({ ok: false, code: '__proto__', fault: 'token', message: '' }) };
  expect(await ask('x', { verifier: odd })).toMatchObject({ ok: false, status: 500 });
});

// In a process of its own: the channels are the process's, and other suites of this worker may listen.
test('with nobody listening an answer has its reference all the same, and no event is made', () => {
  const program = `
    const { RemoteTokenVerifier } = require('.');
    const { createAuthenticator } = require('./lib/bearer-auth');
    let asked = 0;
    const count = () => void (asked += 1);
    const verifier = Object.assign(new RemoteTokenVerifier(), { keyState: count, evidence: count });
    const authenticator = createAuthenticator({ ...${JSON.stringify(issuer.policy())}, verifier });
    const ask = (headers) => authenticator.authenticate({ method: 'GET', url: '/', headers });
    (async () => {
      const { ok } = await ask({ authorization: 'Bearer ${issuer.token()}' });
      const refused = await ask({ authorization: 'Bearer ${issuer.token({ aud: 'other' })}' });
      const isLoaded = Object.keys(require.cache).some((file) => file.includes('observation'));
      console.log(JSON.stringify({ ok, asked, isLoaded, reference: refused.headers['Auth-Reference'] }));
    })();`;
  const cwd = path.join(__dirname, '..', '..', '..');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['-e', program], { cwd }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  }).then((stdout) => {
    const reference = expect.stringMatching(REFERENCE);
    expect(JSON.parse(stdout)).toEqual({ ok: true, asked: 0, isLoaded: false, reference });
  });
});
