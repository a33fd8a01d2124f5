// A real OpenID provider (oidc-provider, certified) on a free port of 127.0.0.1, in a process of its own. Its parent says what to
// do over the process channel, and lives no longer than its parent.
//
//   parent -> { id, do: 'rotate' }     new signing key, the old one is withdrawn
//   parent -> { id, do: 'key' }        the signing key itself, so that the demo can make tokens no provider would issue
//   parent -> { id, do: 'requests' }   how often discovery and keys were asked for
//   child  -> { ready: issuer } once, then { id, result } or { id, error } for each message

import { createPrivateKey, generateKeyPair, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

// Two notices are expected (a store in memory, the age of Node 20), one of them on import; errors go to console.error.
console.warn = () => {};
const { Provider } = await import('oidc-provider');

const CHAT = 'https://chat.example.com/api';
const WIKI = 'https://wiki.example.com/api';
const TOKEN_LIFETIME_S = 12 * 60 * 60;

// Whom the provider knows. It vouches for an e-mail address only where it says so.
const people = new Map([
  ['ada', { email: 'ada@example.com', email_verified: true }],
  ['grace', { email: 'grace@example.com', email_verified: true }],
  ['nobody', { email: 'nobody@example.com', email_verified: true }],
  ['eve', { email: 'eve@elsewhere.example', email_verified: true }],
  ['mallory', { email: 'alan@example.com', email_verified: false }],
]);

const cookieKeys = [randomBytes(32).toString('base64url')];
const requests = { discovery: 0, keys: 0 };
let signingKey;
let provider;

// A key as it is generated is not exported as JWK: Node 20 can wait for itself for ever when garbage is collected just then.
const PEM = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
};

async function newSigningKey() {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048, ...PEM });
  const kid = randomBytes(8).toString('hex');
  return { ...createPrivateKey(privateKey).export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
}

function createProvider(issuer, key) {
  const created = new Provider(issuer, {
    jwks: { keys: [key] },
    cookies: { keys: cookieKeys },
    clients: [
      {
        client_id: 'demo-cli',
        redirect_uris: ['https://client.example.com/callback'],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
    ],
    findAccount: (_ctx, sub) => people.has(sub) && { accountId: sub, claims: () => ({ sub, ...people.get(sub) }) },
    extraTokenClaims: (_ctx, token) => people.get(token.accountId),
    features: {
      devInteractions: { enabled: false },
      // RFC 9068 access tokens: one audience, signed, readable by the resource server.
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          audience: resource,
          scope: 'agents:use agents:read',
          accessTokenFormat: 'jwt',
          accessTokenTTL: TOKEN_LIFETIME_S,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    // Consent is given to everything that was asked for: the demo is about the tokens, not about the consent page.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid');
      for (const resource of [CHAT, WIKI]) grant.addResourceScope(resource, 'agents:use agents:read');
      await grant.save();
      return grant;
    },
    ttl: {
      Grant: TOKEN_LIFETIME_S,
      Interaction: 60,
      Session: 60,
      IdToken: 60,
    },
  });
  created.on('server_error', (_ctx, error) => console.error('provider:', error));
  return created;
}

// In the place of a login page: whoever the authorization request names is logged in.
async function logIn(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  await provider.interactionFinished(request, response, {
    login: { accountId: params.login_hint },
  });
}

const server = createServer((request, response) => {
  if (request.url.startsWith('/.well-known/')) requests.discovery++;
  if (request.url === '/jwks') requests.keys++;
  if (!request.url.startsWith('/interaction/')) {
    provider.callback()(request, response);
    return;
  }
  logIn(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});

const commands = {
  async rotate() {
    signingKey = await newSigningKey();
    // The keys of a Provider are settled when it is made; codes and sessions live in a store both share.
    provider = createProvider(issuer, signingKey);
    return signingKey.kid;
  },
  key: () => signingKey,
  requests: () => requests,
};

process.on('message', async ({ id, do: command }) => {
  try {
    process.send({ id, result: await commands[command]() });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
await commands.rotate();
process.send({ ready: issuer });
