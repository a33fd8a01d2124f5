'use strict';

// The provider, in a process of its own so that serving keys costs the measured process nothing.

const { createServer } = require('node:http');
const { fork } = require('node:child_process');
const { once } = require('node:events');

if (require.main === module) {
  process.once('message', (/** @type {any} */ jwks) => {
    const body = JSON.stringify(jwks);
    const server = createServer((request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      if (!request.url.endsWith('/.well-known/openid-configuration')) return response.end(body);
      // Any path is an issuer of its own: scale.js needs ten thousand.
      const issuer = `http://127.0.0.1:${server.address().port}${request.url.slice(0, -33)}`;
      return response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
    });
    server.listen(0, '127.0.0.1', () => process.send(server.address().port));
  });
  process.on('disconnect', () => process.exit());
}

/** Starts it. @returns {Promise<{ issuer: string, jwksUri: string, stop: () => void }>} */
async function startProvider(jwks) {
  const child = fork(__filename);
  child.send(jwks);
  const [port] = await once(child, 'message');
  const issuer = `http://127.0.0.1:${port}/realms/main`;
  return { issuer, jwksUri: `${issuer}/keys`, stop: () => child.disconnect() };
}

module.exports = { startProvider };
