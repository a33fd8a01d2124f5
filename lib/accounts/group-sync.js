'use strict';

const { isEntraTenant } = require('./email-address');
const { GraphGroups } = require('./groups-graph');
const { groupsInToken, othersOf } = require('./groups-token');
const { isOn } = require('./provider');
const { isDuplicate } = require('./provisioning');

/**
 * @typedef {import('./groups-graph').Group} Group
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 *
 * The stored groups, in the user's tenant.
 * @typedef {{ find: (ids: string[]) => Promise<any>, upsert: (id: string, fields: object) => Promise<unknown>,
 *   update: (filter: object, change: object) => Promise<unknown> }} Store
 *
 * `memberKey`: by which groups know the user. `issuer`: the token's; `configured`: the one whose metadata names the token endpoint.
 * @typedef {{ userId: string, tenantId: string | undefined, memberKey: string, provider?: string | null, openidId?: string | null,
 *   idOnTheSource?: string }} Member
 *
 * @typedef {{ plan: Plan, lifecycle: 'created' | 'existing', member: Member, token: string, policy: CompiledPolicy, issuer: string | undefined,
 *   configured: string | undefined,
 *   readClaims: () => Record<string, any>, store: Store, log: import('../middleware/log').Log, onSynced: () => void }} SyncRequest
 *
 * @typedef {{ client: () => import('./provider').Client, clock?: () => number, sleep?: (ms: number) => Promise<void> }} Parts
 *
 * `pending`: still at work when the request's budget was spent.
 * @typedef {{ is: 'off' } | { is: 'skipped' | 'failed', why: string } | { is: 'synced', at: number } | { is: 'pending' }} Result
 */

/** Milliseconds between two readings of one user's groups: a caller with a thousand calls does not make a thousand of them. */
const PAUSE = 60_000;
/** Users remembered for that, and readings under way in the process. */
const MOST_REMEMBERED = 10_000;
const MOST_AT_ONCE = 64;
/** Groups written at once. */
const WRITES_AT_ONCE = 16;

/** Brings the groups of users in line with what their provider says. */
class GroupSync {
  /** When each user's reading began. @type {Map<string, number>} */
  #recent = new Map();
  #underWay = 0;
  #client;
  #clock;
  #sleep;

  /** @param {Required<Parts>} parts */
  constructor({ client, clock, sleep }) {
    this.#client = client;
    this.#clock = clock;
    this.#sleep = sleep;
  }

  /** @param {SyncRequest} request @returns {Promise<Result>} */
  async sync(request) {
    const { plan, lifecycle, member } = request;
    if (!(lifecycle === 'created' ? plan.groups.onCreate : plan.groups.forExisting)) return { is: 'off' };
    const reason = this.#whyNot(request);
    if (reason !== undefined) return { is: 'skipped', why: reason };
    this.#remember(member);
    this.#underWay += 1;
    const done = this.#run(request).finally(() => (this.#underWay -= 1));
    return within(plan.groups.budgetMs, done);
  }

  /** @param {SyncRequest} request @returns {string | undefined} */
  #whyNot({ plan, member }) {
    if (member.provider !== 'openid' || !member.openidId) return 'the account is not one of OpenID';
    if (plan.groups.source === 'graph') {
      const { env } = process;
      if (!isOn(env.USE_ENTRA_ID_FOR_PEOPLE_SEARCH)) return 'USE_ENTRA_ID_FOR_PEOPLE_SEARCH is not true';
      if (!member.idOnTheSource) return 'the account has no oid';
    }
    if (this.#clock() - (this.#recent.get(keyOf(member)) ?? -Infinity) < PAUSE)
      return 'they were read less than a minute ago';
    if (this.#underWay >= MOST_AT_ONCE) return 'too many are being read';
    return undefined;
  }

  /** @param {Member} member */
  #remember(member) {
    this.#recent.delete(keyOf(member));
    if (this.#recent.size >= MOST_REMEMBERED)
      this.#recent.delete(/** @type {string} */ (this.#recent.keys().next().value));
    this.#recent.set(keyOf(member), this.#clock());
  }

  /** @param {SyncRequest} request @returns {Promise<Result>} */
  async #run(request) {
    const { member, log, onSynced } = request;
    try {
      const groups = await this.#read(request);
      if (typeof groups === 'string') {
        log.warn(`groups of user ${member.userId} are left as they are: ${groups}`);
        return { is: 'failed', why: groups };
      }
      await write(request, groups);
      log.debug(`groups of user ${member.userId} are in line: ${groups.ids.length}`);
      onSynced();
      return { is: 'synced', at: this.#clock() };
    } catch (error) {
      log.error(`groups of user ${member.userId} are left as they are`, error);
      return { is: 'failed', why: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * Where the user is a member, and what is not known of those groups yet. Read to the end before anything is written.
   * @param {SyncRequest} request
   * @returns {Promise<{ ids: string[], missing: Group[], others: object } | string>} a text: why nothing is to be changed
   */
  async #read({ plan, member, token, policy, issuer, configured, readClaims, store }) {
    const graph = new GraphGroups({
      client: this.#client,
      policy,
      token,
      provider: { issuer: configured, hosts: plan.userInfo.hosts },
      graphBase: plan.groups.graphBase,
      sleep: this.#sleep,
    });
    if (plan.groups.source === 'token') {
      const found = groupsInToken(readClaims(), plan.groups.claim, issuer ?? '');
      if (found.is === 'none') return found.why;
      if (found.is === 'listed') {
        if (found.groups.length === 0) return 'the token names no group';
        const ids = found.groups.map(({ id }) => id);
        const stored = await known(store, ids);
        return { ids, missing: found.groups.filter(({ id }) => !stored.has(id)), others: othersOf(issuer ?? '', ids) };
      }
      const { env } = process;
      if (!isEntraTenant(issuer) || !member.idOnTheSource || !env.OPENID_CLIENT_ID || !env.OPENID_CLIENT_SECRET) {
        return (
          'they are too many for the token, and Microsoft Graph, where they are, cannot be asked: that needs a tenant of Entra ID, ' +
          'an oid, OPENID_CLIENT_ID and OPENID_CLIENT_SECRET'
        );
      }
    }
    const ids = await graph.memberships();
    if (ids.length === 0) return 'Microsoft Graph names no group';
    const stored = await known(store, ids);
    const missing = await graph.details(ids.filter((id) => !stored.has(id)));
    return { ids, missing, others: { $nin: ids } };
  }
}

/**
 * Never throws, and never makes a request wait beyond its budget.
 * @param {Parts} parts
 * @returns {(request: SyncRequest) => Promise<Result>}
 */
function createGroupSync({ client, clock = Date.now, sleep = pause }) {
  const groups = new GroupSync({ client, clock, sleep });
  return (request) => groups.sync(request);
}

/** @param {Store} store @param {string[]} ids @returns {Promise<Set<string>>} */
async function known(store, ids) {
  const groups = (await store.find(ids)) ?? [];
  return new Set(groups.map((/** @type {any} */ group) => group?.idOnTheSource));
}

/** @param {SyncRequest} request @param {{ ids: string[], missing: Group[], others: object }} groups */
async function write({ store, member: { memberKey } }, { ids, missing, others }) {
  const left = [...missing];
  const work = async () => {
    for (let group = left.shift(); group !== undefined; group = left.shift()) {
      const { id, ...fields } = group;
      await store.upsert(id, fields).catch(unlessDuplicate);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WRITES_AT_ONCE, left.length) }, work));
  const isEntra = { source: 'entra' };
  await store.update(
    { idOnTheSource: { $in: ids }, ...isEntra, memberIds: { $ne: memberKey } },
    { $addToSet: { memberIds: memberKey } },
  );
  // Last: whoever loses a group has been given all others.
  await store.update(
    { ...isEntra, memberIds: memberKey, idOnTheSource: others },
    { $pullAll: { memberIds: [memberKey] } },
  );
}

/** Another process was faster, and the group is there. @param {unknown} error */
function unlessDuplicate(error) {
  if (!isDuplicate(error)) throw error;
}

/** @param {Member} member */
function keyOf({ userId, tenantId = '' }) {
  return `${tenantId} ${userId}`;
}

/** @param {number} budget milliseconds @param {Promise<Result>} done never rejects @returns {Promise<Result>} */
function within(budget, done) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ is: 'pending' }), budget);
    done.then((result) => {
      clearTimeout(timer);
      resolve(result);
    });
  });
}

/** Keeps no process alive. @param {number} milliseconds @returns {Promise<void>} */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

module.exports = { createGroupSync };
