/** `remote-agent-auth/hono`: bearer tokens for Hono 4, and for any handler of a Fetch `Request`. docs/adapters.md is its page. */

import type { MiddlewareHandler } from 'hono';
import type { BearerAuth, BearerAuthOptions, BearerError, Guard, ResourceMetadataHandler } from './index';

export type HonoBearerAuthOptions = BearerAuthOptions & {
  /** What `protectedResourceMetadata` returns: its document is served, and every challenge names it. */
  metadata?: ResourceMetadataHandler;
};

/** `c.get('auth')` in a Hono of `new Hono<{ Variables: AuthVariables }>()`. */
export interface AuthVariables {
  auth: BearerAuth;
}

/** A middleware: sets `auth`, or answers. `onError: 'next'` throws to `app.onError`, with `getResponse()`. */
export function bearerAuth(options: HonoBearerAuthOptions, ...guards: Guard[]): MiddlewareHandler;

export type VerifiedRequest =
  | { ok: true; auth?: BearerAuth; response?: undefined }
  | { ok: false; response: Response; error?: BearerError; auth?: undefined };

/**
 * For a handler of one's own: `const { auth, response } = await verifyRequest(request)`; where there is a response, it is the answer.
 */
export function requestVerifier(
  options: HonoBearerAuthOptions,
  ...guards: Guard[]
): (request: Request) => Promise<VerifiedRequest>;
