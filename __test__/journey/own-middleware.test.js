'use strict';

// examples/own-middleware over real HTTP: the middleware is hand-written, the engine is native, the provider is real.

const { once } = require('node:events');
const express = require('express');
const { startProvider } = require('../../examples/demo/provider.js');
const { flipped, resigned } = require('../../examples/demo/tokens.js');
const { readersOnly } = require('../../examples/own-middleware/middleware.js');

const APPLICATION = 'https://chat.example.com/api';

/** @type {import('../../examples/demo/provider.js').Provider} */
let provider;
/** @type {import('node:http').Server[]} */
const servers = [];
/** @type {string[]} */
const log = [];
/** @type {string} */
let url;

/** @param {Partial<Parameters<typeof readersOnly>[0]['identity']>} [identity] */
async function serve(identity) {
  const app = express();
  app.use(
    readersOnly({
      identity: {
        provider: provider.issuer,
        application: APPLICATION,
        permission: 'agents:use',
        ...identity,
      },
      readerOf: async (subject) => (subject === 'ada' ? { name: 'Ada' } : undefined),
      kioskCode: 'open-sesame',
      log: (line) => log.push(line),
    }),
  );
  app.get('/', (_req, res) => {
    res.send(res.locals.reader.name);
  });
  const server = app.listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/`;
}

/** @param {Record<string, string>} headers @param {string} [at] */
async function get(headers, at = url) {
  const response = await fetch(at, { headers });
  return {
    status: response.status,
    body: (await response.text()).trim(),
    headers: response.headers,
  };
}

/** @param {string} user @param {string} [scope] */
const tokenOf = (user, scope = 'agents:use') => provider.token({ user, audience: APPLICATION, scope });

beforeAll(async () => {
  provider = await startProvider();
  url = await serve();
}, 30_000);
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await provider.stop();
});
beforeEach(() => {
  log.length = 0;
});

test('lets a reader in with a token of the provider', async () => {
  const authorization = `Bearer ${await tokenOf('ada')}`;
  expect(await get({ authorization })).toMatchObject({ status: 200, body: 'Ada' });
  expect(log).toEqual([]);
});

test('refuses a good token of somebody who is no reader', async () => {
  const authorization = `Bearer ${await tokenOf('grace')}`;
  expect(await get({ authorization })).toMatchObject({
    status: 403,
    body: 'You are not a reader here.',
  });
});

test('refuses a flipped bit with 401 and logs the code, even beside a good kiosk code', async () => {
  const authorization = `Bearer ${flipped(await tokenOf('ada'))}`;
  expect(await get({ authorization, 'x-kiosk-code': 'open-sesame' })).toMatchObject({
    status: 401,
  });
  expect(log).toEqual([expect.stringContaining('ERR_SIGNATURE_INVALID')]);
});

test('refuses an expired token with 401 and logs the code', async () => {
  const expired = resigned(await tokenOf('ada'), await provider.key(), { claims: { exp: 1 } });
  expect(await get({ authorization: `Bearer ${expired}` })).toMatchObject({ status: 401 });
  expect(log).toEqual([expect.stringContaining('ERR_TOKEN_EXPIRED')]);
});

test('answers a missing permission with 403', async () => {
  const authorization = `Bearer ${await tokenOf('ada', 'agents:read')}`;
  expect(await get({ authorization })).toMatchObject({ status: 403, body: 'Not for you.' });
  expect(log).toEqual([expect.stringContaining('ERR_SCOPE_MISSING')]);
});

test('lets the kiosk in without a token, and only with its code', async () => {
  expect(await get({ 'x-kiosk-code': 'open-sesame' })).toMatchObject({
    status: 200,
    body: 'kiosk',
  });
  expect(await get({ 'x-kiosk-code': 'guess' })).toMatchObject({ status: 401 });
  expect(await get({})).toMatchObject({ status: 401, body: 'Please sign in.' });
});

test('answers another scheme with 400', async () => {
  expect(await get({ authorization: 'Basic YTpi' })).toMatchObject({ status: 400 });
});

test('answers its own wrong configuration with 500, whatever the token', async () => {
  const at = await serve({ application: '' });
  expect(await get({ authorization: `Bearer ${await tokenOf('ada')}` }, at)).toMatchObject({
    status: 500,
  });
  expect(log).toEqual([expect.stringContaining('ERR_POLICY_AUDIENCE')]);
});

test('answers 503 with Retry-After while nobody is there to ask for keys', async () => {
  // A port that was just free and where nobody listens.
  const gone = express().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (gone.address());
  gone.close();
  await once(gone, 'close');

  const at = await serve({ provider: `http://127.0.0.1:${port}` });
  const token = resigned(await tokenOf('ada'), await provider.key(), {
    claims: { iss: `http://127.0.0.1:${port}` },
  });
  const answer = await get({ authorization: `Bearer ${token}` }, at);
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(log).toEqual([expect.stringContaining('ERR_DISCOVERY_FETCH')]);
});
