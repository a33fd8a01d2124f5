'use strict';

// The native verifier as JavaScript objects and errors. In lib the one importer of the binding, and the one place that
// sees its "outcome now, or a promise of it".

const { performance } = require('node:perf_hooks');
const { RemoteAuthError } = require('./errors');
const { RecentOutcomes } = require('./recent-outcomes');
const { trustedCertificates } = require('./trust');

/**
 * @typedef {import('../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../native').Outcome} Outcome
 * @typedef {import('../native').PolicyOptions} PolicyOptions
 */

// native.d.ts says the same as the generated types, with codes as a closed set and handles that nothing else passes for.
/** @type {typeof import('../native') & Pick<typeof import('../binding'), 'trustCertificates'>} */
const binding = /** @type {any} */ (require('../binding'));

let trusting = false;

/** Reading Node's certificates takes milliseconds, so it waits for a policy that can lead to an https fetch. */
function trustNodesCertificates() {
  if (trusting) return;
  binding.trustCertificates(trustedCertificates());
  trusting = true;
}

/** LibreChat's clock: whole seconds are what claims are compared with; fractions are cut natively. */
const systemClock = () => Date.now() / 1000;

const OPTIONS = ['clock', 'verdictCache'];

class RemoteTokenVerifier {
  #native;
  #clock;
  /** Undefined where every signature is to be verified. */
  #recent;
  /** @type {() => number} */
  #changes;

  /** @param {{ clock?: () => number, verdictCache?: boolean }} [options] */
  constructor(options = {}) {
    const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) throw wrongOption(unknown, `is not an option; there are ${OPTIONS.join(' and ')}`);
    const { clock = systemClock, verdictCache = true } = options;
    if (typeof clock !== 'function') throw wrongOption('clock', 'must be a function that returns seconds');
    if (typeof verdictCache !== 'boolean') throw wrongOption('verdictCache', 'must be true or false');
    this.#clock = clock;
    this.#native = binding.createRemoteAgentAuth({ verdictCache });
    this.#recent = verdictCache ? new RecentOutcomes() : undefined;
    this.#changes = () => this.#native.changes();
  }

  /**
   * @param {PolicyOptions} options
   * @returns {CompiledPolicy}
   */
  compile(options) {
    const policy = binding.compilePolicy(withKeysAsText(options));
    if ('ok' in policy) throw new RemoteAuthError(policy);
    if (needsTrust(options)) trustNodesCertificates();
    return policy;
  }

  /**
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @returns {Outcome | Promise<Outcome>}
   */
  check(token, policy) {
    const now = this.#clock();
    const recent = this.#recent;
    if (recent === undefined) return this.#native.check(token, policy, now);
    const monotonic = performance.now();
    const known = typeof token === 'string' && recent.find(token, policy, now, monotonic, this.#changes);
    if (known) return known;
    // Read before the check: what changes meanwhile makes the entry worthless, never wrong.
    const epoch = this.#changes();
    const outcome = this.#native.check(token, policy, now);
    if ('ok' in outcome && outcome.ok) this.#remember(token, policy, epoch, monotonic, outcome);
    return outcome;
  }

  /**
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @param {number} epoch
   * @param {number} monotonic
   * @param {import('../native').Success} outcome
   */
  #remember(token, policy, epoch, monotonic, outcome) {
    const [from, until] = /** @type {[number, number]} */ (outcome.verdict.holds());
    const freshUntil = monotonic + this.#native.freshFor(policy);
    // Many requests will get this very object.
    Object.freeze(outcome.scopes);
    this.#recent?.keep({ token, policy, epoch, from, until, freshUntil, outcome: Object.freeze(outcome) });
  }

  /**
   * @param {import('../native').Verdict} verdict
   * @param {CompiledPolicy} policy
   * @returns {Outcome | Promise<Outcome>}
   */
  recheck(verdict, policy) {
    return this.#native.recheck(verdict, policy, this.#clock());
  }

  /**
   * @param {string} token
   * @param {PolicyOptions} policy
   */
  async verify(token, policy) {
    const outcome = await this.check(token, this.compile(policy));
    if (!outcome.ok) throw new RemoteAuthError(outcome);
    const { ok, verdict, claims, header, emailClaimProblem, ...rest } = outcome;
    return { claims: JSON.parse(claims), header: JSON.parse(header), ...rest };
  }

  /** @param {PolicyOptions} policy */
  async prefetch(policy) {
    const outcome = await this.#native.prefetch(this.compile(policy));
    if (!outcome.ok) throw new RemoteAuthError(outcome);
  }

  /** @returns {any} */
  stats() {
    return JSON.parse(this.#native.stats());
  }

  clear() {
    this.#recent?.clear();
    this.#native.clear();
  }
}

/** Keys at hand, and a plain http URL of this machine, do without certificates. @param {PolicyOptions} options */
function needsTrust({ jwks, jwksFile, jwksUri, proxy }) {
  if (jwks !== undefined || jwksFile !== undefined) return false;
  return Boolean(proxy) || !/^\s*http:/i.test(`${jwksUri}`);
}

/**
 * Keys cross as one text, parsed by the same reader as a provider's.
 * @param {PolicyOptions} options
 * @returns {PolicyOptions}
 */
function withKeysAsText(options) {
  if (typeof options !== 'object' || options === null || !Object.hasOwn(options, 'jwks')) return options;
  const { jwks } = options;
  if (typeof jwks !== 'object' || jwks === null) return options;
  try {
    return { ...options, jwks: JSON.stringify(jwks) };
  } catch {
    throw wrongOption('jwks', 'must be a JWK Set: an object that JSON can say');
  }
}

/**
 * @param {string} name
 * @param {string} expected
 */
function wrongOption(name, expected) {
  return new RemoteAuthError({ code: 'ERR_POLICY_OPTION', fault: 'config', message: `\`${name}\` ${expected}` });
}

module.exports = { RemoteTokenVerifier };
