'use strict';

// No part of a token, and no name in it, in any log line or error: every hostile token of tests/vectors, through the verifier
// and through the middleware. Row S34.

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const http = require('node:http');
const { inspect } = require('node:util');
const { Registry } = require('prom-client');
const { RemoteTokenVerifier, createBearerAuth, createRemoteAgentAuth, requireRoles, requireScopes } = require('../..');
const { printable } = require('../../lib/events/printable');
const { TABLE } = require('../../lib/middleware/decision');
const { RefusalSummary } = require('../../lib/middleware/refusal-summary');
const { recordSpan } = require('../../lib/operations/decision-span');
const { collectPrometheus } = require('../../lib/operations/metrics');
const { codes } = require('../../lib/verifier/codes');
const { bareResponse, configOf } = require('../support/fakes');
const { Issuer } = require('../support/issuer');
const { score } = require('../support/score');
const { sets } = require('../../tests/vectors/key-sets.json');

const ROWS = ['headers', 'algorithms', 'claims', 'issuer-forms', 'scopes', 'limits'].flatMap((table) =>
  require(`../../tests/vectors/${table}.json`),
);
const NAMES = Object.keys(sets);
/** So many characters of a token in a row are no accident. */
const WINDOW = 12;

/** Our own words that a token may happen to contain. */
const FIXED = 'https://other.example (email_verified)';

const PERSON = { sub: 'subject-of-a-person', email: 'ada.lovelace@people.example', name: 'Ada Lovelace' };

/** Good tokens and the account they lead to by e-mail. */
const GOOD = {
  'nobody is found': { user: null },
  'the account is another provider’s': { user: { _id: '1', provider: 'google' } },
  'the account is another subject’s': { user: { _id: '1', openidId: 'another' } },
  'the account is bound': { user: { _id: '1', provider: 'openid' } },
  'the binding cannot be written': { user: { _id: '1', provider: 'openid' }, fails: true },
  'the address is not verified': { user: { _id: '1', provider: 'openid' }, claims: { email_verified: false } },
  'the address is a list': { user: null, claims: { email: ['ada.lovelace@people.example'] } },
};

let issuer;
let server;
let origin;
let now = 0;

beforeAll(async () => {
  issuer = await new Issuer().start();
  server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(sets[NAMES[Number(request.url.slice(1))]]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await issuer.stop();
});

/**
 * Whether a text contains WINDOW characters of the token in a row, encoded or decoded.
 * @param {string} allowed what may be said all the same: what the operator wrote, and what we always say
 */
function leaks(text, token, allowed) {
  const secrets = [token, ...token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'))];
  for (let start = 0; start + WINDOW <= text.length; start++) {
    const window = text.slice(start, start + WINDOW);
    if (!allowed.includes(window) && secrets.some((secret) => secret.includes(window))) return true;
  }
  return false;
}

/** Members of a refused token that operators may see: its kind, issuer, audience, times and scope; never the person. */
const SHOWN = [
  'typ',
  'alg',
  'kid',
  'iss',
  'aud',
  'azp',
  'client_id',
  'scope',
  'scp',
  'roles',
  'permissions',
  'token_use',
  'exp',
  'nbf',
  'iat',
];

/** @param {string} token @returns {string} the values of those members, where header and claims can be read */
function shown(token) {
  const values = token
    .split('.')
    .slice(0, 2)
    .flatMap((part) => {
      try {
        const members = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
        return SHOWN.map((name) => members[name]).filter((value) => value !== undefined);
      } catch {
        return [];
      }
    });
  return values
    .flat()
    .map((value) => `${JSON.stringify(value)} ${String(value)}`)
    .join(' ');
}

/** The general middleware and two guards: whatever the client and the operator are given. */
async function throughGuards(options, token, note) {
  // Not as JSON, in which a token's own claims have the same members side by side.
  const onRefusal = (error) => {
    note(String(error), error.stack);
    for (const [name, value] of Object.entries(error)) note(`${name} is ${String(value)}`);
  };
  const req = { method: 'GET', url: '/', headers: { authorization: `Bearer ${token}` } };
  const res = { setHeader: note, end: note };
  try {
    const auth = createBearerAuth({ ...options, onRefusal });
    for (const guard of [requireScopes('of-nobody'), requireRoles('of-nobody')]) {
      await auth(req, res, () => guard(req, res, () => {}));
    }
  } catch (error) {
    // A policy that is refused at the factory.
    note(String(error), error.stack);
  }
}

test('a piece of a token, and a name in it, would be found', () => {
  const token = ROWS[0].token;
  const claims = Buffer.from(token.split('.')[1], 'base64url').toString('utf8');
  expect(leaks(`refused ${token.slice(40, 52)}`, token, '')).toBe(true);
  expect(leaks(`refused ${claims.slice(3, 15)}`, token, '')).toBe(true);
  expect(leaks('refused', token, '')).toBe(false);
});

test('no hostile token leaves a trace in logs and errors', async () => {
  const verifier = new RemoteTokenVerifier({ clock: () => now });
  const written = [];
  const note = (...parts) =>
    written.push(
      parts.map((part) => (typeof part === 'string' ? part : inspect(part, { depth: 6, showHidden: true }))).join(' '),
    );
  const logger = { debug: note, info: note, warn: note, error: note };
  const leaked = [];
  // Whatever else is fed by a decision: the event itself, a span, the summary, the metrics.
  const issuers = new Set(['none', 'other']);
  const tracer = {
    startSpan(name, { attributes }) {
      for (const [attribute, value] of Object.entries(attributes)) note(`${name}: ${attribute} is ${value}`);
      return { setStatus() {}, end() {} };
    },
  };
  let ended = () => {};
  const summary = new RefusalSummary(logger, undefined, (run) => {
    ended = run;
  });
  let published = 0;
  const listen = (event) => {
    published += 1;
    // Not as JSON, in which a token's own header has the same members side by side.
    for (const [name, value] of Object.entries(event)) note(`${name} is ${value}`);
    recordSpan(tracer, event);
    if (event.code !== undefined) summary.add(event);
    ended();
    if (event.issuer !== undefined) issuers.add(event.issuer);
  };
  const register = new Registry();
  const endMetrics = collectPrometheus(register);
  subscribe('remote-agent-auth:decision', listen);
  let texts = 0;
  let refused = 0;
  /** Events of the general middleware: at least one for each token, two where a guard refuses what was let in. */
  let general = 0;
  for (const [index, row] of ROWS.entries()) {
    now = row.now;
    // With a budget of its own for each: from the fourth unknown `kid` on, a token would wait for its turn.
    verifier.clear();
    const policy = { ...row.policy, jwksUri: `${origin}/${NAMES.indexOf(row.keys)}` };
    const allowed = `${JSON.stringify(policy)} ${shown(row.token)} ${FIXED}`;
    await verifier.verify(row.token, policy).then(
      () => {},
      (error) => {
        refused += 1;
        note(error, error.stack, String(error), JSON.stringify(error));
      },
    );
    // Users that are unknown, known by e-mail, or in conflict: each with lines of its own.
    const users = [
      null,
      { _id: '1', provider: 'google' },
      { _id: '1', openidId: 'x', openidIssuer: 'https://other.example' },
    ];
    const handler = createRemoteAgentAuth(
      {
        getAppConfig: async () =>
          configOf({ apiKey: { enabled: index % 2 === 0 }, oidc: { enabled: true, ...policy } }),
        findUser: async ({ email }) => (email ? users[index % 3] : null),
        updateUser: async () => null,
        apiKeyMiddleware: (req, res) => res.status(403).json({}),
        logger,
      },
      { verifier },
    );
    await handler({ headers: { authorization: `Bearer ${row.token}` } }, bareResponse(), () => {});
    const before = published;
    await throughGuards({ ...policy, verifier, typ: 'off' }, row.token, note);
    general += published - before;
    texts += written.length;
    for (const text of written.splice(0))
      if (leaks(text, row.token, allowed)) leaked.push({ row: row.name, text: text.slice(0, 400) });
  }
  // Good tokens, too: who is looked up, found, refused or bound is written about, and must not be named.
  for (const [name, { user, claims, fails }] of Object.entries(GOOD)) {
    const token = issuer.token({ ...PERSON, ...claims });
    const policy = { issuer: issuer.url, audience: 'agents' };
    const failing = async () => {
      throw new Error('database down');
    };
    const handler = createRemoteAgentAuth({
      getAppConfig: async () => configOf({ oidc: { enabled: true, ...policy } }),
      findUser: async ({ email }) => (email && user ? { ...user } : null),
      updateUser: fails ? failing : async () => null,
      apiKeyMiddleware: (req, res) => res.status(403).json({}),
      logger,
    });
    await handler({ headers: { authorization: `Bearer ${token}` } }, bareResponse(), () => {});
    texts += written.length;
    const allowed = `${JSON.stringify(policy)} ${FIXED}`;
    for (const text of written.splice(0))
      if (leaks(text, token, allowed)) leaked.push({ row: name, text: text.slice(0, 400) });
  }
  const scraped = await register.metrics();
  endMetrics();
  unsubscribe('remote-agent-auth:decision', listen);
  expect(leaked.slice(0, 3)).toEqual([]);
  expect(published - general).toBe(ROWS.length + Object.keys(GOOD).length);
  expect(general).toBeGreaterThan(ROWS.length - 50);
  const configured = new Set(ROWS.map((row) => printable(String(row.policy.issuer))).concat(issuer.url));
  expect([...issuers].filter((name) => !configured.has(name) && name !== 'none' && name !== 'other')).toEqual([]);
  const words = new Set([...Object.keys(codes), ...Object.keys(TABLE), '']);
  const said = [...scraped.matchAll(/code="([^"]*)"/g)].map(([, code]) => code);
  expect(said.length).toBeGreaterThan(10);
  expect(said.filter((code) => !words.has(code))).toEqual([]);
  expect(scraped).not.toContain(PERSON.email);
  score(
    'S34',
    `${ROWS.length + Object.keys(GOOD).length} tokens, ${refused} refused, ${texts} texts searched, ${leaked.length} with a piece of a token`,
    '0 with a piece of a token',
    leaked.length === 0 && refused > 300,
  );
}, 60_000);
