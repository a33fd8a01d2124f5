'use strict';

// A name and a password in a configured URL are in no channel: log lines, warnings, errors, events, metrics, health, statistics, the doctor and
// the console. Row S34.

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const http = require('node:http');
const { Registry } = require('prom-client');
const { RemoteTokenVerifier, createBearerAuth, createRemoteAgentAuth } = require('../..');
const { diagnose } = require('../../lib/operations/doctor');
const { createHandler } = require('../../lib/operations/console-handler');
const { DecisionRecord } = require('../../lib/operations/console-record');
const { collectPrometheus, health } = require('../../lib/operations/metrics');
const { bareResponse, configOf, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');
const { score } = require('../support/score');

const NAME = 'name-in-a-url';
const PASSWORD = 'pa55-word-of-a-url';
const CHANNELS = ['decision', 'keys', 'account', 'shadow'].map((name) => `remote-agent-auth:${name}`);
let issuer;
let looked = 0;
let traces = 0;
beforeAll(async () => {
  issuer = await new Issuer().start();
});
afterAll(() => issuer.stop());
beforeEach(() => new RemoteTokenVerifier().clear());

const withCredentials = (url) => url.replace('//', `//${NAME}:${PASSWORD}@`);

/** Whatever is said of one configuration, by channel. */
async function said(oidc, token) {
  const texts = {};
  const note = (text) => ((texts.events ??= []), texts.events.push(JSON.stringify(text)));
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => (texts.warnings ??= []).push(`${text}`));
  const record = new DecisionRecord();
  const listen = (event) => record.add(event);
  const register = new Registry();
  const stop = collectPrometheus(register);
  for (const name of CHANNELS) subscribe(name, note);
  subscribe(CHANNELS[0], listen);
  const logger = recordingLogger();
  const verifier = new RemoteTokenVerifier();
  const config = configOf({ apiKey: { enabled: true }, oidc: { enabled: true, audience: 'agents', ...oidc } });
  const deps = {
    getAppConfig: async () => config,
    findUser: async () => null,
    updateUser: async () => null,
    apiKeyMiddleware: (_req, res) => res.status(401).json({}),
    logger,
  };
  try {
    const handler = createRemoteAgentAuth(deps, { verifier, shadow: { audience: 'other' } });
    await handler({ headers: { authorization: `Bearer ${token}` } }, bareResponse(), () => {});
    const errors = [];
    const onRefusal = (error) => errors.push(`${error.message} ${JSON.stringify(error)}`);
    const req = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } };
    const res = { setHeader: (name, value) => errors.push(`${name} ${value}`), end: (body) => errors.push(body) };
    try {
      await createBearerAuth({ audience: 'agents', ...oidc, typ: 'off', verifier, onRefusal })(req, res, () => {});
    } catch (error) {
      errors.push(`${error.message} ${JSON.stringify(error)}`);
    }
    texts.log = logger.lines.map(([, text, error]) => `${text} ${error?.message} ${JSON.stringify(error ?? {})}`);
    texts.errors = errors;
    texts.statistics = [JSON.stringify(verifier.stats())];
    texts.health = [JSON.stringify(health({ verifier }))];
    texts.metrics = [await register.metrics()];
    texts.doctor = (await diagnose({ config, token })).map((line) => JSON.stringify(line));
    texts.console = [await pageOf(record, config)];
  } finally {
    stop();
    for (const name of CHANNELS) unsubscribe(name, note);
    unsubscribe(CHANNELS[0], listen);
    warn.mockRestore();
  }
  return texts;
}

async function pageOf(record, config) {
  const handler = createHandler({ authorize: () => true, getAppConfig: async () => config }, { record });
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const closed = 'http://localhost:1';
const cases = {
  'a key URL that answers': () => ({ issuer: issuer.url, jwksUri: withCredentials(issuer.jwksUri) }),
  'a key URL where nobody listens': () => ({ issuer: issuer.url, jwksUri: withCredentials(`${closed}/keys`) }),
  'an issuer that answers': () => ({ issuer: withCredentials(issuer.url) }),
  'an issuer where nobody listens': () => ({ issuer: withCredentials(closed) }),
  'an issuer whose keys are elsewhere': () => ({ issuer: withCredentials(issuer.url), jwksUri: issuer.jwksUri }),
  'an issuer that is no URL for us': () => ({ issuer: withCredentials('http://id.example') }),
};

test.each(Object.entries(cases))('%s', async (_name, oidc) => {
  const tokens = [issuer.token(), issuer.token({ aud: 'other' }), issuer.token({ iss: oidc().issuer })];
  for (const token of tokens) {
    const texts = await said(oidc(), token);
    for (const channel of ['events', 'log', 'statistics', 'health', 'metrics', 'doctor', 'console'])
      expect([channel, (texts[channel] ?? []).join('').length > 0]).toEqual([channel, true]);
    const leaks = Object.entries(texts).flatMap(([channel, lines]) =>
      lines
        .filter((line) => line.includes(PASSWORD) || line.includes(NAME))
        .map((line) => [channel, line.slice(0, 400)]),
    );
    looked += 1;
    traces += leaks.length;
    expect(leaks).toEqual([]);
  }
});

test('score', () => {
  score(
    'S34',
    `a password in a configured URL: ${looked} requests, ${traces} traces in 9 channels`,
    '0 traces',
    traces === 0,
  );
  expect(looked).toBe(3 * Object.keys(cases).length);
});
