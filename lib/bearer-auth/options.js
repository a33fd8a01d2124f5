'use strict';

const { DEFAULT_CALLBACK_TIMEOUT, isTimeout } = require('../events/time-limit');
const { didYouMean } = require('../policy/nearest');
const { BODY_STYLES, isBodyStyle } = require('../responses/bodies');
const { isRealm } = require('../responses/challenge');
const { WRONG_METADATA, isMetadataSetting } = require('../responses/metadata-url');
const { wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').BearerAuthOptions} Options
 * @typedef {import('../../index').BearerPolicy} BearerPolicy
 * @typedef {{ authRequired: boolean, bodies: import('../../index').ErrorBodies, callbackTimeout: number, onError: 'answer' | 'next', preflight: boolean, property: string, realm: string,
 *   onRefusal?: (error: any, req: any) => unknown, resourceMetadata?: string | ((req: any) => string | undefined),
 *   verifier?: import('../../index').TokenVerifier, resolvePolicy?: import('./issuers').Resolve, issuers?: BearerPolicy[] }} Settings
 */

const DEFAULT_REALM = 'api';
/** Names of an object's own machinery, which a property of the request must not replace. */
const NOT_A_PROPERTY = [
  '__proto__',
  'constructor',
  'prototype',
  'headers',
  'rawHeaders',
  'method',
  'url',
  'body',
  'socket',
];

/** What each option may be, besides absent. @type {Record<string, (value: any) => string | undefined>} */
const OPTIONS = {
  authRequired: (value) => (typeof value === 'boolean' ? undefined : 'authRequired must be a boolean'),
  bodies: (value) =>
    isBodyStyle(value)
      ? undefined
      : `bodies must be ${BODY_STYLES.map((style) => `'${style}'`).join(' or ')}, or a function`,
  callbackTimeout: isTimeout,
  issuers: (value) =>
    Array.isArray(value) && value.length > 0 ? undefined : 'issuers must be a list of policies, not empty',
  onError: (value) => (value === 'answer' || value === 'next' ? undefined : "onError must be 'answer' or 'next'"),
  onRefusal: (value) => (typeof value === 'function' ? undefined : 'onRefusal must be a function'),
  preflight: (value) => (typeof value === 'boolean' ? undefined : 'preflight must be a boolean'),
  property: (value) =>
    typeof value === 'string' && value !== '' && !NOT_A_PROPERTY.includes(value)
      ? undefined
      : 'property must be the name of a property of the request',
  realm: (value) => (isRealm(value) ? undefined : 'realm must be a string of printable ASCII characters'),
  resolvePolicy: (value) => (typeof value === 'function' ? undefined : 'resolvePolicy must be a function'),
  resourceMetadata: (value) => (isMetadataSetting(value) ? undefined : WRONG_METADATA),
  verifier: (value) => {
    const missing = ['compile', 'check'].find((method) => typeof value?.[method] !== 'function');
    return missing === undefined ? undefined : `verifier.${missing} must be a function`;
  },
};
const NAMES = Object.keys(OPTIONS);

/**
 * Checked once, at the factory. What is no option of ours is one of the policy, whose names and values Rust checks.
 * @param {Options} options
 * @param {string} [factory] whose options they are
 * @returns {Settings}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION
 */
function readOptions(options, factory = 'createBearerAuth') {
  if (typeof options !== 'object' || options === null) throw wrongOption(`${factory}: options must be an object`);
  /** @type {Record<string, any>} */
  const own = {};
  /** @type {Record<string, any>} */
  const policy = {};
  for (const [name, value] of Object.entries(options)) {
    if (!NAMES.includes(name)) {
      policy[name] = value;
      continue;
    }
    const problem = value === undefined ? undefined : OPTIONS[name]?.(value);
    if (problem !== undefined) throw wrongOption(`${factory}: ${problem}`);
    own[name] = value;
  }
  const { authRequired = true, bodies = 'problem', onError = 'answer', preflight = true } = own;
  const { callbackTimeout = DEFAULT_CALLBACK_TIMEOUT, property = 'auth', realm = DEFAULT_REALM } = own;
  return {
    ...own,
    authRequired,
    bodies,
    callbackTimeout,
    onError,
    preflight,
    property,
    realm,
    issuers: issuersOf(own, policy, factory),
  };
}

/**
 * One policy among the options, a list of them, a function, or a list and a function.
 * @param {Record<string, any>} own
 * @param {Record<string, any>} policy
 * @param {string} factory
 * @returns {BearerPolicy[] | undefined}
 */
function issuersOf({ issuers, resolvePolicy }, policy, factory) {
  const [first] = Object.keys(policy);
  if (issuers === undefined && resolvePolicy === undefined) return [/** @type {any} */ (policy)];
  if (first === undefined) return issuers;
  const why = `"${first}" belongs into a policy of issuers or resolvePolicy${didYouMean(first, NAMES)}`;
  throw wrongOption(`${factory}: ${why}`);
}

module.exports = { NAMES, readOptions };
