'use strict';

// One request through the middleware over a fake verifier, with everything around it recorded.

const { createRemoteAgentAuth } = require('../../lib/middleware/remote-agent-auth');
const { configOf, fakeVerifier, fullResponse, recordingLogger, success } = require('./fakes');

const ISSUER = 'https://issuer.example/realms/a';
const TOKEN = 'header.payload.signature';
const A = { error: 'Authentication required' };
const B = { error: 'Bearer token required' };
const U = { error: 'Unauthorized' };
const S = { error: 'Internal server error' };
const INVALID = 'Bearer realm="remote-agent-api", error="invalid_token"';
const CREDENTIALS = 'Bearer realm="remote-agent-api"';

const oidcOf = (over = {}) => ({ enabled: true, issuer: ISSUER, audience: 'agents', ...over });
const auth = ({ apiKey = true, oidc = oidcOf() } = {}) => configOf({ apiKey: { enabled: apiKey }, oidc });

const VARIABLES = [
  ...['OPENID_JWKS_URL', 'OPENID_ISSUER', 'OPENID_EMAIL_CLAIM', 'OPENID_REMOTE_CLOCK_TOLERANCE'],
  ...['ENABLED', 'API_ENABLED', 'SOURCE', 'CLAIM', 'ROLE_PRIORITY', 'FALLBACK_ROLE'].map(
    (name) => `OPENID_ROLE_SYNC_${name}`,
  ),
];

/** Every test of a file begins without LibreChat's variables; the caller's are put back at the end. */
function isolateEnvironment() {
  const saved = VARIABLES.map((name) => process.env[name]);
  const wipe = () => VARIABLES.forEach((name) => delete process.env[name]);
  beforeEach(wipe);
  afterAll(() => {
    wipe();
    VARIABLES.forEach((name, index) => {
      if (saved[index] !== undefined) process.env[name] = saved[index];
    });
  });
}

const storedUser = (over = {}) => ({ _id: 'id-1', openidId: 'subject-1', openidIssuer: ISSUER, role: 'USER', ...over });

/**
 * A middleware with everything around it recorded.
 * `config`: one config, or a function of the options; `user`: what the first lookup gives.
 */
function setUp({ config = auth(), user = null, answers = { agents: success() }, deps = {}, options = {} } = {}) {
  const logger = recordingLogger();
  const verifier = fakeVerifier(answers);
  const all = {
    apiKeyMiddleware: jest.fn((req, res, next) => next()),
    findUser: jest.fn(async () => user),
    updateUser: jest.fn(async () => null),
    getAppConfig: jest.fn(async (scope) => (typeof config === 'function' ? config(scope) : config)),
    logger,
    ...deps,
  };
  const handler = createRemoteAgentAuth(all, { verifier, ...options });
  return {
    ...all,
    verifier,
    logger,
    lines: logger.lines,
    /** Sends one request and reports all that came of it. */
    async call({ authorization = `Bearer ${TOKEN}`, req = {}, res = fullResponse(), next = jest.fn() } = {}) {
      const request = { headers: authorization === null ? {} : { authorization }, ...req };
      const result = await handler(request, res, next);
      expect(result).toBeUndefined();
      return {
        req: request,
        res,
        next,
        answer: res.sent[0],
        answers: res.sent.length,
        challenge: res.headers?.['WWW-Authenticate'],
      };
    },
  };
}

/** The answer with the reference taken out of its body, where it has one: it is new for each, and that of the header. */
function withoutReference({ answer, res }) {
  const { reference, ...body } = answer.body.error?.reference ? answer.body.error : answer.body;
  if (reference !== undefined) expect(reference).toBe(res.headers['Auth-Reference']);
  return { ...answer, body: answer.body.error?.reference ? { error: body } : body };
}

/** Asserts a rejection: one answer, `next` untouched, nobody on the request, nothing written. */
function expectRejected(app, outcome, status, body, challenge) {
  expect(withoutReference(outcome)).toEqual({ status, body });
  expect(outcome.answers).toBe(1);
  expect(outcome.challenge).toBe(challenge);
  expect(outcome.next).not.toHaveBeenCalled();
  expect(outcome.req.user).toBeUndefined();
  expect(app.updateUser).not.toHaveBeenCalled();
}

function expectApiKeyPath(app, outcome) {
  expect(app.apiKeyMiddleware).toHaveBeenCalledTimes(1);
  expect(outcome.next.mock.calls).toEqual([[]]);
  expect(outcome.answers).toBe(0);
}

function expectPassed(outcome, user) {
  expect(outcome.next.mock.calls).toEqual([[]]);
  expect(outcome.answers).toBe(0);
  expect(outcome.req.user).toBe(user);
}

const line = (level, fragment, ...details) => [
  level,
  expect.stringMatching(new RegExp(`^\\[remoteAgentAuth\\] .*${fragment}`)),
  ...details,
];
const anError = (code) => expect.objectContaining({ name: 'RemoteAuthError', code });

module.exports = {
  A,
  B,
  CREDENTIALS,
  INVALID,
  ISSUER,
  S,
  TOKEN,
  U,
  anError,
  auth,
  expectApiKeyPath,
  expectPassed,
  expectRejected,
  isolateEnvironment,
  line,
  oidcOf,
  setUp,
  storedUser,
};
