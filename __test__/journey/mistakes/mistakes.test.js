'use strict';

// Each mistake of cases.js, by the log line, by the doctor and by the console: all three name what failed and what to change. Row S48.

const http = require('node:http');
const net = require('node:net');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../../..');
const { diagnose } = require('../../../lib/operations/doctor');
const { createHandler } = require('../../../lib/operations/console-handler');
const { DecisionRecord } = require('../../../lib/operations/console-record');
const { certificates } = require('../../support/certificates');
const { serveDocuments } = require('../../support/documents');
const { bareResponse, configOf, recordingLogger } = require('../../support/fakes');
const { Issuer } = require('../../support/issuer');
const { score } = require('../../support/score');
const { CASES } = require('./cases');

const CHANNEL = 'remote-agent-auth:decision';
let freePort;
let tls;
let made;
const found = { log: 0, doctor: 0, console: 0 };

beforeAll(async () => {
  made = certificates();
  made.make('authority', { ca: true, host: '' });
  tls = made.make('server', { issuer: 'authority' });
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  freePort = server.address().port;
  await new Promise((resolve) => server.close(resolve));
});
afterAll(() => made.remove());

/** An issuer whose URL is that of a server of the test's documents. */
async function worldOf({ documents: over = {}, tls: isTls }) {
  const issuer = new Issuer();
  const documents = await serveDocuments({
    metadata: (origin) => ({ issuer: origin, jwks_uri: `${origin}/keys` }),
    ...over,
    keys: () => (over.keys ? over.keys(issuer) : { keys: issuer.jwks }),
    ...(isTls && { tls }),
  });
  Object.defineProperty(issuer, 'url', { value: documents.origin });
  return { issuer, documents, keys: `${documents.origin}/keys`, freePort };
}

/** One request: what the log says, and the event. */
async function request(
  { oidc, extra, users = ({ openidId, openidIssuer }) => ({ _id: '1', provider: 'openid', openidId, openidIssuer }) },
  token,
  clock,
) {
  const logger = recordingLogger();
  const record = new DecisionRecord();
  const note = (event) => record.add(event);
  subscribe(CHANNEL, note);
  try {
    const handler = createRemoteAgentAuth(
      {
        getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc }),
        findUser: async (filter) => users(filter),
        updateUser: async () => null,
        apiKeyMiddleware: () => {},
        logger,
      },
      { verifier: new RemoteTokenVerifier({ clock }), policy: extra },
    );
    const res = bareResponse();
    await handler({ headers: { authorization: `Bearer ${token}` } }, res, () => res.sent.push('passed'));
    expect(res.sent).toEqual([expect.objectContaining({ status: 401 })]);
  } finally {
    unsubscribe(CHANNEL, note);
  }
  const log = logger.lines
    .filter(([level]) => level !== 'debug')
    .map(([, text, error]) => `${text} ${error?.message ?? ''}`)
    .join('\n');
  return { log, record };
}

/** The row of the console, as text. */
async function rowOf(record) {
  const server = http.createServer(createHandler({ authorize: () => true }, { record })).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const text = await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
    const [, section] = /<section id="refusals"[^]*?<tbody>([^]*?)<\/tbody>/.exec(text);
    return section
      .replace(/<[^>]*>/g, ' ')
      .replace(/&#(\d+);/g, (_entity, code) => String.fromCharCode(code))
      .replaceAll('&quot;', '"');
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const named = (text, { check, setting }) => ({ check: check.test(text), setting: setting.test(text) });
const BOTH = { check: true, setting: true };

test.each(CASES)('$mistake', async (mistake) => {
  new RemoteTokenVerifier().clear();
  const world = await worldOf(mistake);
  try {
    const { issuer } = world;
    const oidc = { enabled: true, audience: 'agents', issuer: issuer.url, ...mistake.policy?.(world) };
    const extra = mistake.extra?.(world);
    const now = mistake.now ?? ((seconds) => seconds);
    const clock = () => now(Date.now() / 1000);
    const token = mistake.token?.(world) ?? issuer.token({ email: 'ada@example.com', email_verified: true });
    const { log, record } = await request({ oidc, extra, users: mistake.users }, token, clock);
    const row = await rowOf(record);
    new RemoteTokenVerifier().clear();
    const lines = await diagnose({ config: configOf({ oidc }), policy: extra, token, now: clock });
    const doctor = lines
      .filter(({ status }) => status !== 'ok')
      .map(({ code, text, action, expected, got }) => [code, text, action, expected, got].join(' '))
      .join('\n');
    const answers = { log: named(log, mistake), doctor: named(doctor, mistake), console: named(row, mistake) };
    for (const [channel, { check, setting }] of Object.entries(answers)) if (check && setting) found[channel] += 1;
    expect({ ...answers, texts: { log, doctor, row } }).toMatchObject({ log: BOTH, doctor: BOTH, console: BOTH });
  } finally {
    await world.documents.stop();
  }
});

test('all of them are found in all three', () => {
  const all = CASES.length;
  expect(all).toBeGreaterThanOrEqual(24);
  const ok = Object.values(found).every((count) => count === all);
  score(
    'S48',
    `${all} mistakes: log ${found.log}, doctor ${found.doctor}, console ${found.console}`,
    'all in each',
    ok,
  );
  expect(found).toEqual({ log: all, doctor: all, console: all });
});
