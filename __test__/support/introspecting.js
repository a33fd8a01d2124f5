'use strict';

// A provider on loopback whose introspection endpoint answers as a test says, and which remembers what it was asked.

const { once } = require('node:events');
const { createServer } = require('node:http');
const { RemoteTokenVerifier } = require('../..');

const AUDIENCE = 'agents';
const SECRET = 'the secret+of:the/client';
const now = () => Math.floor(Date.now() / 1000);
let count = 0;
/** A token that is no JWT, another each time. */
const opaque = () => `opaque-${process.pid}-${(count += 1)}`;

/** @type {import('node:http').Server[]} */
const servers = [];
const closeProviders = () => servers.splice(0).forEach((server) => (server.close(), server.closeAllConnections()));

/**
 * @param {(token: string, issuer: string, request: { headers: Record<string, string>, form: URLSearchParams }) => unknown} answer the
 *   object, or `{ status, headers, body }`
 * @param {{ keys?: object[], listen?: (handler: import('node:http').RequestListener) => import('node:http').Server, scheme?: string,
 *   host?: string, metadata?: (issuer: string) => object }} [how]
 */
async function provider(
  answer,
  { keys = [], listen = createServer, scheme = 'http', host = '127.0.0.1', metadata } = {},
) {
  const asked = [];
  const server = listen(async (request, response) => {
    if (request.url === '/jwks') return response.end(JSON.stringify({ keys }));
    if (request.url === '/.well-known/openid-configuration') {
      const usual = { issuer, jwks_uri: `${issuer}/jwks`, introspection_endpoint: `${issuer}/introspect` };
      return response.end(JSON.stringify({ ...usual, ...metadata?.(issuer) }));
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    const form = new URLSearchParams(text);
    const { headers, method, url } = request;
    asked.push({ url, method, headers, form, peer: request.socket.getPeerCertificate?.() });
    const said = await answer(form.get('token'), issuer, { headers, form });
    if (said?.status !== undefined) response.statusCode = said.status;
    for (const [name, value] of Object.entries(said?.headers ?? { 'content-type': 'application/json' })) {
      response.setHeader(name, value);
    }
    response.end(said?.body ?? JSON.stringify(said));
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const issuer = `${scheme}://${host}:${server.address().port}`;
  const verifier = new RemoteTokenVerifier();
  const introspection = { clientId: 'the client', clientSecret: SECRET };
  const policy = { issuer, audience: AUDIENCE, introspection };
  const compiled = verifier.compile(policy);
  const check = (token, by = compiled) => verifier.check(token, by);
  /** The policy with another way to ask. @param {object} members */
  const asking = (members, more = {}) => verifier.compile({ ...policy, ...more, introspection: members });
  return { asked, asking, check, issuer, policy, server, verifier };
}

/** What a provider says of a good token. @param {string} issuer */
const good = (issuer) => ({
  active: true,
  iss: issuer,
  aud: AUDIENCE,
  sub: 'ada',
  scope: 'read',
  exp: now() + 300,
  client_id: 'c',
});

const codeOf = async (checked) => {
  const outcome = await checked;
  return outcome.ok ? 'ok' : outcome.code;
};

module.exports = { AUDIENCE, SECRET, closeProviders, codeOf, good, now, opaque, provider };
