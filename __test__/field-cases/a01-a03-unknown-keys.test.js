'use strict';

// Rotations, stale clients, outages and junk `kid`s at a provider on loopback. What takes minutes is played on a clock of its own by
// tests/suite/refresh_simulation.rs (`a1_...`, `a2_...`, `a3_...`); here is what callers of the package see.

const { createRemoteAgentAuth } = require('../../lib/middleware/remote-agent-auth');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');

const issuer = new Issuer();
const verifier = new RemoteTokenVerifier();
let port;

beforeAll(async () => {
  await issuer.start();
  port = issuer.port;
});
beforeEach(() => verifier.clear());
afterAll(() => issuer.stop());

const policy = () => ({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
const resultOf = (token) =>
  verifier.verify(token, policy()).then(
    () => 'ok',
    (error) => error,
  );
const outcome = async (token) => {
  const result = await resultOf(token);
  return result === 'ok' ? 'ok' : result.code;
};
let serial = 0;
const junk = () => issuer.token({}, { header: { kid: `junk-${(serial += 1)}` } });

test('A1 tokens of withdrawn keys cause no fetch, and good ones of the newest key are never refused', async () => {
  const stale = [issuer.token()];
  expect(await outcome(stale[0])).toBe('ok');
  const before = issuer.requests.keys;
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    issuer.rotate();
    const good = issuer.token();
    expect(await outcome(good)).toBe('ok');
    for (let n = 0; n < 20; n += 1) {
      for (const token of stale) expect(await outcome(token)).toBe('ERR_KEY_NOT_FOUND');
      expect(await outcome(issuer.token({ sub: `subject-${n}` }))).toBe('ok');
    }
    stale.push(good);
  }
  expect(issuer.requests.keys - before).toBe(3);
  const { message } = await resultOf(stale[0]);
  expect(message).toMatch(
    /^the provider's keys, fetched \d+ s ago, have none for the token's `kid`; it is not asked again for this one for \d+ s$/,
  );
});

test('A2 fetches that fail while the provider is down are not charged to the tokens of its new key', async () => {
  expect(await outcome(issuer.token())).toBe('ok');
  const unknown = junk();
  await issuer.stop();
  for (let n = 0; n < 3; n += 1) expect(await outcome(unknown)).toBe('ERR_JWKS_FETCH');
  issuer.rotate();
  await issuer.start(port);
  const good = await Promise.all(Array.from({ length: 20 }, (_, n) => outcome(issuer.token({ sub: `subject-${n}` }))));
  expect(new Set(good)).toEqual(new Set(['ok']));
}, 30_000);

test('A3 while junk has spent the fetches, a token of a new key waits for the next one and passes', async () => {
  expect(await outcome(issuer.token())).toBe('ok');
  for (let n = 0; n < 3; n += 1) expect(await outcome(junk())).toBe('ERR_KEY_NOT_FOUND');
  issuer.rotate();
  const before = issuer.requests.keys;
  const begun = performance.now();
  expect(await outcome(issuer.token())).toBe('ok');
  expect(performance.now() - begun).toBeLessThan(7_500);
  expect(issuer.requests.keys - before).toBe(1);
}, 30_000);

test('A3 beyond 256 waiting requests each is refused with a time to retry, and never as if the provider had no key', async () => {
  expect(await outcome(issuer.token())).toBe('ok');
  for (let n = 0; n < 3; n += 1) await outcome(junk());
  const waiting = Array.from({ length: 256 }, () => outcome(junk()));
  const refused = await resultOf(junk());
  expect(refused).toMatchObject({ code: 'ERR_KEY_NOT_ASKED', fault: 'upstream' });
  expect(refused.message).toMatch(/not asked again for [1-8] s$/);
  expect(refused.retryAfter).toBeGreaterThan(0);

  const answer = async (options, apiKey) => {
    const logger = recordingLogger();
    const middleware = createRemoteAgentAuth(
      {
        apiKeyMiddleware: (_req, res) => res.status(299).json({}),
        findUser: async () => null,
        updateUser: async () => null,
        getAppConfig: async () =>
          configOf({
            apiKey: { enabled: apiKey },
            oidc: { enabled: true, issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri },
          }),
        logger,
      },
      { verifier, ...options },
    );
    const res = fullResponse();
    await middleware({ headers: { authorization: `Bearer ${junk()}` } }, res, () => {});
    return { res, logged: JSON.stringify(logger.lines.map(([level, text, error]) => [level, text, error?.message])) };
  };
  const standard = await answer({ responses: 'standard' }, false);
  expect(standard.res.code).toBe(503);
  expect(standard.res.headers['Retry-After']).toMatch(/^[1-8]$/);
  expect((await answer({}, false)).res.code).toBe(401);
  const withKeys = await answer({}, true);
  expect(withKeys.res.code).toBe(299);
  for (const { logged } of [standard, withKeys]) {
    expect(logged).toMatch(/not asked again for [1-8] s/);
    expect(logged).not.toMatch(/no key|publishes no/);
  }
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['ERR_KEY_NOT_FOUND']));
}, 30_000);
