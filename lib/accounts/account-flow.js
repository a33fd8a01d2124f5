'use strict';

// The way of one request to its account: through the cache, userinfo, linking, provisioning, profile and groups.

const { missingFor } = require('./dependencies');
const { domainRule } = require('./domains');
const { createEvents } = require('./events');
const { profileOf } = require('./profile');
const { bindingChanges, profileChanges, withoutEmail } = require('./profile-sync');
const { balanceOf, createUser, isDuplicate, newUser } = require('./provisioning');
const { boundAccount, newAccount } = require('./resolution');
const { Success } = require('../verifier/outcome');

/**
 * @typedef {import('./options').Plan} Plan
 * @typedef {import('./profile').Identity} Identity
 * @typedef {import('./profile').Profile} Profile
 * @typedef {import('./resolution').Account} Account
 * @typedef {import('./resolution').Changes} Changes
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').AccountRefusal} Reason
 * @typedef {import('../policy/policy-cache').Entry} PolicyEntry
 *
 * Why a request is not let in: a cause of the middleware's decision table, and what to say about it.
 * @typedef {{ cause: any, about?: string, error?: unknown }} Rejection
 * @typedef {{ user: User & Record<string, any>, userId: string, role: string }} Settled
 *
 * One request. `config`: the host's, as read by `requested`.
 * @typedef {{ plan: Plan, config: any, requested: import('../../index').AppConfigOptions, tenantId: string | undefined, token: string, verified: import('../../native').Success, entry: PolicyEntry, identity: Identity }} Request
 *
 * What the middleware does in its own flow, and is done here the same way. `settleRole`: whether the user's own configuration lets the
 * token in, and the role; `checkPolicy`: the same without role sync. `tenantsPlan`: of another configuration of the host.
 * @typedef {{
 *   deps: Deps,
 *   callbacks: any,
 *   log: import('../middleware/log').Log,
 *   trust: import('./profile').Trust,
 *   warn: (identity: Identity) => void,
 *   findBound: import('./resolution').Lookup,
 *   findByEmail: import('./resolution').Lookup,
 *   observe: <Arguments extends any[]>(lookup: (...args: Arguments) => Promise<any>) => (...args: Arguments) => Promise<any>,
 *   idOf: (user: User) => string,
 *   settleRole: (settled: Settled, request: Request, changes: Changes) => Promise<Rejection | undefined>,
 *   checkPolicy: (settled: Settled, request: Request) => Promise<Rejection | undefined> | undefined,
 *   tenantsPlan: (tenantId: string) => Promise<{ plan: Plan | undefined, config: any }>,
 *   client?: () => import('./provider').Client,
 * }} Surroundings
 */

/**
 * @typedef {{ ok: true, user: User & Record<string, any>, userId: string } | ({ ok: false } & Rejection)} Result
 * @typedef {import('./index').Shared} Shared
 * @typedef {{ shared: Shared, userinfo: ReturnType<typeof import('./userinfo').createUserinfo> }} Parts
 */

class AccountFlow {
  #surroundings;
  #deps;
  #callbacks;
  #log;
  #trust;
  #shared;
  #userinfo;
  #emit;
  /** Plans nothing is missing for. @type {WeakSet<Plan>} */
  #whole = new WeakSet();

  /** @param {Surroundings} surroundings @param {Parts} parts */
  constructor(surroundings, { shared, userinfo }) {
    this.#surroundings = surroundings;
    this.#deps = surroundings.deps;
    this.#callbacks = surroundings.callbacks;
    this.#log = surroundings.log;
    this.#trust = surroundings.trust;
    this.#shared = shared;
    this.#userinfo = userinfo;
    this.#emit = createEvents(surroundings.deps.onAccount?.bind(surroundings.deps));
  }

  /** @param {Request} request @returns {Promise<Result>} */
  async settle(request) {
    const { plan, tenantId, entry, identity, verified } = request;
    if (!this.#whole.has(plan)) {
      const missing = missingFor(plan, this.#deps);
      if (missing !== undefined) return misconfigured(missing);
      this.#whole.add(plan);
    }
    if (tenantId === undefined && isStrict()) return this.#refused(request, 'tenant_context_required');

    const { subject, issuer } = identity;
    const slot = this.#shared.cache.slotOf(plan, entry, {
      tenantId,
      issuer,
      subject,
      signedBy: Success.keyThumbprintOf(verified),
    });
    const known = slot && this.#shared.cache.read(slot, plan);
    const kept = known instanceof Promise ? await known : known;
    if (slot && kept) return this.#fromCache(request, slot, kept.user);

    const profile = await this.#profile(request);
    if ('ok' in profile) return profile;
    const account = await this.#resolve(request, profile);
    if (!account.ok) return this.#refused(request, account.reason, account.why);
    return this.#settled(request, profile, account, slot);
  }

  /**
   * What the token says of the user and, where the plan has it fetched, userinfo.
   * @param {Request} request @returns {Promise<Profile | ({ ok: false } & Rejection)>}
   */
  async #profile(request) {
    const { plan, token, entry, identity, verified } = request;
    const answer = plan.userInfo.fetch
      ? await this.#userinfo({
          policy: /** @type {any} */ (entry.policy),
          token,
          subject: identity.subject,
          issuer: entry.issuer,
          expiresAt: verified.expiresAt,
          hosts: plan.userInfo.hosts,
        })
      : undefined;
    if (answer?.ok === false) {
      if (plan.userInfo.require) return this.#withoutUserinfo(request, answer);
      this.#log.warn(`userinfo is not there (${answer.reason}), the token's own claims count: ${answer.message}`);
    }
    const profile = profileOf(identity, () => readClaims(request), answer?.ok ? answer.claims : undefined);
    this.#surroundings.warn(profile.identity);
    return profile;
  }

  /** @param {any} config the host's */
  #domainRule(config) {
    return domainRule(this.#deps.isEmailDomainAllowed && this.#callbacks.isEmailDomainAllowed, config);
  }

  /** @param {Request} request @param {import('./cache-entry').Slot} slot @param {Record<string, any>} kept */
  async #fromCache(request, slot, kept) {
    const userId = kept.id;
    // A copy: a request may change its user without changing that of another.
    const user = { _id: userId, ...kept };
    const checked = this.#surroundings.checkPolicy({ user, userId, role: kept.role }, request);
    const rejection = checked && (await checked);
    if (rejection !== undefined) return { ok: /** @type {const} */ (false), ...rejection };
    if (this.#deps.isPrincipalActive !== undefined && !(await this.#callbacks.isPrincipalActive(userId))) {
      void this.#shared.cache.forget(slot);
      return { ok: /** @type {const} */ (false), cause: 'account-deletion' };
    }
    return { ok: /** @type {const} */ (true), user, userId };
  }

  /**
   * Found, linked or made. Many first calls of one user at once are one resolution.
   * @param {Request} request @param {Profile} profile @returns {Promise<Account>}
   */
  async #resolve({ plan, config, tenantId }, profile) {
    const question = { plan, profile, tenantId };
    const isDomainAllowed = this.#domainRule(config);
    const steps = {
      findBound: this.#surroundings.findBound,
      findByEmail: this.#surroundings.findByEmail,
      isDomainAllowed,
      trust: this.#trust,
      create: (/** @type {string} */ email) =>
        createUser(newUser(profile, { email, plan, tenantId }), balanceOf(config), this.#callbacks),
    };
    /** Reported to the host as one look-up, as the middleware's is. @returns {Promise<any>} */
    const lookUp = async () => {
      const bound = await boundAccount(question, steps);
      if (bound !== undefined) return lookedUp(bound);
      const { subject, issuer } = profile.identity;
      const key = JSON.stringify([tenantId, issuer, subject]);
      const { shared: isShared, account } = await this.#shared.flights.join(key, () => newAccount(question, steps));
      return lookedUp(isShared && account.ok ? ownCopy(account) : account);
    };
    return (await this.#surroundings.observe(lookUp)()).account;
  }

  /**
   * The account is known: may it be used, and what is to be written of it. Nothing is changed before every check has passed, but that an
   * account was made.
   * @param {Request} request @param {Profile} profile @param {Extract<Account, { ok: true }>} account
   * @param {import('./cache-entry').Slot | undefined} slot
   */
  async #settled(request, profile, { user: found, changes, created }, slot) {
    const user = /** @type {User & Record<string, any>} */ (found);
    const userId = this.#surroundings.idOf(user);
    if (created) {
      this.#log.info(`user ${userId} was provisioned`);
      this.#emit({ event: 'provisioned', userId, tenantId: request.tenantId });
    }
    const own = await this.#ownPlan(request, user);
    if (own.missing !== undefined) return misconfigured(own.missing);
    const role = user.role || 'USER';
    if (!created) await this.#describe(user, profile, own, changes);
    if (!user.role) changes.assign.role = changes.update.role = role;
    const rejection = await this.#surroundings.settleRole({ user, userId, role }, request, changes);
    if (rejection !== undefined) return { ok: /** @type {const} */ (false), ...rejection };
    if (this.#deps.isPrincipalActive !== undefined && !(await this.#callbacks.isPrincipalActive(userId))) {
      return { ok: /** @type {const} */ (false), cause: 'account-deletion' };
    }
    const isStored = await this.#write(user, userId, changes, created);
    if (!isStored) return this.#refused(request, 'duplicate_conflict', 'another account has the same identifier');
    const synced =
      own.plan === undefined ? undefined : await this.#syncGroups(request, own.plan, user, userId, created);
    if (slot !== undefined && synced?.is !== 'failed') this.#keep(request, slot, user, synced);
    return { ok: /** @type {const} */ (true), user, userId };
  }

  /**
   * For the next request of the same user and tenant; nobody waits for it.
   * @param {Request} request @param {import('./cache-entry').Slot} slot @param {User & Record<string, any>} user
   * @param {Exclude<Awaited<ReturnType<Shared['groups']>>, { is: 'failed' }> | undefined} synced
   */
  #keep({ plan, tenantId, verified }, slot, user, synced) {
    if ((user.tenantId || undefined) !== tenantId) return;
    void this.#shared.cache.write(slot, plan, {
      user,
      id: this.#surroundings.idOf(user),
      expiresAt: verified.expiresAt,
      groupsSyncedAt: synced?.is === 'synced' ? synced.at : undefined,
    });
  }

  /**
   * What is to be done about this user: by the configuration of the user's own tenant, where the request came in without one.
   * @param {Request} request @param {User} user
   * @returns {Promise<{ plan: Plan | undefined, config: any, missing?: string }>}
   */
  async #ownPlan({ plan, config, tenantId }, user) {
    if (tenantId !== undefined || !user.tenantId) return { plan, config };
    const own = await this.#surroundings.tenantsPlan(user.tenantId);
    return { ...own, missing: own.plan && missingFor(own.plan, this.#deps) };
  }

  /**
   * What an account that was found lacks, or has otherwise than its provider says.
   * @param {User & Record<string, any>} user @param {Profile} profile @param {{ plan: Plan | undefined, config: any }} own @param {Changes} changes
   */
  async #describe(user, profile, { plan, config }, changes) {
    const bound = { ...user, ...changes.assign };
    const binding = bindingChanges(bound, profile.identity);
    const isDomainAllowed = this.#domainRule(config);
    const described = plan?.profile.forExisting
      ? await profileChanges(user, profile, { trust: this.#trust, isDomainAllowed })
      : {};
    Object.assign(changes.assign, binding, described);
    Object.assign(changes.update, binding, described);
  }

  /**
   * @param {User & Record<string, any>} user @param {string} userId @param {Changes} changes @param {boolean} created
   * @returns {Promise<boolean>} false where another account has an identifier that this one was to get
   */
  async #write(user, userId, changes, created) {
    if (Object.keys(changes.update).length === 0) return true;
    const isLink = changes.update.openidId !== undefined;
    const update = (/** @type {any} */ fields) =>
      unlessDuplicate(() => this.#callbacks.updateUser(user.tenantId, userId, fields));
    let stored = await update(changes.update);
    if (stored === DUPLICATE && changes.update.email !== undefined) {
      // Another account has the address: this one keeps its own, and its owner is let in all the same.
      this.#log.warn(`user ${userId} keeps the stored e-mail address: another account has the one the provider names`);
      changes.assign = withoutEmail(changes.assign);
      // What is left may be nothing; the write still shows that the account is there.
      stored = await update(withoutEmail(changes.update));
    }
    if (stored === DUPLICATE) return false;
    // Deleted between look-up and now: nobody is brought back.
    if (!stored) throw new TypeError(`updateUser found no user ${userId}`);
    Object.assign(user, changes.assign);
    if (!created) this.#emit({ event: isLink ? 'linked' : 'updated', userId, tenantId: user.tenantId ?? undefined });
    return true;
  }

  /** @param {Request} request @param {Plan} plan @param {User & Record<string, any>} user @param {string} userId @param {boolean} created */
  async #syncGroups(request, plan, user, userId, created) {
    const result = await this.#shared.groups({
      plan,
      lifecycle: created ? 'created' : 'existing',
      member: {
        userId,
        tenantId: user.tenantId ?? undefined,
        memberKey: user.idOnTheSource || userId,
        provider: user.provider,
        openidId: user.openidId,
        idOnTheSource: user.idOnTheSource,
      },
      token: request.token,
      policy: /** @type {any} */ (request.entry.policy),
      issuer: request.identity.issuer,
      configured: request.entry.issuer,
      readClaims: () => readClaims(request),
      store: this.#callbacks.groupsOf(user.tenantId),
      log: this.#log,
      onSynced: () => this.#emit({ event: 'groups-synced', userId, tenantId: user.tenantId ?? undefined }),
    });
    if (result.is === 'skipped') this.#log.debug(`groups of user ${userId} are not read: ${result.why}`);
    return result;
  }

  /** @param {Request} request @param {Reason} reason @param {string} [why] */
  #refused({ tenantId }, reason, why) {
    this.#emit({ event: 'refused', reason, tenantId });
    return {
      ok: /** @type {const} */ (false),
      cause: 'account-refused',
      about: why === undefined ? reason : `${reason} (${why})`,
    };
  }

  /** @param {Request} request @param {Extract<import('./userinfo').Userinfo, { ok: false }>} answer */
  #withoutUserinfo({ tenantId }, { reason, message }) {
    this.#emit({ event: 'refused', reason, tenantId });
    const cause = reason === 'service_error' ? 'userinfo-unreachable' : 'userinfo-refused';
    return { ok: /** @type {const} */ (false), cause, about: `${reason} (${message})` };
  }
}

const DUPLICATE = Symbol('duplicate');

/** @param {() => unknown} write @returns {Promise<unknown>} `DUPLICATE` where a unique index does not let it in */
async function unlessDuplicate(write) {
  try {
    return await write();
  } catch (error) {
    if (isDuplicate(error)) return DUPLICATE;
    throw error;
  }
}

/** Asked for each request, as LibreChat does. */
function isStrict() {
  const { env } = process;
  return env.TENANT_ISOLATION_STRICT === 'true';
}

/** @param {string} problem */
function misconfigured(problem) {
  return { ok: /** @type {const} */ (false), cause: 'accounts-misconfigured', about: problem };
}

/** In the form in which look-ups are reported to the host. @param {Account} account */
function lookedUp(account) {
  if (account.ok) return { user: account.user, changes: account.changes, account };
  return {
    user: null,
    conflict:
      account.reason === 'existing_users_only' || account.reason === 'missing_email' ? undefined : account.reason,
    account,
  };
}

/** Each request changes its own. @param {Extract<Account, { ok: true }>} account @returns {Account} */
function ownCopy({ user, changes, created, ...rest }) {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(user)), user);
  // Who made it says so; the others have found it.
  return {
    ...rest,
    ok: true,
    user: copy,
    changes: { assign: { ...changes.assign }, update: { ...changes.update } },
    created: false,
  };
}

/** For names and groups alone: what decides was read natively. @param {Request} request @returns {Record<string, any>} */
function readClaims({ verified }) {
  return JSON.parse(verified.claims);
}

module.exports = { AccountFlow };
