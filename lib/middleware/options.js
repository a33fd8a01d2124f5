'use strict';

const { DEFAULT_CALLBACK_TIMEOUT, isTimeout } = require('../events/time-limit');
const { wrongOption } = require('../verifier/errors');
const { didYouMean } = require('../policy/nearest');
const { POLICY_OPTIONS } = require('../policy/option');
const { BODY_STYLES, isBodyStyle } = require('../responses/bodies');
const { isRealm } = require('../responses/challenge');
const { WRONG_METADATA, isMetadataSetting } = require('../responses/metadata-url');

/**
 * @typedef {import('../../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../../index').RemoteAgentAuthDeps} Deps
 * @typedef {'accounts' | 'policy' | 'resourceMetadata' | 'shadow' | 'tenantConflict' | 'verifier'} Undecided `tenantConflict`: nothing is compared
 * @typedef {Required<Omit<Options, Undecided>> & Pick<Options, Undecided>} Settings
 */

const DEFAULT_REALM = 'remote-agent-api';

/** What each option may be, besides absent. */
const OPTIONS = {
  // lib/accounts/options.js reads it.
  accounts: () => undefined,
  allowEmailFallback: isBoolean('allowEmailFallback'),
  allowUnverifiedEmail: isBoolean('allowUnverifiedEmail'),
  allowUsernameAsEmail: isBoolean('allowUsernameAsEmail'),
  bodies: isBodies,
  callbackTimeout: isTimeout,
  fallbackOnInvalidToken: isBoolean('fallbackOnInvalidToken'),
  groupOverage: isOneOf('groupOverage', ['keep', 'fallback']),
  policy: () => undefined,
  refusalSummary: isBoolean('refusalSummary'),
  realm: (/** @type {unknown} */ value) =>
    isRealm(value) ? undefined : 'realm must be a string of printable ASCII characters',
  resourceMetadata: (/** @type {unknown} */ value) => (isMetadataSetting(value) ? undefined : WRONG_METADATA),
  responses: isOneOf('responses', ['librechat', 'standard']),
  // lib/middleware/shadow.js reads it.
  shadow: () => undefined,
  tenantConflict: isOneOf('tenantConflict', ['allow', 'reject']),
  verifier: isVerifier,
};
const NAMES = Object.keys(OPTIONS);
/** In place of an `oidc` block, for an option that is an object: it is the same for every block. */
const NO_FIELDS = Object.freeze({ issuer: undefined, audience: undefined, jwksUri: undefined, scope: undefined });
const UNDECIDED_TENANTS =
  'createRemoteAgentAuth: with deps.isPrincipalActive, which LibreChat passes from v0.8.8 on, the option tenantConflict must be given: ' +
  "'reject', as that LibreChat does, with deps.getTenantId, and with deps.tenantContextMiddleware for what follows; or 'allow', as v0.8.7. " +
  'remote-agent-auth/librechat does all of it by itself (its option compat)';
const REQUIRED_DEPS = /** @type {const} */ (['apiKeyMiddleware', 'findUser', 'updateUser', 'getAppConfig']);
const OPTIONAL_DEPS = /** @type {const} */ ([
  'bulkUpdateGroups',
  'createUser',
  'findGroupsByExternalIds',
  'getRolesByNames',
  'getTenantId',
  'isEmailDomainAllowed',
  'isPrincipalActive',
  'onAccount',
  'onUserLookup',
  'runInTenant',
  'tenantContextMiddleware',
  'upsertGroupByExternalId',
]);

/**
 * Checked once, at the factory: a misspelt option that tightens something must not be dropped in silence.
 * Rust checks the values inside `policy`.
 * @param {unknown} options
 * @param {{ factory?: string, names?: string[] }} [of] the factory they are given to, and the options it has
 * @returns {Settings}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION
 */
function readOptions(options = {}, { factory = 'createRemoteAgentAuth', names = NAMES } = {}) {
  /** @param {string} problem */
  const wrong = (problem) => wrongOption(`${factory}: ${problem}`);
  if (typeof options !== 'object' || options === null) throw wrong('options must be an object');
  for (const [name, value] of Object.entries(options)) {
    // Hosts write them one level too high.
    if (names.includes('policy') && POLICY_OPTIONS.includes(name))
      throw wrong(`"${name}" belongs into the option policy`);
    if (!names.includes(name)) {
      throw wrong(`unknown option "${name}"${didYouMean(name, names)}`);
    }
    const problem = value === undefined ? undefined : OPTIONS[/** @type {keyof typeof OPTIONS} */ (name)](value);
    if (problem !== undefined) throw wrong(problem);
  }
  const {
    accounts,
    allowEmailFallback = true,
    allowUnverifiedEmail = false,
    allowUsernameAsEmail = false,
    bodies = 'librechat',
    callbackTimeout = DEFAULT_CALLBACK_TIMEOUT,
    groupOverage = 'keep',
    policy,
    realm = DEFAULT_REALM,
    refusalSummary = true,
    resourceMetadata,
    responses = 'librechat',
    fallbackOnInvalidToken = responses === 'librechat',
    shadow,
    tenantConflict,
    verifier,
  } = /** @type {Options} */ (options);
  return {
    accounts,
    allowEmailFallback,
    allowUnverifiedEmail,
    allowUsernameAsEmail,
    bodies,
    callbackTimeout,
    fallbackOnInvalidToken,
    groupOverage,
    policy,
    realm,
    refusalSummary,
    resourceMetadata,
    responses,
    shadow,
    tenantConflict,
    verifier,
  };
}

/**
 * Other members are left alone: hosts pass the dependency object they share among factories.
 * @param {Deps} deps
 * @param {Settings} settings
 * @throws {TypeError} naming the first dependency that cannot be called
 * @throws {RemoteAuthError} ERR_POLICY_OPTION where the dependencies ask for a decision that no option takes
 */
function checkDeps(deps, { accounts, tenantConflict }) {
  checkFunctions('createRemoteAgentAuth', deps, REQUIRED_DEPS, OPTIONAL_DEPS);
  // The routes that pass it are those of a LibreChat whose own middleware keeps tenants apart.
  if (deps.isPrincipalActive !== undefined && tenantConflict === undefined) throw wrongOption(UNDECIDED_TENANTS);
  // Without it there would never be a request tenant to be in conflict with.
  if (tenantConflict === 'reject' && deps.getTenantId === undefined) {
    throw new TypeError("createRemoteAgentAuth: tenantConflict: 'reject' needs deps.getTenantId");
  }
  if (accounts !== undefined) checkAccounts(deps, accounts);
}

/**
 * What the option switches on is known now; what the configuration does, with each request.
 * @param {Deps} deps
 * @param {NonNullable<Options['accounts']>} accounts
 * @throws {TypeError} naming every dependency that is missing, and what needs it
 * @throws {RemoteAuthError} ERR_POLICY_OPTION
 */
function checkAccounts(deps, accounts) {
  const planOf = require('../accounts/options').createPlanReader(accounts);
  const plan = typeof accounts === 'function' ? undefined : planOf(undefined, NO_FIELDS, undefined);
  const missing = plan && require('../accounts/dependencies').missingFor(plan, deps);
  if (missing) throw new TypeError(`createRemoteAgentAuth: ${missing}`);
}

/**
 * @param {string} factory
 * @param {any} deps
 * @param {readonly string[]} required
 * @param {readonly string[]} optional
 */
function checkFunctions(factory, deps, required, optional) {
  for (const name of required) {
    if (typeof deps?.[name] !== 'function') throw new TypeError(`${factory}: deps.${name} must be a function`);
  }
  for (const name of optional) {
    if (deps[name] !== undefined && typeof deps[name] !== 'function') {
      throw new TypeError(`${factory}: deps.${name} must be a function when given`);
    }
  }
}

/** @param {string} name @returns {(value: unknown) => string | undefined} */
function isBoolean(name) {
  return (value) => (typeof value === 'boolean' ? undefined : `${name} must be a boolean`);
}

/** @param {string} name @param {readonly string[]} values @returns {(value: unknown) => string | undefined} */
function isOneOf(name, values) {
  return (value) =>
    values.includes(/** @type {any} */ (value))
      ? undefined
      : `${name} must be ${values.map((allowed) => `'${allowed}'`).join(' or ')}`;
}

/** @param {unknown} value */
function isBodies(value) {
  return isBodyStyle(value)
    ? undefined
    : `bodies must be ${BODY_STYLES.map((style) => `'${style}'`).join(' or ')}, or a function that gives a body`;
}

/** @param {any} verifier */
function isVerifier(verifier) {
  const missing = ['compile', 'check', 'recheck'].find((method) => typeof verifier?.[method] !== 'function');
  return missing === undefined ? undefined : `verifier.${missing} must be a function`;
}

module.exports = { checkDeps, checkFunctions, readOptions };
