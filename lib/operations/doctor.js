'use strict';

const { readBlock } = require('./doctor-configuration');
const { checkProvider } = require('./doctor-provider');
const { explainToken } = require('./doctor-token');
const { warnOfNetworkSettings } = require('../policy/network-warnings');
const { createPolicyExtra } = require('../policy/option');
const { PolicyCache } = require('../policy/policy-cache');
const { RemoteTokenVerifier } = require('../verifier');
const { codes } = require('../verifier/errors');

/**
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {import('../../index').RemoteAgentPolicy} RemoteAgentPolicy
 *
 * One thing that was looked at. `expected` and `got` are for the operator; neither holds a token, an address or a subject.
 * @typedef {{ check: string, status: 'ok' | 'warning' | 'failed' | 'skipped', text: string, code?: string, action?: string,
 *   expected?: string, got?: string }} Line
 */

/**
 * Looks at a configuration as the middleware would, from the outside in: its keys, the environment, the way to the provider, the
 * provider's documents, and a token where one is given. Nothing is changed anywhere, and the token is sent nowhere.
 * @param {{ config: unknown, policy?: RemoteAgentPolicy, token?: string, now?: () => number }} given `policy`: the middleware's option of
 *   that name; `now`: seconds since 1970
 * @returns {Promise<Line[]>}
 */
async function diagnose({ config, policy, token, now = () => Date.now() / 1000 }) {
  const block = readBlock(config);
  if (block.fields === undefined) return block.lines;
  let moment = now();
  // Its own claims' clock: a token is tried at other times as well.
  const verifier = new RemoteTokenVerifier({ clock: () => moment, verdictCache: false });
  const { options, lines } = policyOf(verifier, block.fields, policy);
  const found = [...block.lines, ...lines];
  if (options === undefined) return found;
  found.push(...(await checkProvider(verifier, options)));
  if (token === undefined) return found;
  const check = async (/** @type {PolicyOptions} */ tried, /** @type {number} */ at) => {
    moment = at;
    return verifier.check(token, verifier.compile(tried));
  };
  return [...found, ...(await explainToken(check, token, options, moment))];
}

/**
 * The policy of the block under this process's environment, and what of the environment does not do what it seems to.
 * @param {RemoteTokenVerifier} verifier
 * @param {import('../policy/oidc-config').OidcFields} fields
 * @param {RemoteAgentPolicy | undefined} policy
 * @returns {{ options?: PolicyOptions, lines: Line[] }}
 */
function policyOf(verifier, fields, policy) {
  /** @type {Line[]} */
  const lines = [];
  const warn = (/** @type {string} */ text) => void lines.push({ check: 'environment', status: 'warning', text });
  const log = { debug() {}, info() {}, warn, error: warn };
  warnOfNetworkSettings(log, policy?.proxy?.bypass);
  /** @type {PolicyOptions | undefined} */
  let options;
  const cache = new PolicyCache({
    log,
    compile: (made) => {
      options = made;
      return verifier.compile(made);
    },
  });
  const { failure } = cache.find(fields, createPolicyExtra(policy, 'doctor')(fields, undefined));
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

module.exports = { diagnose };
