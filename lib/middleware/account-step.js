'use strict';

const { observedLookup } = require('./lookup-metrics');
const { sameConfigOptions, userConfigOptions } = require('./tenant');
const { loginIssuer, resolveBound, resolveByEmail, warnOfEmailClaim } = require('./user');
const { readAuthConfig } = require('../policy/oidc-config');

/**
 * @typedef {import('../../index').AppConfigOptions} AppConfigOptions
 * @typedef {import('../policy/oidc-config').OidcFields} OidcFields
 * @typedef {import('./authenticate').Context} Context
 * @typedef {{ fields: OidcFields, accounts: Record<string, any> | undefined }} Oidc
 *
 * A request whose token is good. `config`: the host's, as read by `requested`; `oidc`: what it says of OpenID Connect.
 * @typedef {{ config: any, oidc: Oidc, requested: AppConfigOptions, token: string, verified: import('../../native').Success,
 *   entry: import('../policy/policy-cache').Entry, identity: import('./user').Identity }} Verified
 * @typedef {{ ok: true, user: any, userId: string } | { ok: false, cause: any, about?: string, error?: unknown }} Account
 * @typedef {(context: Context, request: Verified) => Promise<Account> | undefined} AccountStep undefined: the middleware's own flow goes on
 *
 * `flow`: parts of the middleware's own flow, which accounts go through as well.
 * @typedef {Pick<Context, 'deps' | 'callbacks' | 'settings' | 'log'> &
 *   { flow: Pick<typeof import('./authenticate'), 'checkUserPolicy' | 'idOf' | 'settleRole'> }} Surroundings
 */

/**
 * The step of a request from a verified token to its account, where configuration or option ask for more than looking it up. Where they do
 * not, nothing of that is loaded.
 * @param {Surroundings} surroundings
 * @returns {AccountStep}
 */
function createAccountStep({ deps, callbacks, settings, log, flow }) {
  const { allowEmailFallback, allowUnverifiedEmail, allowUsernameAsEmail } = settings;
  const trust = { allowEmailFallback, allowUnverifiedEmail, allowUsernameAsEmail };
  /** @type {ReturnType<import('../accounts/options').createPlanReader> | undefined} */
  let readPlan;
  /** @type {ReturnType<import('../accounts').createAccounts> | undefined} */
  let settle;

  /** @param {Oidc} oidc @param {string | undefined} tenantId */
  function planOf({ fields, accounts }, tenantId) {
    readPlan ??= require('../accounts/options').createPlanReader(settings.accounts);
    return readPlan(accounts, fields, tenantId);
  }

  return (context, request) => {
    const { oidc, requested, entry, config, token, verified } = request;
    if (oidc.accounts === undefined && settings.accounts === undefined) return undefined;
    const { tenantId } = requested;
    let plan;
    try {
      plan = planOf(oidc, tenantId);
    } catch (error) {
      return Promise.resolve({
        ok: false,
        cause: 'accounts-misconfigured',
        about: /** @type {Error} */ (error).message,
      });
    }
    if (plan === undefined) return undefined;
    settle ??= require('../accounts').createAccounts(surroundingsOf(context));
    const identity = entry.severalTenants ? { ...request.identity, severalTenants: true } : request.identity;
    return settle({ plan, config, requested, tenantId, token, verified, entry, identity });
  };

  /** @param {Context} context @returns {import('../accounts').Surroundings} */
  function surroundingsOf(context) {
    return {
      deps,
      callbacks,
      log,
      trust,
      idOf: flow.idOf,
      warn: (identity) => warnOfEmailClaim(identity, { log }),
      findBound: (identity, tenantId) => resolveBound(identity, lookupIn(tenantId)),
      findByEmail: (identity, tenantId) => resolveByEmail(identity, lookupIn(tenantId)),
      observe: (lookup) => observedLookup(deps.onUserLookup?.bind(deps), lookup),
      settleRole: async ({ user, userId, role }, { verified, requested }, changes) => {
        const own = userConfigOptions(user.tenantId, { role, userId });
        return flow.settleRole(context, { user, userId, role, verified, changes, requested, own });
      },
      checkPolicy: ({ user, userId, role }, { verified, requested }) => {
        const own = userConfigOptions(user.tenantId, { role, userId });
        return sameConfigOptions(own, requested) ? undefined : flow.checkUserPolicy(context, verified, own);
      },
      async tenantsPlan(tenantId) {
        const config = await callbacks.getAppConfig({ tenantId });
        const { oidc } = readAuthConfig(config);
        return { config, plan: oidc.state === 'on' ? planOf(oidc, tenantId) : undefined };
      },
    };
  }

  /** Look-ups in one tenant: the database is asked for no other's, whatever its own isolation does. @param {string | undefined} tenantId */
  function lookupIn(tenantId) {
    const findUser = (/** @type {any} */ filter) =>
      callbacks.findUser(tenantId === undefined ? filter : { ...filter, tenantId });
    return { findUser, loginIssuer, ...trust, log };
  }
}

module.exports = { createAccountStep };
