// A real OpenID provider (oidc-provider, certified) that registers clients and issues RFC 9068 tokens for whichever resource is asked for.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

console.warn = () => {};
const { Provider } = await import('oidc-provider');

/** @returns {Promise<{ issuer: string, close: () => void }>} */
export async function startProvider() {
  /** @type {any} */
  let provider;
  const server = createServer((request, response) => {
    if (!request.url?.startsWith('/interaction/')) return provider.callback()(request, response);
    // In the place of a login page: Ada is logged in, and consents, as she is asked to for a native client.
    const result = { login: { accountId: 'ada' }, consent: {} };
    return provider.interactionFinished(request, response, result);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const issuer = `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`;
  provider = new Provider(issuer, {
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: ['openid', 'agents:use'],
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          audience: resource,
          scope: 'agents:use',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant(ctx) {
      const { client, session, params } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid agents:use');
      grant.addResourceScope([params.resource].flat()[0], 'agents:use');
      await grant.save();
      return grant;
    },
  });
  return {
    issuer,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
