'use strict';

const { createTimeLimit } = require('../events/time-limit');
const { printable, printableUrl } = require('../events/printable');
const { CompiledPolicies } = require('../verifier/compiled-policies');
const { wrongOption } = require('../verifier/errors');
const { KnownTokens } = require('./known-tokens');

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../../native').Failure} Failure
 * @typedef {import('../../index').BearerPolicy} BearerPolicy
 * @typedef {import('../../index').TokenVerifier} Verifier
 *
 * One issuer's policy. `paths`: where in its claims the facts of guards stand; `accepted`: every `iss` it can accept, undefined where a
 * verifier of the host's own has compiled it; `options`: what it was compiled from; `resolvedFor`: the `iss` that `resolvePolicy` gave it
 * for.
 * @typedef {{ policy: CompiledPolicy, options: object, scope: string | undefined, issuer: string, accepted: readonly string[] | undefined,
 *   paths: { roles: string[], permissions: string[], clientId: string[] }, resolvedFor?: string }} Entry
 *
 * @typedef {(untrustedIssuer: string, req: any) => BearerPolicy | null | undefined | Promise<BearerPolicy | null | undefined>} Resolve
 */

/** Access tokens only: this API is asked for nothing else (RFC 8725 3.11). A policy may say otherwise. */
const DEFAULT_TYP = 'preferred';
const PATHS = Object.freeze({ roles: ['roles', 'realm_access.roles'], permissions: ['permissions'], clientId: [] });
/** Sets of paths remembered: an operator has a handful; the rest are made anew. */
const PATH_SETS = 100;

/** Chooses the policy of a token among the operator's own, by exactly its `iss`. */
class Issuers {
  #verifier;
  #compiled;
  #resolve;
  #within;
  /** Only where there is a function. @type {import('./resolve-lanes').ResolveLanes | undefined} */
  #lanes;
  /** The one policy, where there is one: nothing has to be chosen. @type {Entry | undefined} */
  #only;
  /** @type {Map<string, Entry>} */
  #byIssuer = new Map();
  /** That of tokens which name no issuer, where the operator has said whose they are. @type {Entry | undefined} */
  #opaque;
  /** Those of the list as it is now, each an object of its own: one of an earlier list is none of them. @type {Set<Entry>} */
  #current = new Set();
  #known = new KnownTokens();
  /** The same object for the same paths, so that facts read before count. @type {Map<string, Entry['paths']>} */
  #paths = new Map();

  /** @param {Verifier} verifier @param {Resolve} [resolve] @param {number} [callbackTimeout] milliseconds that it may take; 0: no limit */
  constructor(verifier, resolve, callbackTimeout = 0) {
    this.#verifier = verifier;
    this.#resolve = resolve;
    this.#within = createTimeLimit(callbackTimeout);
    if (resolve !== undefined) this.#lanes = new (require('./resolve-lanes').ResolveLanes)();
    // What is compiled stays the same object while the options stay equal, and so do all outcomes remembered by it.
    this.#compiled = new CompiledPolicies((options) => verifier.compile(options));
  }

  /**
   * Replaces the list, at once and as a whole: a request under way ends by the policy it began with. Keys belong to their source and are
   * not fetched again for it; a list with an error changes nothing.
   * @param {BearerPolicy[]} policies
   * @throws {RemoteAuthError} for a policy that cannot be used, and for an `iss` that two of them accept
   */
  set(policies) {
    if (!Array.isArray(policies) || policies.length === 0)
      throw wrongOption('`issuers` must be a list of policies, not empty');
    const entries = policies.map((policy) => this.#entryOf(policy));
    const isOnly = entries.length === 1 && this.#resolve === undefined;
    const byIssuer = isOnly ? new Map() : placed(entries);
    const opaque = isOnly ? undefined : entries[opaqueAmong(policies)];
    this.#only = isOnly ? entries[0] : undefined;
    this.#byIssuer = byIssuer;
    this.#opaque = opaque;
    this.#current = new Set(byIssuer.values());
    this.#known.clear();
  }

  /**
   * Of a token that was accepted. A request that began before the list was replaced remembers nothing.
   * @param {string} token
   * @param {Entry} entry
   */
  remember(token, entry) {
    if (entry.resolvedFor !== undefined) this.#lanes?.prove(entry.resolvedFor);
    if (this.#current.has(entry)) this.#known.keep(token, entry);
  }

  /** Whether this very text was accepted a moment ago, as a token of this list. @param {string} token */
  hasAccepted(token) {
    if (this.#only === undefined) return this.#known.find(token) !== undefined;
    return this.#verifier.known?.(token, this.#only.policy) !== undefined;
  }

  /**
   * @param {string} token
   * @param {any} req for the operator's function
   * @returns {Entry | Failure | Promise<Entry | Failure>}
   */
  choose(token, req) {
    if (this.#only !== undefined) return this.#only;
    const known = this.#known.find(token);
    if (known !== undefined) return known;
    const { untrustedIssuer } = require('../verifier/native-check');
    const issuer = untrustedIssuer(token);
    if (issuer === null) return unknownIssuer(undefined);
    if (typeof issuer !== 'string') return this.#unread(issuer);
    const entry = this.#byIssuer.get(issuer);
    if (entry !== undefined || this.#resolve === undefined) return entry ?? unknownIssuer(issuer);
    return this.#resolved(issuer, this.#resolve, req);
  }

  /**
   * A token that is no JWT names nobody: it goes to the one provider that the operator has named, or to none.
   * @param {Failure} failure
   * @returns {Entry | Failure}
   */
  #unread(failure) {
    return failure.code === 'ERR_TOKEN_OPAQUE' ? (this.#opaque ?? failure) : failure;
  }

  /**
   * A function may give any policy: one of another issuer is not used at all, so that no keys of that one are asked for either.
   * @param {string} issuer
   * @param {Resolve} resolve
   * @param {any} req
   * @returns {Promise<Entry | Failure>}
   */
  async #resolved(issuer, resolve, req) {
    const leave = this.#lanes?.enter(issuer);
    if (leave === undefined) return tooManyCalls();
    let policy;
    try {
      policy = await this.#within('resolvePolicy', () => resolve(issuer, req));
    } catch (cause) {
      // Whatever it threw, an error of this package as well, says nothing of this token.
      return failedResolve(cause);
    } finally {
      leave();
    }
    if (policy === undefined || policy === null) return unknownIssuer(issuer);
    const entry = this.#entryOf(policy);
    return entry.accepted?.includes(issuer) ? { ...entry, resolvedFor: issuer } : unknownIssuer(issuer);
  }

  /** @param {BearerPolicy} options @returns {Entry} */
  #entryOf(options) {
    const { claimPaths, ...written } = Object(options);
    // A profile knows whether its provider issues more than ID tokens. An option that is undefined or null says nothing.
    const typ = written.typ ?? (written.profile === undefined ? DEFAULT_TYP : undefined);
    const policyOptions = { ...written, typ };
    const policy = this.#compiled.find(policyOptions);
    const { scope, issuer } = written;
    return {
      policy,
      options: policyOptions,
      scope,
      issuer: [issuer].flat()[0],
      accepted: acceptedBy(policy),
      paths: this.#pathsOf({ ...(written.profile !== undefined && profilePaths(written)), ...said(claimPaths) }),
    };
  }

  /** @param {NonNullable<BearerPolicy['claimPaths']>} written @returns {Entry['paths']} */
  #pathsOf(written) {
    const key = JSON.stringify(written);
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const paths = readPaths(written);
    if (this.#paths.size < PATH_SETS) this.#paths.set(key, paths);
    return paths;
  }
}

/** Where the provider of a profile writes them; compiled before, so that the profile is one. @param {any} policy */
function profilePaths(policy) {
  const { claimPathsOf } = require('../verifier/profiles');
  return claimPathsOf(policy);
}

/**
 * @param {Entry[]} entries
 * @returns {Map<string, Entry>}
 */
function placed(entries) {
  const byIssuer = new Map();
  for (const entry of entries) {
    if (entry.accepted === undefined) throw wrongOption('several issuers need the verifier of this package');
    for (const issuer of new Set(entry.accepted)) {
      if (byIssuer.has(issuer))
        throw wrongOption(`two policies of \`issuers\` accept the issuer ${printableUrl(issuer)}`);
      byIssuer.set(issuer, entry);
    }
  }
  return byIssuer;
}

/**
 * The place of the one of several policies whose provider is asked about tokens that are no JWT, or -1. A token is shown to no provider but
 * its own, and nothing in such a token says whose it is: the operator has to.
 * @param {BearerPolicy[]} policies each of which can be compiled
 * @returns {number}
 */
function opaqueAmong(policies) {
  const nameOf = (/** @type {BearerPolicy} */ { issuer }) => shown([issuer].flat()[0] ?? '');
  const silent = policies.find(({ introspection }) => introspection && !introspection.opaque && !introspection.also);
  if (silent !== undefined) {
    throw wrongOption(
      `among several issuers the \`introspection\` of ${nameOf(silent)} must say \`opaque: true\` (its provider is asked about every token ` +
        'that is no JWT) or `also: true` (about JWTs of its own)',
    );
  }
  const asked = policies.filter(({ introspection }) => introspection?.opaque);
  if (asked.length > 1) {
    const names = asked.map(nameOf).join(' and ');
    throw wrongOption(
      `only one policy of \`issuers\` may have \`introspection.opaque\`, and those of ${names} have it`,
    );
  }
  return policies.findIndex(({ introspection }) => introspection?.opaque);
}

/** @param {CompiledPolicy} policy */
function acceptedBy(policy) {
  const { policyIssuers } = require('../verifier/native-check');
  return policyIssuers(policy) ?? undefined;
}

/** What `claimPaths` says: what is undefined or null in it takes nothing away from a profile. @param {any} claimPaths */
function said(claimPaths = {}) {
  if (typeof claimPaths !== 'object' || claimPaths === null || Array.isArray(claimPaths)) {
    throw wrongOption('claimPaths must be an object of roles, permissions, clientId');
  }
  return Object.fromEntries(Object.entries(claimPaths).filter(([, path]) => path !== undefined && path !== null));
}

/** @param {any} written @returns {Entry['paths']} */
function readPaths(written) {
  const unknown = Object.keys(Object(written)).find((name) => !Object.hasOwn(PATHS, name));
  if (unknown !== undefined)
    throw wrongOption(`claimPaths: there is no "${unknown}", but roles, permissions, clientId`);
  /** @param {keyof typeof PATHS} name */
  const read = (name) => {
    const paths = [written[name] ?? PATHS[name]].flat();
    if (paths.every((path) => typeof path === 'string' && path !== '')) return paths;
    throw wrongOption(`claimPaths.${name} must be the path of a claim, or a list of paths`);
  };
  return { roles: read('roles'), permissions: read('permissions'), clientId: read('clientId') };
}

/** @param {string | undefined} issuer as the token has it @returns {Failure} */
function unknownIssuer(issuer) {
  const got = issuer === undefined ? {} : { got: shown(issuer) };
  return {
    ok: false,
    code: 'ERR_TOKEN_ISSUER',
    fault: 'token',
    message: '`iss` is none of the configured issuers',
    ...got,
  };
}

/** @returns {Failure} */
function tooManyCalls() {
  const message = 'too many calls of `resolvePolicy` are under way';
  return { ok: false, code: 'ERR_OVERLOADED', fault: 'capacity', message, retryAfter: 1 };
}

/** @param {unknown} cause @returns {Failure} */
function failedResolve(cause) {
  const failure = { ok: false, code: 'ERR_INTERNAL', fault: 'internal', message: '`resolvePolicy` failed', cause };
  return /** @type {Failure} */ (failure);
}

/** What came, without what may be the address of a person, as natively. @param {string} text @returns {string} */
function shown(text) {
  return text.includes('@') ? '<address>' : printable(text);
}

/** @param {Entry | Failure} chosen @returns {chosen is Failure} */
function isFailure(chosen) {
  return 'ok' in chosen;
}

module.exports = { Issuers, isFailure };
