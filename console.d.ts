/**
 * remote-agent-auth/console: one page for operators, about this process: its issuers and their keys, the decisions of the last hour, the
 * newest refusals, and what becomes of a token. docs/console.md
 */

import type { AppConfigOptions, RemoteAgentAuthOptions } from './index';
import type { PolicyOptions } from './native';

/** What the console reads of a request: Node's `IncomingMessage` has it, and so has Express's. */
export interface ConsoleRequest {
  method?: string;
  url?: string;
  headers: Record<string, string | string[] | undefined>;
  socket?: { localAddress?: string };
  /** The form, where a body parser of the host's has read it. */
  body?: unknown;
  /** Express: set where the handler is a route of its own, and not mounted by `use`. */
  route?: unknown;
}

/** What the console uses of a response: Node's `ServerResponse` has it, and so has Express's. */
export interface ConsoleResponse {
  statusCode: number;
  headersSent: boolean;
  writableEnded?: boolean;
  setHeader(name: string, value: string): unknown;
  end(body?: string): unknown;
}

export interface ConsoleOptions {
  /**
   * Who may see the page: asked for each request, before anything else is done. Nothing but `true` lets in; it may answer by itself,
   * with a redirect to a login for example. Required: without it there is no console.
   */
  authorize: (req: any, res: any) => boolean | Promise<boolean>;
  /** As for `createRemoteAgentAuth`: the page shows the configuration, and explains tokens by it. */
  getAppConfig?: (options: AppConfigOptions) => unknown;
  /** The option `policy` of `createRemoteAgentAuth`. */
  policy?: RemoteAgentAuthOptions['policy'];
  /** Tenants whose configuration is looked at too; at most 100 are. */
  tenants?: readonly string[] | (() => readonly string[] | Promise<readonly string[]>);
  /** Policies that are used without a configuration: with `verifyRemoteToken`, or a `RemoteTokenVerifier`. */
  policies?: readonly PolicyOptions[];
  /**
   * Values of the header `Host`, with the port where there is one. Given, the page answers to no other. Not given, a connection over
   * loopback must name this machine (DNS rebinding), and any other may name what it likes.
   */
  hosts?: readonly string[];
  /**
   * At least 32 characters, the same in every replica: what the form's own token is made from. Not given, it is random, and the form
   * must be answered by the process that showed it.
   */
  secret?: string;
}

/** A request listener of `node:http`, and a handler of Express 4 and 5: `app.use('/admin/auth', handler)`. */
export type ConsoleHandler = (req: any, res: any, next?: (error?: unknown) => void) => unknown;

/**
 * @throws {TypeError} without `authorize`, or for an option that is wrong
 * @example
 * app.use('/admin/auth', createConsole({ authorize: (req) => req.user?.role === 'ADMIN', getAppConfig }));
 */
export function createConsole(options: ConsoleOptions): ConsoleHandler;
