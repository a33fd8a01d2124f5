'use strict';

// The native verifier for middlewares that keep their own flow: the functions Rust exports, with results as plain objects. Node's
// certificates are handed over at load: nothing here knows which policies will lead to an https fetch.

const binding = require('./binding');
const { trustedCertificates } = require('./lib/verifier/certificates');
const { RemoteAuthError } = require('./lib/verifier/errors');
const { hinted, prepared, refusalOf, rememberProfile, settled } = require('./lib/verifier/native-check');
const { plain } = require('./lib/verifier/outcome');

/**
 * @typedef {import('./binding').EncodedResult} EncodedResult
 * @typedef {import('./native').CompiledPolicy} CompiledPolicy
 * @typedef {import('./native').Outcome} Outcome
 * @typedef {import('./native').PolicyOptions} PolicyOptions
 * @typedef {import('./native').RecheckHandle} RecheckHandle
 */

binding.trustCertificates(trustedCertificates());

/** @param {EncodedResult | Promise<EncodedResult>} result @returns {Outcome | Promise<Outcome>} */
function outcomeOf(result) {
  const outcome = settled(undefined, result);
  return 'then' in outcome ? outcome.then(plain) : plain(outcome);
}

/**
 * Calls with the policy as native code reads it. A profile that is wrong is a refusal, like any other option.
 * @template T
 * @param {PolicyOptions | CompiledPolicy} policy
 * @param {(written: any) => T} call
 * @returns {T | import('./native').Failure}
 */
function withPolicy(policy, call) {
  try {
    return call(prepared(policy));
  } catch (error) {
    if (!(error instanceof RemoteAuthError)) throw error;
    const { code, fault, message } = error;
    return { ok: false, code, fault, message };
  }
}

class RemoteAgentAuth {
  #native;

  /** @param {Parameters<typeof binding.createRemoteAgentAuth>[0]} settings */
  constructor(settings) {
    this.#native = binding.createRemoteAgentAuth(settings);
  }

  /** @param {string} token @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
  check(token, policy, now) {
    return withPolicy(policy, (written) => hinted(policy, outcomeOf(this.#native.check(token, written, now))));
  }

  /** @param {RecheckHandle} handle @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
  recheck(handle, policy, now) {
    return withPolicy(policy, (written) => hinted(policy, outcomeOf(this.#native.recheck(handle, written, now))));
  }

  /** @param {PolicyOptions | CompiledPolicy} policy */
  async prefetch(policy) {
    return withPolicy(policy, async (written) => {
      const refused = await this.#native.prefetch(written);
      return refused === null ? { ok: true } : refusalOf(refused);
    });
  }

  clear() {
    this.#native.clear();
  }

  stats() {
    return this.#native.stats();
  }
}

/** @param {Parameters<typeof binding.createRemoteAgentAuth>[0]} [settings] */
function createRemoteAgentAuth(settings) {
  return new RemoteAgentAuth(settings);
}

/** @param {PolicyOptions} options */
function compilePolicy(options) {
  return withPolicy(options, (written) => {
    const policy = binding.compilePolicy(written);
    if (Array.isArray(policy)) return refusalOf(/** @type {EncodedResult} */ (policy));
    rememberProfile(policy, options);
    return policy;
  });
}

/** @param {string} token @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
function verifyRemoteToken(token, policy, now) {
  const outcome = withPolicy(policy, (written) =>
    hinted(policy, outcomeOf(binding.verifyRemoteToken(token, written, now))),
  );
  return Promise.resolve(outcome);
}

// Plain names, so that `import { ... }` finds them without running this file.
module.exports = { compilePolicy, createRemoteAgentAuth, verifyRemoteToken };
