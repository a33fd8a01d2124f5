/**
 * `remote-agent-auth/native`: what Rust exports, with results as plain objects. Expected failures come back as values
 * (`ok: false`); a throw means a bug or a setting of the wrong type. For a middleware that keeps its own
 * flow; everybody else wants the main entry.
 *
 * An outcome is returned at once when the answer is known, and as a promise when keys must be fetched:
 *
 *     const outcome = auth.check(token, policy);
 *     const settled = 'then' in outcome ? await outcome : outcome;
 */

import type { RemoteAuthErrorCode, RemoteAuthErrorFault } from './index';

/** Where the keys come from and how, beyond `jwksUri`. docs/keys.md says what each does. */
export interface KeyOptions {
  /** The keys themselves, instead of a provider: a JWK Set, an object or JSON text. At most `maxBodyBytes`. */
  jwks?: string | { keys: object[] };
  /** Absolute path to a JWK Set, instead of a provider. Read again when its life ends; a bad file takes no key away. */
  jwksFile?: string;
  /**
   * Absolute path where the public keys are kept after a good fetch, for a start while the provider cannot be reached. One path
   * for each issuer. Default: none.
   */
  snapshotFile?: string;
  /** How long keys live, in milliseconds; less than a minute counts as one. Default 60000, at most 86400000. */
  cacheMaxAge?: number;
  /** Seconds keys answer while the provider cannot be reached, counted from their fetch. Default 14400, at most 604800. */
  maxStale?: number;
  /** Seconds to which the provider's `Cache-Control: max-age` may lengthen a life. Default 600, at most 86400. */
  maxAdvisedAge?: number;
  /**
   * Proxies, http or https, with `user:password@` where they want it. `https` falls back to `http`. `bypass` is written as
   * `NO_PROXY` is. Default: none; `createRemoteAgentAuth` reads the environment.
   */
  proxy?: { http?: string; https?: string; bypass?: string };
  /** CA certificates trusted besides Node's: PEM text, or several. */
  ca?: string | string[];
  /** What is shown to a provider that asks for a client certificate: PEM chain and unencrypted PEM key. */
  clientCertificate?: { cert: string; key: string };
  /** Refuse private, loopback and carrier-grade addresses over https. Default false: company providers live there. */
  refusePrivateAddresses?: boolean;
  /** The largest answer read, in bytes, 1024 to 16777216. Default 1048576. */
  maxBodyBytes?: number;
}

/** The `oidc` block of `librechat.yaml`, and what tightens or loosens it. Unknown keys are refused. */
export type PolicyOptions = PolicyRules & (ForAudience | ForScope);

/** The usual way for a token to say whom it is for. */
export interface ForAudience {
  /** Accepted `aud`; of several, one must match. Exact and case-sensitive. */
  audience: string | string[];
}

/** For Cognito, whose access tokens have no `aud`: their kind, and scopes that name the resource server. */
export interface ForScope {
  audience?: undefined;
  tokenUse: string;
  scope: string;
}

/** Providers whose particulars `profile` writes out; docs/profiles.md says which. */
export type ProviderProfile =
  | 'entra'
  | 'keycloak'
  | 'auth0'
  | 'okta'
  | 'cognito'
  | 'google'
  | 'zitadel'
  | 'authentik'
  | 'kubernetes'
  | 'github-actions';

/** What a policy says besides the audience. */
export interface PolicyRules extends KeyOptions {
  /** What is the same for everybody who uses a provider; what the policy says itself comes first. Default: none. */
  profile?: ProviderProfile;
  /**
   * Accepted `iss`: this string, and the same without trailing slashes and discovery suffix. Of a list each is accepted to the letter;
   * they are issuers of one provider (Entra's of version 1 and 2), whose keys are found through the first. An issuer whose keys come
   * from elsewhere (`jwksUri`, `jwks`, `jwksFile`) is only compared and may be any text.
   */
  issuer: string | string[];
  /** Where the keys are. Default: the issuer's discovery document says. https, or http to loopback. */
  jwksUri?: string;
  /** Required scopes, separated by blanks; all must be present in `scp` or, without `scp`, in `scope`. */
  scope?: string;
  /** LibreChat's key in the same block; ignored here. */
  enabled?: boolean;
  /** JWS names (RFC 7518, RFC 8037). Default: RS, PS and ES with 256, 384 and 512. `EdDSA`, also by its newer name `Ed25519` (RFC 9864), and `ML-DSA-44`,
   *  `ML-DSA-65`, `ML-DSA-87` (RFC 9964) may be added. */
  algorithms?: string[];
  /** Refuse tokens without `exp`. Default true. */
  requireExp?: boolean;
  /** Refuse tokens without `sub`. Default true; the middleware always does. */
  requireSubject?: boolean;
  /** Refuse tokens without `kid`. Default false. */
  requireKid?: boolean;
  /** Seconds by which `exp` and `nbf` may be missed, 0 to 300. Default 0. */
  clockTolerance?: number;
  /** Top-level claim to take the e-mail address from, before `email`, `preferred_username` and `upn`. */
  emailClaim?: string;
  /** The longest token looked at, in bytes, 1024 to 65536. Default 16384. */
  maxTokenBytes?: number;
  /** The most seconds that may have passed since `iat`, which must then be there. Default: no limit. */
  maxTokenAge?: number;
  /** The most seconds between `iat` and `exp`, which must then be there. Default: no limit. */
  maxTokenLifetime?: number;
  /**
   * Whether the token must be an access token by all that can be seen (RFC 9068 2.1). `required`: `typ` is `at+jwt`;
   * `preferred` (recommended): that, `JWT` or nothing, and no sign of an ID token; `off` (default): ID tokens pass, as in LibreChat. Tokens that say
   * they are of another kind (logout, userinfo, authorization answers, DPoP proofs and so on) are refused whatever stands here.
   */
  typ?: 'off' | 'preferred' | 'required';
  /** Clients whose tokens are accepted, by `azp` or `client_id`. Default: all. */
  allowedClients?: string[];
  /**
   * Actors (`act`, RFC 8693) whose delegated tokens are accepted, by `sub`; an actor's own `iss` must be the token's. An empty list accepts
   * no delegated token. Default: all. A token that nobody else uses has no `act`, and passes.
   */
  allowedActors?: string[];
  /**
   * Refuse tokens that are bound to a key of their holder's (`cnf.jkt` of DPoP, `cnf.x5t#S256` of a client certificate): without a proof of
   * that key, whoever has copied such a token can use it. Default false: accepted as bearer tokens, with one warning for each issuer.
   */
  requireUnbound?: boolean;
  /** The claim that names the client instead: `cid` (Okta), `appid` (Entra's version 1). */
  clientClaim?: string;
  /**
   * Ask the provider about tokens that are no JWT. What it says of an active one (`aud`, `iss`, `scope`, `sub` ...) must satisfy this
   * policy like a JWT's claims; where it cannot be asked, the token is refused. Default: such tokens are refused with `ERR_TOKEN_OPAQUE`.
   */
  introspection?: IntrospectionOptions;
  /** What the claim `token_use` must be; `access` for Cognito. Default: not looked at. */
  tokenUse?: string;
  /**
   * For issuers of many tenants (Entra's `common` and `organizations`, or an issuer with `{tenantid}` and a
   * `jwksUri`): the tenants let in, by `tid`. E-mail addresses are not trusted then.
   */
  allowedTenants?: string[];
  /** Roles the token must carry, by default in `realm_access.roles` (Keycloak). */
  requiredRoles?: RequiredGrants;
  /** App roles the token must carry, by default in `roles` (Entra ID). */
  requiredAppRoles?: RequiredGrants;
  /** Permissions the token must carry, by default in `permissions` (Auth0). */
  requiredPermissions?: RequiredGrants;
}

/** How a provider is asked about tokens (RFC 7662). */
export interface IntrospectionOptions {
  /** Where to ask. Default: `introspection_endpoint` of the issuer's metadata, at a host of the issuer's registrable domain. */
  endpoint?: string;
  /** The client that asks. */
  clientId: string;
  /** For `basic` and `post`. */
  clientSecret?: string;
  /**
   * How the client proves who it is: in the header (default), in the body, by an assertion that `privateKey` signs (RFC 7523 2.2), or by the
   * policy's `clientCertificate` (RFC 8705).
   */
  auth?: 'basic' | 'post' | 'private_key_jwt' | 'mtls';
  /** For `private_key_jwt`: an unencrypted PEM private key, or a private JWK. RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519. */
  privateKey?: string | object;
  /** The key's identifier at the provider. Default: the JWK's own; none of a PEM key. */
  kid?: string;
  /** What the assertion is signed with. Default: the JWK's own `alg`; else RS256, ES256, ES384, ES512 or EdDSA, by the key. */
  alg?: 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519';
  /**
   * `aud` of the assertion: the `issuer` as the policy has it (default), the `endpoint` that is asked, or another URL of the provider's, such
   * as its token endpoint.
   */
  assertionAudience?: 'issuer' | 'endpoint' | (string & {});
  /** Milliseconds for which an answer is kept, 0 to 60,000, and never past the token's end. Default 60,000. */
  cacheMs?: number;
  /**
   * Ask about tokens that are no JWT. Default true; among several policies of `createBearerAuth` false, and true in one of them at most,
   * since such a token does not say whose it is.
   */
  opaque?: boolean;
  /** Ask about JWTs too, once they are found good. Default false. */
  also?: boolean;
  /** Ask for answers as JWTs that the provider signs (RFC 9701), and take no other. Default false: plain JSON. */
  signed?: boolean;
}

/** Names that must all be granted; or one of `any`, all of `all`, in the list at `claim`. */
export type RequiredGrants =
  | string[]
  | {
      any?: string[];
      all?: string[];
      /** A dotted path (a top-level claim of exactly that name comes first), or the names to go through. */
      claim?: string | string[];
    };

/** A policy that was checked once. Immutable; holds no keys. */
declare class CompiledPolicy {
  private constructor();
  /** There is nothing to read; this keeps other objects from passing for one. */
  private readonly opaque: never;
}

/** Stands for an accepted token, within this process. There is nothing to read; give it to `recheck`. */
declare class RecheckHandle {
  private constructor();
  private readonly opaque: never;
}

export interface Success {
  ok: true;
  /** The payload, JSON text, exactly as signed. */
  claims: string;
  /** The JOSE header, JSON text. */
  header: string;
  /** `sub`, verbatim; empty only with `requireSubject: false`. */
  subject: string;
  /** `oid`, when it is a non-empty string. */
  oid?: string;
  /** The e-mail address the claims offer; see `PolicyOptions.emailClaim`. */
  email?: string;
  /** The claim `email` was taken from: the one the policy names, or one of the standard ones. The last two are names that users may choose. */
  emailSource?: 'configured' | 'email' | 'preferred_username' | 'upn';
  /** Why the configured `emailClaim` was not used: `absent`, or the type of what was there. */
  emailClaimProblem?: string;
  /** `email_verified`: true only for true and the text `true`; undefined when the claim is absent or null. */
  emailVerified?: boolean;
  /** Which of the policy's issuers the token is of, by its place in the list; 0 where there is one. */
  issuerIndex?: number;
  /** The token looks like an ID token, and the policy lets one pass: `typ: 'preferred'` would not. */
  looksLikeIdToken?: boolean;
  /** The token is bound to a key of its holder's (`cnf`), of which no proof was asked for. */
  isBound?: boolean;
  /** `exp` in seconds, as signed. */
  expiresAt?: number;
  scopes: string[];
  /** For `recheck`. */
  verdict: RecheckHandle;
}

export interface Failure {
  ok: false;
  code: RemoteAuthErrorCode;
  fault: RemoteAuthErrorFault;
  /** For the operator's log: contains no token and no personal data. */
  message: string;
  /** Seconds after which another try may help; `upstream` and `capacity` only. */
  retryAfter?: number;
  /** The cause within the code, a stable word such as `tls-expired`. */
  reason?: string;
  /** The host that was asked, or the proxy on the way to it. */
  host?: string;
  /** What the policy wants; at most 200 printable characters. */
  expected?: string;
  /** What came instead, at most 200 printable characters. It may be the token's own text: for the operator, never for a response. */
  got?: string;
  /** What to do at the provider, where the policy has a `profile` that knows; also at the end of `message`. For the operator. */
  hint?: string;
}

export type Outcome = Success | Failure;

declare class RemoteAgentAuth {
  private constructor();
  /** @param now seconds since 1970, finite; default the system clock. */
  check(token: string, policy: PolicyOptions | CompiledPolicy, now?: number): Outcome | Promise<Outcome>;
  /** Checks the claims of an accepted token by another policy; the signature only where that leads to other keys. */
  recheck(handle: RecheckHandle, policy: PolicyOptions | CompiledPolicy, now?: number): Outcome | Promise<Outcome>;
  /** Fetches the policy's keys ahead of the first request. */
  prefetch(policy: PolicyOptions | CompiledPolicy): Promise<{ ok: true } | Failure>;
  /** Empties the caches; fetches under way answer those who wait for them and are not stored. */
  clear(): void;
  /** JSON text. */
  stats(): string;
}

/** One token against one policy, with the keys all users of this process share. */
export function verifyRemoteToken(
  token: string,
  policy: PolicyOptions | CompiledPolicy,
  now?: number,
): Promise<Outcome>;

/**
 * A verifier. All of a process share one store of keys and one signature cache.
 * @param settings `verdictCache: false` verifies the signature of every token anew, also one seen before. While `maxQueued` checks
 * of the process wait for a thread (0 to 8192, the default), one that would have to wait as well fails with `ERR_OVERLOADED`.
 * @throws an error with `code` `ERR_POLICY_OPTION` for a setting that is unknown or of the wrong type
 */
export function createRemoteAgentAuth(settings?: { verdictCache?: boolean; maxQueued?: number }): RemoteAgentAuth;

export function compilePolicy(options: PolicyOptions): CompiledPolicy | Failure;

// Nobody else makes instances, so there is no class to import at run time.
export type { CompiledPolicy, RecheckHandle, RemoteAgentAuth };
