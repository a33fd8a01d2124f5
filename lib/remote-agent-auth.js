'use strict';

const { runApiKey } = require('./api-key');
const { KNOWN_KEYS, readAuthConfig } = require('./auth-config');
const { bearerToken } = require('./bearer');
const { causeOf, causeUnderUserPolicy, decide } = require('./decision');
const { RemoteAuthError } = require('./errors');
const { normalizeIssuer } = require('./issuer');
const { createLog } = require('./log');
const { nearest } = require('./nearest');
const { checkDeps, readOptions } = require('./options');
const { PolicyCache } = require('./policy-cache');
const { sendRejection } = require('./responses');
const { inTenantOf, requestScope, sameScope, userScope } = require('./tenant');
const { resolveUser } = require('./user');

/**
 * @typedef {import('../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../index').RemoteAgentAuthResponse} Response
 * @typedef {import('../index').RemoteAgentUser} User
 * @typedef {import('../index').RemoteAgentUserFilter} UserFilter
 * @typedef {import('../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../native').Failure} Failure
 * @typedef {import('../native').Success} Success
 * @typedef {import('./auth-config').OidcFields} OidcFields
 * @typedef {import('./decision').Cause} Cause
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('./responses').Rejection} Rejection
 *
 * A cause of decision.js with what the operator's log should add to it.
 * @typedef {{ cause: Cause, apiKeyEnabled?: boolean, about?: string, error?: unknown }} Stop
 */

const PASS = Symbol('pass');
const DEFAULT_ROLE = 'USER';
/** Unknown keys one middleware warns of, once each: a config from a database may have any number. */
const MOST_WARNINGS = 100;
/** Nothing is fetched for it, and no certificate is loaded. */
const PROBE = Object.freeze({ issuer: 'http://localhost', audience: 'probe', jwksUri: 'http://localhost' });

/** @type {import('./verifier').RemoteTokenVerifier | undefined} */
let sharedVerifier;

/** One for the process, as LibreChat's caches are. Loaded here: who brings a verifier needs no native file. */
function defaultVerifier() {
  if (sharedVerifier === undefined) {
    const { RemoteTokenVerifier } = require('./verifier');
    sharedVerifier = new RemoteTokenVerifier();
  }
  return sharedVerifier;
}

/**
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {import('../index').RemoteAgentAuthHandler}
 */
function createRemoteAgentAuth(deps, options) {
  checkDeps(deps);
  const { policyExtra, allowUnverifiedEmail, realm, verifier = defaultVerifier() } = readOptions(options);
  const log = createLog(deps.logger);
  /** @type {Set<string>} */
  const warnedOf = new Set();
  const policies = new PolicyCache({ compile: (policy) => verifier.compile(policy), extra: policyExtra, log });
  const surroundings = {
    findUser: (/** @type {UserFilter} */ filter) => deps.findUser(filter),
    loginIssuer: () => normalizeIssuer(process.env.OPENID_ISSUER),
    allowUnverifiedEmail,
    log,
  };
  // A wrong policy option shall stop the start, not turn every caller away later.
  verifier.compile({ ...PROBE, ...policyExtra });

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
    const outcome = await authenticate(req).catch(unexpected);
    if (outcome === PASS) {
      next();
      return;
    }
    const decision = decide(outcome.cause, outcome.apiKeyEnabled === true);
    report(decision, outcome);
    if (decision.action === 'reject') return reject(res, decision.rejection);
    return tryApiKey(req, res, next);
  }

  /**
   * One request, top to bottom, by the README's decision table. Nothing is changed before the last paragraph.
   * @param {Request} req
   * @returns {Promise<typeof PASS | Stop>}
   */
  async function authenticate(req) {
    const scope = requestScope(req, deps);
    const { apiKeyEnabled, oidc, unknownKeys } = readAuthConfig(await deps.getAppConfig(scope));
    unknownKeys.forEach(warnOfUnknownKey);
    if (oidc.state === 'off') return { cause: 'oidc-off', apiKeyEnabled };
    if (oidc.state === 'misconfigured') return { cause: 'oidc-misconfigured', about: oidc.missing };

    const token = bearerToken(req.headers?.authorization);
    if (token === null) return { cause: 'no-bearer', apiKeyEnabled };

    const { policy, failure, emailClaim } = policies.find(oidc.fields);
    if (policy === undefined) return { cause: 'token-refused', apiKeyEnabled, error: failure };
    const checked = verifier.check(token, policy);
    const verified = 'then' in checked ? await checked : checked;
    if (!verified.ok) return { apiKeyEnabled, ...refusal(causeOf(verified), verified, oidc.fields) };

    const { user, changes, conflict } = await resolveUser(
      { ...verified, emailClaim, issuer: normalizeIssuer(oidc.fields.issuer) },
      surroundings,
    );
    if (conflict) return { cause: 'user-conflict', about: conflict };
    if (user === null) return { cause: 'no-user', apiKeyEnabled };

    const userId = idOf(user);
    const role = user.role || DEFAULT_ROLE;
    if (role !== user.role) changes.assign.role = changes.update.role = role;

    const ownScope = userScope(user.tenantId, { role, userId });
    const stop = sameScope(ownScope, scope) ? undefined : await judgeByOwnPolicy(verified, ownScope);
    if (stop !== undefined) return stop;

    if (Object.keys(changes.update).length > 0) {
      await inTenantOf(deps, user.tenantId, () => deps.updateUser(userId, changes.update));
    }
    Object.assign(user, changes.assign, { id: userId, federatedTokens: federatedTokens(token, verified) });
    req.user = user;
    return PASS;
  }

  /**
   * Rows 14 to 17: the token must also satisfy the configuration of the user it was resolved to. The
   * verdict carries the signature over, so that it is not verified twice for the same keys.
   * @param {Success} verified
   * @param {AppConfigOptions} ownScope
   * @returns {Promise<Stop | undefined>} undefined when it does
   */
  async function judgeByOwnPolicy(verified, ownScope) {
    const { oidc } = readAuthConfig(await deps.getAppConfig(ownScope));
    if (oidc.state === 'off') return { cause: 'user-oidc-off' };
    if (oidc.state === 'misconfigured') {
      return { cause: 'user-oidc-misconfigured', about: oidc.missing, error: new Error(`oidc.${oidc.missing} is not set`) };
    }
    const { policy, failure } = policies.find(oidc.fields);
    if (policy === undefined) return { cause: 'user-token-refused', error: failure };
    const rechecked = verifier.recheck(verified.verdict, policy);
    const outcome = 'then' in rechecked ? await rechecked : rechecked;
    return outcome.ok ? undefined : refusal(causeUnderUserPolicy(outcome), outcome, oidc.fields);
  }

  /**
   * @param {Request} req
   * @param {Response} res
   * @param {(value?: any) => void} next
   */
  function tryApiKey(req, res, next) {
    /** @param {Stop} stop */
    const refuse = (stop) => {
      const decision = decide(stop.cause, false);
      report(decision, stop);
      if (decision.action === 'reject') reject(res, decision.rejection);
    };
    return runApiKey({
      run: (wrappedNext) => deps.apiKeyMiddleware(req, res, wrappedNext),
      isAllowed: async () => readAuthConfig(await deps.getAppConfig(requestScope(req, deps))).apiKeyEnabled,
      hasAnswered: () => res.headersSent === true,
      pass: () => next(),
      forward: (value) => next(value),
      refuse: () => refuse({ cause: 'api-key-off' }),
      fail: (error) => refuse(unexpected(error)),
      log,
    });
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

  /** @param {Response} res @param {Rejection} rejection */
  function reject(res, rejection) {
    try {
      sendRejection(res, rejection, realm);
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
 * @param {OidcFields} fields of the policy that failed
 * @returns {Stop}
 */
function refusal(cause, failure, fields) {
  if (failure.fault === 'scope') return { cause, about: `"${String(fields.scope)}"` };
  if (cause === 'subject-missing') return { cause };
  return { cause, error: new RemoteAuthError(failure) };
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
  defaultVerifier().clear();
}

module.exports = { clearRemoteAgentAuthCache, createRemoteAgentAuth };
