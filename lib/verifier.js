'use strict';

// The native verifier as JavaScript objects and errors. In lib the one importer of the binding, and the one place that
// sees its "outcome now, or a promise of it".

const { RemoteAuthError } = require('./errors');
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

  /** @param {{ clock?: () => number, verdictCache?: boolean }} [options] */
  constructor(options = {}) {
    const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) throw wrongOption(unknown, `is not an option; there are ${OPTIONS.join(' and ')}`);
    const { clock = systemClock, verdictCache = true } = options;
    if (typeof clock !== 'function') throw wrongOption('clock', 'must be a function that returns seconds');
    if (typeof verdictCache !== 'boolean') throw wrongOption('verdictCache', 'must be true or false');
    this.#clock = clock;
    this.#native = binding.createRemoteAgentAuth({ verdictCache });
  }

  /**
   * @param {PolicyOptions} options
   * @returns {CompiledPolicy}
   */
  compile(options) {
    const policy = binding.compilePolicy(options);
    if ('ok' in policy) throw new RemoteAuthError(policy);
    // Only keys at a plain http URL of this machine can do without certificates.
    if (!/^\s*http:/i.test(`${options.jwksUri}`)) trustNodesCertificates();
    return policy;
  }

  /**
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @returns {Outcome | Promise<Outcome>}
   */
  check(token, policy) {
    return this.#native.check(token, policy, this.#clock());
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
    this.#native.clear();
  }
}

/**
 * @param {string} name
 * @param {string} expected
 */
function wrongOption(name, expected) {
  return new RemoteAuthError({ code: 'ERR_POLICY_OPTION', fault: 'config', message: `\`${name}\` ${expected}` });
}

module.exports = { RemoteTokenVerifier, trustNodesCertificates };
