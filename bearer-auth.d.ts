/**
 * The general middleware, its guards and the metadata of protected resources: exported by the main entry. docs/bearer-auth.md is their
 * page.
 */

import type { RemoteAuthError, RemoteAuthErrorCode, TokenVerifier } from './index';
import type { PolicyOptions } from './native';

/** What a function of `bodies` is given: the status, and the fixed text and code of the answer. */
export interface ErrorBodyInfo {
  status: number;
  error: string;
  code?: string;
}

/**
 * How answers to refused requests are written: LibreChat's `{ error }`, the nested ones of OpenAI's clients, problem details (RFC 9457), or
 * whatever a function gives: it is sent as JSON.
 */
export type ErrorBodies = 'librechat' | 'openai' | 'problem' | ((info: ErrorBodyInfo) => unknown);

/** Who uses a delegated token (`act`, RFC 8693 4.1): at least one of `subject` and `clientId`. */
export interface BearerActor {
  /** `sub`. */
  readonly subject?: string;
  /** `client_id`. */
  readonly clientId?: string;
  /** `iss`, where it is not the token's own. */
  readonly issuer?: string;
}

/** Whom a request comes from. Read-only; `JSON.stringify` of it has neither token nor claims. */
export interface BearerAuth {
  /** The token as it came. Not enumerable. */
  readonly token: string;
  /** The payload, parsed: a copy for each request. No guard decides by it. */
  readonly claims: Record<string, unknown>;
  /** The JOSE header, parsed. */
  readonly header: Record<string, unknown>;
  /** `sub`, verbatim. */
  readonly subject: string;
  /** `azp` or `client_id`, unless they disagree; or the claim of `claimPaths.clientId`. */
  readonly clientId?: string;
  /** From `scp` or, without it, from `scope`. */
  readonly scopes: readonly string[];
  /** `exp`, in seconds since 1970. */
  readonly expiresAt?: number;
  /** `iss`, as the token has it. */
  readonly issuer: string;
  /** Who uses the token, where it is a delegated one. */
  readonly actor?: BearerActor;
  /** From `roles` or, without it, from `realm_access.roles`; or the claim of `claimPaths.roles`. */
  readonly roles: readonly string[];
  /** From `permissions`, or the claim of `claimPaths.permissions`. */
  readonly permissions: readonly string[];
  /** How the user was authenticated (`acr`), where the token says it in a text. */
  readonly acr?: string;
  /** When (`auth_time`), in seconds since 1970, where the token says it in a number. */
  readonly authTime?: number;
}

/** One issuer's policy, and where in its claims roles, permissions and the client stand: dotted paths, of which the first counts that is there. */
export type BearerPolicy = PolicyOptions & {
  claimPaths?: { roles?: string | string[]; permissions?: string | string[]; clientId?: string | string[] };
};

/** What is said besides whom to trust. */
export interface BearerAuthSettings {
  /** Whether a request without a token is refused. Default true. A token that came is always checked. */
  authRequired?: boolean;
  /** Default `problem`. */
  bodies?: ErrorBodies;
  /** Milliseconds until a `resolvePolicy` that has not settled is a 500; 0: no limit. Default 30000. */
  callbackTimeout?: number;
  /** Whether the middleware answers a refusal (default), or hands an error with `status` and `headers` to `next`. */
  onError?: 'answer' | 'next';
  /** Called with every refusal, for a log line. What it throws, or rejects with, changes nothing. */
  onRefusal?: (error: BearerError, req: any) => unknown;
  /**
   * Whether a CORS preflight passes without a token, and without `auth`. Default true, of `requestVerifier` false. Guards let none pass. `false` where CORS is dealt with
   * before, or where a handler of every method would answer OPTIONS with more than headers.
   */
  preflight?: boolean;
  /** The property of the request. Default `auth`. */
  property?: string;
  /** Printable ASCII. Default `api`. */
  realm?: string;
  /** The URL of the metadata (RFC 9728), which every challenge then carries; `urlFor` of `protectedResourceMetadata` is such a function. */
  resourceMetadata?: string | ((req: any) => string | undefined);
  /** Default: the one all middlewares of this process share. */
  verifier?: TokenVerifier;
}

/** One policy; or several, of which exactly the token's `iss` chooses one; or a function, asked for an issuer that is in no list. */
export type BearerAuthOptions = BearerAuthSettings &
  (
    | (BearerPolicy & { issuers?: undefined; resolvePolicy?: undefined })
    | {
        issuers: BearerPolicy[];
        resolvePolicy?: PolicyResolver;
      }
    | { issuers?: undefined; resolvePolicy: PolicyResolver }
  );

/**
 * The operator's policy for an issuer, or nothing for one that is not trusted. The argument comes from a token that nothing has checked:
 * anybody can write anything there. A policy of another issuer is not used.
 */
export type PolicyResolver = (
  untrustedIssuer: string,
  req: any,
) => BearerPolicy | null | undefined | Promise<BearerPolicy | null | undefined>;

/**
 * The error of a refusal, as `onRefusal` gets it: for the operator, never for the client. `next` gets one with the status's phrase as its
 * message, `expose: false` and this one as its `cause`.
 */
export type BearerError = RemoteAuthError & {
  /** That of the answer. */
  readonly status: number;
  /** 10 characters: the answer has it in the header `Auth-Reference`, and the `DecisionEvent` as well. */
  readonly reference: string;
  /** What to do next, in a sentence; not in what `next` gets. */
  readonly action?: string;
  /** `Auth-Reference`, `WWW-Authenticate`, `Retry-After`. */
  readonly headers: Record<string, string>;
};

/** A request as Node and the Fetch API give it. */
export interface BearerRequest {
  method?: string;
  url?: string;
  originalUrl?: string;
  /** Node's object of lower-case names, or a `Headers`. */
  headers?: any;
  /** Node's list of names and values, where a second `Authorization` header is seen. */
  rawHeaders?: readonly string[];
  /** Looked at only where it is a form. */
  body?: unknown;
}

/** A request that is refused, and how it is answered. */
export interface BearerRefusal {
  ok: false;
  status: number;
  /** `Auth-Reference`, `WWW-Authenticate`, `Retry-After`, `Content-Type`. */
  headers: Record<string, string>;
  body: string;
  code: RemoteAuthErrorCode;
  error: BearerError;
}

/** `auth` is absent where nobody has to be known: without a token and with `authRequired: false`, or a CORS preflight. */
export type BearerResult = { ok: true; auth?: BearerAuth; isPreflight?: boolean } | BearerRefusal;

export interface BearerAuthHandler {
  (req: any, res: any, next: (error?: any) => void): any;
  /**
   * Replaces the policies at once, for all requests that begin afterwards. Keys of issuers that stay are not fetched again; a list with
   * an error throws and changes nothing.
   */
  setIssuers(policies: BearerPolicy[]): void;
}

/**
 * Bearer tokens for any API over Express or node:http (RFC 6750). Sets `req.auth`; answers 400 for a request with more than one
 * credential, 401, 403 for a scope, 503 for a provider that cannot be reached. Policies are `typ: 'preferred'` unless they say otherwise:
 * ID tokens are refused.
 * @throws {RemoteAuthError} for an option that is wrong
 * @example
 * app.use(createBearerAuth({ issuer: 'https://login.example.com', audience: 'https://api.example.com' }));
 */
export function createBearerAuth(options: BearerAuthOptions): BearerAuthHandler;

/** Why a guard does not let a request pass. */
export interface GuardRefusal {
  code: RemoteAuthErrorCode;
  message: string;
  scope?: string;
  acrValues?: string;
  maxAge?: number;
  expected?: string;
  cause?: unknown;
}

/** A middleware behind `createBearerAuth`. `evaluate` is for hosts without middlewares: undefined lets the request pass. */
export interface Guard {
  (req: any, res: any, next: (error?: any) => void): Promise<void>;
  evaluate(auth: unknown, req?: any): Promise<GuardRefusal | undefined>;
}

/** All of these scopes, in one text or a list. */
export function requireScopes(scopes: string | readonly string[]): Guard;
/** One of these scopes. */
export function requireAnyScope(scopes: string | readonly string[]): Guard;
/** All of these permissions. */
export function requirePermissions(...permissions: string[]): Guard;
/** All of these roles. */
export function requireRoles(...roles: string[]): Guard;
/** A claim that is exactly this value, or of which the predicate gives true. */
export function requireClaim(
  path: string,
  wanted: string | number | boolean | ((value: unknown) => boolean | Promise<boolean>),
): Guard;
/** The application's own rule: true lets the request pass, nothing else does. */
export function check(
  decide: (auth: BearerAuth, req: any) => boolean | Promise<boolean>,
  options?: {
    /** Milliseconds, 30,000 by default, after which the answer is 500; 0: no limit. */ callbackTimeout?: number;
  },
): Guard;

/** At least one of the two. */
export interface AuthenticationRequirement {
  /** Ways of authentication (`acr`), one of which is enough. */
  acrValues?: string | readonly string[];
  /** The most seconds since the user was authenticated (`auth_time`). */
  maxAge?: number;
}

/** Step-up (RFC 9470): 401 `insufficient_user_authentication` with `acr_values` and `max_age`. */
export function requireAuthentication(requirement: AuthenticationRequirement): Guard;
/** All of these guards, in this order. */
export function allOf(...guards: Guard[]): Guard;
/** One of these guards. */
export function anyOf(...guards: Guard[]): Guard;

/** Metadata of a protected resource (RFC 9728 2). Other members are served as they are. */
export interface ProtectedResource {
  /** Its identifier: an https URL without a fragment (http for this machine). */
  resource: string;
  authorization_servers?: string[];
  scopes_supported?: string[];
  /** Default `['header']`. */
  bearer_methods_supported?: string[];
  resource_name?: string;
  [member: string]: unknown;
}

export interface ResourceMetadataHandler {
  (req: any, res: any, next?: (error?: any) => void): any;
  /** The URL of the document, where there is exactly one. */
  url?: string;
  /** The URL of the document of the resource that a request is for; of several, the one whose path is the longest. */
  urlFor(req: any): string | undefined;
}

/**
 * Serves the metadata of protected resources (RFC 9728) at their well-known paths. A function gives those of a request's tenant.
 * @throws {RemoteAuthError} for metadata that are wrong
 */
export function protectedResourceMetadata(
  resources: ProtectedResource | ProtectedResource[] | ((req: any) => ProtectedResource | null | undefined),
): ResourceMetadataHandler;
