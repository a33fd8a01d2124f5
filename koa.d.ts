/** `remote-agent-auth/koa`: bearer tokens for Koa 3. docs/adapters.md is its page. */

import type { BearerAuthOptions, Guard, ResourceMetadataHandler } from './index';

export type KoaBearerAuthOptions = BearerAuthOptions & {
  /** What `protectedResourceMetadata` returns: its document is served, and every challenge names it. */
  metadata?: ResourceMetadataHandler;
};

/** A middleware: sets `ctx.state.auth`, or answers. `onError: 'next'` throws, with `status` and `headers`. */
export function bearerAuth(
  options: KoaBearerAuthOptions,
  ...guards: Guard[]
): (ctx: any, next: () => Promise<any>) => Promise<any>;
