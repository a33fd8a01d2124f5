'use strict';

const { readBlock } = require('./doctor-configuration');
const { policyOf } = require('./doctor-policy');
const { checkProvider } = require('./doctor-provider');
const { explainToken } = require('./doctor-token');
const { RemoteTokenVerifier } = require('../verifier');

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

module.exports = { diagnose };
