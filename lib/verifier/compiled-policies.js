'use strict';

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {{ options: any, policy: CompiledPolicy }} Entry
 */

/** Issuers remembered, and policies of each. A service has a handful of policies; what is beyond is compiled again. */
const ISSUERS = 1000;
const POLICIES_OF_ONE = 32;
/** Deeper than any policy: the keys of an inline JWK Set are at 3. */
const DEPTH = 6;

/**
 * Compiled policies of options that are equal, member by member, to those compiled before. Equality is all that counts: hosts
 * write the options anew for every call, or change them between two calls. What was compiled is the copy that is compared with.
 */
class CompiledPolicies {
  /** @type {Map<unknown, Entry[]>} */
  #byIssuer = new Map();
  #compile;

  /** @param {(options: PolicyOptions) => CompiledPolicy} compile throws for options that are wrong; those are not remembered */
  constructor(compile) {
    this.#compile = compile;
  }

  /**
   * @param {PolicyOptions} options
   * @returns {CompiledPolicy}
   */
  find(options) {
    // A list is written anew as often as the options: its first issuer stands for it here, equality is what counts.
    const issuer = Array.isArray(options?.issuer) ? options.issuer[0] : options?.issuer;
    const known = this.#byIssuer.get(issuer);
    if (known !== undefined) {
      for (const entry of known) if (isSame(entry.options, options)) return entry.policy;
    }
    const copy = isPlain(options) ? copyOf(options, DEPTH) : undefined;
    // Something that is no plain data: whoever compiles decides what it means, each time.
    if (copy === undefined) return this.#compile(options);
    const policy = this.#compile(copy);
    this.#keep(issuer, { options: copy, policy });
    return policy;
  }

  /** @param {unknown} issuer @param {Entry} entry */
  #keep(issuer, entry) {
    const known = this.#byIssuer.get(issuer) ?? [];
    if (known.length >= POLICIES_OF_ONE) known.shift();
    known.push(entry);
    this.#byIssuer.set(issuer, known);
    if (this.#byIssuer.size > ISSUERS) this.#byIssuer.delete(this.#byIssuer.keys().next().value);
  }
}

/** @param {unknown} value @returns {value is Record<PropertyKey, unknown>} */
function isPlain(value) {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * @param {any} value
 * @param {number} depth
 * @returns {any} undefined for what is no plain data through and through
 */
function copyOf(value, depth) {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
  if (depth === 0) return undefined;
  const isList = Array.isArray(value);
  if (!isList && !isPlain(value)) return undefined;
  const copy = /** @type {any} */ (isList ? [] : Object.create(null));
  for (const key of /** @type {any[]} */ (isList ? [...value.keys()] : Reflect.ownKeys(value))) {
    if (typeof key === 'symbol' || !Object.prototype.propertyIsEnumerable.call(value, key)) return undefined;
    const member = value[key];
    const copied = copyOf(member, depth - 1);
    if (copied === undefined && member !== undefined) return undefined;
    copy[key] = copied;
  }
  return copy;
}

/** @param {any} copy made by `copyOf` @param {any} value @returns {boolean} */
function isSame(copy, value) {
  if (typeof copy !== 'object' || copy === null) return Object.is(copy, value);
  if (Array.isArray(copy)) {
    return (
      Array.isArray(value) && value.length === copy.length && copy.every((item, index) => isSame(item, value[index]))
    );
  }
  if (!isPlain(value)) return false;
  // Members that cannot be enumerated count as well: natively they do.
  const keys = Reflect.ownKeys(value);
  return (
    keys.length === Object.keys(copy).length &&
    keys.every((key) => Object.hasOwn(copy, key) && isSame(copy[key], value[key]))
  );
}

module.exports = { CompiledPolicies };
