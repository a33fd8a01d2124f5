// The SDK's own client against examples/mcp/server.js and a real provider; prints what happened as JSON.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startProvider } from './mcp-provider.mjs';

const REDIRECT = 'http://127.0.0.1:9/callback';
const provider = await startProvider();

/** A port that was free a moment ago. @returns {Promise<number>} */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {any} */ (server.address());
      server.close(() => resolve(port));
    });
  });

const port = await freePort();
const resource = `http://127.0.0.1:${port}/mcp`;
const example = spawn(process.execPath, [process.argv[2]], {
  env: { ...process.env, ISSUER: provider.issuer, PORT: String(port) },
  stdio: ['ignore', 'pipe', 'pipe'],
});
let refused = '';
example.stderr.on('data', (chunk) => {
  refused += chunk;
});
await new Promise((resolve, reject) => {
  example.stdout.once('data', resolve);
  example.once('exit', (code) => reject(new Error(`the example ended with ${code}: ${refused}`)));
});

/** What an application keeps for the SDK's client. */
class Kept {
  redirectUrl = REDIRECT;
  clientMetadata = {
    client_name: 'test',
    redirect_uris: [REDIRECT],
    application_type: 'native',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: 'agents:use',
  };
  clientInformation() {
    return this.client;
  }
  saveClientInformation(client) {
    this.client = client;
  }
  tokens() {
    return this.saved;
  }
  saveTokens(tokens) {
    this.saved = tokens;
  }
  redirectToAuthorization(url) {
    this.authorization = url;
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  codeVerifier() {
    return this.verifier;
  }
}

/** What a browser does: follows, keeps cookies, and stops at the client's own address. */
async function codeFrom(start) {
  const cookies = new Map();
  let url = start;
  for (let hop = 0; hop < 6 && !url.href.startsWith(REDIRECT); hop += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${response.status} at ${url}: ${await response.text()}`);
    url = new URL(location, url);
  }
  const code = url.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${url.searchParams.get('error_description')}`);
  return code;
}

try {
  const kept = new Kept();
  const connect = () => {
    const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: kept });
    return { transport, client: new Client({ name: 'test', version: '1.0.0' }) };
  };
  const first = connect();
  const unauthorized = await first.client.connect(first.transport).then(
    () => false,
    (error) => error instanceof UnauthorizedError,
  );
  await first.transport.finishAuth(await codeFrom(kept.authorization));
  const second = connect();
  await second.client.connect(second.transport);
  const { content } = await second.client.callTool({ name: 'whoami', arguments: {} });
  await second.client.close();

  const post = (token) =>
    fetch(resource, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
  const forged = await post(`${kept.saved.access_token.slice(0, -8)}AAAAAAAA`);
  console.log(
    JSON.stringify({
      unauthorized,
      askedAt: kept.authorization.origin === provider.issuer,
      resource: kept.authorization.searchParams.get('resource') === resource,
      said: content[0].text === `ada, by ${kept.client.client_id}`,
      good: (await post(kept.saved.access_token)).status,
      forged: [forged.status, forged.headers.get('www-authenticate')],
      log: refused.trim(),
      leaked: refused.includes(kept.saved.access_token.slice(-20)),
    }),
  );
} finally {
  example.kill();
  provider.close();
}
