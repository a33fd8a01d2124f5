'use strict';

// A whole MCP server whose tools are called with tokens of your provider. ISSUER: the provider; RESOURCE: this server's own URL as clients
// reach it, which tokens must be for (RFC 8707); PORT.

const { McpServer } = require('@modelcontextprotocol/sdk/server/mcp.js');
const { StreamableHTTPServerTransport } = require('@modelcontextprotocol/sdk/server/streamableHttp.js');
const { requireBearerAuth } = require('@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js');
const express = require('express');
const { protectedResourceMetadata } = require('remote-agent-auth');
const { createTokenVerifier } = require('remote-agent-auth/mcp');

const { ISSUER, PORT = '3000', RESOURCE = `http://127.0.0.1:${PORT}/mcp` } = process.env;
if (ISSUER === undefined) throw new Error('ISSUER is the URL of your OpenID provider');

// Where a client learns which provider to ask (RFC 9728): the 401 names this document.
const metadata = protectedResourceMetadata({
  resource: RESOURCE,
  authorization_servers: [ISSUER],
  scopes_supported: ['agents:use'],
});

const verifier = createTokenVerifier({
  issuer: ISSUER,
  audience: RESOURCE,
  onRefusal: (error) => console.error(`refused: ${error.code}: ${error.message}`),
});

/** A server for each request: nothing is kept between two, and no caller meets what another left. */
function createServer() {
  const server = new McpServer({ name: 'example', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Whom the token belongs to' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo.extra.subject}, by ${authInfo.clientId}` }],
  }));
  return server;
}

const app = express();
app.use(metadata);
app.post(
  new URL(RESOURCE).pathname,
  requireBearerAuth({ verifier, requiredScopes: ['agents:use'], resourceMetadataUrl: metadata.url }),
  express.json(),
  async (req, res) => {
    const server = createServer();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    res.on('close', () => {
      transport.close();
      server.close();
    });
    await server.connect(transport);
    await transport.handleRequest(req, res, req.body);
  },
);
// Without sessions there is no stream to open and none to end.
app.all(new URL(RESOURCE).pathname, (_req, res) => res.status(405).set('Allow', 'POST').end());
app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening: ${RESOURCE}`));
