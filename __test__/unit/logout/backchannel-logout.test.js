'use strict';

// Logout tokens by OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6: what counts, and what does not.

const { randomUUID } = require('node:crypto');
const express = require('express');
const { once } = require('node:events');
const { RemoteTokenVerifier, backchannelLogout } = require('../../..');
const { memoryStore, shareRevocations } = require('../../../lib/stores');
const { score } = require('../../support/score');
const { ISSUER, Signer, policyOf } = require('../../support/signer');

const CLIENT = 'the-client';
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const signer = new Signer();
const verifier = new RemoteTokenVerifier();
const access = verifier.compile(policyOf([signer.jwk]));
const now = () => Math.floor(Date.now() / 1000);
// Revocations are shared by the suites of one worker.
const unique = () => randomUUID();

/** @param {Record<string, unknown>} [claims] @param {Record<string, unknown> | string} [header] */
const logoutToken = (claims = {}, header = { typ: 'logout+jwt' }, by = signer) =>
  by.token({ aud: CLIENT, jti: unique(), exp: now() + 120, events: { [EVENT]: {} }, ...claims }, header);
const codeOf = async (claims) => {
  const outcome = await verifier.check(signer.token(claims), access);
  return outcome.ok ? 'ok' : outcome.code;
};

/** @type {import('node:http').Server[]} */
const servers = [];
afterAll(() => servers.forEach((server) => (server.close(), server.closeAllConnections())));

/** @param {object} [options] @param {import('express').RequestHandler[]} [before] */
async function listening(options = {}, before = [express.urlencoded({ extended: false, limit: '64kb' })]) {
  const codes = [];
  const app = express();
  const policy = policyOf([signer.jwk], { audience: CLIENT });
  app.use(
    '/logout',
    ...before,
    backchannelLogout({ policy, onLogout: ({ code = 'ok' }) => codes.push(code), ...options }),
  );
  const server = app.listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/logout`;
  const post = async (token, body = new URLSearchParams(token === undefined ? {} : { logout_token: token })) => {
    const response = await fetch(url, { method: 'POST', body });
    return { status: response.status, cache: response.headers.get('cache-control'), text: await response.text() };
  };
  return { codes, post, url };
}

test.each([
  ['parsed by express', undefined],
  ['parsed by nobody', []],
  ['as text', [express.text({ type: '*/*' })]],
])('a body %s ends the session, and no other', async (_name, before) => {
  const { codes, post } = await listening({}, before);
  const [sid, sub] = [unique(), unique()];
  expect(await codeOf({ sid, sub })).toBe('ok');
  expect(await post(logoutToken({ sid, sub }))).toEqual({ status: 200, cache: 'no-store', text: '' });
  expect(codes).toEqual(['ok']);
  expect(await codeOf({ sid, sub })).toBe('ERR_TOKEN_REVOKED');
  expect(await codeOf({ sid: unique(), sub })).toBe('ok');
});

test('without a session, or with `extent: subject`, all that the subject was issued before is revoked', async () => {
  const [{ post }, all] = [await listening(), await listening({ extent: 'subject' })];
  const [sub, other, sid, at] = [unique(), unique(), unique(), now()];
  expect((await post(logoutToken({ sub, sid: undefined }))).status).toBe(200);
  expect((await all.post(logoutToken({ sub: other, sid }))).status).toBe(200);
  for (const name of [sub, other]) {
    expect(await codeOf({ sub: name, iat: at })).toBe('ERR_TOKEN_REVOKED');
    // Logged in again, a second later.
    expect(await codeOf({ sub: name, iat: now() + 1 })).toBe('ok');
  }
  expect(await codeOf({ sub: unique(), sid })).toBe('ERR_TOKEN_REVOKED');
});

test('of a provider with several names, a logout under one of them counts for tokens under each', async () => {
  const issuer = [ISSUER, `${ISSUER}/within`];
  const several = verifier.compile(policyOf([signer.jwk], { issuer }));
  const codeBy = async (claims) => {
    const outcome = await verifier.check(signer.token(claims), several);
    return outcome.ok ? 'ok' : outcome.code;
  };
  const policy = policyOf([signer.jwk], { issuer, audience: CLIENT });
  for (const extent of ['session', 'subject']) {
    const { post } = await listening({ policy, extent });
    for (const iss of issuer) {
      const [sid, sub] = [unique(), unique()];
      expect((await post(logoutToken({ iss, sid, sub }))).status).toBe(200);
      for (const other of issuer) expect(await codeBy({ iss: other, sid, sub })).toBe('ERR_TOKEN_REVOKED');
      expect(await codeBy({ sid: unique(), sub })).toBe(extent === 'session' ? 'ok' : 'ERR_TOKEN_REVOKED');
      expect(await codeBy({ iss: issuer[1], sid: unique(), sub: unique() })).toBe('ok');
    }
  }
});

test.each([
  ['typ JWT', {}, { typ: 'JWT' }],
  ['no typ', {}, {}],
  ['typ with its media type', {}, { typ: 'application/logout+jwt' }],
  ['a list of audiences', { aud: ['x', CLIENT] }, { typ: 'logout+jwt' }],
  ['another event beside', { events: { [EVENT]: {}, 'urn:x': 1 } }, { typ: 'logout+jwt' }],
  ['Keycloak’s claim typ', { typ: 'Logout' }, { typ: 'JWT' }],
  ['only a session', { sub: undefined, sid: 's' }, { typ: 'logout+jwt' }],
])('counts with %s', async (_name, claims, header) => {
  const { post } = await listening();
  expect((await post(logoutToken({ sub: unique(), ...claims }, header))).status).toBe(200);
});

test('without `exp` it counts where the policy says that the provider leaves it out, and not once it is old', async () => {
  const policy = policyOf([signer.jwk], { audience: CLIENT, requireExp: false });
  const { post } = await listening({ policy });
  const strict = await listening();
  expect((await strict.post(logoutToken({ sub: unique(), exp: undefined }))).status).toBe(400);
  expect(strict.codes).toEqual(['ERR_TOKEN_CLAIMS']);
  expect((await post(logoutToken({ sub: unique(), exp: undefined }))).status).toBe(200);
  expect((await post(logoutToken({ sub: unique(), exp: undefined, iat: now() - 360 }))).status).toBe(400);
  expect((await post(logoutToken({ sub: unique(), exp: now() - 1 }))).status).toBe(400);
});

const E = (events) => ({ events });
/** Each wrong in one thing. */
const WRONG = [
  ['another issuer', { iss: 'https://other.example' }],
  ['no issuer', { iss: undefined }],
  ['another audience', { aud: 'other' }],
  ['the audience of access tokens', { aud: 'agents' }],
  ['no audience', { aud: undefined }],
  ['an empty list of audiences', { aud: [] }],
  ['an end that has passed', { exp: now() - 1 }],
  ['no end', { exp: undefined }],
  ['an end that is text', { exp: '9999999999' }],
  ['no iat', { iat: undefined }],
  ['iat as text', { iat: 'now' }],
  ['iat in the future', { iat: now() + 3_600, exp: now() + 7_200 }],
  ['iat six minutes ago', { iat: now() - 360 }],
  ['a beginning in the future', { nbf: now() + 3_600 }],
  ['no jti', { jti: undefined }],
  ['an empty jti', { jti: '' }],
  ['a blank jti', { jti: ' ' }],
  ['a jti that is a number', { jti: 7 }],
  ['a nonce', { nonce: 'n' }],
  ['a nonce that is null', { nonce: null }],
  ['a nonce that is false', { nonce: false }],
  ['no events', E(undefined)],
  ['events that are null', E(null)],
  ['events that are text', E(EVENT)],
  ['events that are a list', E([EVENT])],
  ['events that are empty', E({})],
  ['another event alone', E({ 'urn:x': {} })],
  ['an event that is null', E({ [EVENT]: null })],
  ['an event that is true', E({ [EVENT]: true })],
  ['an event that is a list', E({ [EVENT]: [] })],
  ['an event in other letters', E({ [EVENT.toUpperCase()]: {} })],
  ['an event with a slash', E({ [`${EVENT}/`]: {} })],
  ['neither subject nor session', { sub: undefined }],
  ['a subject that is a number', { sub: 7 }],
  ['an empty subject', { sub: '' }],
  ['a session that is a number beside a subject', { sid: 7 }],
  ['a session that is null beside a subject', { sid: null }],
  ['a blank session', { sid: ' ' }],
  ['typ at+jwt', {}, { typ: 'at+jwt' }],
  ['typ secevent+jwt', {}, { typ: 'secevent+jwt' }],
  ['typ dpop+jwt', {}, { typ: 'dpop+jwt' }],
  ['a claim that says it is a refresh token', { typ: 'Refresh' }],
  ['crit', {}, { typ: 'logout+jwt', crit: ['x'] }],
  ['a kid nobody publishes', {}, { typ: 'logout+jwt', kid: 'other' }],
];

test('wrong logout tokens are refused with 400, and revoke nothing', async () => {
  const { codes, post } = await listening();
  const wrong = WRONG.map(([name, claims, header]) => {
    const sub = unique();
    return { name, sub, token: logoutToken({ sub, ...claims }, header) };
  });
  const sub = unique();
  const good = logoutToken({ sub });
  const [head, , signature] = good.split('.');
  const unsigned = (header) => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${good.split('.')[1]}.`;
  wrong.push(
    { name: 'another key', sub, token: logoutToken({ sub }, undefined, new Signer()) },
    { name: 'alg none', sub, token: unsigned({ alg: 'none', typ: 'logout+jwt' }) },
    { name: 'no signature', sub, token: `${good.slice(0, good.lastIndexOf('.'))}.` },
    { name: 'claims of another', sub, token: [head, logoutToken({ sub: 'x' }).split('.')[1], signature].join('.') },
    { name: 'an access token', sub, token: signer.token({ sub, aud: CLIENT, jti: 'j' }) },
    { name: 'an ID token', sub, token: signer.token({ sub, aud: CLIENT, jti: 'j', nonce: 'n', auth_time: now() }) },
    { name: 'no JWT', sub, token: 'opaque' },
    { name: 'nothing', sub, token: '' },
  );
  const passed = [];
  for (const { name, token, sub: named } of wrong) {
    const { status, text } = await post(token);
    if (status !== 400 || text !== '{"error":"invalid_request"}') passed.push([name, status, text]);
    if ((await codeOf({ sub: named })) !== 'ok') passed.push([name, 'revoked']);
  }
  expect(passed).toEqual([]);
  expect(codes).toHaveLength(wrong.length);
  expect(codes).not.toContain('ok');
  expect((await post(good)).status).toBe(200);
  score('S55', `${wrong.length} wrong logout tokens refused`, '40 wrong logout tokens refused', wrong.length >= 40);
});

test('a logout token counts once', async () => {
  const { codes, post } = await listening();
  const token = logoutToken({ sub: unique() });
  expect([(await post(token)).status, (await post(token)).status]).toEqual([200, 400]);
  expect(codes).toEqual(['ok', 'ERR_LOGOUT_INVALID']);
});

test('with a store it counts once in all replicas, and without that it still counts', async () => {
  const store = memoryStore();
  const [first, second] = [await listening({ store }), await listening({ store })];
  const token = logoutToken({ sub: unique() });
  expect([(await first.post(token)).status, (await second.post(token)).status]).toEqual([200, 400]);
  const rejected = () => Promise.reject(new Error('down'));
  const down = await listening({ store: { setIfAbsent: rejected, delete: rejected } });
  const sub = unique();
  const other = logoutToken({ sub });
  expect([(await down.post(other)).status, (await down.post(other)).status]).toEqual([200, 400]);
  expect(await codeOf({ sub })).toBe('ERR_TOKEN_REVOKED');
});

test('shared, and while that cannot be written 503: it counts here, and may come again', async () => {
  const store = memoryStore();
  let isDown = true;
  const flaky = {
    ...store,
    append: async (...args) => (isDown ? Promise.reject(new Error('down')) : store.append(...args)),
  };
  const revocations = shareRevocations({ store: flaky, sharedSecret: 's'.repeat(32) });
  const { codes, post } = await listening({ revocations });
  const sub = unique();
  const token = logoutToken({ sub });
  expect(await post(token)).toMatchObject({ status: 503, text: '{"error":"temporarily_unavailable"}' });
  expect(await codeOf({ sub })).toBe('ERR_TOKEN_REVOKED');
  isDown = false;
  expect((await post(token)).status).toBe(200);
  expect(codes).toEqual(['ERR_STORE_UNAVAILABLE', 'ok']);
  const members = [];
  await store.read('revocations', (page) => members.push(...page));
  expect(members).toHaveLength(1);
  expect(members[0]).not.toContain(sub);
  await revocations.close();
});

test('it counts once, whenever it comes again', async () => {
  const { post } = await listening();
  const token = logoutToken({ sub: unique() });
  expect((await post(token)).status).toBe(200);
  const time = Date.now();
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => time + 60_000);
  const again = await post(token).finally(() => clock.mockRestore());
  expect(again.status).toBe(400);
});

test('of one that comes several times at once, one counts', async () => {
  const { post } = await listening();
  const token = logoutToken({ sub: unique() });
  const answers = await Promise.all([1, 2, 3].map(() => post(token)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
});

test.each(['the same replica', 'another replica'])('after 503 the provider’s retry counts at %s', async (which) => {
  const store = memoryStore();
  let isDown = true;
  const flaky = {
    ...store,
    append: async (...args) => (isDown ? Promise.reject(new Error('down')) : store.append(...args)),
  };
  const revocations = shareRevocations({ store: flaky, sharedSecret: 's'.repeat(32) });
  const [first, second] = [await listening({ revocations, store }), await listening({ revocations, store })];
  const again = which === 'the same replica' ? first : second;
  const token = logoutToken({ sub: unique() });
  expect((await first.post(token)).status).toBe(503);
  isDown = false;
  expect((await again.post(token)).status).toBe(200);
  expect([(await first.post(token)).status, (await second.post(token)).status]).toContain(400);
  expect((await again.post(token)).status).toBe(400);
  await revocations.close();
});

test('`onLogout` that throws or rejects changes no answer', async () => {
  const thrown = () => {
    throw new Error('the host’s');
  };
  for (const onLogout of [thrown, async () => thrown()]) {
    const { post } = await listening({ onLogout });
    const token = logoutToken({ sub: unique() });
    expect([(await post(token)).status, (await post(token)).status]).toEqual([200, 400]);
  }
});

test('what is no form, or has two tokens, or is no POST', async () => {
  const { url } = await listening({}, []);
  const send = async (init) => (await fetch(url, init)).status;
  const type = { 'content-type': 'application/json' };
  const token = logoutToken({ sub: unique() });
  const two = new URLSearchParams([
    ['logout_token', token],
    ['logout_token', token],
  ]);
  expect(await send({ method: 'POST', body: JSON.stringify({ logout_token: token }), headers: type })).toBe(400);
  expect(await send({ method: 'POST', body: two })).toBe(400);
  expect(await send({ method: 'POST' })).toBe(400);
  expect(await send({ method: 'POST', body: new URLSearchParams({ logout_token: 'x'.repeat(70_000) }) })).toBe(400);
  expect(await send({})).toBe(405);
  expect(await send({ method: 'POST', body: new URLSearchParams({ logout_token: token }) })).toBe(200);
});

test('a provider that cannot be asked for its keys is no fault of the token', async () => {
  const policy = { issuer: ISSUER, audience: CLIENT, jwksUri: 'http://127.0.0.1:1/jwks' };
  const { codes, post } = await listening({ policy });
  expect((await post(logoutToken({ sub: unique() }))).status).toBe(503);
  expect(codes).toEqual(['ERR_JWKS_FETCH']);
});

test.each([
  undefined,
  {},
  { policy: {} },
  { policy: policyOf([signer.jwk], { audience: undefined, tokenUse: 'access', scope: 'read' }) },
  { policy: policyOf([signer.jwk]), store: { setIfAbsent() {} } },
  { policy: policyOf([signer.jwk]), more: 1 },
  { policy: policyOf([signer.jwk]), extent: 'all' },
  { policy: policyOf([signer.jwk]), lasts: 0 },
  { policy: policyOf([signer.jwk]), lasts: Infinity },
  { policy: policyOf([signer.jwk]), store: {} },
  { policy: policyOf([signer.jwk]), revocations: {} },
  { policy: policyOf([signer.jwk]), onLogout: 1 },
])('does not start with %#', (options) => {
  expect(() => backchannelLogout(options)).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^ERR_POLICY_/) }),
  );
});

test.each(['', 'short', undefined, 7])('shareRevocations does not start with the secret %p', (sharedSecret) => {
  expect(() => shareRevocations({ store: memoryStore(), sharedSecret })).toThrow(
    expect.objectContaining({ code: 'ERR_POLICY_OPTION' }),
  );
});

test('an access policy accepts no logout token', async () => {
  const outcome = await verifier.check(logoutToken({ aud: 'agents', sub: unique() }), access);
  expect(outcome.code).toBe('ERR_LOGOUT_TOKEN');
});
