/**
 * `remote-agent-auth/librechat`: LibreChat's own names and signatures. Logger and tenant storage are taken from
 * `@librechat/data-schemas` when they are first needed, if that is installed; what a dependency object brings itself counts
 * first.
 */

import type {
  AccessTokenConfig,
  AgentManagementAuthDeps,
  AgentManagementAuthOptions,
  ConversationManagementAuthDeps,
  RemoteAgentAuthDeps,
  RemoteAgentAuthHandler,
  RemoteAgentAuthOptions,
  RemoteAgentUserFilter,
  RoleSelection,
  RoleSyncOptions,
  TenantMiddlewares,
  UserLookupResult,
} from './index';

export type { RemoteAgentAuthDeps, RemoteAgentAuthOptions, RoleSelection, RoleSyncOptions } from './index';
export { clearRemoteAgentAuthCache, createSafeUser, getMachineClientId } from './index';

export interface LibreChatOptions extends RemoteAgentAuthOptions {
  /**
   * The line of LibreChat to behave as. `auto` (default): `v0.8.8` for a dependency object that has `isPrincipalActive`, as the
   * routes of that line pass it, else `v0.8.7`. With `v0.8.8`, where nothing else is said: `tenantConflict: 'reject'`, what follows runs in
   * the user's tenant with `req.tenantId` set, `policy: { requireKid: true }`, and `groupOverage: 'fallback'`. The log says once which it is.
   */
  compat?: 'auto' | 'v0.8.7' | 'v0.8.8';
  /**
   * Whether this entry's `preAuthTenantMiddleware` enters the tenant that `X-Tenant-Id` names. Default: `TRUST_TENANT_HEADER` where that
   * is set, else yes with `v0.8.7` and no with `v0.8.8`, as in LibreChat.
   */
  trustTenantHeader?: boolean;
}

/**
 * The main entry's factory, with LibreChat's logger and tenant storage, and what the host's line of LibreChat does about tenants.
 *
 * @throws {TypeError} for a missing dependency, and where `v0.8.8` finds no tenant storage
 * @throws {RemoteAuthError} with fault `config` for a wrong option
 */
export function createRemoteAgentAuth(deps: RemoteAgentAuthDeps, options?: LibreChatOptions): RemoteAgentAuthHandler;

/** `policy: { requireKid: true }` where nothing else is said, as LibreChat has it. */
export function createAgentManagementAuth(
  deps: Omit<AgentManagementAuthDeps, 'runInTenant'> & Partial<Pick<AgentManagementAuthDeps, 'runInTenant'>>,
  options?: AgentManagementAuthOptions,
): RemoteAgentAuthHandler;

export function createConversationManagementAuth(deps: ConversationManagementAuthDeps): RemoteAgentAuthHandler;

/**
 * Resolves to the claims; rejects with RemoteAuthError, for a token that names no key as well. As in LibreChat a token needs neither
 * `exp` nor `sub`: whoever calls this decides what their absence means.
 * @param options.useOpenIdJwksEnv whether `OPENID_JWKS_URL` counts; default false
 * @param options.requireExp whether a token without `exp` is refused; default false
 * @param options.requireSubject whether a token without `sub` is refused; default false
 */
export function verifyOidcAccessToken(
  token: string,
  config: AccessTokenConfig,
  options?: { useOpenIdJwksEnv?: boolean; requireExp?: boolean; requireSubject?: boolean },
): Promise<Record<string, any>>;
export function clearOidcAccessTokenCache(): void;

/** The token of an `Authorization` header, or null. */
export function extractBearerToken(header: unknown): string | null;

/** Whether an issuer or key URL may be used: https, or http to this machine. */
export function isRemoteOidcUrlAllowed(value: unknown): boolean;

/** Without blanks, trailing slashes and discovery suffix; undefined when nothing is left. */
export function normalizeOpenIdIssuer(issuer: unknown): string | undefined;

/** The first issuer these sources name, normalised; else `OPENID_ISSUER`. */
export function getOpenIdIssuer(
  ...sources: Array<{ iss?: unknown; issuer?: unknown; serverMetadata?: () => { issuer?: unknown } } | null | undefined>
): string | undefined;

/** `OPENID_EMAIL_CLAIM`, else `email`, `preferred_username`, `upn`; not proof of anything. */
export function getOpenIdEmail(claims: Record<string, any>, strategyName?: string): string | undefined;

/**
 * Finds the account of an identity, and sets on it what is to be stored when `migration` says so. `error` is `auth_failed`
 * for an account that belongs to somebody else.
 */
export function findOpenIDUser(lookup: {
  findUser(filter: RemoteAgentUserFilter): any;
  email?: string;
  openidId: string;
  openidIssuer?: string;
  idOnTheSource?: string;
  /** Stands in front of log lines; default `openid`. */
  strategyName?: string;
  /** `email_verified`: false links nobody. */
  emailVerified?: boolean;
  onUserLookup?: (result: UserLookupResult, seconds: number) => unknown;
}): Promise<{ user: any; error: string | null; migration: boolean }>;

/** The filters an identifier is looked up by, in order; none without identifier or issuer. */
export function getIssuerBoundConditions(
  field: 'openidId' | 'idOnTheSource',
  value: string | null | undefined,
  openidIssuer: string | null | undefined,
): RemoteAgentUserFilter[];

/** Whether a stored user belongs to an issuer; one stored without belongs to `OPENID_ISSUER`. */
export function isUserIssuerAllowed(
  user: { openidIssuer?: string | null } | null | undefined,
  openidIssuer: string | null | undefined,
): boolean;

/** @throws for a wrong `OPENID_ROLE_SYNC_*` variable, while role sync is on */
export function getOpenIdRoleSyncOptions(env?: { [name: string]: string | undefined }): RoleSyncOptions;

/**
 * The configured claim of the configured source, as it is: a text or a list, an empty list for anything else; undefined
 * without source or claim. For too many groups in a token (`hasgroups`, `_claim_names`): what `resolveGroupOverage` says.
 */
export function getOpenIdRolesForOpenIdSync(input: {
  options: Pick<RoleSyncOptions, 'claimSource' | 'claim'>;
  /** The access token, decoded already; else `accessToken` is decoded. */
  accessClaims?: unknown;
  accessToken?: string;
  idToken?: string;
  /** The ID token's, where there is no ID token. */
  claims?: unknown;
  userinfo?: unknown;
  decodeToken(token: string): unknown;
  resolveGroupOverage?(): Promise<string[] | null | undefined>;
}): Promise<string | unknown[] | undefined>;

/**
 * The configured roles, spelled as they are stored.
 * @throws (by rejection) naming every configured role that does not exist
 */
export function getLibreChatRolesForOpenIdSync(input: {
  rolePriority: string[];
  fallbackRole?: string;
  getRolesByNames(names: string[], field: 'name'): any;
  /** Stands in front of the error; default `[openidRoleSync]`. */
  logPrefix?: string;
}): Promise<Pick<RoleSyncOptions, 'rolePriority' | 'fallbackRole'>>;

/** The role the values of a claim lead to; never `ADMIN`. */
export function selectOpenIdRole(input: {
  currentRole?: string | null;
  openIdRoleValues?: string | unknown[] | null;
  rolePriority: string[];
  fallbackRole?: string;
}): RoleSelection;

export const preAuthTenantMiddleware: TenantMiddlewares['preAuthTenantMiddleware'];
export const tenantContextMiddleware: TenantMiddlewares['tenantContextMiddleware'];
export const restoreTenantContextFromReq: TenantMiddlewares['restoreTenantContextFromReq'];
export const resolveRequestTenantId: TenantMiddlewares['resolveRequestTenantId'];
export const buildTenantContext: TenantMiddlewares['buildTenantContext'];
export const runWithTenantContext: TenantMiddlewares['runWithTenantContext'];
export const _resetTenantMiddlewareStrictCache: TenantMiddlewares['_resetTenantMiddlewareStrictCache'];
