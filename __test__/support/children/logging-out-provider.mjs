// oidc-provider (certified) that logs clients out over the back channel, in a process of its own.
//
//   parent -> { id, do: 'token', resource }       an access token of the client `machine`, by client credentials: opaque for OPAQUE
//   parent -> { id, do: 'revoke', token }         the client revokes its token (RFC 7009)
//   parent -> { id, do: 'logout', sub, sid }      the provider's own code posts a logout token to the client's URL
//   parent -> { id, do: 'key', alg }              the private key of the client `resource-ALG`, which proves by it who it is (RFC 7523) and whose
//                                                 introspection answers are signed where it asks for that (RFC 9701)
//   child  -> { ready: issuer } once, then { id, result } or { id, error }

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';

console.warn = () => {};
console.info = () => {};
const { Provider } = await import('oidc-provider');

const [, , logoutUri] = process.argv;
const API = 'https://api.example.com';
const OPAQUE = 'https://opaque.example.com';
const AUTHORIZATION = `Basic ${Buffer.from('machine:the-secret-of-machine').toString('base64')}`;
const server = createServer((request, response) => provider.callback()(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString('hex'), alg: 'ES256', use: 'sig' };

/** Keys of clients, by algorithm. */
const clientKeys = Object.fromEntries(
  await Promise.all(
    ['RS256', 'PS256', 'ES256', 'EdDSA'].map(async (alg) => {
      const { privateKey: own } = await generateKeyPair(alg, { extractable: true });
      return [alg, { ...(await exportJWK(own)), kid: `of-${alg}`, alg, use: 'sig' }];
    }),
  ),
);
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi'];
const publicOf = (jwk) => Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.includes(name)));

const answers = [];
const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  clients: [
    {
      client_id: 'machine',
      client_secret: 'the-secret-of-machine',
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
      backchannel_logout_uri: logoutUri,
      id_token_signed_response_alg: 'ES256',
      introspection_signed_response_alg: 'ES256',
    },
    ...Object.entries(clientKeys).map(([alg, jwk]) => ({
      client_id: `resource-${alg}`,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      jwks: { keys: [publicOf(jwk)] },
      introspection_signed_response_alg: 'ES256',
      id_token_signed_response_alg: 'ES256',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
    })),
  ],
  fetch: async (url, options) => {
    const response = await fetch(url, { ...options, dispatcher: undefined });
    answers.push(response.status);
    return response;
  },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({
        audience: resource,
        scope: 'read',
        accessTokenFormat: resource === OPAQUE ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

const commands = {
  async token({ resource = API }) {
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: AUTHORIZATION },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'read' }),
    });
    return (await response.json()).access_token;
  },
  async revoke({ token }) {
    const body = new URLSearchParams({ token });
    return (
      await fetch(`${issuer}/token/revocation`, { method: 'POST', headers: { authorization: AUTHORIZATION }, body })
    ).status;
  },
  key({ alg }) {
    return clientKeys[alg];
  },
  async logout({ sub, sid }) {
    const client = await provider.Client.find('machine');
    answers.length = 0;
    await client.backchannelLogout(sub, sid);
    return answers;
  },
};

process.on('message', async ({ id, do: command, ...given }) => {
  try {
    process.send({ id, result: await commands[command](given) });
  } catch (error) {
    process.send({ id, error: `${error} ${answers}` });
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: issuer });
