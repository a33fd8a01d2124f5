'use strict';

// Every row of tests/vectors through the native addon, its keys fetched over loopback HTTP. `tests/suite/vectors.rs` runs the
// same bytes through the Rust core alone.

const { execFileSync } = require('node:child_process');
const http = require('node:http');
const path = require('node:path');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { sets } = require('../../tests/vectors/key-sets.json');

const TABLES = ['headers', 'algorithms', 'claims', 'issuer-forms', 'scopes', 'limits', 'profiles'];
const NAMES = Object.keys(sets);

let now = 0;
const verifier = new RemoteTokenVerifier({ clock: () => now });

/** @type {http.Server} */
let server;
let origin = '';
const jwksUri = (name) => `${origin}/keys/${NAMES.indexOf(name)}`;
/** A source of its own, which no other row has used up the fetches of: a key that is looked for in vain costs one, or a wait for it. */
let sources = 0;
const ownJwksUri = (name) => `${jwksUri(name)}?${++sources}`;

beforeAll(async () => {
  verifier.clear();
  server = http.createServer((request, response) => {
    const name = NAMES[Number(/^\/keys\/(\d+)(?:\?|$)/.exec(request.url)?.[1])];
    if (name === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(sets[name]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  // With keys at hand every row meets its own rule, never the budget of fetches. A set that cannot be
  // read fails here, and again in its rows.
  await Promise.allSettled(
    NAMES.map((name) => verifier.prefetch({ issuer: origin, audience: 'api', jwksUri: jwksUri(name) })),
  );
});

afterAll(async () => {
  verifier.clear();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** What an accepted token must be handed out as, read without our code. */
function read(token) {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'));
  return { header, payload, claims: JSON.parse(payload) };
}

describe.each(TABLES)('vectors: %s', (table) => {
  const rows = require(`../../tests/vectors/${table}.json`);

  test.each(rows.map((row) => [row.name, row]))('%s', async (name, row) => {
    now = row.now;
    // A profile as it is written; Rust runs the same written out.
    const source = row.expect === 'ERR_KEY_NOT_FOUND' ? ownJwksUri(row.keys) : jwksUri(row.keys);
    const policy = verifier.compile({ ...(row.profile ?? row.policy), jwksUri: source });
    const outcome = await verifier.check(row.token, policy);
    expect(outcome.ok ? 'ok' : outcome.code).toBe(row.expect);
    if (!outcome.ok) {
      // No part of a token is ever said back.
      const long = row.token.split('.').filter((part) => part.length > 20);
      for (const part of long) expect(outcome.message).not.toContain(part);
      return;
    }
    const { header, payload, claims } = read(row.token);
    expect(outcome.claims).toBe(payload);
    expect(outcome.header).toBe(header);
    expect(outcome.subject).toBe(claims.sub);
    expect(outcome.expiresAt).toBe(claims.exp);
    if (row.scopes) expect(outcome.scopes).toEqual(row.scopes);
  });
});

test('a claim called __proto__ reaches the caller as data', async () => {
  const row = require('../../tests/vectors/claims.json').find(
    ({ name }) => name === 'accepts a __proto__ claim as data',
  );
  now = row.now;
  const { claims } = await verifier.verify(row.token, { ...row.policy, jwksUri: jwksUri(row.keys) });
  expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
  expect(Object.hasOwn(claims, '__proto__')).toBe(true);
  expect(claims.sub).toBe('user-1');
  expect({}.exp).toBeUndefined();
});

test.each([
  [undefined],
  [null],
  [5],
  [true],
  [{}],
  [[]],
  [Buffer.from('a.b.c')],
  [new String('a.b.c')],
  [() => 'a.b.c'],
])('refuses a token that is no string: %p', async (token) => {
  now = 1_700_000_000;
  const policy = verifier.compile({ issuer: origin, audience: 'api', jwksUri: jwksUri('main') });
  expect(await verifier.check(token, policy)).toMatchObject({
    ok: false,
    code: 'ERR_TOKEN_ARGUMENT',
    fault: 'request',
  });
});

test.each([['\ud800'], ['a\ud800.b.c'], ['\udc00.\udc00.\udc00']])(
  'refuses a token with a lone surrogate: %p',
  async (token) => {
    const policy = verifier.compile({ issuer: origin, audience: 'api', jwksUri: jwksUri('main') });
    expect(await verifier.check(token, policy)).toMatchObject({ ok: false, code: 'ERR_TOKEN_MALFORMED' });
  },
);

test('the files follow from the tables, and differ from LibreChat only where they say so', () => {
  const script = path.join(__dirname, '..', '..', 'scripts', 'vectors', 'make.mjs');
  expect(() => execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8', stdio: 'pipe' })).not.toThrow();
});

test('no two rows have one name, and there are enough of them', () => {
  const names = TABLES.flatMap((table) => require(`../../tests/vectors/${table}.json`).map((row) => row.name));
  expect(names.length).toBeGreaterThan(650);
  expect(new Set(names).size).toBe(names.length);
});
