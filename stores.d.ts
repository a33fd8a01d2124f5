import type { Revocation } from './index';

/**
 * What replicas have in common. Values are text. What comes out of a store is checked before it is used: whoever can write to it can
 * neither vouch for a token nor revoke one. A method that cannot reach the store rejects; each feature says what happens then
 * (docs/scaling.md).
 */
export interface SharedStore {
  get(key: string): Promise<string | undefined>;
  /** `ttlMs`: milliseconds after which the value is gone. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
  /** Resolves to whether it was set: of several who ask at once one is told true. */
  setIfAbsent(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** Adds members to a list, each until so many seconds since 1970. One that is there already is there once. */
  append?(list: string, members: { text: string; until: number }[]): Promise<void>;
  /** Hands the members of a list to `page`, some at a time, in any order. */
  read?(list: string, page: (members: string[]) => void): Promise<void>;
  publish?(channel: string, message: string): Promise<void>;
  /**
   * `onConnect` is called each time the subscription counts (again): what was published meanwhile is lost. `onProblem`: each time one could
   * not be made; it is tried again. Resolves to what ends it.
   */
  subscribe?(
    channel: string,
    listener: (message: string) => void,
    onConnect?: () => void,
    onProblem?: (error: Error) => void,
  ): Promise<() => Promise<void>>;
}

export interface MemoryStoreOptions {
  /** Default 10,000. */
  maxEntries?: number;
  /** Milliseconds since 1970; for tests. */
  clock?: () => number;
}

/** A store of this process alone, bounded; the least recently used entries go first. */
export function memoryStore(options?: MemoryStoreOptions): Required<SharedStore>;

export interface RedisStoreOptions {
  /** Before each key and channel. Default `remote-agent-auth:`. */
  prefix?: string;
  /** For one command, 10 to 60,000 milliseconds. Default 500. */
  timeoutMs?: number;
}

/**
 * A store over the host's own client: ioredis (4 and newer) or node-redis (4 and newer), a cluster and sentinels too. The client is
 * neither connected nor closed here. After three failures in a row Redis is left alone for half a second, and for longer after each
 * try that fails, up to 10 s; meanwhile every method rejects at once with `ERR_STORE_UNAVAILABLE`.
 */
export function redisStore(client: object, options?: RedisStoreOptions): Required<SharedStore>;

export interface SharedRevocationsOptions {
  /** One with `append`, `read`, `publish` and `subscribe`. */
  store: SharedStore;
  /** The same for all replicas, at least 32 bytes: who can write to the store but lacks it revokes nothing. */
  sharedSecret: string;
  /**
   * Called when the store cannot be used or subscribed to, or has what is not authentic, at most once a second. It names no subject. What it
   * throws is ignored.
   */
  onProblem?: (error: Error) => void;
}

export interface SharedRevocations {
  /** Whether the list has been read. False where the store is down: what is known here counts, and the rest once it is back. */
  ready: Promise<boolean>;
  /** Counts here at once, and everywhere once `shared` is true. Where the store is down it is written when that is back. */
  revoke(revocation: Revocation): Promise<{ shared: boolean }>;
  close(): Promise<void>;
}

/** Revocations that every replica knows. */
export function shareRevocations(options: SharedRevocationsOptions): SharedRevocations;

export interface SharedKeysOptions {
  /**
   * One with `get` and `set`, a Keyv instance for example. With `setIfAbsent` and `delete` one replica asks a provider while the others
   * wait; with `publish` and `subscribe` they know of new keys at once.
   */
  store: Pick<SharedStore, 'get' | 'set'> & Partial<SharedStore>;
  /** The same for all replicas, at least 32 bytes: keys of whoever can write to the store but lacks it are not used. */
  sharedSecret: string;
  /**
   * Called when the store cannot be used or subscribed to, or has what is not taken, at most once a second. What it throws is ignored.
   */
  onProblem?: (error: Error) => void;
}

export interface SharedKeys {
  /** Whether the store answers. Where it does not, this process fetches keys for itself until it does. */
  ready: Promise<boolean>;
  close(): Promise<void>;
}

/** Keys that one replica has fetched and the others of the same secret import, for all verifiers and threads of this process. */
export function shareKeys(options: SharedKeysOptions): SharedKeys;
