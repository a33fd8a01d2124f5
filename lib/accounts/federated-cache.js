'use strict';

const { createHash, createHmac, randomBytes, timingSafeEqual } = require('node:crypto');
const { VERSION, isOf, keptOf, validated } = require('./cache-entry');
const { Deletions, LateError, within } = require('./deletions');
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
/** What a shared store holds is not trusted for having been there: a value carries proof that one of us wrote it. */
const ownSecret = randomBytes(32).toString('base64');

/** Stores in use, for `invalidate`: in this process, and shared ones. @type {Set<WeakRef<object>>} */
const stores = new Set();
/** What each store owes. @type {WeakMap<object, Deletions>} */
const deletions = new WeakMap();

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
 * Accounts settled a short time ago, so that a known caller costs no look-up. The token has been verified before this is asked, so an entry
 * speaks of who the caller is and never of whether the token is good.
 */
class FederatedCache {
  #store;
  #isOwn;
  #log;
  #clock;
  #restUntil = 0;
  #deletions;
  /** What stands for each policy with each plan. @type {WeakMap<PolicyEntry, WeakMap<Plan, string>>} */
  #policies = new WeakMap();

  /** @param {{ store?: Store, log: import('../middleware/log').Log, clock?: () => number }} parts */
  constructor({ store, log, clock = Date.now }) {
    this.#isOwn = store === undefined;
    this.#store = store ?? new BoundedMap({ clock });
    this.#log = log;
    this.#clock = clock;
    this.#deletions = register(this.#store, clock);
  }

  /**
   * For whom something is asked, and under what.
   * @param {Plan} plan
   * @param {PolicyEntry} policy
   * @param {{ tenantId: string | undefined, issuer: string | undefined, subject: string, signedBy: string | undefined }} of `signedBy`: the
   *   RFC 7638 thumbprint of the key that signed
   * @returns {Slot | undefined} undefined where nothing can be kept: a policy that is no plain data, a verifier that does not name the key
   */
  slotOf(plan, policy, { tenantId, issuer, subject, signedBy }) {
    if (!plan.cache.enabled || issuer === undefined || policy.key === undefined) return undefined;
    if (signedBy === undefined) return undefined;
    const mark = this.#policyMark(policy, plan);
    return { tenantId: tenantId ?? null, issuer, subject, policy: mark, signedBy, since: invalidations };
  }

  /** @param {Slot} slot @param {Plan} plan @returns {Promise<Entry | undefined> | Entry | undefined} never rejects */
  read(slot, plan) {
    const key = keyOf(slot.tenantId, slot.issuer, slot.subject);
    this.#log.debug('federated auth cache: read started');
    if (!this.#isOwn)
      return this.#asked('read', () => this.#store.get(key)).then((value) => {
        const entry = validated(unsealed(value, plan), slot, this.#clock());
        return this.#given(entry && this.#deletions.isPending(key, entry.createdAt) ? undefined : entry);
      });
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
    // What would not be accepted when it is read is not written.
    if (validated(entry, slot, now) === undefined) return;
    const key = keyOf(slot.tenantId, slot.issuer, slot.subject);
    if (this.#isOwn) this.#store.set(key, entry, ttl);
    else if (
      (await this.#asked('write', async () => (await this.#store.set(key, sealed(entry, plan), ttl), true))) !== true
    )
      return;
    this.#log.debug('federated auth cache: write completed');
  }

  /** Asked of a store that is left alone too, and owed where it fails. @param {Slot} slot @returns {Promise<void>} never rejects */
  async forget({ tenantId, issuer, subject }) {
    try {
      await this.#deletions.order(keyOf(tenantId, issuer, subject));
    } catch (error) {
      this.#log.warn(
        `federated auth cache: delete failed (${kindOf(error)}); what the store has of it is ignored here, and deleted when it answers`,
      );
    }
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
      const answer = await within(PATIENCE, (async () => ask())());
      void this.#deletions.repeat();
      return answer;
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
 * Clients of stores put the command into their errors, and with it the key and the value, which name a person: only the kind is logged.
 * @param {any} error
 */
function kindOf(error) {
  if (error instanceof LateError) return error.message;
  const { name, code, message } = Object(error);
  const kinds = [name, code].filter((text) => typeof text === 'string' && /^\w{1,40}$/.test(text));
  const [refusal] = (typeof message === 'string' && REFUSALS.exec(message)) || [];
  return [...kinds, ...(refusal ? [refusal] : [])].join(' ') || 'no error object';
}

/** @param {Store | BoundedMap} store @param {() => number} [clock] @returns {Deletions} */
function register(store, clock) {
  const known = deletions.get(store);
  if (known !== undefined) return known;
  for (const other of stores) if (other.deref() === undefined) stores.delete(other);
  stores.add(new WeakRef(store));
  const made = new Deletions(store, clock);
  deletions.set(store, made);
  return made;
}

/**
 * Deletes what is kept of one account, in every store this process uses. Each is waited for 5 s at most.
 * @throws where a store has not done it: this process then ignores what that one has of the account, and deletes it when it answers
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
  const orders = await Promise.allSettled(living.map((store) => register(store).order(key)));
  const failed = orders.filter(({ status }) => status === 'rejected');
  if (failed.length === 0) return;
  const kinds = [...new Set(failed.map((order) => kindOf(/** @type {PromiseRejectedResult} */ (order).reason)))]
    .slice(0, 5)
    .join(', ');
  throw new Error(
    `remote-agent-auth: ${failed.length} of ${living.length} stores of accounts have not deleted an entry (${kinds}); this process ` +
      'ignores it and deletes it when they answer, other processes may still use it until its time is over',
  );
}

module.exports = { FederatedCache, invalidate, keyOf };
