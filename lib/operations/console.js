'use strict';

// The console: one page for operators, for a host to mount behind its own admin check.

const { createHandler } = require('./console-handler');
const { didYouMean } = require('../policy/nearest');
const { createPolicyExtra } = require('../policy/option');

/** @typedef {import('../../console').ConsoleOptions} Options */

const NAMES = ['authorize', 'getAppConfig', 'hosts', 'policies', 'policy', 'secret', 'tenants'];
/** Characters a secret must have at least: 128 bits in base64url, and more. */
const SHORTEST_SECRET = 32;

/**
 * @param {Options} options
 * @returns {import('../../console').ConsoleHandler}
 */
function createConsole(options) {
  checkOptions(options);
  return createHandler(options);
}

/** @param {Options} options @throws {TypeError} */
function checkOptions(options) {
  const wrong = (/** @type {string} */ problem) => new TypeError(`createConsole: ${problem}`);
  // Without it the page would be everybody's.
  if (typeof options?.authorize !== 'function')
    throw wrong(
      'the option authorize must be a function that says who may see the page; without it there is no console',
    );
  const unknown = Object.keys(options).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw wrong(`unknown option "${unknown}"${didYouMean(unknown, NAMES)}`);
  const { getAppConfig, hosts, policies, policy, secret, tenants } = options;
  if (getAppConfig !== undefined && typeof getAppConfig !== 'function') throw wrong('getAppConfig must be a function');
  if (hosts !== undefined && !isTexts(hosts))
    throw wrong('hosts must be a list of host names, with the port where there is one');
  if (tenants !== undefined && typeof tenants !== 'function' && !isTexts(tenants))
    throw wrong('tenants must be a list of names, or a function that returns one');
  if (policies !== undefined && !Array.isArray(policies)) throw wrong('policies must be a list of policy options');
  if (secret !== undefined && !(typeof secret === 'string' && secret.length >= SHORTEST_SECRET))
    throw wrong(`secret must be a text of at least ${SHORTEST_SECRET} characters`);
  createPolicyExtra(policy, 'createConsole');
}

/** @param {unknown} value @returns {value is string[]} */
function isTexts(value) {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

module.exports = { createConsole };
