'use strict';

const { runApiKey } = require('./api-key');
const { KNOWN_KEYS, readAuthConfig } = require('./auth-config');
const { bearerToken, isJwtShaped } = require('./bearer');
const { causeOf, causeUnderUserPolicy, decide } = require('./decision');
const { RemoteAuthError } = require('./errors');
const { createHost } = require('./host');
const { normalizeIssuer } = require('./issuer');
const { createLog } = require('./log');
const { observeLookup } = require('./lookup-metrics');
const { nearest } = require('./nearest');
const { goOnThrough } = require('./onward');
const { checkDeps, readOptions } = require('./options');
const { PolicyCache } = require('./policy-cache');
const { createPolicyExtra } = require('./policy-extra');
const { sendRejection } = require('./responses');
const { readRoleSyncOptions, syncRole } = require('./role-sync');
const { sharedVerifier } = require('./shared-verifier');
const { isTenantConflict, requestScope, sameScope, userScope } = require('./tenant');
const { loginIssuer, resolveUser } = require('./user');

/**
 * @typedef {import('../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../index').RemoteAgentAuthResponse} Response
 * @typedef {import('../index').RemoteAgentUser} User
 * @typedef {import('../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../native').Failure} Failure
 * @typedef {import('../native').Success} Success
 * @typedef {import('./decision').Cause} Cause
 * @typedef {import('./decision').Decision} Decision
 *
 * A cause of decision.js with what the operator's log and the answer's headers should add to it.
 * @typedef {{ cause: Cause, about?: string, error?: unknown, scope?: unknown, retryAfter?: number }} Stop
 *
 * One request, and what is known of it so far.
 * @typedef {{ req: Request, res: Response, next: (value?: any) => void, tenantId?: string, apiKeyEnabled: boolean,
 *   token: string | null }} Visit
 */

const PASS = Symbol('pass');
const DEFAULT_ROLE = 'USER';
/** Unknown keys one middleware warns of, once each: a config from a database may have any number. */
const MOST_WARNINGS = 100;
/** Nothing is fetched for it, and no certificate is loaded. */
const PROBE = Object.freeze({ issuer: 'http://localhost', audience: 'probe', jwksUri: 'http://localhost' });

/**
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {import('../index').RemoteAgentAuthHandler}
 */
function createRemoteAgentAuth(deps, options) {
  const settings = readOptions(options);
  checkDeps(deps, settings);
  const { verifier = sharedVerifier() } = settings;
  const host = createHost(deps, settings.callbackTimeout);
  const log = createLog(deps.logger);
  /** @type {Set<string>} */
  const warnedOf = new Set();
  const policies = new PolicyCache({ compile: (policy) => verifier.compile(policy), log });
  const policyExtra = createPolicyExtra(settings.policy);
  const surroundings = {
    findUser: host.findUser,
    loginIssuer,
    allowEmailFallback: settings.allowEmailFallback,
    allowUnverifiedEmail: settings.allowUnverifiedEmail,
    log,
  };
  const onUserLookup = deps.onUserLookup?.bind(deps);
  // A wrong policy option shall stop the start, not turn every caller away later.
  if (typeof settings.policy === 'object') verifier.compile({ ...PROBE, ...settings.policy });
  reportRoleSync();

  return remoteAgentAuth;

  /**
   * Never rejects on our account. What the host's own `next` throws is passed on as it is: Express 5 hands
   * it to the application's error handlers, as it would for any middleware.
   * @param {Request} req
   * @param {Response} res
   * @param {(value?: any) => void} next
   * @returns {Promise<void>}
   */
  async function remoteAgentAuth(req, res, next) {
    /** @type {Visit} */
    const visit = { req, res, next, apiKeyEnabled: false, token: null };
    const outcome = await authenticate(visit).catch(unexpected);
    if (outcome === PASS) return goOn(visit);
    const decision = decide(outcome.cause, {
      apiKeyEnabled: visit.apiKeyEnabled,
      standard: settings.responses === 'standard',
      noApiKeyForThisToken: !settings.fallbackOnInvalidToken && isJwtShaped(visit.token),
    });
    if (decision.action === 'api-key') {
      report(decision, outcome);
      return tryApiKey(visit);
    }
    return refuse(visit, decision, outcome);
  }

  /**
   * One request, top to bottom, by the README's decision table. Nothing is changed before the last paragraph.
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

    const token = (visit.token = bearerToken(req.headers?.authorization));
    if (token === null) return { cause: 'no-bearer' };

    const entry = policies.find(oidc.fields, policyExtra(oidc.fields, scope.tenantId));
    if (entry.policy === undefined) return { cause: 'token-refused', error: entry.failure };
    const checked = verifier.check(token, entry.policy);
    const verified = 'then' in checked ? await checked : checked;
    if (!verified.ok) return refusal(causeOf(verified), verified, entry.scope);

    const identity = { ...verified, emailClaim: entry.emailClaim, issuer: normalizeIssuer(oidc.fields.issuer) };
    const { user, changes, conflict } = await observeLookup(onUserLookup, () => resolveUser(identity, surroundings));
    if (conflict) return { cause: 'user-conflict', about: conflict };
    if (user === null) return { cause: 'no-user' };
    if (isForbiddenTenant(visit, user)) return { cause: 'tenant-conflict' };

    const userId = idOf(user);
    const stop = await settleRole({ user, userId, verified, changes, scope });
    if (stop !== undefined) return stop;
    if (deps.isPrincipalActive !== undefined && !(await host.isPrincipalActive(userId))) {
      return { cause: 'account-deletion' };
    }

    if (Object.keys(changes.update).length > 0) await host.updateUser(user.tenantId, userId, changes.update);
    Object.assign(user, changes.assign, { id: userId, federatedTokens: federatedTokens(token, verified) });
    req.user = user;
    return PASS;
  }

  /**
   * The role the user will have, and whether that user's own configuration lets the token in: judged for the stored
   * or default role first, and again for the one role sync has chosen.
   * @param {{ user: User, userId: string, verified: Success, changes: import('./user').Changes, scope: AppConfigOptions }} found
   * @returns {Promise<Stop | undefined>}
   */
  async function settleRole({ user, userId, verified, changes, scope }) {
    const role = user.role || DEFAULT_ROLE;
    const ownScope = userScope(user.tenantId, { role, userId });
    const stop = sameScope(ownScope, scope) ? undefined : await judgeByOwnPolicy(verified, ownScope);
    if (stop !== undefined) return stop;

    const synced = await syncRole({
      userId,
      currentRole: role,
      readClaims: () => JSON.parse(verified.claims),
      findRoles: (names) => host.getRolesByNames(user.tenantId, names),
      log,
    });
    const syncedScope = userScope(user.tenantId, { role: synced, userId });
    const refused = sameScope(syncedScope, ownScope) ? undefined : await judgeByOwnPolicy(verified, syncedScope);
    if (refused !== undefined) return refused;
    if (synced !== role) log.info(`role sync: user ${userId} goes from ${role} to ${synced}`);
    if (synced !== user.role) changes.assign.role = changes.update.role = synced;
    return undefined;
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
    const { policy, failure, scope } = policies.find(oidc.fields, policyExtra(oidc.fields, ownScope.tenantId));
    if (policy === undefined) return { cause: 'user-token-refused', error: failure };
    const rechecked = verifier.recheck(verified.verdict, policy);
    const outcome = 'then' in rechecked ? await rechecked : rechecked;
    return outcome.ok ? undefined : refusal(causeUnderUserPolicy(outcome), outcome, scope);
  }

  /** @param {Visit} visit @param {{ tenantId?: string | null } | undefined} user */
  function isForbiddenTenant({ tenantId }, user) {
    return settings.tenantConflict === 'reject' && isTenantConflict(tenantId, user?.tenantId);
  }

  /**
   * `next`, inside the tenant's context where the host brings the middleware for it.
   * @param {Visit} visit
   * @returns {void | Promise<void>}
   */
  function goOn(visit) {
    const { req, res, next, tenantId } = visit;
    if (deps.tenantContextMiddleware === undefined) return void next();
    if (tenantId) req.tenantId = tenantId;
    const enter = (/** @type {() => void} */ go) => deps.tenantContextMiddleware?.(req, res, go);
    return goOnThrough(enter, () => next(), log).then((outcome) => {
      if (outcome.failed) refuseFor(visit, unexpected(outcome.error));
    });
  }

  /** @param {Visit} visit */
  function tryApiKey(visit) {
    const { req, res, next } = visit;
    return runApiKey({
      run: (wrappedNext) => deps.apiKeyMiddleware(req, res, wrappedNext),
      judge: async () => {
        if (isForbiddenTenant(visit, req.user)) return 'tenant-conflict';
        const config = await host.getAppConfig(requestScope(req, deps.getTenantId?.()));
        return readAuthConfig(config).apiKeyEnabled ? undefined : 'api-key-off';
      },
      hasAnswered: () => res.headersSent === true,
      pass: () => goOn(visit),
      forward: (value) => void next(value),
      refuse: (cause) => refuseFor(visit, { cause }),
      fail: (error) => refuseFor(visit, unexpected(error)),
      log,
    });
  }

  /** Once, at the start: without it the first sign would be a caller's 500. */
  function reportRoleSync() {
    try {
      const { apiEnabled } = readRoleSyncOptions();
      if (!apiEnabled || deps.getRolesByNames !== undefined) return;
      log.error('OpenID role sync is on, but deps.getRolesByNames is missing: every request with a known user will fail');
    } catch (error) {
      log.error('OpenID role sync is misconfigured: every request with a known user will fail', error);
    }
  }

  /** @param {string} key of the host's `oidc` block */
  function warnOfUnknownKey(key) {
    if (warnedOf.has(key) || warnedOf.size >= MOST_WARNINGS) return;
    warnedOf.add(key);
    log.warn(`the key "${key}" in the oidc block is unknown and ignored; did you mean "${nearest(key, KNOWN_KEYS)}"?`);
  }

  /** @param {Decision} decision @param {Stop} stop */
  function report({ line }, { about, error }) {
    if (line !== undefined) log[line.level](about === undefined ? line.text : `${line.text}: ${about}`, error);
  }

  /** What nothing falls back from. @param {Visit} visit @param {Stop} stop */
  function refuseFor(visit, stop) {
    refuse(visit, decide(stop.cause), stop);
  }

  /** @param {Visit} visit @param {Decision} decision @param {Stop} stop */
  function refuse({ res }, decision, stop) {
    report(decision, stop);
    if (decision.action !== 'reject') return;
    try {
      const { realm, bodies } = settings;
      sendRejection(res, decision.rejection, { realm, bodies, scope: stop.scope, retryAfter: stop.retryAfter });
    } catch (error) {
      log.error('Unexpected error while answering', error);
    }
  }
}

/** @param {unknown} error what a callback threw, or a bug @returns {Stop} */
function unexpected(error) {
  return { cause: 'unexpected', error };
}

/**
 * @param {Cause} cause
 * @param {Failure} failure
 * @param {unknown} scope what the policy that failed requires
 * @returns {Stop}
 */
function refusal(cause, failure, scope) {
  if (failure.code === 'ERR_SCOPE_MISSING') return { cause, about: `"${String(scope)}"`, scope };
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
 */
function federatedTokens(token, { expiresAt }) {
  return expiresAt === undefined || expiresAt === null
    ? { access_token: token }
    : { access_token: token, expires_at: expiresAt };
}

/**
 * Empties the caches: the keys and discovery documents every middleware of this process shares. Requests
 * under way keep their answers.
 */
function clearRemoteAgentAuthCache() {
  sharedVerifier().clear();
}

module.exports = { clearRemoteAgentAuthCache, createRemoteAgentAuth };
