/** `remote-agent-auth/fastify`: bearer tokens for Fastify 5. docs/adapters.md is its page. */

import type { FastifyPluginCallback } from 'fastify';
import type { BearerAuth, BearerAuthOptions, Guard, ResourceMetadataHandler } from './index';

export type FastifyBearerAuthOptions = BearerAuthOptions & {
  /** What `protectedResourceMetadata` returns: its document is served, and every challenge names it. */
  metadata?: ResourceMetadataHandler;
};

/** A route's `config.auth`: false for an open route. */
export type FastifyRouteAuth = false | { guards?: Guard | readonly Guard[]; authRequired?: boolean };

declare module 'fastify' {
  interface FastifyRequest {
    /** Whom the request comes from; null where nobody has to be known. */
    auth: BearerAuth | null;
  }
  interface FastifyContextConfig {
    auth?: FastifyRouteAuth;
  }
}

/**
 * A plugin: all routes registered after it on the same instance, and on its children, want a token. `onError: 'next'` throws to the
 * error handler of the host.
 * @example
 * await app.register(bearerAuth, { issuer: 'https://login.example.com', audience: 'https://api.example.com' });
 * app.get('/agents', { config: { auth: { guards: requireScopes('agents:use') } } }, (request) => request.auth?.subject);
 */
export const bearerAuth: FastifyPluginCallback<FastifyBearerAuthOptions>;
