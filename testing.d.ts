/**
 * `remote-agent-auth/testing`: a real OpenID issuer on loopback, for tests of servers that check tokens. It needs nothing else of this
 * package and patches nothing. Never for production: whoever has the object makes any token.
 */

/** Providers whose tokens can be imitated: their claims and kinds. */
export type TestProfile = import('./native').ProviderProfile;

/** What can be wrong with an answer of the issuer; `docs/testing.md` says what each is. */
export type Poison =
  | 'html'
  | 'empty'
  | 'huge'
  | 'truncated'
  | 'cut'
  | 'never'
  | 'no-keys'
  | 'wrong-issuer'
  | 'redirect'
  | 'server-error';

export type TestAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87';

export interface TestIssuerOptions {
  /** What tokens are signed with. Default `RS256`. */
  alg?: TestAlgorithm;
  /** `aud` of its tokens. Default `https://api.example.com`, or the profile's. */
  audience?: string;
  /** Path of the issuer's URL, such as `/realms/test`. Default: none, or the profile's. */
  path?: string;
  /** Default 0: a free one. */
  port?: number;
  /** Whose tokens its tokens look like. Default: nobody's. */
  profile?: TestProfile;
}

export interface TestTokenOptions {
  /** Default: the issuer's. `none` and `HS256` to `HS512` (over the public key's PEM text) are there to be refused. */
  alg?: TestAlgorithm | 'none' | 'HS256' | 'HS384' | 'HS512';
  /** Of a key of this issuer: that one signs. Any other text is only written into the header. */
  kid?: string;
  /** Seconds from the clock's now to `exp`; negative for an expired one. Default 300. */
  expiresIn?: number;
  /** The header's. Default `JWT`, or the profile's; null for none. */
  typ?: string | null;
  /** A kind of token of the profile: `user`, `app`, `id`, and what else the provider has. */
  kind?: string;
  /** More members of the header. */
  header?: Record<string, unknown>;
  /** Signed with a key that is published nowhere. */
  forged?: boolean;
}

/** Seconds since 1970; the system's until it is moved. Give it to `new RemoteTokenVerifier({ clock })`. */
export interface TestClock {
  (): number;
  /** By so many seconds; negative: back. */
  advance(seconds: number): void;
  /** Stops it there. */
  set(seconds: number): void;
  /** The system's again. */
  reset(): void;
}

/**
 * Waits for a refusal with this code and resolves to it.
 * @param attempt a promise, a function that returns one, or an outcome of `remote-agent-auth/native`
 * @throws {AssertionError} that says what came instead
 */
export function expectRefusal(code: string, attempt: unknown): Promise<any>;

export interface TestIssuer {
  /** `http://127.0.0.1:PORT` and the path. */
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
  /** Of the key that signs by default. */
  readonly kid: string;
  /** How often metadata and keys were asked for. */
  readonly requests: { metadata: number; keys: number };
  /** What `iat` and `exp` are counted from. */
  readonly clock: TestClock;
  /** A signed token: `iss`, `aud`, `sub` (`user-1`), `iat`, `exp`, the profile's claims, and these; undefined removes one. */
  token(claims?: Record<string, unknown>, options?: TestTokenOptions): string;
  /** Options of a policy that accepts its tokens, with more. */
  policy<More extends object>(more?: More): { issuer: string; audience: string } & More;
  /** The JWK Set published now. */
  jwks(): { keys: Record<string, unknown>[] };
  metadata(): Record<string, unknown>;
  /**
   * New keys sign from now on. Those before stay published, as real providers keep them, unless `withdraw` is true.
   * @returns the new `kid`
   */
  rotate(options?: { withdraw?: boolean }): string;
  /** No longer published; it can still sign: `token({}, { kid })`. Default: the current one. */
  withdraw(kid?: string): void;
  /** Connections end without an answer; with `status`, every answer is that one. Until `restore`. */
  outage(options?: { status?: number }): void;
  /** Every answer comes so many milliseconds later. Until `restore`. */
  slow(milliseconds: number): void;
  /** The keys (`of: 'metadata'`: the metadata) are answered with something else. Until `restore`. */
  poison(kind: Poison, options?: { of?: 'keys' | 'metadata' }): void;
  /** Ends outage, slowness and poison. */
  restore(): void;
  expectRefusal: typeof expectRefusal;
  /** Ends the server and its connections. */
  stop(): Promise<void>;
}

/** Starts an issuer. A process that forgets to stop it ends all the same. */
export function createTestIssuer(options?: TestIssuerOptions): Promise<TestIssuer>;
