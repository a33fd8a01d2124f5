'use strict';

const { RemoteAuthError } = require('./errors');
const { nearest } = require('./nearest');
const { isRealm } = require('./responses');

/**
 * @typedef {import('../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../index').RemoteAgentAuthDeps} Deps
 * @typedef {{ policyExtra: Partial<import('../native').PolicyOptions>,
 *   allowUnverifiedEmail: boolean, realm: string, verifier: Options['verifier'] }} Settings
 */

const DEFAULT_REALM = 'remote-agent-api';

/** How the provider is reached and how long its keys live; the environment counts where these do not say. */
const KEY_OPTIONS = /** @type {const} */ ([
  'cacheMaxAge',
  'maxStale',
  'maxAdvisedAge',
  'snapshotFile',
  'proxy',
  'ca',
  'clientCertificate',
  'refusePrivateAddresses',
  'maxBodyBytes',
]);
const POLICY_OPTIONS = /** @type {const} */ (['requireExp', 'algorithms', 'clockTolerance', ...KEY_OPTIONS]);
const OPTIONS = [...POLICY_OPTIONS, 'allowUnverifiedEmail', 'realm', 'verifier'];

const REQUIRED_DEPS = /** @type {const} */ (['apiKeyMiddleware', 'findUser', 'updateUser', 'getAppConfig']);
const OPTIONAL_DEPS = /** @type {const} */ (['getTenantId', 'runInTenant']);

/**
 * Checked once, at the factory: a misspelt option that tightens something must not be dropped in silence.
 * The values of policy options are Rust's to judge.
 * @param {unknown} options
 * @returns {Settings}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION
 */
function readOptions(options = {}) {
  if (typeof options !== 'object' || options === null) {
    throw wrongOption('options must be an object');
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrongOption(`unknown option "${name}"; did you mean "${nearest(name, OPTIONS)}"?`);
    }
  }
  const { allowUnverifiedEmail = false, realm = DEFAULT_REALM, verifier } = /** @type {Options} */ (options);
  if (typeof allowUnverifiedEmail !== 'boolean') {
    throw wrongOption('allowUnverifiedEmail must be a boolean');
  }
  if (!isRealm(realm)) {
    throw wrongOption('realm must be a string of printable ASCII characters');
  }
  for (const method of /** @type {const} */ (['compile', 'check', 'recheck'])) {
    if (verifier !== undefined && typeof verifier?.[method] !== 'function') {
      throw wrongOption(`verifier.${method} must be a function`);
    }
  }
  /** @type {Settings['policyExtra']} */
  const policyExtra = {};
  for (const name of POLICY_OPTIONS) {
    const value = /** @type {Options} */ (options)[name];
    if (value !== undefined) Object.assign(policyExtra, { [name]: value });
  }
  return { policyExtra, allowUnverifiedEmail, realm, verifier };
}

/**
 * Other members are left alone: hosts pass the dependency object they share among factories.
 * @param {Deps} deps
 * @throws {TypeError} naming the first dependency that cannot be called
 */
function checkDeps(deps) {
  for (const name of REQUIRED_DEPS) {
    if (typeof deps?.[name] !== 'function') {
      throw new TypeError(`createRemoteAgentAuth: deps.${name} must be a function`);
    }
  }
  for (const name of OPTIONAL_DEPS) {
    if (deps[name] !== undefined && typeof deps[name] !== 'function') {
      throw new TypeError(`createRemoteAgentAuth: deps.${name} must be a function when given`);
    }
  }
}

/** @param {string} message */
function wrongOption(message) {
  return new RemoteAuthError({
    code: 'ERR_POLICY_OPTION',
    fault: 'config',
    message: `createRemoteAgentAuth: ${message}`,
  });
}

module.exports = { checkDeps, readOptions };
