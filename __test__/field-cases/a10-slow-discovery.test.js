'use strict';

// The deadlines themselves are tried on a clock of its own by tests/suite/discovery.rs (`a10_...`).

const { createServer } = require('node:http');
const { once } = require('node:events');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { Signer } = require('../support/signer');

test('A10 what discovery found is kept for the next attempt, though the keys did not come', async () => {
  const signer = new Signer();
  const asked = { metadata: 0, keys: 0 };
  const server = createServer((request, response) => {
    const url = `http://127.0.0.1:${server.address().port}`;
    if (request.url === '/.well-known/openid-configuration') {
      asked.metadata += 1;
      return response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
    }
    asked.keys += 1;
    if (asked.keys < 2) response.statusCode = 503;
    return response.end(JSON.stringify({ keys: [signer.jwk] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const verifier = new RemoteTokenVerifier();
  const token = signer.token({ iss: issuer });
  const outcome = () =>
    verifier.verify(token, { issuer, audience: 'agents' }).then(
      () => 'ok',
      (error) => error.code,
    );
  try {
    expect(await outcome()).toBe('ERR_JWKS_FETCH');
    expect(asked).toEqual({ metadata: 1, keys: 1 });
    let last = 'ERR_JWKS_FETCH';
    for (let n = 0; n < 100 && last !== 'ok'; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      last = await outcome();
    }
    expect(last).toBe('ok');
    expect(asked).toEqual({ metadata: 1, keys: 2 });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}, 30_000);
