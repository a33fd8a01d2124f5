'use strict';

// A provider whose two documents, and the clock it names, are a test's to choose.

const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');

/**
 * @param {{ metadata?: (origin: string) => object | undefined, keys?: () => object | undefined, clockOffset?: number,
 *   tls?: { cert: string, key: string } }} documents undefined: 404; `clockOffset`: seconds by which its `Date` is off
 */
async function serveDocuments({ metadata, keys, clockOffset = 0, tls }) {
  const answer = (request, response) => {
    const document = request.url.endsWith('/.well-known/openid-configuration')
      ? metadata?.(origin)
      : request.url.endsWith('/keys')
        ? keys?.()
        : undefined;
    response.setHeader('Date', new Date(Date.now() + clockOffset * 1000).toUTCString());
    response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(document ?? { error: 'not found' }));
  };
  const server = tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `${tls === undefined ? 'http://127.0.0.1' : 'https://localhost'}:${server.address().port}`;
  return {
    origin,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

module.exports = { serveDocuments };
