'use strict';

const { readAuthConfig } = require('../policy/oidc-config');
const { bearerToken } = require('./bearer');
const { causeOf, causeUnderUserPolicy } = require('./decision');
const { RemoteAuthError } = require('../verifier/errors');
const { observedLookup } = require('./lookup-metrics');
const { isRoleSyncOff } = require('./role-sync');
const { syncRole } = require('./sync-role');
const { requestScope, sameScope, userScope } = require('./tenant');
const { loginIssuer, resolveUser } = require('./user');

/**
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../../index').RemoteAgentAuthResponse} Response
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../native').Success} Success
 * @typedef {import('./decision').Cause} Cause
 *
 * A cause of decision.js with what the operator's log and the answer's headers should add to it.
 * @typedef {{ cause: Cause, about?: string, error?: unknown, scope?: unknown, retryAfter?: number }} Stop
 *
 * One request, and what is known of it so far.
 * @typedef {{ req: Request, res: Response, next: (value?: any) => void, tenantId?: string, apiKeyEnabled: boolean,
 *   issuer?: unknown, token: string | null }} Visit
 *
 * `policyFor`: the compiled policy of an `oidc` block, in the tenant it was read for.
 * @typedef {{
 *   deps: Deps,
 *   host: import('./callbacks').Host,
 *   verifier: import('../../index').TokenVerifier,
 *   policyFor: (fields: import('../policy/oidc-config').OidcFields, tenantId: string | undefined) => import('../policy/policy-cache').Entry,
 *   isForbiddenTenant: (visit: Visit, user: User) => boolean,
 *   warnOfUnknownKey: (key: string) => void,
 *   warnOfIdToken: (issuer: string | undefined) => void,
 *   settings: import('./options').Settings,
 *   log: import('./log').Log,
 * }} Surroundings
 */

const PASS = Symbol('pass');
const DEFAULT_ROLE = 'USER';
/** The user's own policy may have to be asked as well. */
const FOR_RECHECK = Object.freeze({ forRecheck: true });

/**
 * Who a request comes from: PASS with `req.user` set, or why not.
 * @param {Surroundings} surroundings
 * @returns {(visit: Visit) => Promise<typeof PASS | Stop>}
 */
function createAuthenticate({ deps, host, verifier, policyFor, isForbiddenTenant, warnOfUnknownKey, warnOfIdToken, settings, log }) {
  const { allowEmailFallback, allowUnverifiedEmail, allowUsernameAsEmail } = settings;
  const trusted = { allowEmailFallback, allowUnverifiedEmail, allowUsernameAsEmail };
  const lookup = { findUser: host.findUser, loginIssuer, ...trusted, log };
  const resolve = observedLookup(deps.onUserLookup?.bind(deps), resolveUser);

  return authenticate;

  /**
   * One request, top to bottom, by the decision table of docs/requests.md. Nothing is changed before the last paragraph.
   * @param {Visit} visit
   * @returns {Promise<typeof PASS | Stop>}
   */
  async function authenticate(visit) {
    const { req } = visit;
    visit.tenantId = deps.getTenantId?.();
    const scope = requestScope(req, visit.tenantId);
    const { apiKeyEnabled, oidc, unknownKeys } = readAuthConfig(await host.getAppConfig(scope));
    visit.apiKeyEnabled = apiKeyEnabled;
    unknownKeys.forEach(warnOfUnknownKey);
    if (oidc.state === 'off') return { cause: 'oidc-off' };
    if (oidc.state === 'misconfigured') return { cause: 'oidc-misconfigured', about: oidc.missing };

    visit.issuer = oidc.fields.issuer;
    const token = (visit.token = bearerToken(req.headers?.authorization));
    if (token === null) return { cause: 'no-bearer' };

    const entry = policyFor(oidc.fields, scope.tenantId);
    if (entry.policy === undefined) return { cause: 'token-refused', error: entry.failure };
    const checked = verifier.check(token, entry.policy, FOR_RECHECK);
    const verified = 'then' in checked ? await checked : checked;
    if (!verified.ok) return refusal(causeOf(verified), verified, entry.scope);

    const { user, changes, conflict } = await resolve(identityOf(verified, entry), lookup);
    if (conflict) return { cause: 'user-conflict', about: conflict };
    if (user === null) return { cause: 'no-user' };
    if (isForbiddenTenant(visit, user)) return { cause: 'tenant-conflict' };

    const userId = idOf(user);
    const role = user.role || DEFAULT_ROLE;
    if (!user.role) changes.assign.role = changes.update.role = DEFAULT_ROLE;
    const ownScope = userScope(user.tenantId, { role, userId });
    const isSettled = sameScope(ownScope, scope) && isRoleSyncOff();
    const stop = isSettled ? undefined : await settleRole({ user, userId, role, verified, changes, scope, ownScope });
    if (stop !== undefined) return stop;
    if (deps.isPrincipalActive !== undefined && !(await host.isPrincipalActive(userId))) {
      return { cause: 'account-deletion' };
    }

    if (Object.keys(changes.update).length > 0) await host.updateUser(user.tenantId, userId, changes.update);
    if (Object.keys(changes.assign).length > 0) Object.assign(user, changes.assign);
    const caller = /** @type {import('../../index').RemoteAgentCaller} */ (user);
    caller.id = userId;
    caller.federatedTokens = federatedTokens(token, verified);
    if (verified.looksLikeIdToken) warnOfIdToken(entry.issuer);
    req.user = caller;
    return PASS;
  }

  /**
   * The role the user will have, and whether that user's own configuration lets the token in: judged for the stored
   * or default role first, and again for the one role sync has chosen.
   * @param {{ user: User, userId: string, role: string, verified: Success, changes: import('./user').Changes,
   *   scope: AppConfigOptions, ownScope: AppConfigOptions }} found
   * @returns {Promise<Stop | undefined>}
   */
  async function settleRole({ user, userId, role, verified, changes, scope, ownScope }) {
    const stop = sameScope(ownScope, scope) ? undefined : await judgeByOwnPolicy(verified, ownScope);
    if (stop !== undefined) return stop;

    const synced = isRoleSyncOff() ? role : await syncedRole(user, userId, role, verified);
    const syncedScope = userScope(user.tenantId, { role: synced, userId });
    const refused = sameScope(syncedScope, ownScope) ? undefined : await judgeByOwnPolicy(verified, syncedScope);
    if (refused !== undefined) return refused;
    if (synced === role) return undefined;
    log.info(`role sync: user ${userId} goes from ${role} to ${synced}`);
    changes.assign.role = changes.update.role = synced;
    return undefined;
  }

  /** @param {User} user @param {string} userId @param {string} currentRole @param {Success} verified */
  function syncedRole(user, userId, currentRole, verified) {
    return syncRole({
      userId,
      currentRole,
      readClaims: () => JSON.parse(verified.claims),
      getRolesByNames: (names) => host.getRolesByNames(user.tenantId, names),
      groupOverage: settings.groupOverage,
      log,
    });
  }

  /**
   * Rows 14 to 17: the token must also satisfy the configuration of the user it was resolved to. The
   * verdict carries the signature over, so that it is not verified twice for the same keys.
   * @param {Success} verified
   * @param {AppConfigOptions} ownScope
   * @returns {Promise<Stop | undefined>} undefined when it does
   */
  async function judgeByOwnPolicy(verified, ownScope) {
    const { oidc } = readAuthConfig(await host.getAppConfig(ownScope));
    if (oidc.state === 'off') return { cause: 'user-oidc-off' };
    if (oidc.state === 'misconfigured') {
      return { cause: 'user-oidc-misconfigured', about: oidc.missing, error: new Error(`oidc.${oidc.missing} is not set`) };
    }
    const { policy, failure, scope } = policyFor(oidc.fields, ownScope.tenantId);
    if (policy === undefined) return { cause: 'user-token-refused', error: failure };
    // Mostly it is the very policy of a moment ago.
    if (verifier.stillHolds?.(verified, policy)) return undefined;
    const rechecked = verifier.recheck(verified.verdict, policy);
    const outcome = 'then' in rechecked ? await rechecked : rechecked;
    return outcome.ok ? undefined : refusal(causeUnderUserPolicy(outcome), outcome, scope);
  }
}

/**
 * @param {Success} verified
 * @param {import('../policy/policy-cache').Entry} entry of the policy it was verified by
 * @returns {import('./user').Identity}
 */
function identityOf(verified, entry) {
  const { subject, oid, email, emailSource, emailVerified, emailClaimProblem } = verified;
  const { emailClaim } = entry;
  return { subject, issuer: issuerOf(verified, entry), oid, email, emailSource, emailVerified, emailClaim, emailClaimProblem };
}

/**
 * Under which issuer the token's user is stored: of several, the one that the token is of. An account bound to one of them is no other's.
 * @param {Success} verified
 * @param {import('../policy/policy-cache').Entry} entry
 * @returns {string | undefined}
 */
function issuerOf({ issuerIndex }, { issuer, issuers }) {
  return issuers === undefined ? issuer : issuers[issuerIndex ?? -1];
}

/**
 * @param {Cause} cause
 * @param {Failure} failure
 * @param {unknown} scope what the policy that failed requires
 * @returns {Stop}
 */
function refusal(cause, failure, scope) {
  if (failure.code === 'ERR_SCOPE_MISSING') return { cause, about: `"${String(scope)}": ${failure.message}`, scope };
  if (cause === 'subject-missing') return { cause };
  return { cause, error: new RemoteAuthError(failure), retryAfter: failure.retryAfter };
}

/**
 * @param {User} user
 * @returns {string}
 * @throws {TypeError} for a user that cannot be named: everything downstream is keyed by this id
 */
function idOf(user) {
  const id = user._id ?? user.id;
  if (id === undefined || id === null) throw new TypeError('findUser returned a user without _id');
  return String(id);
}

/**
 * What tools and subagents may use on the caller's behalf.
 * @param {string} token
 * @param {Success} verified
 * @returns {import('../../index').RemoteAgentCaller['federatedTokens']}
 */
function federatedTokens(token, { expiresAt }) {
  return expiresAt === undefined || expiresAt === null
    ? { access_token: token }
    : { access_token: token, expires_at: expiresAt };
}

module.exports = { PASS, createAuthenticate };
