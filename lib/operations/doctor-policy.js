'use strict';

// The policy that the middleware would make of a configuration.

const { warnOfNetworkSettings } = require('../policy/network-warnings');
const { createPolicyExtra } = require('../policy/option');
const { PolicyCache } = require('../policy/policy-cache');
const { codes } = require('../verifier/codes');
const { RemoteAuthError } = require('../verifier/errors');

/**
 * @typedef {import('./doctor').Line} Line
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {import('../verifier').RemoteTokenVerifier} RemoteTokenVerifier
 */

/**
 * The policy of the block under this process's environment, and what of the environment does not do what it seems to.
 * @param {RemoteTokenVerifier} verifier
 * @param {import('../policy/oidc-config').OidcFields} fields
 * @param {import('../../index').RemoteAgentAuthOptions['policy']} policy the middleware's option
 * @param {string} [tenantId] for whose configuration the block was read
 * @returns {{ options?: PolicyOptions, lines: Line[] }}
 */
function policyOf(verifier, fields, policy, tenantId) {
  /** @type {Line[]} */
  const lines = [];
  const warn = (/** @type {string} */ text) => void lines.push({ check: 'environment', status: 'warning', text });
  const log = { debug() {}, info() {}, warn, error: warn };
  warnOfNetworkSettings(log, typeof policy === 'object' ? policy?.proxy?.bypass : undefined);
  /** @type {PolicyOptions | undefined} */
  let options;
  const cache = new PolicyCache({
    log,
    compile: (made) => {
      options = made;
      return verifier.compile(made);
    },
  });
  const failure = failureOf(() => cache.find(fields, createPolicyExtra(policy, 'doctor')(fields, tenantId)));
  if (failure !== undefined) {
    const { code, message } = failure;
    return {
      lines: [...lines, { check: 'policy', status: 'failed', code, text: message, action: codes[code].action }],
    };
  }
  return {
    options,
    lines: [...lines, { check: 'policy', status: 'ok', text: 'issuer, audience and options are usable' }],
  };
}

/**
 * @param {() => { failure?: RemoteAuthError }} find
 * @returns {RemoteAuthError | undefined} also of an option that the middleware would not start with
 */
function failureOf(find) {
  try {
    return find().failure;
  } catch (error) {
    if (error instanceof RemoteAuthError) return error;
    throw error;
  }
}

module.exports = { policyOf };
