'use strict';

const { createHash, createHmac, randomBytes, timingSafeEqual } = require('node:crypto');
const { VERSION, isOf, keptOf, validated } = require('./cache-entry');
const { BoundedMap } = require('../stores/bounded-map');
const { normalizeIssuer } = require('../policy/issuer');

/**
 * @typedef {import('./cache-entry').Entry} Entry
 * @typedef {import('./cache-entry').Slot} Slot
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('../../index').FederatedAuthStore} Store
 * @typedef {import('../policy/policy-cache').Entry} PolicyEntry
 */

/** Milliseconds a store may take; and for how long one that failed is left alone, so that it is not waited for by every request. */
const PATIENCE = 500;
const REST = 5_000;
/** Characters of a value that is looked at: whoever can write into the store must not make work of it. */
const LONGEST_VALUE = 131_072;
const LONGEST_PROOF = 64;
/** What Redis says at the beginning of its refusals. */
const REFUSALS =
  /^(?:BUSY|CLUSTERDOWN|ERR|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|OOM|READONLY|TRYAGAIN|WRONGPASS|WRONGTYPE)\b/;
/** Headers remembered: a provider's tokens of one key all have the same. */
const MOST_HEADERS = 1_000;
/** What a shared store holds is not believed for having been there: a value carries proof that one of us wrote it. */
const ownSecret = randomBytes(32).toString('base64');

/** Stores in use, for `invalidate`: in this process, and shared ones. @type {Set<WeakRef<object>>} */
const stores = new Set();

/** How often `invalidate` was called: what a request has read of an account before that is not written after it. */
let invalidations = 0;

/** @param {string | null | undefined} tenantId @param {string} issuer normalised @param {string} subject LibreChat's key */
function keyOf(tenantId, issuer, subject) {
  return `${tenantId || 'base'}:${issuer}:${subject}`;
}

/** @param {string} text */
function digest(text) {
  return createHash('sha256').update(text).digest('base64url');
}

/**
 * Accounts of a moment ago, so that a known caller costs no look-up. The token has been verified before this is asked, so an entry
 * speaks of who the caller is and never of whether the token is good.
 */
class FederatedCache {
  #store;
  #isOwn;
  #log;
  #clock;
  #restUntil = 0;
  /** What stands for each policy with each plan. @type {WeakMap<PolicyEntry, WeakMap<Plan, string>>} */
  #policies = new WeakMap();
  /** What stands for the key of each header. @type {Map<string, string | undefined>} */
  #keys = new Map();

  /** @param {{ store?: Store, log: import('../middleware/log').Log, clock?: () => number }} parts */
  constructor({ store, log, clock = Date.now }) {
    this.#isOwn = store === undefined;
    this.#store = store ?? new BoundedMap({ clock });
    this.#log = log;
    this.#clock = clock;
    register(this.#store);
  }

  /**
   * For whom something is asked, and under what.
   * @param {Plan} plan
   * @param {PolicyEntry} policy
   * @param {{ tenantId: string | undefined, issuer: string | undefined, subject: string, token: string }} of
   * @returns {Slot | undefined} undefined where nothing can be kept: a policy that is no plain data, a token that names no key
   */
  slotOf(plan, policy, { tenantId, issuer, subject, token }) {
    if (!plan.cache.enabled || issuer === undefined || policy.key === undefined) return undefined;
    const end = token.indexOf('.');
    // One that the provider was asked about has no header.
    if (end === -1) return undefined;
    const signedBy = this.#signedBy(token.slice(0, end));
    if (signedBy === undefined) return undefined;
    const mark = this.#policyMark(policy, plan);
    return { tenantId: tenantId ?? null, issuer, subject, policy: mark, signedBy, since: invalidations };
  }

  /** @param {Slot} slot @param {Plan} plan @returns {Promise<Entry | undefined> | Entry | undefined} never rejects */
  read(slot, plan) {
    const key = keyOf(slot.tenantId, slot.issuer, slot.subject);
    this.#log.debug('federated auth cache: read started');
    if (!this.#isOwn)
      return this.#asked('read', () => this.#store.get(key)).then((value) =>
        this.#given(validated(unsealed(value, plan), slot, this.#clock())),
      );
    const own = /** @type {Entry | undefined} */ (this.#store.get(key));
    return this.#given(own !== undefined && isOf(own, slot, this.#clock()) ? own : undefined);
  }

  /**
   * @param {Slot} slot
   * @param {Plan} plan
   * @param {{ user: Record<string, any>, id: string, expiresAt?: number, groupsSyncedAt?: number }} account `expiresAt`: the token's, in seconds
   */
  async write(slot, plan, { user, id, expiresAt = Infinity, groupsSyncedAt }) {
    const now = this.#clock();
    const until = Math.min(now + plan.cache.ttlSeconds * 1_000, expiresAt * 1_000);
    const ttl = Math.floor(until - now);
    const { since, ...of } = slot;
    if (!(ttl > 0) || since !== invalidations) return;
    /** @type {Entry} */
    const entry = {
      version: VERSION,
      ...of,
      createdAt: now,
      expiresAt: until,
      user: keptOf(user, id),
      ...(groupsSyncedAt && { groupsSyncedAt }),
    };
    // What would not be believed is not written.
    if (validated(entry, slot, now) === undefined) return;
    const key = keyOf(slot.tenantId, slot.issuer, slot.subject);
    if (this.#isOwn) this.#store.set(key, entry, ttl);
    else if (
      (await this.#asked('write', async () => (await this.#store.set(key, sealed(entry, plan), ttl), true))) !== true
    )
      return;
    this.#log.debug('federated auth cache: write completed');
  }

  /** @param {Slot} slot */
  forget({ tenantId, issuer, subject }) {
    this.#asked('delete', () => this.#store.delete(keyOf(tenantId, issuer, subject)));
  }

  /** @param {Entry | undefined} entry */
  #given(entry) {
    if (entry !== undefined) this.#log.debug('federated auth cache: read completed');
    return entry;
  }

  /**
   * A store that is down costs its own speed, and nobody is refused for it.
   * @param {string} what
   * @param {() => unknown} ask
   * @returns {Promise<unknown>} undefined where it failed
   */
  async #asked(what, ask) {
    if (this.#clock() < this.#restUntil) return undefined;
    try {
      return await within(PATIENCE, (async () => ask())());
    } catch (error) {
      this.#restUntil = this.#clock() + REST;
      this.#log.warn(
        `federated auth cache: ${what} failed (${kindOf(error)}); the store is left alone for ${REST / 1_000} s`,
      );
      return undefined;
    }
  }

  /** @param {PolicyEntry} policy @param {Plan} plan */
  #policyMark(policy, plan) {
    let marks = this.#policies.get(policy);
    const known = marks?.get(plan);
    if (known !== undefined) return known;
    if (marks === undefined) this.#policies.set(policy, (marks = new WeakMap()));
    const mark = digest(`${policy.key}\n${plan.key}`);
    marks.set(plan, mark);
    return mark;
  }

  /** @param {string} header of the token, encoded @returns {string | undefined} */
  #signedBy(header) {
    const known = this.#keys.get(header);
    if (known !== undefined || this.#keys.has(header)) return known;
    const { kid, alg } = headerOf(header);
    const mark = typeof kid === 'string' ? digest(JSON.stringify([kid, alg])) : undefined;
    if (this.#keys.size >= MOST_HEADERS) this.#keys.clear();
    this.#keys.set(header, mark);
    return mark;
  }
}

/** @param {string} header encoded @returns {{ kid?: unknown, alg?: unknown }} empty for what is no header: a verifier of the host's may take such tokens */
function headerOf(header) {
  try {
    return Object(JSON.parse(Buffer.from(header, 'base64url').toString()));
  } catch {
    return {};
  }
}

/** @param {Entry} entry @param {Plan} plan @returns {{ entry: string, proof: string }} */
function sealed(entry, plan) {
  const text = JSON.stringify(entry);
  return { entry: text, proof: proofOf(text, plan) };
}

/** @param {any} value @param {Plan} plan @returns {unknown} */
function unsealed(value, plan) {
  if (typeof value?.entry !== 'string' || typeof value.proof !== 'string') return undefined;
  if (value.entry.length > LONGEST_VALUE || value.proof.length > LONGEST_PROOF) return undefined;
  const [given, right] = [Buffer.from(value.proof), Buffer.from(proofOf(value.entry, plan))];
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  return JSON.parse(value.entry);
}

/** @param {string} text @param {Plan} plan */
function proofOf(text, plan) {
  return createHmac('sha256', plan.cache.secret ?? ownSecret)
    .update(text)
    .digest('base64url');
}

/**
 * Clients of stores put the command into their errors, and with it the key and the value, which name a person: only the kind is told.
 * @param {any} error
 */
function kindOf(error) {
  if (error instanceof LateError) return error.message;
  const { name, code, message } = Object(error);
  const told = [name, code].filter((text) => typeof text === 'string' && /^\w{1,40}$/.test(text));
  const [refusal] = (typeof message === 'string' && REFUSALS.exec(message)) || [];
  return [...told, ...(refusal ? [refusal] : [])].join(' ') || 'no error object';
}

class LateError extends Error {}

/** @template T @param {number} milliseconds @param {Promise<T>} asked @returns {Promise<T>} */
function within(milliseconds, asked) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new LateError(`the store has not answered within ${milliseconds} ms`)),
      milliseconds,
    );
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @param {object} store */
function register(store) {
  for (const known of stores) {
    const living = known.deref();
    if (living === store) return;
    if (living === undefined) stores.delete(known);
  }
  stores.add(new WeakRef(store));
}

/**
 * Deletes what is kept of one account, in every store this process uses.
 * @param {string} issuer
 * @param {string} subject
 * @param {string} [tenantId]
 */
async function invalidate(issuer, subject, tenantId) {
  invalidations += 1;
  const key = keyOf(tenantId, normalizeIssuer(issuer) ?? '', subject);
  const living = [...stores]
    .map((known) => /** @type {Store | undefined} */ (known.deref()))
    .filter((store) => store !== undefined);
  await Promise.all(living.map(async (store) => store.delete(key)));
}

module.exports = { FederatedCache, invalidate, keyOf };
