/**
 * remote-agent-auth: bearer-token authentication for LibreChat's Remote Agent API and other Express
 * servers. Tokens, keys and policies are checked natively; users, requests and responses stay here.
 */

import type { ErrorBodies } from './bearer-auth';
import type { CompiledPolicy, Outcome, PolicyOptions, RecheckHandle, Success } from './native';

export * from './bearer-auth';
export type { CompiledPolicy, KeyOptions, Outcome, PolicyOptions, RecheckHandle } from './native';

// ---- verifying one token

export interface VerifiedToken {
  /** The payload, parsed: a fresh object for each call, unless the verifier has `sharedClaims`. */
  claims: Record<string, unknown>;
  /** The JOSE header, parsed. */
  header: Record<string, unknown>;
  /** `sub`, verbatim; empty only with `requireSubject: false`. */
  subject: string;
  /** `oid`, when it is a non-empty string (Entra ID). */
  oid?: string;
  /** The first non-empty string of the policy's `emailClaim`, `email`, `preferred_username`, `upn`: not proof of anything. */
  email?: string;
  /** The claim `email` was taken from: the one the policy names, or one of the standard ones. The last two are names that users may choose. */
  emailSource?: Success['emailSource'];
  /** `email_verified`: true only for true and the text `true`; undefined when the claim is absent or null. */
  emailVerified?: boolean;
  /** The token's scopes, from `scp` or, without `scp`, from `scope`. */
  scopes: string[];
  /** `exp` in seconds since 1970, as signed; absent when the token has none and the policy allows that. */
  expiresAt?: number;
}

/**
 * Verifies one token against one OIDC policy: signature by a key of the policy's issuer, then `exp`, `nbf`,
 * `aud`, `iss`, scopes and `sub`. Reads no environment variable. Keys are fetched when needed and shared by
 * everything in this process.
 *
 * @param token the compact JWS, without `Bearer`
 * @param policy the `oidc` block of `librechat.yaml`, or the same written by hand; `audience` is required
 * @throws {RemoteAuthError} (by rejection) for every reason to refuse; `code` says which
 * @example
 * const { claims } = await verifyRemoteToken(token, { issuer: 'https://login.example.com', audience: 'agents' });
 */
export function verifyRemoteToken(token: string, policy: PolicyOptions): Promise<VerifiedToken>;

/** What the middleware needs of a verifier. `RemoteTokenVerifier` is one; a test may bring another. */
export interface TokenVerifier {
  /** @throws {RemoteAuthError} with fault `config` for a policy that cannot be used */
  compile(options: PolicyOptions): CompiledPolicy;
  /** The outcome, at once or as a promise; neither throws nor rejects for a token that is refused. */
  check(token: string, policy: CompiledPolicy, options?: CheckOptions): Outcome | Promise<Outcome>;
  /**
   * The outcome that `check` would give from memory; undefined where it would have to do more. `RemoteTokenVerifier` gives none where `check` is
   * not its own.
   */
  known?(token: string, policy: CompiledPolicy): Success | undefined;
  recheck(verdict: RecheckHandle, policy: CompiledPolicy): Outcome | Promise<Outcome>;
  /** Whether `check` would give this outcome of its own again for this policy, now: then `recheck` need not be asked. */
  stillHolds?(outcome: Outcome, policy: CompiledPolicy): boolean;
  /** The clock that tokens are checked by: seconds since 1970. Default: the system's. */
  now?(): number;
  /** What an operator can compare beside a refusal, for the log and for events; asked for after the decision. */
  evidence?(token: string, policy: CompiledPolicy): TokenEvidence | undefined;
  /** Of which age the keys are that an accepted token was checked with, for events. */
  keyState?(outcome: Outcome, policy: CompiledPolicy): KeyState | undefined;
}

/** Keys within their life; past it, and used because the provider does not answer; none that may be used. */
export type KeyState = 'fresh' | 'stale' | 'missing';

/** What a token says of its signature, and which keys its policy leads to. Texts have at most 200 printable characters; no claim is among them. */
export interface TokenEvidence {
  /** `alg` of a header that could be read, and allowed. */
  algorithm: string | null;
  kid: string | null;
  keys: KeyState;
  /** The `kid`s of the keys at hand, at most 8. */
  providerKids: string[];
  /** Seconds by which the token's own `nbf` (positive) or `exp` (negative) misses the clock here; null where neither does. */
  clockDifference: number | null;
}

/**
 * What became of one request: published on `diagnostics_channel` as `remote-agent-auth:decision`. Frozen; texts have at most 200
 * printable characters. Never a token, an address or a subject. What is not known is no member.
 */
export interface DecisionEvent {
  /** 10 characters; the caller has it from the header `Auth-Reference`. */
  reference: string;
  /** Milliseconds since 1970. */
  time: number;
  /** `api-key`: no token was accepted, and the API-key middleware goes on. `error`: answered with 500. */
  outcome: 'accepted' | 'refused' | 'api-key' | 'error';
  code?: RemoteAuthErrorCode;
  /** The row of the decision table, in words: `token-refused`, `no-user`, ... */
  cause?: string;
  fault?: RemoteAuthErrorFault;
  /** HTTP status of the answer. */
  status?: number;
  /** The configured one, never the token's. */
  issuer?: string;
  /** 8 characters: the same for equal policies of one process. */
  policy?: string;
  tenant?: string;
  algorithm?: string;
  kid?: string;
  /** Which check failed, in a word: `audience`, `issuer`, `scope`, `expiry`, `key`, `user`, ... */
  check?: string;
  expected?: string;
  got?: string;
  /** Who was asked and did not answer as it should: the provider, or a proxy on the way there. */
  host?: string;
  /** What to do next, one sentence. */
  action?: string;
  /** Seconds, as in `TokenEvidence`. */
  clockDifference?: number;
  /** At most 8. */
  providerKids?: readonly string[];
  keys?: KeyState;
  /** Microseconds from the request to the decision; 0 where somebody began to listen meanwhile. */
  durationMicros: number;
  /** The part of them outside the token's check: the host's callbacks. */
  callbackMicros?: number;
  /** What the option `shadow` would have made of the token, where that is another outcome and it was known at once. */
  shadow?: Readonly<{ outcome: 'accepted' | 'refused'; code?: RemoteAuthErrorCode; expected?: string; got?: string }>;
  /**
   * A guard of the route refused what had been let in: the second event of this request, with a reference of its own. Its
   * `durationMicros` is 0.
   */
  guard?: true;
  /** Keyed hash of the subject, as in the log: of refusals after the token itself was found good, and where there is an `actorHash`. */
  subjectHash?: string;
  /** The same of the actor who uses the token for its subject (`act`, RFC 8693), with `createBearerAuth` and the adapters. */
  actorHash?: string;
}

/**
 * Where the option `shadow` differs, also where that was known only after the request: published on `diagnostics_channel` as
 * `remote-agent-auth:shadow`. Frozen.
 */
export interface ShadowEvent {
  /** Milliseconds since 1970. */
  time: number;
  /** The configured one. */
  issuer?: string;
  /** What the shadow policy would have done. */
  outcome: 'accepted' | 'refused';
  code?: RemoteAuthErrorCode;
  expected?: string;
  got?: string;
}

/** What became of keys: published on `diagnostics_channel` as `remote-agent-auth:keys`, after a request, at most once a second. Frozen. */
export interface KeyEvent {
  /** Milliseconds since 1970. */
  time: number;
  event: 'refreshed' | 'failed' | 'added' | 'withdrawn';
  kind: 'jwks' | 'discovery' | 'inline' | 'file';
  /** As `url` of `stats()`. */
  source: string;
  /** Of `refreshed`: seconds. */
  age?: number;
  /** Of `failed`. */
  code?: RemoteAuthErrorCode;
  reason?: string;
  host?: string;
  /** Of `added` and `withdrawn`: at most 8. */
  kids?: readonly string[];
}

export interface CheckOptions {
  /**
   * `recheck` is likely to follow. With `verdictCache: false` this is what spares it the signature; it costs about
   * three microseconds. Otherwise it changes nothing.
   */
  forRecheck?: boolean;
}

export interface RemoteTokenVerifierOptions {
  /** Seconds since 1970, finite; default the system clock. For tests. */
  clock?: () => number;
  /**
   * Whether a token seen before is spared its signature check while the provider still publishes the key that signed it; what
   * its claims say of time is looked at every time. Default true.
   */
  verdictCache?: boolean;
  /**
   * Whether everybody who sends the same token gets the same claims object, frozen in depth, instead of a fresh one each: about
   * 2 microseconds less per token of a kilobyte. Claims of more than 100 objects and lists are parsed for each. Default false.
   */
  sharedClaims?: boolean;
  /**
   * While so many checks of the process wait for a thread, one of this verifier that would have to wait as well fails with
   * `ERR_OVERLOADED`. 0 to 8192, the default.
   */
  maxQueued?: number;
}

/** Ages and times to come are in seconds; null where there are no keys, or no failure since the last success. */
export interface VerifierStats {
  sources: Array<{
    kind: 'jwks' | 'discovery' | 'inline' | 'file';
    /** The issuer, the URL of the keys without credentials, or the path of the file; empty for inline keys. */
    url: string;
    age: number | null;
    /** As the policy that asked last lets them live. */
    lifeLeft: number | null;
    /** Until they are not used at all. */
    staleLeft: number | null;
    /** Whether they are being fetched. */
    underWay: boolean;
    /** Until the next fetch may begin, after a failure. */
    nextAttempt: number | null;
    lastFailure: { age: number; code: RemoteAuthErrorCode; message: string; reason?: string; host?: string } | null;
    /** `imported`: keys that came from another replica instead. */
    refreshes: { begun: number; succeeded: number; failed: number; notModified: number; imported: number };
    keys: Array<{ kid: string | null; thumbprint: string; normalised: boolean }>;
    skipped: Array<{ index: number; kid: string | null; reason: string }>;
    snapshotFile: { state: 'written' | 'used'; fetchedAt: number } | { state: 'failed'; message: string } | null;
  }>;
  /** Signatures verified, and those that were known. */
  signatureChecks: number;
  verdictsReused: number;
  /** Signatures remembered now, roughly. */
  verdicts: number;
  /** Checks that wait for a thread or run on one. */
  queued: number;
  /** Revocations remembered, and those that others displaced. */
  revocations: number;
  revocationsDisplaced: number;
  /** Counts every change of any keys. */
  keyChanges: number;
}

/** The explicit object behind the two functions, for those who want their own clock, `prefetch` or `stats`. */
export class RemoteTokenVerifier implements TokenVerifier {
  constructor(options?: RemoteTokenVerifierOptions);
  compile(options: PolicyOptions): CompiledPolicy;
  check(token: string, policy: CompiledPolicy, options?: CheckOptions): Outcome | Promise<Outcome>;
  known(token: string, policy: CompiledPolicy): Success | undefined;
  recheck(verdict: RecheckHandle, policy: CompiledPolicy): Outcome | Promise<Outcome>;
  stillHolds(outcome: Outcome, policy: CompiledPolicy): boolean;
  now(): number;
  evidence(token: string, policy: CompiledPolicy): TokenEvidence | undefined;
  keyState(outcome: Outcome, policy: CompiledPolicy): KeyState | undefined;
  /** The claims of a good token, parsed: see `sharedClaims`. */
  claimsOf(outcome: Success): Record<string, unknown>;
  /** As `verifyRemoteToken`. */
  verify(token: string, policy: PolicyOptions): Promise<VerifiedToken>;
  /** Fetches the policy's keys ahead of the first request. Rejects with the RemoteAuthError a request would meet. */
  prefetch(policy: PolicyOptions): Promise<void>;
  /** As `revoke`. */
  revoke(revocation: Revocation): void;
  /** What is known of the keys of this process, and counts of the work done. Its shape may grow. */
  stats(): VerifierStats;
  /** Empties the caches this process shares. */
  clear(): void;
}

// ---- revocation

/**
 * Tokens to refuse before their end, by one claim of one issuer. `before` and `until` are seconds since 1970, from 1970 to 2106;
 * fractions are rounded up.
 */
export type Revocation = {
  /** As in the token. Its normal form counts: without trailing slashes and discovery suffix. */
  issuer: string;
  /** Only tokens with an earlier `iat`, or none, are refused. Default: all. */
  before?: number;
  /** When the revocation may be forgotten: not before the last token it means has expired. */
  until: number;
} & (
  | { /** One token. */ jti: string; sid?: undefined; sub?: undefined }
  | { /** One session at the provider. */ sid: string; jti?: undefined; sub?: undefined }
  | { /** All tokens of a subject. */ sub: string; jti?: undefined; sid?: undefined }
);

/**
 * Refuses tokens from now on, with `ERR_TOKEN_REVOKED`, in this process: in all its threads, by all its verifiers. Asked natively after the
 * signature; what is cached of such tokens is not used again. The list has 1,000,000 entries at most; of a full one those leave first that
 * would end first, with a warning. For several replicas see `shareRevocations` of `remote-agent-auth/stores`.
 * @throws {RemoteAuthError} ERR_POLICY_OPTION
 */
export function revoke(revocation: Revocation): void;

export interface BackchannelLogoutOptions {
  /** Issuer, keys and algorithms; `audience` is the client id that the provider logs out. */
  policy: PolicyOptions;
  /** What `shareRevocations` gave. Default: the logout counts in this process alone. */
  revocations?: import('./stores').SharedRevocations;
  /** Where `jti`s that have come are remembered. Default: in this process alone. */
  store?: Pick<import('./stores').SharedStore, 'setIfAbsent'>;
  /** What a token means that names both: the session (default), or the subject too. Where access tokens carry no `sid`, only `subject` reaches them. */
  extent?: 'session' | 'subject';
  /** Seconds for which a revocation is kept: the longest life of an access token. Default 86,400. */
  lasts?: number;
  /** Called with the code of a refusal, or with nothing where the logout counts. */
  onLogout?: (outcome: { code?: string }) => void;
}

/**
 * OpenID Connect Back-Channel Logout 1.0: what the provider posts is checked natively, by the keys of the policy and the rules of 2.6, and
 * its session or subject is revoked. Works with a body that `express.urlencoded` has parsed and with one that nobody has.
 * @throws {RemoteAuthError} ERR_POLICY_... for options that are wrong
 */
export function backchannelLogout(
  options: BackchannelLogoutOptions,
): (req: BackchannelLogoutRequest, res: BackchannelLogoutResponse) => Promise<void>;

/** The part of a request of Express or `node:http` that is used. */
export interface BackchannelLogoutRequest {
  method?: string | undefined;
  headers: { [name: string]: string | string[] | undefined };
  /** As a parser of the host's left it; without one the body is read here. */
  body?: any;
  on(event: string, listener: (...values: any[]) => void): unknown;
  once(event: string, listener: (...values: any[]) => void): unknown;
  off(event: string, listener: (...values: any[]) => void): unknown;
  resume(): unknown;
}

/** The part of their response that is used. */
export interface BackchannelLogoutResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(text?: string): unknown;
}

// ---- errors

/**
 * Who can mend it: the operator's configuration, the request, the token's holder, whoever grants scopes, the
 * identity provider, or us.
 */
// biome-ignore format: generated
export type RemoteAuthErrorFault =
  // faults:begin (generated by scripts/build/generate-codes.js)
  | 'config'
  | 'request'
  | 'token'
  | 'scope'
  | 'upstream'
  | 'capacity'
  | 'internal';
// faults:end

/** One per cause somebody could act on. Stable: new ones may come, none changes its meaning. */
// biome-ignore format: generated
export type RemoteAuthErrorCode =
  // codes:begin (generated by scripts/build/generate-codes.js)
  | 'ERR_POLICY_ISSUER'
  | 'ERR_POLICY_AUDIENCE'
  | 'ERR_POLICY_JWKS_URI'
  | 'ERR_POLICY_SCOPE'
  | 'ERR_POLICY_ALGORITHMS'
  | 'ERR_POLICY_OPTION'
  | 'ERR_TOKEN_ARGUMENT'
  | 'ERR_CREDENTIALS_MISSING'
  | 'ERR_REQUEST_MALFORMED'
  | 'ERR_TOKEN_TOO_LARGE'
  | 'ERR_TOKEN_MALFORMED'
  | 'ERR_TOKEN_OPAQUE'
  | 'ERR_TOKEN_ENCRYPTED'
  | 'ERR_TOKEN_ALGORITHM'
  | 'ERR_TOKEN_CRITICAL'
  | 'ERR_TOKEN_KID'
  | 'ERR_KEY_NOT_FOUND'
  | 'ERR_KEY_UNSUITABLE'
  | 'ERR_SIGNATURE_INVALID'
  | 'ERR_TOKEN_CLAIMS'
  | 'ERR_TOKEN_EXPIRED'
  | 'ERR_TOKEN_NOT_YET_VALID'
  | 'ERR_TOKEN_TOO_OLD'
  | 'ERR_TOKEN_LIFETIME'
  | 'ERR_ID_TOKEN'
  | 'ERR_REFRESH_TOKEN'
  | 'ERR_LOGOUT_TOKEN'
  | 'ERR_LOGOUT_INVALID'
  | 'ERR_USERINFO_TOKEN'
  | 'ERR_AUTHORIZATION_RESPONSE'
  | 'ERR_GRAPH_TOKEN'
  | 'ERR_TOKEN_TYPE'
  | 'ERR_TOKEN_CLIENT'
  | 'ERR_TOKEN_ACTOR'
  | 'ERR_TOKEN_AUDIENCE'
  | 'ERR_TOKEN_ISSUER'
  | 'ERR_TOKEN_SUBJECT'
  | 'ERR_TOKEN_BOUND'
  | 'ERR_TOKEN_INACTIVE'
  | 'ERR_TOKEN_REVOKED'
  | 'ERR_SCOPE_MALFORMED'
  | 'ERR_SCOPE_MISSING'
  | 'ERR_ROLE_MISSING'
  | 'ERR_PERMISSION_MISSING'
  | 'ERR_CLAIM_MISMATCH'
  | 'ERR_CHECK_REFUSED'
  | 'ERR_AUTHENTICATION_LEVEL'
  | 'ERR_DISCOVERY_FETCH'
  | 'ERR_DISCOVERY_DOCUMENT'
  | 'ERR_DISCOVERY_ISSUER'
  | 'ERR_JWKS_FETCH'
  | 'ERR_JWKS_DOCUMENT'
  | 'ERR_ADDRESS_REFUSED'
  | 'ERR_KEY_NOT_ASKED'
  | 'ERR_ENDPOINT_MISSING'
  | 'ERR_ENDPOINT_REFUSED'
  | 'ERR_ENDPOINT_FETCH'
  | 'ERR_ENDPOINT_STATUS'
  | 'ERR_ENDPOINT_UNAUTHORIZED'
  | 'ERR_ENDPOINT_ANSWER'
  | 'ERR_USERINFO_SUBJECT'
  | 'ERR_OVERLOADED'
  | 'ERR_INTERNAL';
// codes:end

export class RemoteAuthError extends Error {
  constructor(failure: {
    code: RemoteAuthErrorCode;
    fault: RemoteAuthErrorFault;
    message: string;
    retryAfter?: number;
    reason?: string;
    host?: string;
    expected?: string;
    got?: string;
    hint?: string;
  });
  readonly name: 'RemoteAuthError';
  readonly code: RemoteAuthErrorCode;
  readonly fault: RemoteAuthErrorFault;
  /** A fitting HTTP status: 401, 403 (scope), 503 (upstream, capacity), 500. The drop-in's own answers are LibreChat's. */
  readonly status: number;
  /** Seconds after which another try may help; `upstream` and `capacity` only. */
  readonly retryAfter?: number;
  /** The cause within the code, a stable word such as `tls-expired`. */
  readonly reason?: string;
  /** The host that was asked, or the proxy on the way to it. */
  readonly host?: string;
  /** What the policy wants; at most 200 printable characters. */
  readonly expected?: string;
  /** What came instead, at most 200 printable characters. It may be the token's own text: for the operator, never for a response. */
  readonly got?: string;
  /** What to do at the provider, where the policy has a `profile` that knows; also at the end of the message. For the operator. */
  readonly hint?: string;
}

// ---- the Express middleware

/** Which configuration is asked for. Exactly one of these three key sets, as in LibreChat. */
export type AppConfigOptions = {
  baseOnly?: true;
  tenantId?: string;
  role?: string;
  userId?: string;
};

/**
 * One condition set of a user lookup. `openidIssuer` is normalised: without trailing slashes and discovery
 * suffix; `{ $exists: false }`, null and '' ask for users stored before issuers were recorded.
 */
export interface RemoteAgentUserFilter {
  openidId?: string;
  idOnTheSource?: string;
  openidIssuer?: string | null | { $exists: false };
  email?: string;
  /** The request's tenant, in look-ups about accounts; `{ $exists: false }` for a user of none. */
  tenantId?: string | { $exists: false };
}

/** What one lookup of a user came to; `migration`: found, and about to be bound to issuer and subject. */
export type UserLookupResult = 'found' | 'migration' | 'auth_failed' | 'not_found' | 'error';

/** The fields of a stored user that are read. Anything else on the object is left as it is. */
export interface RemoteAgentUser {
  /** The identifier; becomes `req.user.id` in its own string form. `id` is used where there is no `_id`. */
  _id?: unknown;
  id?: unknown;
  provider?: string | null;
  openidId?: string | null;
  openidIssuer?: string | null;
  role?: string | null;
  tenantId?: string | null;
}

/** What stands on `req.user` after an OIDC success: the object `findUser` gave, with these. */
export interface RemoteAgentCaller extends RemoteAgentUser {
  /** `_id` in its own string form; always there. */
  id: string;
  role: string;
  federatedTokens: {
    /** The token as it came, for tools and subagents that act on the caller's behalf. */
    access_token: string;
    /** `exp`, in seconds; absent for a token without. */
    expires_at?: number;
  };
}

/** What is written about a user: the binding to an issuer and subject, the default or synchronized role, or both. */
export interface RemoteAgentUserUpdate {
  provider?: 'openid';
  openidId?: string;
  openidIssuer?: string;
  role?: string;
  /** This and what follows only where accounts are kept in step (`accounts`, docs/accounts.md). */
  idOnTheSource?: string;
  email?: string;
  emailVerified?: boolean;
  username?: string;
  name?: string;
}

/** What is written of a user that provisioning makes. Nothing of a token. */
export interface RemoteAgentNewUser {
  provider: 'openid';
  openidId: string;
  openidIssuer?: string;
  /** `oid` (Entra ID). */
  idOnTheSource?: string;
  email: string;
  role: 'USER';
  /** The request's, where it has one. */
  tenantId?: string;
  /** These three with `profileSync.onCreate`. */
  username?: string;
  name?: string;
  emailVerified?: boolean;
}

/** What is written of a group. */
export interface RemoteAgentGroup {
  name: string;
  email?: string;
  description?: string;
}

/** Why somebody with a good token has no account here. */
export type AccountRefusal =
  | 'tenant_context_required'
  | 'missing_email'
  | 'email_domain_not_allowed'
  | 'existing_users_only'
  | 'provider_collision'
  | 'duplicate_conflict'
  | 'unauthorized'
  | 'subject_mismatch'
  | 'service_error';

/** `updated`: something about the account was written. The last three reasons are those of a userinfo that is required. */
export type AccountEvent =
  | {
      event: 'provisioned' | 'linked' | 'updated' | 'groups-synced';
      userId: string;
      tenantId?: string;
      reason?: undefined;
    }
  | { event: 'refused'; reason: AccountRefusal; tenantId?: string; userId?: undefined };

/** Keyv's shape. What comes back from it is accepted only with proof that this package wrote it. */
export interface FederatedAuthStore {
  get(key: string): unknown;
  /** @param ttl milliseconds */
  set(key: string, value: unknown, ttl: number): unknown;
  delete(key: string): unknown;
}

/** winston's shape. The second argument, when there is one, is an Error. */
export interface RemoteAgentAuthLogger {
  debug(message: string, detail?: unknown): unknown;
  info(message: string, detail?: unknown): unknown;
  warn(message: string, detail?: unknown): unknown;
  error(message: string, detail?: unknown): unknown;
}

/**
 * LibreChat's dependency object. Every callback runs in the request's own async context
 * (AsyncLocalStorage); one that throws or rejects gives a 500, never a 401.
 */
export interface RemoteAgentAuthDeps {
  /**
   * Asked when there is no token, or none that counts, and API keys are enabled. Gets our own `next`, behind
   * which the configuration of the user it has set is consulted.
   */
  apiKeyMiddleware(req: any, res: any, next: (value?: any) => void): unknown;
  /** One argument, one user or null. The object it gives becomes `req.user` and is changed only on success. */
  findUser(filter: RemoteAgentUserFilter): unknown;
  /** At most one call per request, after every check. Its result is ignored. */
  updateUser(userId: string, fields: RemoteAgentUserUpdate): unknown;
  /** The whole app config; `endpoints.agents.remoteApi.auth` is read. Nothing is kept of it. */
  getAppConfig(options: AppConfigOptions): unknown;
  /** Lines begin with `[remoteAgentAuth]`. Default: warnings and errors to the console, the rest dropped. */
  logger?: Partial<RemoteAgentAuthLogger>;
  /** The tenant of the current async context. Default: none. */
  getTenantId?(): string | undefined;
  /** Runs `fn` in the async context of a tenant and gives its result; used for a user of another tenant. */
  runInTenant?<T>(tenantId: string, fn: () => T): T;
  /**
   * The stored roles of these names, for role sync (`OPENID_ROLE_SYNC_*`), in the user's tenant. Needed where role
   * sync is on.
   */
  getRolesByNames?(names: string[], field: 'name'): unknown;
  /**
   * Switches the deletion fence on: asked after every check and before any update; anything but true-ish is answered
   * with 409. Gets `req.user.id`. Needs the option `tenantConflict`, whatever its value.
   */
  isPrincipalActive?(userId: string): unknown;
  /**
   * Switches the tenant context on: what follows the middleware runs through it, as `createTenantMiddlewares` or
   * LibreChat has it, with the request's tenant on `req.tenantId`.
   */
  tenantContextMiddleware?(req: any, res: any, next: (value?: any) => void): unknown;
  /** Called for every user lookup. What it throws does not affect the request. */
  onUserLookup?(result: UserLookupResult, seconds: number): unknown;
  /**
   * Makes a user, for `provisioning`: the user, or its id. Called with `balance` as LibreChat's configuration has it, and twice true:
   * the user does not expire, and is given back. A duplicate key (code 11000) means that somebody else was faster.
   */
  createUser?(fields: RemoteAgentNewUser, balance: object | undefined, disableTTL: true, returnUser: true): unknown;
  /** Whether an address may have an account, besides `registration.allowedDomains` of the configuration; anything but true is no. */
  isEmailDomainAllowed?(email: string, config: any): unknown;
  /** Which of these groups are stored: objects with `idOnTheSource`. For `groupSync`, as the two that follow. */
  findGroupsByExternalIds?(ids: string[], source: 'entra'): unknown;
  upsertGroupByExternalId?(id: string, source: 'entra', fields: RemoteAgentGroup, session: undefined): unknown;
  bulkUpdateGroups?(filter: object, update: object): unknown;
  /** Where `federatedAuthCache` keeps accounts. Default: this process's memory, at most 10,000. */
  federatedAuthStore?: FederatedAuthStore;
  /** Called with what became of an account. What it throws does not affect the request. */
  onAccount?(event: AccountEvent): unknown;
}

/** What is to be done about accounts, beyond looking them up. All of it is off where nothing is said; docs/accounts.md. */
export interface AccountsConfig {
  /** The first call of somebody unknown makes an account. From then on somebody unknown who may have none gets 401, API keys or not. */
  provisioning?: { enabled?: boolean };
  /** Whether names and `emailVerified` are written with a new account (default true), and kept in step with known ones (default false). */
  profileSync?: { onCreate?: boolean; forExisting?: boolean };
  groupSync?: {
    onCreate?: boolean;
    forExisting?: boolean;
    /** `graph` (default): Microsoft Graph, on the caller's behalf. `token`: the claim. */
    source?: 'graph' | 'token';
    /** Microsoft Graph's origin. Default `https://graph.microsoft.com`; the others are national clouds. No other can be named. */
    graphBase?:
      | 'https://graph.microsoft.com'
      | 'https://graph.microsoft.us'
      | 'https://dod-graph.microsoft.us'
      | 'https://microsoftgraph.chinacloudapi.cn';
    /** A path of dots and brackets, or a claim of literally that name. Default `groups`. */
    claim?: string;
    /** Milliseconds a request waits for its groups; after that they are read in the background. Default 2000. */
    budgetMs?: number;
  };
  userInfo?: {
    /** Whether the issuer's userinfo endpoint is asked. */
    fetch?: boolean;
    /** Whether a caller whom it does not confirm is refused. */
    require?: boolean;
    /** Hosts that may be asked although they do not share the issuer's registrable domain. */
    hosts?: string[];
  };
  federatedAuthCache?: {
    enabled?: boolean;
    /** Default 300. */
    ttlSeconds?: number;
    /** What replicas that share a store prove their entries by, 32 characters and more. Default: each accepts its own alone. */
    secret?: string;
  };
}

/**
 * What the configuration's `oidc` block cannot say about a policy. It tightens; only options that say so loosen
 * (`requireExp: false`, `clockTolerance`, `EdDSA` in `algorithms`, `allowedTenants`). `scope` is required in addition
 * to the configured one. How keys are fetched and kept belongs here, too; where it is silent, the environment counts.
 */
export type RemoteAgentPolicy = Omit<PolicyOptions, 'enabled' | 'issuer' | 'audience' | 'jwksUri' | 'emailClaim'> & {
  /**
   * Issuers of the configured issuer's provider, the configured one among them as it is written there. Each token's user is looked up, and
   * stored, under the issuer that the token names.
   */
  issuer?: string[];
};

/** What a policy is to be, tried without deciding: `audience` as well, which only the configuration sets otherwise. */
export type ShadowPolicy = RemoteAgentPolicy & { audience?: string | string[] };

/** What `librechat.yaml` cannot say. An unknown name is an error. */
export interface RemoteAgentAuthOptions {
  /**
   * Added to every policy. An object cannot have `issuer`, `jwks`, `jwksFile` and `allowedTenants`, which are one issuer's. A function is called for each
   * policy a request is checked by, with a copy of the `oidc` block and the tenant whose configuration it is from; it must answer at once.
   */
  policy?:
    | Omit<RemoteAgentPolicy, 'issuer' | 'jwks' | 'jwksFile' | 'allowedTenants'>
    | ((
        oidc: Readonly<{ issuer: unknown; audience: unknown; jwksUri: unknown; scope: unknown }>,
        of: { tenantId: string | undefined },
      ) => RemoteAgentPolicy | null | undefined);
  /**
   * A second policy that each token is checked by as well, deciding nothing: its members take the place of those of the configuration and
   * of `policy`. Where its outcome is another one, the decision event has it as `shadow`, and a line once a minute counts it. A function
   * that answers null or undefined has no shadow there.
   */
  shadow?:
    | ShadowPolicy
    | ((
        oidc: Readonly<{ issuer: unknown; audience: unknown; jwksUri: unknown; scope: unknown }>,
        of: { tenantId: string | undefined },
      ) => ShadowPolicy | null | undefined);
  /**
   * What is to be done about accounts; a block here takes the place of the same block in the configuration. A function is called for each
   * request, with a copy of the `oidc` block and the tenant whose configuration it is from; it must answer at once.
   */
  accounts?:
    | AccountsConfig
    | ((
        oidc: Readonly<{ issuer: unknown; audience: unknown; jwksUri: unknown; scope: unknown }>,
        of: { tenantId: string | undefined },
      ) => AccountsConfig | null | undefined);
  /**
   * Statuses: LibreChat's (default), or `standard`: 403 for a missing scope, role or permission (RFC 6750), 503 with
   * `Retry-After` for a provider that cannot be reached.
   */
  responses?: 'librechat' | 'standard';
  /** Bodies of rejections: LibreChat's `{ error: text }` (default), those OpenAI's clients read, problem details (RFC 9457), or a function's. */
  bodies?: ErrorBodies;
  /**
   * Whether refusals that are logged at debug alone, because API keys are tried instead, are summed up in one warning a minute and issuer.
   * Default true.
   */
  refusalSummary?: boolean;
  /**
   * Whether a Bearer token with two dots that is refused, or has no user, is tried as an API key where these are
   * enabled. Default true; false with `responses: 'standard'`.
   */
  fallbackOnInvalidToken?: boolean;
  /** Whether an account may be found by the token's e-mail address at all. Default true, as in LibreChat. */
  allowEmailFallback?: boolean;
  /** Link an unbound account by e-mail even when `email_verified` is present and not true. Default false. */
  allowUnverifiedEmail?: boolean;
  /**
   * Link an unbound account by an address from `preferred_username` or `upn` that `OPENID_EMAIL_CLAIM` does not name: for
   * providers whose users cannot choose these. Default false. One tenant of Entra ID needs neither.
   */
  allowUsernameAsEmail?: boolean;
  /**
   * `reject`: 401 for a user of another tenant than the request's (`getTenantId`). Default `allow`; must be given with
   * `deps.isPrincipalActive`, which only LibreChats pass that refuse such a user.
   */
  tenantConflict?: 'allow' | 'reject';
  /**
   * The role of somebody whose groups are too many for the token (Entra ID), where role sync reads `groups`: `keep` leaves it
   * as it is (default, as in LibreChat v0.8.7), `fallback` gives `OPENID_ROLE_SYNC_FALLBACK_ROLE` (as in v0.8.8).
   */
  groupOverage?: 'keep' | 'fallback';
  /** Milliseconds until a callback that has not settled is a 500; 0: no limit. Not for `apiKeyMiddleware`. Default 30000. */
  callbackTimeout?: number;
  /** `WWW-Authenticate: Bearer realm="..."`. Printable ASCII. Default `remote-agent-api`. */
  realm?: string;
  /**
   * The URL of the metadata of this resource (`protectedResourceMetadata`), or a function of the request that gives it at once: every challenge
   * then names it in `resource_metadata` (RFC 9728 5.1). Default: none, as in LibreChat.
   */
  resourceMetadata?: string | ((req: any) => string | undefined);
  /** Default: one for the process, whose keys every middleware shares. */
  verifier?: TokenVerifier;
}

/** The part of an Express request that is used: Express 4 and 5, or anything like them. */
export interface RemoteAgentAuthRequest {
  headers: { authorization?: string | undefined };
  /** On success the very object `findUser` gave, now a `RemoteAgentCaller`; else untouched. */
  user?: any;
  /** The request's tenant; set where `tenantContextMiddleware` is given. */
  tenantId?: string;
}

/** The part of an Express response that is used. The optional ones are used where they exist. */
export interface RemoteAgentAuthResponse {
  status(code: number): { json(body: any): unknown };
  headersSent?: boolean;
  setHeader?(name: string, value: string): unknown;
}

/**
 * An Express handler. Its promise resolves when the request has been passed on or answered, and rejects only
 * with what `next` itself threw; a failure of ours is answered with a 500.
 */
export type RemoteAgentAuthHandler = (
  req: RemoteAgentAuthRequest,
  res: RemoteAgentAuthResponse,
  next: (value?: any) => void,
) => Promise<void>;

/**
 * Makes LibreChat's Remote Agent API middleware: OIDC access tokens first, API keys where they are enabled,
 * and the user they belong to on `req.user`. Behaves as LibreChat v0.8.7 does, except for the differences the
 * README lists.
 *
 * Environment, read for each request: `OPENID_JWKS_URL` (where the config has no `jwksUri`), `OPENID_ISSUER`,
 * `OPENID_EMAIL_CLAIM`, `OPENID_REMOTE_CLOCK_TOLERANCE`, `OPENID_ROLE_SYNC_*`, `OPENID_JWKS_URL_CACHE_ENABLED` and `_TIME`, `PROXY`, `HTTP_PROXY`, `HTTPS_PROXY`,
 * `NO_PROXY` and their lower-case forms.
 *
 * @throws {TypeError} for a missing dependency
 * @throws {RemoteAuthError} with fault `config` for a wrong option
 */
export function createRemoteAgentAuth(
  deps: RemoteAgentAuthDeps,
  options?: RemoteAgentAuthOptions,
): RemoteAgentAuthHandler;

/** Empties the caches every middleware of this process shares: keys and discovery documents. */
export function clearRemoteAgentAuthCache(): void;

/**
 * Forgets what `federatedAuthCache` keeps of one account, in every store this process uses: when a user is deleted, or must be looked at
 * again at once. In the memory of other processes it stays until its time is over.
 */
export function invalidateFederatedAuth(issuer: string, subject: string, tenantId?: string): Promise<void>;

/** The `OPENID_ROLE_SYNC_*` variables, read. */
export interface RoleSyncOptions {
  enabled: boolean;
  apiEnabled: boolean;
  claimSource: 'access' | 'id' | 'userinfo';
  /** A path of dots and brackets, or a claim of literally that name; always there while `enabled`. */
  claim?: string;
  rolePriority: string[];
  fallbackRole?: string;
}

export interface RoleSelection {
  /** Absent: nothing to select. */
  selectedRole?: string;
  reason: 'matched_priority' | 'kept_current' | 'fallback' | 'no_matching_role';
}

/** Which methods a configuration has on: `oidc` when it is enabled, `apiKey` unless it is exactly `false`. */
export function enabledAuthMethods(config: unknown): { apiKey: boolean; oidc: boolean };

// ---- whom tools and subagents act for

export interface SafeUser {
  id?: string;
  name?: string;
  username?: string;
  email?: string;
  provider?: string | null;
  role?: string | null;
  googleId?: string;
  facebookId?: string;
  openidId?: string | null;
  samlId?: string;
  ldapId?: string;
  githubId?: string;
  discordId?: string;
  appleId?: string;
  emailVerified?: boolean;
  twoFactorEnabled?: boolean;
  termsAccepted?: boolean;
  federatedTokens?: RemoteAgentCaller['federatedTokens'];
}

/** Both keys or neither. */
export type ToolIdentity = { user: SafeUser; user_id: string } | { user?: undefined; user_id?: undefined };

/** The part of a user that tools and subagents may see; empty for nobody. */
export function createSafeUser(user: object | null | undefined): SafeUser;

/** The caller, to be spread into a tool run's configuration: nothing for a user without an id. */
export function toolIdentity(user: { id?: unknown } | null | undefined): ToolIdentity;

// ---- tenants

/** What LibreChat's tenant storage holds; undefined is what is not known. */
export interface TenantContext {
  tenantId?: string;
  userId?: string;
  requestId?: string;
}

export interface TenantMiddlewareDeps {
  /** An AsyncLocalStorage, or what behaves like one. */
  tenantStorage: { run<T>(context: any, fn: () => T): T };
  logger?: Partial<RemoteAgentAuthLogger>;
  /** How an upload of a refused request is deleted. Default: from the disk. */
  deleteFile?(path: string): unknown;
  /**
   * Whether `X-Tenant-Id` names the tenant: for a proxy in front that sets the header, and takes it away from callers. Default:
   * `TRUST_TENANT_HEADER` where that is set, else yes, as LibreChat v0.8.7 has it. A function is asked for each request.
   */
  trustTenantHeader?: boolean | (() => boolean);
}

export interface TenantRequest {
  headers?: any;
  user?: any;
  tenantId?: string;
  /** Ids that the host itself has given the request; they come before those in its headers. */
  id?: any;
  requestId?: any;
  ip?: string;
  path?: string;
  file?: any;
  files?: any;
}

type TenantMiddleware<Result> = (
  req: TenantRequest,
  res: RemoteAgentAuthResponse,
  next: (value?: any) => void,
) => Result;

export interface TenantMiddlewares {
  /** Enters the tenant of `X-Tenant-Id`, if that is trusted and a name a tenant can have, with the request's id; never refuses. */
  preAuthTenantMiddleware: TenantMiddleware<void>;
  /** Enters the tenant of request or user; 403 for `__SYSTEM__`, and without a tenant under `TENANT_ISOLATION_STRICT=true`. */
  tenantContextMiddleware: TenantMiddleware<void>;
  /** The same after a body parser has lost the context; deletes `req.file` and `req.files` before it refuses. */
  restoreTenantContextFromReq: TenantMiddleware<Promise<void>>;
  /** The request's tenant, else the user's; trimmed. */
  resolveRequestTenantId(req: TenantRequest): string | undefined;
  /** @param tenantId default: as `resolveRequestTenantId` */
  buildTenantContext(req: TenantRequest, tenantId?: string): TenantContext;
  /** Runs `fn` in the context, or as it is when nothing is known. */
  runWithTenantContext<T>(context: TenantContext, fn: () => T): T;
  /** `TENANT_ISOLATION_STRICT` is read once; this forgets it. For tests. */
  _resetTenantMiddlewareStrictCache(): void;
}

/** LibreChat's tenant middlewares over the host's own storage. */
export function createTenantMiddlewares(deps: TenantMiddlewareDeps): TenantMiddlewares;

// ---- machine clients

/** An `oidc` block of LibreChat's `managementApi`: an audience, or `tokenUse` and `requiredScopes` in its place. */
export interface AccessTokenConfig {
  issuer: string;
  audience?: string | string[];
  jwksUri?: string;
  tokenUse?: string;
  /** Looked for in the claim `scope`, where that is a text. */
  requiredScopes?: string[];
}

export interface AgentManagementAuthDeps {
  /**
   * The bound user, in the tenant's context. Where there is no `isPrincipalActive`, asked for the field
   * `agentTriggerDeletionStartedAt` as well (`+agentTriggerDeletionStartedAt`): a user that has it is answered with 409.
   */
  findUser(filter: any, fieldsToSelect?: any): unknown;
  isPrincipalActive?(userId: string): unknown;
  /** `endpoints.agents.managementApi.auth` is read, anew for each request. */
  getAppConfig(options: AppConfigOptions): unknown;
  /** Runs `fn` in the async context of a tenant and gives its result. */
  runInTenant<T>(tenantId: string, fn: () => T): T;
  /** What follows runs through it; default: in `runInTenant`. */
  tenantContextMiddleware?(req: any, res: any, next: (value?: any) => void): unknown;
  /** Resolves to the claims, rejects for a token that is refused; gets a copy of the `oidc` block. Default: this package's verifier. */
  verifyAccessToken?(token: string, config: AccessTokenConfig & { enabled?: boolean }): any;
  /** Lines begin with `[agentManagementAuth]`. */
  logger?: Partial<RemoteAgentAuthLogger>;
}

export type AgentManagementAuthOptions = Pick<
  RemoteAgentAuthOptions,
  'bodies' | 'callbackTimeout' | 'policy' | 'realm' | 'resourceMetadata' | 'verifier'
>;

/**
 * The middleware of LibreChat's management API: tokens of machine clients, each bound to one user of one tenant by the
 * configuration. No API keys, no migration, no update; keys and verdicts are shared with everything else. Sets
 * `req.user`, `req.tenantId` and `req.authStrategy` (`agentManagementM2M`).
 */
export function createAgentManagementAuth(
  deps: AgentManagementAuthDeps,
  options?: AgentManagementAuthOptions,
): RemoteAgentAuthHandler;

export interface ConversationManagementAuthDeps {
  /** `endpoints.agents.conversationApi.auth` of the base configuration is read, anew for each request: `remote` or `management`. */
  getAppConfig(options?: any): unknown;
  /**
   * Makes the middleware of one request, over a getter that gives the base configuration just read. A function of two
   * or three parameters is the middleware itself.
   */
  remoteAuth:
    | ((getAppConfig: (options?: any) => any) => any)
    | ((req: any, res: any, next: (value?: any) => void) => any);
  managementAuth: ConversationManagementAuthDeps['remoteAuth'];
  /** The permission check behind `remoteAuth`; a machine client is not asked for it. Default: none. */
  remoteAccess?(req: any, res: any, next: (value?: any) => void): unknown;
  /** Lines begin with `[conversationManagementAuth]`. */
  logger?: Partial<RemoteAgentAuthLogger>;
}

/**
 * The middleware of LibreChat's conversation API: what its configuration chooses authenticates, and nothing falls back. 401 where
 * nothing is chosen, 500 where configuration or middleware fail.
 */
export function createConversationManagementAuth(deps: ConversationManagementAuthDeps): RemoteAgentAuthHandler;

/** The client a machine's token was issued to; throws when it is not clear, or the token has no end to come. */
export function getMachineClientId(claims: Record<string, unknown>): string;
