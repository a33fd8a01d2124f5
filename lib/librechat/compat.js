'use strict';

const { getTenantId, hasTenantStorage, hostLookupRecorder, logger, runInTenant } = require('./data-schemas');
const { wrongOption } = require('../verifier/errors');
const { createLog } = require('../middleware/log');
const { createTenantMiddlewares, trustInEnvironment } = require('./tenant-middlewares');

/**
 * A line of LibreChat: what its middleware does about tenants and roles, and what its routes pass to it.
 * @typedef {'v0.8.7' | 'v0.8.8'} Line
 * @typedef {import('../../librechat').LibreChatOptions} Options
 * @typedef {import('../../index').RemoteAgentAuthOptions} RemoteAgentAuthOptions
 * @typedef {import('../../index').TenantMiddlewares['tenantContextMiddleware']} TenantContextMiddleware
 */

const FACTORY = 'createRemoteAgentAuth';
const COMPAT = ['auto', 'v0.8.7', 'v0.8.8'];
/** What only the routes of the newer line pass. */
const MARK = 'isPrincipalActive';
/** The newer line looks at no token that does not name its key. */
const REQUIRE_KID = Object.freeze({ requireKid: true });

/** The options a line decides where the host has said nothing, and what the log says of them. */
const LINES = Object.freeze({
  'v0.8.7': {
    options: { tenantConflict: 'allow', groupOverage: 'keep' },
    what: 'no tenant context is entered, and tenants are not compared',
  },
  'v0.8.8': {
    options: { tenantConflict: 'reject', groupOverage: 'fallback' },
    what: "a user of another tenant than the request's is refused, what follows runs in the user's tenant, and a token must name its key",
  },
});

/** What a host's dependency object leaves to LibreChat's packages. */
const fromLibreChat = () => ({
  logger,
  getTenantId,
  runInTenant,
  onUserLookup: hostLookupRecorder(),
  // LibreChat's own rule is `registration.allowedDomains`, which is looked at in any case.
  isEmailDomainAllowed: () => true,
});

/** Lines that have been logged: a middleware may be made for every request. @type {Set<Line>} */
const logged = new Set();
/** The line of the host, once one of its middlewares has shown it. @type {Line | undefined} */
let hostLine;
/** What LibreChat has from the newer line on is in use: until a middleware has shown the host's line, this one is meant. */
let usesNewer = false;
/** What a middleware's option says of the tenant header. @type {boolean | undefined} */
let hostTrust;

/**
 * What a host's own line of LibreChat does about tenants and roles, done here as well: whoever changes an import keeps it.
 * @param {any} deps
 * @param {Options | undefined} given
 * @param {TenantContextMiddleware} tenantContextMiddleware over LibreChat's own storage
 * @returns {{ deps: any, options: RemoteAgentAuthOptions | undefined }} for the main entry's factory
 * @throws {RemoteAuthError | TypeError} for a wrong option, and where the newer line's tenants could not be kept apart
 */
function followHost(deps, given, tenantContextMiddleware) {
  // What is no object at all is refused by the factory itself.
  if (typeof deps !== 'object' || deps === null) return { deps, options: given };
  if (given !== undefined && (typeof given !== 'object' || given === null)) return { deps, options: given };
  const { compat = 'auto', trustTenantHeader, ...own } = given ?? {};
  const line = lineOf(deps, compat);
  // Of two middlewares that differ, the stricter one counts for what belongs to neither.
  if (hostLine !== 'v0.8.8') hostLine = line;
  if (trustTenantHeader !== undefined) hostTrust = isTrust(trustTenantHeader) && hostTrust !== false;
  report(deps, line, compat);
  if (line === 'v0.8.7') return { deps: withDefaults(deps, fromLibreChat()), options: optionsOf(line, own) };
  const tenantContext = tenantContextOver(deps, tenantContextMiddleware);
  return {
    deps: withDefaults(deps, { ...fromLibreChat(), tenantContextMiddleware: tenantContext }),
    options: optionsOf(line, { ...own, policy: requiringKid(own.policy) }),
  };
}

/**
 * @param {Line} line
 * @param {RemoteAgentAuthOptions} own the host's
 * @returns {RemoteAgentAuthOptions}
 */
function optionsOf(line, own) {
  return withDefaults(own, LINES[line].options);
}

/** @param {any} deps @param {unknown} compat @returns {Line} */
function lineOf(deps, compat) {
  if (!COMPAT.includes(/** @type {any} */ (compat))) {
    throw wrongOption(`${FACTORY}: compat must be ${COMPAT.map((name) => `'${name}'`).join(' or ')}`);
  }
  if (compat !== 'auto') return /** @type {Line} */ (compat);
  if (!(MARK in deps)) return 'v0.8.7';
  // It is named and missing: the host relies on the check, which would silently not be made.
  if (typeof deps[MARK] !== 'function') {
    throw new TypeError(`${FACTORY}: deps.${MARK} must be a function; leave the name out where the host has none`);
  }
  return 'v0.8.8';
}

/** @param {any} deps @param {Line} line @param {unknown} compat */
function report(deps, line, compat) {
  if (logged.has(line)) return;
  logged.add(line);
  const why =
    compat === 'auto' ? `deps.${MARK} is ${line === 'v0.8.8' ? 'given' : 'not given'}` : 'by the option compat';
  createLog(deps.logger ?? logger).info(
    `behaves as LibreChat ${line} (${why}): ${LINES[line].what}; the option compat states it`,
  );
}

/**
 * @param {any} deps
 * @param {TenantContextMiddleware} fromLibreChat
 * @returns {TenantContextMiddleware} over the storage the host's tenants are in
 */
function tenantContextOver(deps, fromLibreChat) {
  if (deps.getTenantId === undefined || deps.runInTenant === undefined) requireTenantStorage(FACTORY);
  if (deps.runInTenant === undefined) return fromLibreChat;
  const tenantStorage = {
    /** @template T @param {any} context @param {() => T} fn @returns {T} */
    run: (context, fn) => (context.tenantId ? deps.runInTenant(context.tenantId, fn) : fn()),
  };
  return createTenantMiddlewares({ tenantStorage, logger: deps.logger ?? logger }).tenantContextMiddleware;
}

/**
 * Without it everything would run in no tenant, and nobody would notice.
 * @param {string} factory
 * @throws {TypeError}
 */
function requireTenantStorage(factory) {
  if (hasTenantStorage()) return;
  throw new TypeError(
    `${factory}: LibreChat's tenant storage was not found, which keeps its tenants apart: install @librechat/data-schemas ` +
      'where this package finds it, or pass deps.getTenantId and deps.runInTenant',
  );
}

/**
 * @param {RemoteAgentAuthOptions['policy']} policy the host's own; what it says of `requireKid` counts
 * @returns {RemoteAgentAuthOptions['policy']}
 */
function requiringKid(policy) {
  if (policy === undefined) return REQUIRE_KID;
  if (typeof policy !== 'function') return withKid(policy);
  return (oidc, of) => withKid(policy(oidc, of) ?? REQUIRE_KID);
}

/** What is no plain object of options stays as it is, to be refused. @param {any} policy */
function withKid(policy) {
  if (typeof policy !== 'object' || policy === null || Array.isArray(policy) || 'then' in policy) return policy;
  return { ...REQUIRE_KID, ...policy };
}

/**
 * The host's dependency object with what it leaves out. A plain object is copied, as LibreChat's factories take it apart; members
 * of anything else are found through it, methods of a class included.
 * @param {any} deps
 * @param {Record<string, unknown>} defaults
 * @returns {any}
 */
function withDefaults(deps, defaults) {
  if (typeof deps !== 'object' || deps === null) return deps;
  const whole = isPlain(deps) ? Object.assign({}, defaults, deps) : Object.create(deps);
  for (const name of Object.keys(defaults)) {
    if (whole[name] === undefined) whole[name] = defaults[name];
  }
  return whole;
}

/** Of any realm. @param {object} value */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @param {unknown} trust @returns {trust is true} */
function isTrust(trust) {
  if (typeof trust !== 'boolean') throw wrongOption(`${FACTORY}: trustTenantHeader must be a boolean`);
  return trust;
}

/** Whether `preAuthTenantMiddleware` trusts the tenant header: LibreChat v0.8.8 does only where TRUST_TENANT_HEADER says so. */
function trustsTenantHeader() {
  const line = hostLine ?? (usesNewer ? 'v0.8.8' : 'v0.8.7');
  return hostTrust ?? trustInEnvironment() ?? line !== 'v0.8.8';
}

/** A host that makes its middlewares for each request has shown no line before the first: its factories of the newer line have. */
function noteNewerFactory() {
  usesNewer = true;
}

module.exports = {
  REQUIRE_KID,
  followHost,
  noteNewerFactory,
  requireTenantStorage,
  requiringKid,
  trustsTenantHeader,
  withDefaults,
};
