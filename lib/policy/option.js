'use strict';

const { wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').RemoteAgentPolicy} Policy
 * @typedef {import('../../index').RemoteAgentAuthOptions['policy']} PolicyOption
 * @typedef {import('./oidc-config').OidcFields} OidcFields
 *
 * `key`: equal options have equal keys. Undefined for values that cannot be compared by a text: their policy is compiled anew for
 * each request.
 * @typedef {{ options: Policy, key: string | undefined }} PolicyExtra
 */

/** What the option may set. A test compares these with the options that Rust has. */
const POLICY_OPTIONS = Object.freeze([
  ...[
    'algorithms',
    'allowedActors',
    'allowedClients',
    'allowedTenants',
    'clientClaim',
    'clockTolerance',
    'issuer',
    'maxTokenAge',
    'maxTokenBytes',
    'maxTokenLifetime',
    'profile',
  ],
  ...[
    'requireExp',
    'requireKid',
    'requiredAppRoles',
    'requiredPermissions',
    'requiredRoles',
    'introspection',
    'requireUnbound',
    'scope',
    'tokenUse',
    'typ',
  ],
  ...[
    'ca',
    'cacheMaxAge',
    'clientCertificate',
    'jwks',
    'jwksFile',
    'maxAdvisedAge',
    'maxBodyBytes',
    'maxStale',
    'proxy',
  ],
  ...['refusePrivateAddresses', 'snapshotFile'],
]);
/** The configuration decides whom to trust; OPENID_EMAIL_CLAIM names the e-mail claim. */
const NOT_HERE = ['enabled', 'audience', 'jwksUri', 'emailClaim'];
/** A caller without a subject could be anybody. */
const ALWAYS = 'requireSubject';
/**
 * Keys belong to one issuer: in an option that is the same for every policy they would verify tokens of all issuers. Tenants belong to an issuer that has several; a list of
 * issuers is that of one provider.
 */
const ONE_ISSUERS = ['issuer', 'jwks', 'jwksFile', 'allowedTenants', 'introspection'];

/** Those of policies that cannot change any more: middlewares made for each request are often given the same. @type {WeakMap<object, PolicyExtra>} */
const unchangeable = new WeakMap();

/** @type {PolicyExtra} */
const NOTHING = Object.freeze({ options: {}, key: '' });

/**
 * What the option `policy` adds to the policies of the host's configuration.
 * @param {PolicyOption} policy an object, or a synchronous function asked for each policy it is needed for
 * @param {string} [factory] whose option it is
 * @returns {(fields: OidcFields, tenantId: string | undefined) => PolicyExtra}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION, at once for an object, when asked for a function's result
 */
function createPolicyExtra(policy, factory = 'createRemoteAgentAuth') {
  if (policy === undefined) return () => NOTHING;
  /** @param {string} problem */
  const wrongPolicy = (problem) => wrongOption(`${factory}: the option policy ${problem}`);
  if (typeof policy !== 'function') {
    const own = ONE_ISSUERS.find((name) => Object.hasOwn(Object(policy), name));
    if (own !== undefined) throw wrongPolicy(`must be a function to set "${own}", which is one issuer's alone`);
    // A copy, so that it stays as it was checked at the factory.
    const fixed = unchangeable.get(policy) ?? read(policy, structuredCopy, wrongPolicy);
    if (isUnchangeable(policy)) unchangeable.set(policy, fixed);
    return () => fixed;
  }
  return (fields, tenantId) => {
    const extra = policy(Object.freeze({ ...fields }), { tenantId });
    if (extra === undefined || extra === null) return NOTHING;
    const added = read(extra, (options) => ({ ...options }), wrongPolicy);
    checkIssuers(added.options.issuer, fields.issuer, wrongPolicy);
    return added;
  };
}

/**
 * @param {unknown} extra
 * @param {(options: Policy) => Policy | undefined} copy undefined for what is no plain data
 * @param {(problem: string) => Error} wrongPolicy
 * @returns {PolicyExtra}
 */
function read(extra, copy, wrongPolicy) {
  if (typeof extra !== 'object' || extra === null || Array.isArray(extra)) {
    throw wrongPolicy('must be an object, or a function that returns one');
  }
  // An unfinished answer would be an empty policy.
  if ('then' in extra) throw wrongPolicy('must not be asynchronous');
  const foreign = Object.keys(extra).find((name) => NOT_HERE.includes(name));
  if (foreign !== undefined) {
    const source = foreign === 'emailClaim' ? 'OPENID_EMAIL_CLAIM' : 'the oidc block of the configuration';
    throw wrongPolicy(`cannot set "${foreign}", which ${source} decides`);
  }
  if (Object.hasOwn(extra, ALWAYS))
    throw wrongPolicy(`cannot set "${ALWAYS}": the middleware always requires a subject`);
  const options = copy(extra);
  if (options === undefined) throw wrongPolicy('has a value that is no plain data');
  return { options, key: textOf(options) };
}

/**
 * Other issuers of the configured one's provider; whom to trust at all is decided by the configuration.
 * @param {unknown} issuers
 * @param {unknown} configured
 * @param {(problem: string) => Error} wrongPolicy
 */
function checkIssuers(issuers, configured, wrongPolicy) {
  if (issuers === undefined) return;
  const isList =
    Array.isArray(issuers) && issuers.every((issuer) => typeof issuer === 'string' && issuer.trim() !== '');
  if (isList && issuers.includes(configured)) return;
  throw wrongPolicy(
    'can set "issuer" only as a list of issuers, in which the one of the oidc block stands as it is written there',
  );
}

/** @param {object} policy */
function isUnchangeable(policy) {
  return Object.isFrozen(policy) && Object.values(policy).every((value) => typeof value !== 'object' || value === null);
}

/** @param {Policy} options @returns {Policy | undefined} */
function structuredCopy(options) {
  try {
    return structuredClone(options);
  } catch {
    return undefined;
  }
}

/**
 * Canonical: members in order of their names, so that a function may build its object as it likes.
 * @param {unknown} value
 * @returns {string | undefined}
 */
function textOf(value) {
  if (value === undefined) return 'undefined';
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined;
  if (typeof value !== 'object' || !isPlain(value)) return undefined;
  const members = Array.isArray(value)
    ? value.map((item) => textOf(item))
    : Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, member]) => joined(JSON.stringify(name), textOf(member)));
  if (members.includes(undefined)) return undefined;
  return Array.isArray(value) ? `[${members.join()}]` : `{${members.join()}}`;
}

/**
 * Whether its members, each seen by everybody, are all it says: keys are passed as JSON, which an instance of a class may write
 * from anything (`toJSON`). Of any realm.
 * @param {object} value
 */
function isPlain(value) {
  if (typeof (/** @type {any} */ (value).toJSON) === 'function') return false;
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  const isInstance = prototype !== null && Object.getPrototypeOf(prototype) !== null;
  return !isInstance && Reflect.ownKeys(value).length === Object.keys(value).length;
}

/** @param {string} name @param {string | undefined} member */
function joined(name, member) {
  return member === undefined ? undefined : `${name}:${member}`;
}

module.exports = { ALWAYS, NOTHING, NOT_HERE, POLICY_OPTIONS, createPolicyExtra };
