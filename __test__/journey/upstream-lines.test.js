'use strict';

// Whatever can be wrong with a provider: the log line names the host that was asked and what to do about this very fault, and the event says
// the same.

const http = require('node:http');
const net = require('node:net');
const { once } = require('node:events');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../..');
const { codes } = require('../../lib/verifier/codes');
const { bareResponse, configOf, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');

let issuer;
let documents;
/** By path: a body, a status or a function of the request. */
let answers = {};
beforeAll(async () => {
  issuer = await new Issuer().start();
  const server = http.createServer((req, res) => {
    const answer = answers[new URL(req.url, 'http://x').pathname];
    if (typeof answer === 'function') return answer(req, res);
    if (typeof answer === 'number' || answer === undefined) return res.writeHead(answer ?? 404).end();
    return res
      .setHeader('Content-Type', 'application/json')
      .end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  documents = { origin: `http://localhost:${server.address().port}`, server };
});
afterAll(async () => {
  await issuer.stop();
  documents.server.closeAllConnections();
  documents.server.close();
});
beforeEach(() => new RemoteTokenVerifier().clear());

const DISCOVERY = '/.well-known/openid-configuration';
const metadata = (over) => ({ issuer: documents.origin, jwks_uri: `${documents.origin}/keys`, ...over });

/** One refused request: its line with the error beside it, and its event. */
async function refusedWith({ oidc, policy, token }) {
  const logger = recordingLogger();
  const events = [];
  const note = (event) => events.push(event);
  subscribe('remote-agent-auth:decision', note);
  try {
    const handler = createRemoteAgentAuth(
      {
        getAppConfig: async () =>
          configOf({
            apiKey: { enabled: false },
            oidc: { enabled: true, audience: 'agents', issuer: documents.origin, ...oidc },
          }),
        findUser: async () => null,
        updateUser: async () => null,
        apiKeyMiddleware: () => {},
        logger,
      },
      { policy },
    );
    await handler(
      { headers: { authorization: `Bearer ${token ?? issuer.token({ iss: documents.origin })}` } },
      bareResponse(),
      () => {},
    );
  } finally {
    unsubscribe('remote-agent-auth:decision', note);
  }
  const [line] = logger.lines.filter(([, text]) => text.includes(events[0]?.reference));
  return { line: line?.[1], event: events[0] };
}

const introspection = (path) => ({
  introspection: { endpoint: `${documents.origin}${path}`, clientId: 'us', clientSecret: 'secret' },
});
const opaque = 'an-opaque-token';
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** `set` prepares the provider and says what differs; `says` is in the line. */
const CASES = [
  [
    'metadata that are not there',
    'ERR_DISCOVERY_FETCH',
    () => ({}),
    /status 404; check `issuer`, or name the key URL by `jwksUri`/,
  ],
  [
    'metadata where nobody listens',
    'ERR_DISCOVERY_FETCH',
    async () => {
      const url = `http://localhost:${await freePort()}`;
      return { oidc: { issuer: url }, token: issuer.token({ iss: url }) };
    },
    /nothing listens at the host's port; check host and port/,
  ],
  ['metadata that are a web page', 'ERR_DISCOVERY_DOCUMENT', () => ({ [DISCOVERY]: '<html>' }), /openid-configuration/],
  [
    'metadata without keys',
    'ERR_DISCOVERY_DOCUMENT',
    () => ({ [DISCOVERY]: metadata({ jwks_uri: undefined }) }),
    /`jwks_uri`/,
  ],
  [
    'metadata of another issuer',
    'ERR_DISCOVERY_ISSUER',
    () => ({ [DISCOVERY]: metadata({ issuer: 'https://b.example' }) }),
    /got "https:\/\/b.example".*Write the policy's `issuer` as the metadata does/,
  ],
  [
    'keys that are not there',
    'ERR_JWKS_FETCH',
    () => ({ [DISCOVERY]: metadata() }),
    /status 404; open the key URL \(`jwksUri`/,
  ],
  [
    'keys that are cut off',
    'ERR_JWKS_FETCH',
    () => ({
      [DISCOVERY]: metadata(),
      '/keys': (_req, res) => (
        res.writeHead(200, { 'content-length': '100' }), res.write('{'), setTimeout(() => res.destroy(), 50)
      ),
    }),
    /broke off before its end; look at the server's log/,
  ],
  [
    'keys that are no keys',
    'ERR_JWKS_DOCUMENT',
    () => ({ [DISCOVERY]: metadata(), '/keys': { keys: [{ kty: 'oct' }] } }),
    /it must be a JWK Set with a signature key/,
  ],
  [
    'an address that nobody may connect to',
    'ERR_ADDRESS_REFUSED',
    () => ({ oidc: { issuer: 'https://169.254.169.254' }, token: issuer.token({ iss: 'https://169.254.169.254' }) }),
    /host 169\.254\.169\.254; Link-local and cloud-metadata addresses are refused; check DNS/,
  ],
];

test.each(CASES)('%s', async (_name, code, set, says) => {
  const { oidc, token, ...rest } = await set();
  answers = rest;
  const { line, event } = await refusedWith({ oidc, token });
  expect(event).toMatchObject({
    code,
    fault: 'upstream',
    host: expect.stringMatching(/^(localhost|169\.254\.169\.254)$/),
  });
  expect(line).toMatch(says);
  expect(line).toContain(event.host);
  expect(line).toContain(code);
  expect(event.action.length).toBeGreaterThan(20);
});

describe('a provider that is asked about a token', () => {
  test.each([
    [
      'is not there',
      'ERR_ENDPOINT_FETCH',
      (req) => req.socket.destroy(),
      /the connection was closed before an answer came; look at the server's log/,
    ],
    [
      'answers with an error',
      'ERR_ENDPOINT_STATUS',
      (_req, res) => res.writeHead(500).end(),
      /the answer has status 500; look at the provider's log/,
    ],
    [
      'answers with a redirect',
      'ERR_ENDPOINT_STATUS',
      (_req, res) => res.writeHead(302, { location: '/x' }).end(),
      /a redirect \(status 302\), and no token follows one; have the metadata name the endpoint itself/,
    ],
    [
      'answers with no JSON',
      'ERR_ENDPOINT_ANSWER',
      (_req, res) => res.setHeader('content-type', 'text/html').end('x'),
      /The message says what is wrong with it/,
    ],
  ])('%s', async (_name, code, answer, says) => {
    answers = { '/introspect': answer };
    const { line, event } = await refusedWith({
      policy: () => introspection('/introspect'),
      oidc: { jwksUri: `${documents.origin}/keys` },
      token: opaque,
    });
    expect(event).toMatchObject({ code, fault: 'upstream', host: 'localhost' });
    expect(line).toMatch(says);
    expect(line).toContain('localhost');
  });
});

test('the codes of providers are these; what is not tried here is no reason to refuse a token, or has a test beside its feature', () => {
  const upstream = Object.keys(codes).filter((code) => codes[code].fault === 'upstream');
  const tried = ['ERR_ENDPOINT_ANSWER', 'ERR_ENDPOINT_FETCH', 'ERR_ENDPOINT_STATUS', ...CASES.map(([, code]) => code)];
  expect(upstream.filter((code) => !tried.includes(code)).sort()).toEqual([
    'ERR_ENDPOINT_MISSING',
    'ERR_ENDPOINT_REFUSED',
    'ERR_KEY_NOT_ASKED',
    'ERR_USERINFO_SUBJECT',
  ]);
});
