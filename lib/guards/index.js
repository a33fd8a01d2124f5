'use strict';

const { printable } = require('../events/printable');
const { DEFAULT_CALLBACK_TIMEOUT, createTimeLimit, isTimeout } = require('../events/time-limit');
const { claimAt } = require('../policy/claim-path');
const { isScopeText } = require('../responses/challenge');
const { wrongOption } = require('../verifier/errors');
const { guardOf } = require('./guard');
const { requireAuthentication } = require('./authentication');

/**
 * @typedef {import('../../index').Guard} Guard
 * @typedef {import('./guard').Refusal} Refusal
 */

/**
 * All of these scopes. 403 `insufficient_scope` with `scope` (RFC 6750 3.1).
 * @param {string | readonly string[]} scopes in one text, separated by blanks, or a list
 * @returns {Guard}
 */
function requireScopes(scopes) {
  const required = scopeList('requireScopes', scopes);
  return guardOf('requireScopes', ({ outcome }) =>
    required.every((scope) => outcome.scopes.includes(scope)) ? undefined : lackOfScope(required, outcome.scopes),
  );
}

/**
 * One of these scopes.
 * @param {string | readonly string[]} scopes
 * @returns {Guard}
 */
function requireAnyScope(scopes) {
  const required = scopeList('requireAnyScope', scopes);
  return guardOf('requireAnyScope', ({ outcome }) =>
    required.some((scope) => outcome.scopes.includes(scope)) ? undefined : lackOfScope(required, outcome.scopes),
  );
}

/** @param {string[]} required @param {readonly string[]} granted @returns {Refusal} */
function lackOfScope(required, granted) {
  const scope = required.join(' ');
  return {
    code: 'ERR_SCOPE_MISSING',
    message: 'a scope that the route requires is not granted',
    scope,
    expected: scope,
    got: listed(granted),
  };
}

/** What a token has instead, for the operator. @param {readonly string[]} names */
function listed(names) {
  return names.length === 0 ? 'none' : printable(names.join(' '));
}

/**
 * All of these permissions.
 * @param {...string} permissions
 * @returns {Guard}
 */
function requirePermissions(...permissions) {
  const required = names('requirePermissions', permissions);
  return guardOf('requirePermissions', ({ facts }) =>
    required.every((name) => facts.permissions.includes(name))
      ? undefined
      : lackOf('ERR_PERMISSION_MISSING', 'a permission', required, facts.permissions),
  );
}

/**
 * All of these roles.
 * @param {...string} roles
 * @returns {Guard}
 */
function requireRoles(...roles) {
  const required = names('requireRoles', roles);
  return guardOf('requireRoles', ({ facts }) =>
    required.every((name) => facts.roles.includes(name))
      ? undefined
      : lackOf('ERR_ROLE_MISSING', 'a role', required, facts.roles),
  );
}

/** @param {Refusal['code']} code @param {string} what @param {string[]} required @param {readonly string[]} granted @returns {Refusal} */
function lackOf(code, what, required, granted) {
  const message = `${what} that the route requires is not granted`;
  return { code, message, expected: required.join(' '), got: listed(granted) };
}

/**
 * A claim that is exactly this value, or of which the predicate says true and nothing else.
 * @param {string} path a claim of exactly that name, or its place with dots and brackets
 * @param {string | number | boolean | ((value: unknown) => unknown)} wanted
 * @returns {Guard}
 */
function requireClaim(path, wanted) {
  if (typeof path !== 'string' || path === '') throw wrongOption('requireClaim: the path must be the name of a claim');
  if (!['string', 'number', 'boolean', 'function'].includes(typeof wanted)) {
    throw wrongOption('requireClaim: the value must be a string, a number or a boolean, or a predicate');
  }
  const within = createTimeLimit(DEFAULT_CALLBACK_TIMEOUT);
  return guardOf('requireClaim', async ({ outcome }) => {
    // A copy of its own: what the application has made of `auth.claims` decides nothing.
    const value = claimAt(JSON.parse(outcome.claims), path);
    const fits =
      typeof wanted === 'function' ? (await within('the predicate', () => wanted(value))) === true : value === wanted;
    return fits ? undefined : { code: 'ERR_CLAIM_MISMATCH', message: 'a claim is not what the route requires' };
  });
}

/**
 * The application's own rule: true lets the request pass, nothing else does. One that has not settled in time has failed.
 * @param {(auth: import('../../index').BearerAuth, req: any) => unknown} decide
 * @param {{ callbackTimeout?: number }} [options] milliseconds; 0: no limit
 * @returns {Guard}
 */
function check(decide, options = {}) {
  if (typeof decide !== 'function') throw wrongOption('check: the argument must be a function');
  const wrong = wrongCheckOption(options);
  if (wrong !== undefined) throw wrongOption(`check: ${wrong}`);
  const within = createTimeLimit(options.callbackTimeout ?? DEFAULT_CALLBACK_TIMEOUT);
  return guardOf('check', async (_grounds, auth, req) =>
    (await within('the function', () => decide(auth, req))) === true
      ? undefined
      : { code: 'ERR_CHECK_REFUSED', message: "the route's own check did not return true" },
  );
}

/** @param {any} options @returns {string | undefined} */
function wrongCheckOption(options) {
  if (typeof options !== 'object' || options === null) return 'the options must be an object';
  const other = Object.keys(options).find((name) => name !== 'callbackTimeout');
  if (other !== undefined) return `unknown option ${printable(other)}; there is callbackTimeout`;
  return options.callbackTimeout === undefined ? undefined : isTimeout(options.callbackTimeout);
}

/** Every guard, in this order: the first refusal is the answer. @param {...Guard} guards @returns {Guard} */
function allOf(...guards) {
  const all = guardList('allOf', guards);
  return guardOf('allOf', async (_grounds, auth, req) => {
    for (const guard of all) {
      const refusal = await guard.evaluate(auth, req);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  });
}

/** One guard of these: where none lets the request pass, the answer is the first one's. @param {...Guard} guards @returns {Guard} */
function anyOf(...guards) {
  const all = guardList('anyOf', guards);
  return guardOf('anyOf', async (_grounds, auth, req) => {
    /** @type {Refusal | undefined} */
    let first;
    for (const guard of all) {
      const refusal = await guard.evaluate(auth, req);
      if (refusal === undefined) return undefined;
      // What failed is no answer to the question.
      if (refusal.code === 'ERR_INTERNAL') return refusal;
      first ??= refusal;
    }
    return first;
  });
}

/** @param {string} factory @param {string | readonly string[]} scopes @returns {string[]} */
function scopeList(factory, scopes) {
  const list = typeof scopes === 'string' ? scopes.split(' ').filter(Boolean) : scopes;
  const right =
    Array.isArray(list) && list.length > 0 && list.every((name) => isScopeText(name) && !name.includes(' '));
  if (!right) throw wrongOption(`${factory}: scopes must be a text of scopes separated by blanks, or a list of them`);
  return [...list];
}

/** @param {string} factory @param {unknown[]} list @returns {string[]} */
function names(factory, list) {
  const right = list.length > 0 && list.every((name) => typeof name === 'string' && name !== '');
  if (!right) throw wrongOption(`${factory}: the arguments must be names, at least one`);
  return /** @type {string[]} */ ([...list]);
}

/** @param {string} factory @param {Guard[]} guards */
function guardList(factory, guards) {
  const right = guards.length > 0 && guards.every((guard) => typeof guard?.evaluate === 'function');
  if (!right) throw wrongOption(`${factory}: the arguments must be guards, at least one`);
  return [...guards];
}

module.exports = {
  allOf,
  anyOf,
  check,
  requireAnyScope,
  requireAuthentication,
  requireClaim,
  requirePermissions,
  requireRoles,
  requireScopes,
};
