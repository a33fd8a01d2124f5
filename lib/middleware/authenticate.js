'use strict';

const { bearerToken, usualToken } = require('./bearer');
const { causeOf, causeUnderUserPolicy } = require('./decision');
const { isRoleSyncOff } = require('./role-sync');
const { syncRole } = require('./sync-role');
const { requestConfigOptions, sameConfigOptions, userConfigOptions } = require('./tenant');
const { readAuthConfig } = require('../policy/oidc-config');
const { RemoteAuthError } = require('../verifier/errors');

/**
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../../index').RemoteAgentAuthResponse} Response
 * @typedef {import('../../index').RemoteAgentUser} User
 * @typedef {import('../../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../native').Success} Success
 * @typedef {import('../policy/policy-cache').Entry} Entry
 * @typedef {import('./decision').Cause} Cause
 * @typedef {import('./rejection').Rejection} Rejection
 *
 * One request, and what is known of it so far.
 * @typedef {{ req: Request, res: Response, next: (value?: any) => void, tenantId?: string, apiKeyEnabled: boolean,
 *   issuer?: unknown, token: string | null, entry?: Entry, verified?: Success, began?: number, checked?: number,
 *   shadow?: import('./shadow').Difference }} RequestState
 *
 * What every request of one middleware has in common. `policies`: the compiled policies of `oidc` blocks. `policyExtra`: what the option `policy`
 * adds to one, in the tenant it was read for; `hasFixedPolicy`: the same for all, and no function of the host's.
 * `accountOf`: the account, where more is wanted than looking it up.
 * @typedef {{
 *   deps: Deps,
 *   callbacks: import('./callbacks').Callbacks,
 *   verifier: import('../../index').TokenVerifier,
 *   policies: import('../policy/policy-cache').PolicyCache,
 *   policyExtra: ReturnType<typeof import('../policy/option').createPolicyExtra>,
 *   hasFixedPolicy: boolean,
 *   resolveUser: (identity: import('./user').Identity) => Promise<import('./user').Resolution>,
 *   accountOf: import('./account-step').AccountStep,
 *   isForbiddenTenant: (state: RequestState, user: { tenantId?: string | null } | undefined) => boolean,
 *   warnings: import('./warnings').Warnings,
 *   sumUp: ((event: import('../../index').DecisionEvent) => void) | undefined,
 *   shadow?: import('./shadow').Shadow,
 *   settings: import('./options').Settings,
 *   log: import('./log').Log,
 * }} Context
 *
 * The user a token was resolved to, with what is to be written once every check has passed. `requested` is what the configuration was
 * read by for the request, `own` what it is read by for the user.
 * @typedef {{ user: User, userId: string, role: string, verified: Success, changes: import('./user').Changes,
 *   requested: AppConfigOptions, own: AppConfigOptions }} ResolvedUser
 */

const PASS = Symbol('pass');
const DEFAULT_ROLE = 'USER';
/** The user's own policy may have to be asked as well. */
const FOR_RECHECK = Object.freeze({ forRecheck: true });

/**
 * Who a request comes from: PASS with `req.user` set, or why not. Top to bottom by the decision table of docs/requests.md. Nothing is
 * changed before the last paragraph.
 * @param {Context} context
 * @param {RequestState} state
 * @returns {Promise<typeof PASS | Rejection>}
 */
async function authenticate(context, state) {
  const { deps, callbacks, verifier } = context;
  const { req } = state;
  state.tenantId = deps.getTenantId?.();
  const requested = requestConfigOptions(req, state.tenantId);
  const config = await callbacks.getAppConfig(requested);
  const { apiKeyEnabled, oidc, unknownKeys } = readAuthConfig(config);
  state.apiKeyEnabled = apiKeyEnabled;
  unknownKeys.forEach(context.warnings.ofUnknownKey);
  if (oidc.state === 'off') return { cause: 'oidc-off' };
  if (oidc.state === 'misconfigured') return { cause: 'oidc-misconfigured', about: oidc.missing };

  state.issuer = oidc.fields.issuer;
  const began = state.began === undefined ? 0 : performance.now();
  const known = recall(context, state, oidc.fields);
  const token = (state.token ??= bearerToken(req.headers?.authorization));
  if (token === null) return { cause: 'no-bearer' };

  const entry = (state.entry ??= findPolicy(context, oidc.fields, requested.tenantId));
  if (entry.policy === undefined) return { cause: 'token-refused', error: entry.failure };
  const checked = known ?? verifier.check(token, entry.policy, FOR_RECHECK);
  const verified = 'then' in checked ? await checked : checked;
  state.shadow = context.shadow?.(token, oidc.fields, requested.tenantId, verified);
  if (state.began !== undefined) state.checked = performance.now() - began;
  if (!verified.ok) return refusal(causeOf(verified), verified, entry);
  state.verified = verified;

  const identity = identityOf(verified, entry);
  const account = context.accountOf(context, { config, oidc, requested, token, verified, entry, identity });
  if (account !== undefined) return passAs(context, state, await account, verified, entry);

  const { user, changes, conflict } = await context.resolveUser(identity);
  if (conflict) return { cause: 'user-conflict', about: conflict };
  if (user === null) return { cause: 'no-user' };
  if (context.isForbiddenTenant(state, user)) return { cause: 'tenant-conflict' };

  const userId = idOf(user);
  const role = user.role || DEFAULT_ROLE;
  if (!user.role) changes.assign.role = changes.update.role = DEFAULT_ROLE;
  const own = userConfigOptions(user.tenantId, { role, userId });
  const isSettled = sameConfigOptions(own, requested) && isRoleSyncOff();
  const rejection = isSettled
    ? undefined
    : await settleRole(context, { user, userId, role, verified, changes, requested, own });
  if (rejection !== undefined) return rejection;
  if (deps.isPrincipalActive !== undefined && !(await callbacks.isPrincipalActive(userId))) {
    return { cause: 'account-deletion' };
  }

  if (Object.keys(changes.update).length > 0) await callbacks.updateUser(user.tenantId, userId, changes.update);
  if (Object.keys(changes.assign).length > 0) Object.assign(user, changes.assign);
  return passAs(context, state, { ok: true, user, userId }, verified, entry);
}

/**
 * What the verifier remembers of the request's token, under the policy of now. It was compared in full with one that was accepted, so that its form
 * need not be looked at again. Sets token and policy of the request where there is such an outcome.
 * @param {Context} context
 * @param {RequestState} state
 * @param {import('../policy/oidc-config').OidcFields} fields
 * @returns {Success | undefined}
 */
function recall({ verifier, policies, policyExtra, hasFixedPolicy }, state, fields) {
  // A function of the host's is asked about requests that have a token.
  if (!hasFixedPolicy || verifier.known === undefined) return undefined;
  const token = usualToken(state.req.headers?.authorization);
  const entry = token === undefined ? undefined : policies.latest(fields, policyExtra(fields, undefined));
  if (token === undefined || entry?.policy === undefined) return undefined;
  const known = verifier.known(token, entry.policy);
  if (known === undefined) return undefined;
  state.token = token;
  state.entry = entry;
  return known;
}

/** @param {Context} context @param {import('../policy/oidc-config').OidcFields} fields @param {string | undefined} tenantId */
function findPolicy({ policies, policyExtra }, fields, tenantId) {
  return policies.find(fields, policyExtra(fields, tenantId));
}

/**
 * @param {Context} context
 * @param {RequestState} state
 * @param {import('./account-step').Account} account
 * @param {Success} verified
 * @param {Entry} entry of the policy it was verified by
 * @returns {typeof PASS | Rejection}
 */
function passAs({ warnings }, { req, token }, account, verified, entry) {
  if (!account.ok) return account;
  const caller = /** @type {import('../../index').RemoteAgentCaller} */ (account.user);
  caller.id = account.userId;
  caller.federatedTokens = federatedTokens(/** @type {string} */ (token), verified);
  if (verified.looksLikeIdToken) warnings.ofIdToken(entry.issuer);
  if (verified.isBound) warnings.ofBoundToken(entry.issuer);
  req.user = caller;
  return PASS;
}

/**
 * The role the user will have, and whether that user's own configuration lets the token in: checked for the stored
 * or default role first, and again for the one role sync has chosen.
 * @param {Context} context
 * @param {ResolvedUser} resolved
 * @returns {Promise<Rejection | undefined>}
 */
async function settleRole(context, resolved) {
  const { user, userId, role, verified, changes, requested, own } = resolved;
  const rejection = sameConfigOptions(own, requested) ? undefined : await checkUserPolicy(context, verified, own);
  if (rejection !== undefined) return rejection;

  const synced = isRoleSyncOff() ? role : await syncedRole(context, resolved);
  const withRole = userConfigOptions(user.tenantId, { role: synced, userId });
  const refused = sameConfigOptions(withRole, own) ? undefined : await checkUserPolicy(context, verified, withRole);
  if (refused !== undefined) return refused;
  if (synced === role) return undefined;
  context.log.info(`role sync: user ${userId} goes from ${role} to ${synced}`);
  changes.assign.role = changes.update.role = synced;
  return undefined;
}

/** @param {Context} context @param {ResolvedUser} resolved */
function syncedRole({ callbacks, settings, log }, { user, userId, role, verified }) {
  return syncRole({
    userId,
    currentRole: role,
    readClaims: () => JSON.parse(verified.claims),
    getRolesByNames: (names) => callbacks.getRolesByNames(user.tenantId, names),
    groupOverage: settings.groupOverage,
    log,
  });
}

/**
 * Rows 14 to 17: the token must also satisfy the configuration of the user it was resolved to. The
 * verifier remembers the signature, so that it is not verified twice for the same keys.
 * @param {Context} context
 * @param {Success} verified
 * @param {AppConfigOptions} own
 * @returns {Promise<Rejection | undefined>} undefined when it does
 */
async function checkUserPolicy({ callbacks, verifier, policies, policyExtra }, verified, own) {
  const { oidc } = readAuthConfig(await callbacks.getAppConfig(own));
  if (oidc.state === 'off') return { cause: 'user-oidc-off' };
  if (oidc.state === 'misconfigured') {
    return {
      cause: 'user-oidc-misconfigured',
      about: oidc.missing,
      error: new Error(`oidc.${oidc.missing} is not set`),
    };
  }
  const extra = policyExtra(oidc.fields, own.tenantId);
  const latest = policies.latest(oidc.fields, extra)?.policy;
  // Usually the policy is the same as before.
  if (latest !== undefined && verifier.stillHolds?.(verified, latest)) return undefined;
  const entry = policies.find(oidc.fields, extra);
  const { policy, failure } = entry;
  if (policy === undefined) return { cause: 'user-token-refused', error: failure, entry };
  if (verifier.stillHolds?.(verified, policy)) return undefined;
  const rechecked = verifier.recheck(verified.verdict, policy);
  const outcome = 'then' in rechecked ? await rechecked : rechecked;
  return outcome.ok ? undefined : refusal(causeUnderUserPolicy(outcome), outcome, entry);
}

/**
 * @param {Success} verified
 * @param {Entry} entry of the policy it was verified by
 * @returns {import('./user').Identity}
 */
function identityOf(verified, entry) {
  const { subject, oid, email, emailSource, emailVerified, emailClaimProblem } = verified;
  const { emailClaim } = entry;
  return {
    subject,
    issuer: issuerOf(verified, entry),
    oid,
    email,
    emailSource,
    emailVerified,
    emailClaim,
    emailClaimProblem,
  };
}

/**
 * Under which issuer the token's user is stored: of several, the one that the token is of. An account bound to one of them is no other's.
 * @param {Success} verified
 * @param {Entry} entry
 * @returns {string | undefined}
 */
function issuerOf({ issuerIndex }, { issuer, issuers }) {
  return issuers === undefined ? issuer : issuers[issuerIndex ?? -1];
}

/**
 * @param {Cause} cause
 * @param {Failure} failure
 * @param {Entry} entry of the policy that refused
 * @returns {Rejection}
 */
function refusal(cause, failure, entry) {
  const { code, message } = failure;
  const { scope } = entry;
  const by = { failure, entry };
  if (code === 'ERR_SCOPE_MISSING') return { cause, code, about: `"${String(scope)}": ${message}`, scope, ...by };
  if (cause === 'subject-missing') return { cause, code, ...by };
  // LibreChat has no log line for roles and permissions: ours has the error as well.
  const named = failure.fault === 'scope' ? code : undefined;
  return { cause, code: named, error: new RemoteAuthError(failure), retryAfter: failure.retryAfter, ...by };
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

module.exports = { PASS, authenticate, checkUserPolicy, idOf, settleRole };
