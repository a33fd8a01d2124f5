'use strict';

const { generateKeyPairSync } = require('node:crypto');
const http = require('node:http');
const net = require('node:net');
const zlib = require('node:zlib');
const { RemoteAuthError, RemoteTokenVerifier, createRemoteAgentAuth } = require('../..');

const jwk = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), kid: 'k' };
const keys = JSON.stringify({ keys: [jwk] });
const servers = [];

const sockets = new Set();

afterAll(() => {
  servers.forEach((server) => server.close());
  sockets.forEach((socket) => socket.destroy());
});

/** @param {import('node:net').Server} server @returns {Promise<string>} its URL */
async function listening(server) {
  servers.push(server);
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://localhost:${server.address().port}`;
}

const verifier = new RemoteTokenVerifier();
const ask = (jwksUri, more) => verifier.prefetch({ issuer: 'https://idp.example', audience: 'api', jwksUri, ...more });

test('A5 keys are asked for by their own media type, metadata as JSON', async () => {
  const asked = {};
  const url = await listening(
    http.createServer((req, res) => {
      asked[req.url] = req.headers.accept;
      if (req.url === '/keys') {
        // As a Kubernetes API server.
        if (!req.headers.accept.includes('application/jwk-set+json')) return res.writeHead(406).end();
        return res.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(keys);
      }
      return res.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
    }),
  );
  await verifier.prefetch({ issuer: url, audience: 'api' });
  expect(asked['/keys']).toBe('application/jwk-set+json, application/json;q=0.9, */*;q=0.1');
  expect(asked['/.well-known/openid-configuration']).toMatch(/^application\/json/);
});

test('A6 gzip is decoded within the cap, and every other coding named', async () => {
  const bodies = {
    gzip: zlib.gzipSync(keys),
    'x-gzip': zlib.gzipSync(keys),
    br: zlib.brotliCompressSync(keys),
    deflate: zlib.deflateSync(keys),
    'gzip, gzip': zlib.gzipSync(zlib.gzipSync(keys)),
  };
  let accepted;
  const url = await listening(
    http.createServer((req, res) => {
      accepted = req.headers['accept-encoding'];
      const coding = decodeURIComponent(req.url.slice(1));
      if (coding === 'bomb')
        return res.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(Buffer.alloc(5_000_000, 32)));
      return res.writeHead(200, { 'content-encoding': coding }).end(bodies[coding]);
    }),
  );
  await ask(`${url}/gzip`);
  await ask(`${url}/x-gzip`);
  expect(accepted).toBe('identity');
  for (const [coding, named] of [
    ['br', 'br'],
    ['deflate', 'deflate'],
    ['gzip, gzip', 'several'],
  ]) {
    await expect(ask(`${url}/${encodeURIComponent(coding)}`)).rejects.toMatchObject({
      reason: 'encoding',
      message: expect.stringContaining(named),
    });
  }
  await expect(ask(`${url}/bomb`)).rejects.toMatchObject({ code: 'ERR_JWKS_FETCH', reason: 'too-large' });
});

test.each([
  ['zeros behind gzip', 'gzip', Buffer.concat([zlib.gzipSync(keys), Buffer.alloc(512)])],
  ['a line end behind gzip', 'gzip', Buffer.concat([zlib.gzipSync(keys), Buffer.from('\r\n')])],
  ['two members of gzip', 'GZIP', Buffer.concat([zlib.gzipSync(keys.slice(0, 20)), zlib.gzipSync(keys.slice(20))])],
  ['a charset where a coding belongs', 'utf-8', Buffer.from(keys)],
  ['a byte order mark', 'identity', Buffer.from(`\ufeff${keys}`)],
])('A6 %s does no harm', async (_what, coding, body) => {
  const url = await listening(
    http.createServer((_req, res) => res.writeHead(200, { 'content-encoding': coding }).end(body)),
  );
  await ask(`${url}/`);
});

test.each([
  ['gzip cut short', 'gzip', zlib.gzipSync(keys).subarray(0, -4), 'cannot be decoded'],
  ['what is no gzip', 'gzip', Buffer.from(keys), 'cannot be decoded'],
  ['a coding nobody knows', 'snappy<b>', Buffer.from(keys), 'snappy'],
])('A6 %s is named', async (_what, coding, body, named) => {
  const url = await listening(
    http.createServer((_req, res) => res.writeHead(200, { 'content-encoding': coding }).end(body)),
  );
  await expect(ask(`${url}/`)).rejects.toMatchObject({ reason: 'encoding', message: expect.stringContaining(named) });
});

/** A provider that answers the first request of each connection, and ends the connection by `end` at the next one. */
async function endingAtNextUse(end) {
  const seen = { connections: 0 };
  const server = net.createServer((socket) => {
    seen.connections += 1;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', () => {
      requests += 1;
      if (requests > 1) return end(socket);
      return socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${keys.length}\r\n\r\n${keys}`);
    });
  });
  return { url: await listening(server), seen };
}

test('A7 a kept connection that answers 408 at its next use is replaced, and no request fails', async () => {
  const timeout = 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
  const { url, seen } = await endingAtNextUse((socket) => socket.end(timeout));
  for (let time = 0; time < 3; time += 1) await ask(`${url}/`);
  expect(seen.connections).toBe(3);
  const always = await listening(http.createServer((_req, res) => res.writeHead(408).end()));
  await expect(ask(`${always}/`)).rejects.toMatchObject({ code: 'ERR_JWKS_FETCH', reason: 'status' });
});

test('A7 a kept connection that is reset at its next use is replaced, and no request fails', async () => {
  const { url, seen } = await endingAtNextUse((socket) => socket.resetAndDestroy());
  for (let time = 0; time < 4; time += 1) await ask(`${url}/`);
  expect(seen.connections).toBe(4);
});

describe('C1 a connection that fails', () => {
  test('C1 is named by its reason and host in the error, in stats() and in the log', async () => {
    const gone = net.createServer();
    const url = await listening(gone);
    gone.close();
    const failure = {
      code: 'ERR_JWKS_FETCH',
      fault: 'upstream',
      reason: 'refused',
      host: 'localhost',
      message: expect.stringMatching(/localhost/),
    };
    const error = await ask(`${url}/keys`).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(RemoteAuthError);
    expect(error).toMatchObject(failure);
    const { lastFailure } = verifier.stats().sources.find((source) => source.url === `${url}/keys`);
    expect(lastFailure).toMatchObject({ reason: 'refused', host: 'localhost' });

    const claims = { iss: 'https://idp.example', aud: 'api', sub: 'me', exp: Math.floor(Date.now() / 1000) + 60 };
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}.${Buffer.alloc(64, 1).toString('base64url')}`;
    const lines = [];
    const log = (...line) => lines.push(line);
    const config = {
      endpoints: {
        agents: {
          remoteApi: {
            auth: {
              apiKey: { enabled: false },
              oidc: { enabled: true, issuer: claims.iss, audience: 'api', jwksUri: `${url}/keys` },
            },
          },
        },
      },
    };
    const deps = {
      findUser: async () => null,
      updateUser: async () => {},
      getAppConfig: async () => config,
      apiKeyMiddleware() {},
      logger: { debug: log, info: log, warn: log, error: log },
    };
    const res = {
      statusCode: 0,
      status(code) {
        this.statusCode = code;
        return this;
      },
      json(body) {
        this.body = body;
        return this;
      },
      setHeader() {},
    };
    await createRemoteAgentAuth(deps)({ headers: { authorization: `Bearer ${token}` } }, res, () => {});
    expect(res.statusCode).toBe(401);
    expect(JSON.stringify(res.body)).not.toMatch(/refused|localhost/);
    const said = lines.flat().find((detail) => detail?.reason !== undefined);
    expect(said).toMatchObject(failure);
  });
});
