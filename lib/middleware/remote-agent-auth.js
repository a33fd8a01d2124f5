'use strict';

const { runApiKey } = require('./api-key');
const { KNOWN_KEYS, readAuthConfig } = require('../policy/oidc-config');
const { PASS, createAuthenticate } = require('./authenticate');
const { isJwtShaped } = require('./bearer');
const { decide } = require('./decision');
const { codes } = require('../verifier/errors');
const { createHost } = require('./callbacks');
const { createLog, limitOf } = require('./log');
const { nearest } = require('./nearest');
const { warnOfNetworkSettings } = require('../policy/network-warnings');
const { goOnThrough } = require('./tenant-context');
const { checkDeps, readOptions } = require('./options');
const { createPolicyExtra } = require('../policy/option');
const { sendRejection } = require('./responses');
const { getOpenIdRoleSyncOptions, isRoleSyncOff } = require('./role-sync');
const { sharedBy } = require('./shared-policies');
const { sharedVerifier } = require('../verifier/shared-verifier');
const { isTenantConflict, requestScope } = require('./tenant');

/**
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../../index').RemoteAgentAuthRequest} Request
 * @typedef {import('../../index').RemoteAgentAuthResponse} Response
 * @typedef {import('./authenticate').Stop} Stop
 * @typedef {import('./authenticate').Visit} Visit
 * @typedef {import('./decision').Decision} Decision
 * @typedef {import('../verifier/errors').RemoteAuthError} RemoteAuthError
 */

/** Characters of a configured issuer in a line. */
const LONGEST_ISSUER = 200;
/** An option `policy` that is an object is the same for all. */
const NO_FIELDS = Object.freeze({ issuer: undefined, audience: undefined, jwksUri: undefined, scope: undefined });

/**
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {import('../../index').RemoteAgentAuthHandler}
 */
function createRemoteAgentAuth(deps, options) {
  const settings = readOptions(options);
  checkDeps(deps, settings);
  const { verifier = sharedVerifier() } = settings;
  const host = createHost(deps, settings.callbackTimeout);
  const log = createLog(deps.logger);
  const mayWarn = limitOf(deps.logger);
  const { policies: policiesOf, prove, said } = sharedBy(verifier, deps.logger);
  const policies = policiesOf('remote');
  const policyExtra = createPolicyExtra(settings.policy);
  const authenticate = createAuthenticate({
    deps,
    host,
    verifier,
    policyFor: (fields, tenantId) => policies.find(fields, policyExtra(fields, tenantId)),
    isForbiddenTenant,
    warnOfUnknownKey,
    warnOfIdToken,
    settings,
    log,
  });
  // A wrong policy option shall stop the start, not turn every caller away later.
  if (typeof settings.policy === 'object') prove(policyExtra(NO_FIELDS, undefined));
  reportRoleSync();
  warnOfNetworkSettings(log, typeof settings.policy === 'object' ? settings.policy.proxy?.bypass : undefined);

  return remoteAgentAuth;

  /**
   * Never rejects on our account. What the host's own `next` throws is passed on as it is: Express 5 hands
   * it to the application's error handlers, as it would for any middleware.
   * @param {Request} req
   * @param {Response} res
   * @param {(value?: any) => void} next
   * @returns {Promise<void>}
   */
  function remoteAgentAuth(req, res, next) {
    /** @type {Visit} */
    const visit = { req, res, next, apiKeyEnabled: false, token: null };
    return authenticate(visit).then(
      (outcome) => (outcome === PASS ? goOn(visit) : turnAway(visit, outcome)),
      (error) => turnAway(visit, unexpected(error)),
    );
  }

  /** @param {Visit} visit @param {Stop} outcome @returns {void | Promise<void>} */
  function turnAway(visit, outcome) {
    const decision = decide(outcome.cause, {
      apiKeyEnabled: visit.apiKeyEnabled,
      standard: settings.responses === 'standard',
      noApiKeyForThisToken: !settings.fallbackOnInvalidToken && isJwtShaped(visit.token),
    });
    if (decision.action === 'api-key') {
      report(decision, outcome);
      warnOfOwnFault(visit, outcome);
      return tryApiKey(visit);
    }
    return refuse(visit, decision, outcome);
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

  /** Once for each cause: without it the first sign would be a caller's 500. */
  function reportRoleSync() {
    if (isRoleSyncOff()) return;
    try {
      const { apiEnabled } = getOpenIdRoleSyncOptions();
      if (!apiEnabled || deps.getRolesByNames !== undefined || !said.add('deps.getRolesByNames')) return;
      log.error('OpenID role sync is on, but deps.getRolesByNames is missing: every request with a known user will fail');
    } catch (error) {
      if (!said.add(`role sync: ${/** @type {Error} */ (error).message}`)) return;
      log.error('OpenID role sync is misconfigured: every request with a known user will fail', error);
    }
  }

  /** @param {string} key of the host's `oidc` block */
  function warnOfUnknownKey(key) {
    if (!said.add(`oidc.${key}`)) return;
    log.warn(`the key "${key}" in the oidc block is unknown and ignored; did you mean "${nearest(key, KNOWN_KEYS)}"?`);
  }

  /** Once for each issuer. @param {string | undefined} issuer */
  function warnOfIdToken(issuer = 'unknown') {
    if (!said.add(`ID token of ${issuer}`)) return;
    log.warn(
      `a token of ${issuer} that looks like an ID token was accepted, because its audience is the configured one; ` +
        "the option policy: { typ: 'preferred' } refuses such tokens",
    );
  }

  /** @param {Decision} decision @param {Stop} stop */
  function report({ line }, { about, error }) {
    if (line !== undefined) log[line.level](about === undefined ? line.text : `${line.text}: ${about}`, error);
  }

  /**
   * What is wrong with the configuration or the provider is no caller's fault, and the line about the caller is seen at debug alone.
   * @param {Visit} visit @param {Stop} stop
   */
  function warnOfOwnFault({ issuer }, { error }) {
    const { code, fault, reason, host: at } = /** @type {Partial<RemoteAuthError>} */ (error ?? {});
    if (fault !== 'config' && fault !== 'upstream') return;
    const name = String(issuer).slice(0, LONGEST_ISSUER);
    if (!mayWarn(JSON.stringify([code, reason, at, name]))) return;
    const whose = fault === 'config' ? 'the configuration is wrong' : 'the provider does not answer as it should';
    const action = code === undefined ? '' : ` ${codes[code]?.action ?? ''}`;
    if (code === 'ERR_KEY_NOT_ASKED') {
      // The provider is well, and tokens of known keys pass.
      log.warn(`some tokens of issuer ${name} cannot be checked yet, API keys are tried instead: their keys are unknown, and the provider is asked for such keys no more often.${action}`, error);
      return;
    }
    log.warn(`no token of issuer ${name} can be checked, API keys are tried instead: ${whose}.${action}`, error);
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
 * Empties the caches: the keys and discovery documents every middleware of this process shares. Requests
 * under way keep their answers.
 */
function clearRemoteAgentAuthCache() {
  sharedVerifier().clear();
}

module.exports = { clearRemoteAgentAuthCache, createRemoteAgentAuth };
