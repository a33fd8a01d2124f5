/**
 * `remote-agent-auth/mcp`: tokens of MCP clients, for `requireBearerAuth` of the official TypeScript SDK. docs/adapters.md is its page, and
 * examples/mcp a whole server.
 */

import type { BearerAuthOptions } from './index';

export type McpTokenVerifierOptions = BearerAuthOptions & {
  /**
   * The classes the SDK compares errors with. Default: those of its build that `require` has loaded, else of the one that `import` loads:
   * name them where a process has loaded both.
   */
  errors?: { InvalidTokenError: any; InsufficientScopeError: any; ServerError: any };
};

/** An `OAuthTokenVerifier` of the SDK. */
export interface McpTokenVerifier {
  /**
   * Resolves to an `AuthInfo`: `clientId` is empty where the token names none, `resource` is the policy's audience where that is one
   * URL, `extra` has `subject` and `issuer`. Rejects with `InvalidTokenError`, `InsufficientScopeError` (a policy's `scope`) or
   * `ServerError` (the provider cannot be reached); why goes to `onRefusal`.
   */
  verifyAccessToken(token: string): Promise<{
    token: string;
    clientId: string;
    scopes: string[];
    expiresAt?: number;
    resource?: URL;
    extra?: Record<string, unknown>;
  }>;
}

export function createTokenVerifier(options: McpTokenVerifierOptions): McpTokenVerifier;
