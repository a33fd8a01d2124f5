'use strict';

const { createAccountStep } = require('./account-step');
const { runApiKey } = require('./api-key');
const { PASS, authenticate, checkUserPolicy, idOf, settleRole } = require('./authenticate');
const { isJwtShaped } = require('./bearer');
const { createCallbacks } = require('./callbacks');
const { decide } = require('./decision');
const { createLog, limitOf } = require('./log');
const { observedLookup } = require('./lookup-metrics');
const { acceptedEvent } = require('./observation');
const { checkDeps, readOptions } = require('./options');
const { summaryOf } = require('./refusal-summary');
const { refuse, report, unexpected } = require('./rejection');
const { sharedBy } = require('./shared-policies');
const { isTenantConflict, requestConfigOptions } = require('./tenant');
const { runThrough } = require('./tenant-context');
const { loginIssuer, resolveUser } = require('./user');
const { createWarnings } = require('./warnings');
const { decisions } = require('../events/channels');
const { attempt, beginning, publish, watchKeys } = require('../events/observation');
const { warnOfNetworkSettings } = require('../policy/network-warnings');
const { readAuthConfig } = require('../policy/oidc-config');
const { createPolicyExtra } = require('../policy/option');
const { sharedVerifier } = require('../verifier/shared-verifier');

/**
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {import('../../index').RemoteAgentAuthOptions} Options
 * @typedef {import('./authenticate').Context} Context
 * @typedef {import('./authenticate').RequestState} RequestState
 * @typedef {import('./rejection').Rejection} Rejection
 */

/** Before lines about a policy that decides nothing. */
const SHADOW_PREFIX = '[remoteAgentAuth] shadow policy: ';
/** An option `policy` that is an object is the same for every `oidc` block. */
const NO_FIELDS = Object.freeze({ issuer: undefined, audience: undefined, jwksUri: undefined, scope: undefined });

/**
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {import('../../index').RemoteAgentAuthHandler}
 */
function createRemoteAgentAuth(deps, options) {
  const context = createContext(deps, options);

  /**
   * Never rejects on our account. What the host's own `next` throws is passed on as it is: Express 5 hands
   * it to the application's error handlers, as it would for any middleware.
   */
  return function remoteAgentAuth(req, res, next) {
    /** @type {RequestState} */
    const state = { req, res, next, apiKeyEnabled: false, token: null, began: beginning() };
    return authenticate(context, state).then(
      (outcome) => {
        watchKeys(context.verifier);
        return outcome === PASS ? accept(context, state) : reject(context, state, outcome);
      },
      (error) => reject(context, state, unexpected(error)),
    );
  };
}

/**
 * What every request of one middleware has in common. Wrong options and missing dependencies stop the start.
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {Context}
 */
function createContext(deps, options) {
  const settings = readOptions(options);
  checkDeps(deps, settings);
  const {
    allowEmailFallback,
    allowUnverifiedEmail,
    allowUsernameAsEmail,
    policy,
    shadow,
    tenantConflict,
    verifier = sharedVerifier(),
  } = settings;
  const callbacks = createCallbacks(deps, settings.callbackTimeout);
  const log = createLog(deps.logger);
  const { policies: policiesOf, prove, said } = sharedBy(verifier, deps.logger);
  const policies = policiesOf('remote');
  const policyExtra = createPolicyExtra(policy);
  const warnings = createWarnings({ log, said, mayWarn: limitOf(deps.logger) });
  const lookup = {
    findUser: callbacks.findUser,
    loginIssuer,
    allowEmailFallback,
    allowUnverifiedEmail,
    allowUsernameAsEmail,
    log,
  };
  const observed = observedLookup(deps.onUserLookup?.bind(deps), resolveUser);
  const isFixed = typeof policy === 'object';
  if (isFixed) prove(policyExtra(NO_FIELDS, undefined));
  warnings.ofRoleSync(deps.getRolesByNames !== undefined);
  warnOfNetworkSettings(log, isFixed ? policy.proxy?.bypass : undefined);
  return {
    deps,
    callbacks,
    verifier,
    policies,
    policyExtra,
    hasFixedPolicy: typeof policy !== 'function',
    resolveUser: (identity) => observed(identity, lookup),
    accountOf: createAccountStep({ deps, callbacks, settings, log, flow: { checkUserPolicy, idOf, settleRole } }),
    isForbiddenTenant: ({ tenantId }, user) =>
      tenantConflict === 'reject' && isTenantConflict(tenantId, user?.tenantId),
    warnings,
    sumUp: settings.refusalSummary ? (event) => summarise(deps.logger, log, event) : undefined,
    shadow: shadowOf(shadow, policy, {
      verifier,
      policies: () => policiesOf('shadow', undefined, SHADOW_PREFIX),
      prove,
      logger: deps.logger,
    }),
    settings,
    log,
  };
}

/**
 * Not loaded where the option is not set.
 * @param {import('./options').Settings['shadow']} shadow
 * @param {Options['policy']} policy
 * @param {{ verifier: Context['verifier'], policies: () => import('../policy/policy-cache').PolicyCache, logger: unknown,
 *   prove: import('./shared-policies').Shared['prove'] }} on
 */
function shadowOf(shadow, policy, { policies, ...on }) {
  if (shadow === undefined) return undefined;
  return require('./shadow').createShadow(shadow, policy, { ...on, policies: policies() });
}

/** @param {Context} context @param {RequestState} state @returns {void | Promise<void>} */
function accept(context, state) {
  if (!decisions.hasSubscribers) return proceed(context, state);
  const { next } = state;
  let isFirst = true;
  // Where the host's tenant middleware does not go on, the request has not been let in.
  return proceed(context, state, () => {
    if (isFirst) attempt(() => publish(acceptedEvent(state, context.verifier)));
    isFirst = false;
    next();
  });
}

/**
 * `next`, inside the tenant's context where the host brings the middleware for it.
 * @param {Context} context
 * @param {RequestState} state
 * @param {() => void} [next]
 * @returns {void | Promise<void>}
 */
function proceed(context, state, next = state.next) {
  const { deps, log } = context;
  const { req, res, tenantId } = state;
  if (deps.tenantContextMiddleware === undefined) return void next();
  if (tenantId) req.tenantId = tenantId;
  const enter = (/** @type {() => void} */ enclosed) => deps.tenantContextMiddleware?.(req, res, enclosed);
  return runThrough(enter, () => next(), log).then((outcome) => {
    if (outcome.failed) refuseFinally(context, state, unexpected(outcome.error));
  });
}

/**
 * By the decision table: the API-key middleware, or an answer.
 * @param {Context} context
 * @param {RequestState} state
 * @param {Rejection} rejection
 * @returns {void | Promise<void>}
 */
function reject(context, state, rejection) {
  const { settings, warnings } = context;
  const decision = decide(rejection.cause, {
    apiKeyEnabled: state.apiKeyEnabled,
    standard: settings.responses === 'standard',
    noApiKeyForThisToken: !settings.fallbackOnInvalidToken && isJwtShaped(state.token),
  });
  if (decision.action !== 'api-key') return refuse(state.res, decision, rejection, context, state);
  const event = report(context, state, decision, rejection);
  if (decision.line?.level === 'debug' && event?.code !== undefined) attempt(() => context.sumUp?.(event));
  warnings.ofOwnFault(state.issuer, rejection.error);
  return tryApiKey(context, state);
}

/** @param {Context} context @param {RequestState} state @returns {Promise<void>} */
function tryApiKey(context, state) {
  const { deps, callbacks, log } = context;
  const { req, res, next } = state;
  return runApiKey({
    run: (wrappedNext) => deps.apiKeyMiddleware(req, res, wrappedNext),
    objection: async () => {
      if (context.isForbiddenTenant(state, req.user)) return 'tenant-conflict';
      const config = await callbacks.getAppConfig(requestConfigOptions(req, deps.getTenantId?.()));
      return readAuthConfig(config).apiKeyEnabled ? undefined : 'api-key-off';
    },
    hasAnswered: () => res.headersSent === true,
    pass: () => proceed(context, state),
    forward: (value) => void next(value),
    refuse: (cause) => refuseFinally(context, state, { cause }),
    fail: (error) => refuseFinally(context, state, unexpected(error)),
    log,
  });
}

/**
 * For refusals that are seen at debug alone. Faults of the configuration and the provider have a warning of their own at once.
 * @param {Deps['logger']} logger
 * @param {Context['log']} log
 * @param {import('../../index').DecisionEvent} event
 */
function summarise(logger, log, event) {
  if (event.fault === 'config' || event.fault === 'upstream') return;
  summaryOf(logger, log).add(event);
}

/** What nothing falls back from. @param {Context} context @param {RequestState} state @param {Rejection} rejection */
function refuseFinally(context, state, rejection) {
  refuse(state.res, decide(rejection.cause), rejection, context, state);
}

/**
 * Empties the caches: the keys and discovery documents every middleware of this process shares. Requests
 * under way keep their answers.
 */
function clearRemoteAgentAuthCache() {
  sharedVerifier().clear();
}

module.exports = { clearRemoteAgentAuthCache, createRemoteAgentAuth };
