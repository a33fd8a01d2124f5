'use strict';

const { createAccessTokenVerifier } = require('./access-token');
const { decisions } = require('../events/channels');
const { attempt, beginning, publish } = require('../events/observation');
const { bearerToken } = require('../middleware/bearer');
const { decide } = require('../middleware/decision');
const { RemoteAuthError } = require('../verifier/errors');
const { createLog } = require('../middleware/log');
const { runThrough } = require('../middleware/tenant-context');
const { checkFunctions, readOptions } = require('../middleware/options');
const { createPolicyExtra } = require('../policy/option');
const { acceptedEvent } = require('../middleware/observation');
const { refuse, unexpected } = require('../middleware/rejection');
const { sharedBy } = require('../middleware/shared-policies');
const { sharedVerifier } = require('../verifier/shared-verifier');
const { createTimeLimit } = require('../events/time-limit');

/**
 * @typedef {import('../../index').AgentManagementAuthDeps} Deps
 * @typedef {import('../../index').AgentManagementAuthOptions} Options
 * @typedef {import('../../index').AccessTokenConfig} AccessTokenConfig
 * @typedef {import('../../index').RemoteAgentAuthRequest & { authStrategy?: string }} Request
 * @typedef {import('../middleware/decision').Cause} Cause
 * @typedef {{ clientId: string, subject?: string, userId: string, tenantId: string }} Binding
 * @typedef {import('../middleware/rejection').Rejection} Rejection
 *
 * One request, and what is known of it so far.
 * @typedef {import('../middleware/observation').Observed & { req: Request }} State
 *
 * @typedef {{
 *   deps: Deps,
 *   within: ReturnType<typeof createTimeLimit>,
 *   verify: ReturnType<typeof createAccessTokenVerifier>,
 *   log: import('../middleware/log').Log,
 *   settings: import('../middleware/options').Settings,
 * }} Context
 */

const FACTORY = 'createAgentManagementAuth';
const PREFIX = '[agentManagementAuth] ';
const STRATEGY = 'agentManagementM2M';
/** An option `policy` that is an object is the same for all. */
const NO_FIELDS = Object.freeze({ issuer: undefined, audience: undefined, jwksUri: undefined, scope: undefined });
/** Outside all isolation: no client may be bound to it. */
const SYSTEM_TENANT = '__SYSTEM__';
const OPTIONS = ['bodies', 'callbackTimeout', 'policy', 'realm', 'resourceMetadata', 'verifier'];
/** Where a host has no `isPrincipalActive`: the field of a user whose deletion has begun, which is read only where it is asked for. */
const DELETION = 'agentTriggerDeletionStartedAt';

/**
 * Machine clients of LibreChat's management API: a token of a client that the configuration binds to one user of one
 * tenant. By the table of machine clients in docs/requests.md; nothing falls back, nothing is written.
 * @param {Deps} deps
 * @param {Options} [options]
 * @returns {import('../../index').RemoteAgentAuthHandler}
 */
function createAgentManagementAuth(deps, options) {
  const settings = readOptions(options, { factory: FACTORY, names: OPTIONS });
  const optional = ['isPrincipalActive', 'verifyAccessToken', 'tenantContextMiddleware'];
  checkFunctions(FACTORY, deps, ['findUser', 'getAppConfig', 'runInTenant'], optional);
  const log = createLog(deps.logger, PREFIX);
  const within = createTimeLimit(settings.callbackTimeout);
  const verifier = () => settings.verifier ?? sharedVerifier();
  const { policy } = settings;
  const verify = createAccessTokenVerifier({ factory: FACTORY, verifier, logger: deps.logger, prefix: PREFIX, policy });
  if (typeof policy === 'object')
    sharedBy(verifier(), deps.logger).prove(createPolicyExtra(policy, FACTORY)(NO_FIELDS, undefined));

  /** @type {Context} */
  const context = { deps, within, verify, log, settings };

  return async function agentManagementAuth(req, res, next) {
    /** @type {State} */
    const state = { req, token: null, began: beginning() };
    const outcome = await authenticate(context, state).catch(unexpected);
    if ('cause' in outcome) return refuse(res, decide(outcome.cause), outcome, context, state);
    const { user, tenantId } = outcome;
    Object.assign(req, { user, authStrategy: STRATEGY, tenantId });
    let isFirst = true;
    // Where the tenant cannot be entered, the request has not been let in.
    const letIn = () => {
      if (isFirst && decisions.hasSubscribers) attempt(() => publish(acceptedEvent({ ...state, tenantId })));
      isFirst = false;
      next();
    };
    const enter = (/** @type {() => void} */ enclosed) =>
      deps.tenantContextMiddleware
        ? deps.tenantContextMiddleware(req, res, enclosed)
        : deps.runInTenant(tenantId, enclosed);
    const entered = await runThrough(enter, letIn, log);
    if (entered.failed) refuse(res, decide('unexpected'), unexpected(entered.error), context, state);
  };
}

/**
 * What the log says of a token that was refused. Our own errors have neither subject nor address in them; what a host's
 * `verifyAccessToken` throws may have anything.
 * @param {unknown} error
 * @returns {string}
 */
function reasonOf(error) {
  if (error instanceof RemoteAuthError) return `${error.code}: ${error.message}`;
  return /** @type {any} */ (error)?.code ?? 'the token is not that of a machine client';
}

/** @param {Context} context @param {State} state @returns {Promise<Rejection | { user: any, tenantId: string }>} */
async function authenticate(context, state) {
  const { deps, within, verify } = context;
  const { req } = state;
  const config = /** @type {any} */ (await within('getAppConfig', () => deps.getAppConfig({ baseOnly: true })));
  if (config === null || config === undefined) throw new TypeError('getAppConfig returned no configuration');
  const auth = config.endpoints?.agents?.managementApi?.auth;
  const oidc = readOidc(auth?.oidc);
  if (oidc === undefined) return rejected('machine-off');
  state.issuer = oidc.issuer;
  const token = (state.token = bearerToken(req.headers?.authorization));
  if (token === null) return rejected('machine-no-bearer');

  let claims;
  let clientId;
  const since = state.began === undefined ? 0 : performance.now();
  try {
    claims = await within('verifyAccessToken', () =>
      deps.verifyAccessToken === undefined ? verify(token, oidc) : deps.verifyAccessToken(token, oidc),
    );
    clientId = getMachineClientId(claims);
  } catch (error) {
    if (/** @type {any} */ (error)?.fault === 'capacity') return rejected('overloaded');
    const failure = error instanceof RemoteAuthError ? error : undefined;
    return { ...rejected('machine-refused', reasonOf(error)), failure };
  } finally {
    if (state.began !== undefined) state.checked = performance.now() - since;
  }

  const binding = findBinding(auth.clients, clientId);
  if (binding === undefined) return rejected('machine-refused', 'the client is not bound to a user');
  if (!isSubjectOf(binding, claims.sub)) return rejected('machine-refused', 'the subject is not that of the client');
  return deps.runInTenant(binding.tenantId, () => findBoundUser(context, binding));
}

/** @param {Context} context @param {Binding} binding @returns {Promise<Rejection | { user: any, tenantId: string }>} */
async function findBoundUser({ deps, within }, binding) {
  const { userId, tenantId } = binding;
  const filter = { _id: userId, tenantId };
  const isAsked = deps.isPrincipalActive !== undefined;
  const user = /** @type {any} */ (
    await within('findUser', () => (isAsked ? deps.findUser(filter) : deps.findUser(filter, `+${DELETION}`)))
  );
  if (!isBound(user, binding)) return rejected('machine-refused', 'the user is not in the tenant');
  const id = String(user._id ?? user.id);
  const isActive = isAsked
    ? await within('isPrincipalActive', () => deps.isPrincipalActive?.(id))
    : !Object.hasOwn(user, DELETION);
  return isActive ? { user: Object.assign(user, { id }), tenantId } : rejected('account-deletion');
}

/** @param {Cause} cause @param {string} [about] @returns {Rejection} */
function rejected(cause, about) {
  return { cause, about };
}

/**
 * @param {any} oidc the block of `managementApi.auth`
 * @returns {AccessTokenConfig | undefined} undefined where nothing says for whom a token must be: an audience, or kind and
 *   scopes together (Cognito)
 */
function readOidc(oidc) {
  if (oidc?.enabled !== true || !oidc.issuer) return undefined;
  const byScopes = oidc.tokenUse === 'access' && Array.isArray(oidc.requiredScopes) && oidc.requiredScopes.length > 0;
  // As it is configured, for a host's own `verifyAccessToken`; a copy, since the host may change it meanwhile.
  return oidc.audience || byScopes ? { ...oidc } : undefined;
}

/**
 * The client a machine's token was issued to, by `azp` or `client_id`.
 * @param {Record<string, unknown>} claims
 * @returns {string}
 * @throws {Error} when they disagree or neither is there, and for a token without an end to come
 */
function getMachineClientId({ azp, client_id: clientId, exp }) {
  const [first, second] = [azp, clientId].map((value) => (typeof value === 'string' ? value.trim() : ''));
  if (first && second && first !== second) throw new Error('azp and client_id name two clients');
  if (!first && !second) throw new Error('the token names no client');
  if (typeof exp !== 'number' || !Number.isFinite(exp) || exp <= Date.now() / 1000) {
    throw new Error('the token has no end to come');
  }
  return /** @type {string} */ (first || second);
}

/**
 * Configurations come from databases as well: a binding that is no plain text is none.
 * @param {unknown} clients
 * @param {string} clientId
 * @returns {Binding | undefined}
 */
function findBinding(clients, clientId) {
  const binding = Array.isArray(clients)
    ? clients.find((client) => client?.clientId === clientId && client.enabled !== false)
    : undefined;
  if (typeof binding?.userId !== 'string' || typeof binding.tenantId !== 'string') return undefined;
  const tenantId = binding.tenantId.trim();
  return binding.userId === '' || tenantId === '' || tenantId === SYSTEM_TENANT ? undefined : { ...binding, tenantId };
}

/** @param {Binding} binding @param {unknown} sub */
function isSubjectOf({ clientId, subject }, sub) {
  if (typeof sub !== 'string') return false;
  // Auth0 writes a machine's subject with a suffix; a person's never looks like either.
  const accepted = subject ? [subject] : [clientId, `${clientId}@clients`];
  return accepted.includes(sub.trim());
}

/** @param {any} user @param {Binding} binding */
function isBound(user, { userId, tenantId }) {
  if (user === null || user === undefined) return false;
  const id = String(user._id ?? user.id);
  return (id === userId || id === userId.toLowerCase()) && user.tenantId === tenantId;
}

module.exports = { createAgentManagementAuth, getMachineClientId };
