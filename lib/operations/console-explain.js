'use strict';

// The server's own policies, and what they say of a token. Each check is the native verifier's, with the keys this process has.

const { policyOf } = require('./doctor-policy');
const { readBlock } = require('./doctor-configuration');
const { explainToken } = require('./doctor-token');
const { RemoteTokenVerifier } = require('../verifier');
const { codes } = require('../verifier/codes');

/**
 * @typedef {import('./console-page').NamedPolicy} NamedPolicy
 * @typedef {import('./console-page').Explanation} Explanation
 * @typedef {import('../../console').ConsoleOptions} Options
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 */

/** Policies the page shows, and a token is checked by. */
const MOST_POLICIES = 100;

/**
 * @param {Options} options
 * @returns {Promise<NamedPolicy[]>}
 */
async function policiesOf({ getAppConfig, policy, tenants, policies = [] }) {
  const verifier = new RemoteTokenVerifier({ verdictCache: false });
  const own = policies.slice(0, MOST_POLICIES).map((given, index) => ownPolicy(verifier, given, index));
  if (getAppConfig === undefined) return own;
  const listed = typeof tenants === 'function' ? await tenants() : (tenants ?? []);
  const scopes = [undefined, ...listed].slice(0, Math.max(0, MOST_POLICIES - own.length));
  const configured = scopes.map((tenantId) => configuredPolicy(verifier, getAppConfig, policy, tenantId));
  return [...(await Promise.all(configured)), ...own];
}

/**
 * @param {RemoteTokenVerifier} verifier
 * @param {NonNullable<Options['getAppConfig']>} getAppConfig
 * @param {Options['policy']} policy
 * @param {string | undefined} tenantId
 * @returns {Promise<NamedPolicy>}
 */
async function configuredPolicy(verifier, getAppConfig, policy, tenantId) {
  const name = tenantId === undefined ? 'the configuration' : `the configuration of tenant ${tenantId}`;
  try {
    const block = readBlock(await getAppConfig(tenantId === undefined ? {} : { tenantId }));
    if (block.fields === undefined) return { name, lines: block.lines };
    const { options, lines } = policyOf(verifier, block.fields, policy, tenantId);
    return { name, lines: [...block.lines, ...lines], options };
  } catch (error) {
    // What the host's function says may hold anything: an address of a database, a password in it.
    const kind = error instanceof Error ? error.name : typeof error;
    const text = `the configuration could not be read: getAppConfig threw (${kind})`;
    return { name, lines: [{ check: 'configuration', status: 'failed', text, action: "Look into the server's log." }] };
  }
}

/** @param {RemoteTokenVerifier} verifier @param {PolicyOptions} options @param {number} index @returns {NamedPolicy} */
function ownPolicy(verifier, options, index) {
  const name = `policy ${index + 1}, of ${String([options?.issuer].flat()[0])}`;
  try {
    verifier.compile(options);
    const text = 'issuer, audience and options are usable';
    return { name, lines: [{ check: 'policy', status: 'ok', text }], options };
  } catch (error) {
    const { code, message } = /** @type {import('../verifier/errors').RemoteAuthError} */ (error);
    const action = codes[code]?.action;
    return { name, lines: [{ check: 'policy', status: 'failed', code, text: message, ...(action && { action }) }] };
  }
}

/**
 * @param {string} token
 * @param {NamedPolicy[]} policies
 * @param {unknown} chosen the name of one of them, or nothing for all
 * @param {number} now seconds since 1970
 * @returns {Promise<Explanation[]>}
 */
async function explanationsOf(token, policies, chosen, now) {
  /** @type {Explanation[]} */
  const explanations = [];
  for (const { name, options } of policies) {
    if (options === undefined || (chosen && chosen !== name)) continue;
    let moment = now;
    // The claims' clock: a token is tried at other times as well. Its outcome is not remembered.
    const verifier = new RemoteTokenVerifier({ clock: () => moment, verdictCache: false });
    const check = async (/** @type {PolicyOptions} */ tried, /** @type {number} */ at) => {
      moment = at;
      return verifier.check(token, verifier.compile(tried));
    };
    explanations.push({ policy: name, lines: await explainToken(check, token, options, now) });
  }
  return explanations;
}

module.exports = { explanationsOf, policiesOf };
