'use strict';

const { readFileSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { RemoteTokenVerifier } = require('../../..');
const { createHealthHandler, health } = require('../../../lib/operations/metrics');
const { Issuer } = require('../../support/issuer');

const NOW = 1_800_000_000_000;
const source = (over = {}) => ({
  kind: 'discovery',
  url: 'https://a.example',
  age: 10,
  lifeLeft: 50,
  staleLeft: 14_000,
  nextAttempt: null,
  lastFailure: null,
  keys: [{ kid: 'a' }],
  refreshes: { begun: 1, succeeded: 1, failed: 0, notModified: 0 },
  ...over,
});
const of = (sources, issuers) => health({ verifier: { stats: () => ({ sources }) }, issuers, now: () => NOW });
const failure = { age: 1, code: 'ERR_JWKS_FETCH', message: 'refused', reason: 'refused', host: 'a.example' };

test.each([
  ['fresh keys', {}, { status: 'ready', keys: 1, age: 10 }, true],
  [
    'stale keys',
    { lifeLeft: 0, staleLeft: 60, lastFailure: failure, nextAttempt: 5 },
    {
      status: 'degraded',
      keys: 1,
      age: 10,
      until: NOW + 60_000,
      lastError: 'ERR_JWKS_FETCH',
      reason: 'refused',
      host: 'a.example',
      nextAttempt: NOW + 5000,
    },
    true,
  ],
  ['keys past the stale bound', { lifeLeft: 0, staleLeft: 0 }, { status: 'down', keys: 0, age: 10 }, false],
  [
    'no keys',
    { age: null, lifeLeft: null, staleLeft: null, keys: [], lastFailure: failure, nextAttempt: 0.5 },
    {
      status: 'down',
      keys: 0,
      lastError: 'ERR_JWKS_FETCH',
      reason: 'refused',
      host: 'a.example',
      nextAttempt: NOW + 500,
    },
    false,
  ],
])('%s', (_, over, report, ready) => {
  expect(of([source(over)])).toEqual({ ready, issuers: [{ issuer: 'https://a.example', ...report }] });
});

test('only the issuers named count, and one that nobody asked for is down', () => {
  const sources = [source(), source({ url: 'https://gone.example', staleLeft: null, keys: [] })];
  expect(of(sources).ready).toBe(false);
  expect(of(sources, ['https://a.example']).ready).toBe(true);
  expect(of(sources, ['https://a.example', 'https://new.example'])).toEqual({
    ready: false,
    issuers: [expect.objectContaining({ status: 'ready' }), { issuer: 'https://new.example', status: 'down', keys: 0 }],
  });
});

const NOT_ASKED = {
  age: null,
  lifeLeft: null,
  staleLeft: null,
  keys: [],
  refreshes: { begun: 0, succeeded: 0, failed: 0, notModified: 0 },
};

test('a place for keys that nobody was asked for says nothing, and is no key of an issuer that is named', () => {
  expect(of([source(NOT_ASKED)])).toEqual({ ready: true, issuers: [] });
  expect(of([source(), source(NOT_ASKED)])).toMatchObject({ ready: true, issuers: [{ status: 'ready', keys: 1 }] });
  expect(of([source(NOT_ASKED)], ['https://a.example'])).toEqual({
    ready: false,
    issuers: [{ issuer: 'https://a.example', status: 'down', keys: 0 }],
  });
});

test('keys of the configuration are there however old they are', () => {
  const inline = source({ kind: 'inline', url: '', age: 90_000, lifeLeft: 0, staleLeft: 0 });
  expect(of([inline])).toEqual({
    ready: true,
    issuers: [{ issuer: 'inline', status: 'ready', keys: 1, age: 90_000 }],
  });
});

test('sources of one issuer are one, as well as the best of them', () => {
  const [down, degraded] = [source({ staleLeft: null, keys: [] }), source({ lifeLeft: 0 })];
  expect(of([down, degraded])).toMatchObject({ ready: true, issuers: [{ status: 'degraded' }] });
  expect(of([down, degraded, source()])).toMatchObject({ ready: true, issuers: [{ status: 'ready' }] });
  expect(of([down, down])).toMatchObject({ ready: false, issuers: [{ status: 'down' }] });
});

test('an issuer is named with a slash at the end or without', () => {
  const name = 'https://a.example';
  for (const [url, wanted] of [
    [name, `${name}/`],
    [`${name}/`, name],
  ])
    expect(of([source({ url })], [wanted, name])).toMatchObject({
      ready: true,
      issuers: [{ issuer: url, status: 'ready' }],
    });
});

test('a token that nobody signed does not make a fresh process unready', async () => {
  const issuer = await new Issuer().start();
  const verifier = new RemoteTokenVerifier();
  verifier.clear();
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = part({ iss: issuer.url, aud: 'other', sub: 'a', exp: 9e9 });
  const outcome = await verifier.check(
    `${part({ alg: 'RS256', kid: 'x' })}.${claims}.AAAA`,
    verifier.compile({ issuer: issuer.url, audience: 'agents' }),
  );
  await issuer.stop();
  expect(outcome).toMatchObject({ ok: false, code: 'ERR_TOKEN_AUDIENCE' });
  expect(verifier.stats().sources).toEqual([expect.objectContaining({ url: issuer.url, keys: [] })]);
  expect(health({ verifier })).toEqual({ ready: true, issuers: [] });
});

test('the handler answers 200, or 503 where an issuer is down', () => {
  const answer = (sources) => {
    const res = {
      headers: {},
      setHeader: (name, value) => (res.headers[name] = value),
      end: (body) => (res.body = body),
    };
    createHealthHandler({ verifier: { stats: () => ({ sources }) } })({}, res);
    return [res.statusCode, res.headers['Cache-Control'], JSON.parse(res.body).ready];
  };
  expect(answer([source()])).toEqual([200, 'no-store', true]);
  expect(answer([source({ staleLeft: 0 })])).toEqual([503, 'no-store', false]);
});

/** The members of a declared object type, each with those of its own where it has some. */
function membersOf(checker, type) {
  const array = checker.getIndexTypeOfType(type, ts.IndexKind.Number);
  if (array !== undefined && type.symbol?.name === 'Array') return membersOf(checker, array);
  const parts = (type.isUnion() ? type.types : [type]).filter((part) => part.flags & ts.TypeFlags.Object);
  return Object.fromEntries(
    parts
      .flatMap((part) => part.getProperties())
      .map((member) => {
        const declared = checker.getTypeOfSymbol(member);
        return [member.name, isPlain(declared) ? true : membersOf(checker, declared)];
      }),
  );
}
const isPlain = (type) => !(type.isUnion() ? type.types : [type]).some((part) => part.flags & ts.TypeFlags.Object);

/** What a value has that its type does not declare, and the other way round where a member is never missing. */
function undeclared(value, members, at = 'stats') {
  if (Array.isArray(value)) return value.flatMap((item) => undeclared(item, members, at));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    members[name] === undefined ? [`${at}.${name}`] : undeclared(member, members[name], `${at}.${name}`),
  );
}

test('stats() is as its type says, from a native verifier with keys and without', async () => {
  const file = path.join(__dirname, '..', '..', '..', 'index.d.ts');
  expect(readFileSync(file, 'utf8')).toContain('stats(): VerifierStats;');
  const program = ts.createProgram([file], { strict: true });
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const declared = checker.getDeclaredTypeOfSymbol(exported.find(({ name }) => name === 'VerifierStats'));
  const members = membersOf(checker, declared);

  const issuer = await new Issuer().start();
  const gone = await new Issuer().start();
  await gone.stop();
  const verifier = new RemoteTokenVerifier();
  verifier.clear();
  await verifier.prefetch({ issuer: issuer.url, audience: 'agents' });
  await verifier.prefetch({ issuer: gone.url, audience: 'agents' }).catch(() => {});
  const stats = verifier.stats();
  await issuer.stop();
  expect(stats.sources).toHaveLength(2);
  expect(undeclared(stats, members)).toEqual([]);
  expect(Object.keys(stats).sort()).toEqual(Object.keys(members).sort());
  for (const each of stats.sources) expect(Object.keys(each).sort()).toEqual(Object.keys(members.sources).sort());
  const failed = stats.sources.find(({ url }) => url === gone.url);
  expect(failed).toMatchObject({ age: null, staleLeft: null, lastFailure: { code: 'ERR_DISCOVERY_FETCH' } });
  expect(failed.nextAttempt).toEqual(expect.any(Number));
  expect(health({ verifier, issuers: [issuer.url] })).toMatchObject({
    ready: true,
    issuers: [{ status: 'ready', keys: 1 }],
  });
  expect(health({ verifier }).ready).toBe(false);
});
