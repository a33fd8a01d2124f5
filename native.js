'use strict';

// The native verifier for middlewares that keep their own flow: the functions Rust exports, with results as plain objects. Node's
// certificates are handed over at load: nothing here knows which policies will lead to an https fetch.

const binding = require('./binding');
const { trustedCertificates } = require('./lib/verifier/certificates');
const { refusalOf, settled, withKeysAsText } = require('./lib/verifier/native-check');
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

class RemoteAgentAuth {
  #native;

  /** @param {Parameters<typeof binding.createRemoteAgentAuth>[0]} settings */
  constructor(settings) {
    this.#native = binding.createRemoteAgentAuth(settings);
  }

  /** @param {string} token @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
  check(token, policy, now) {
    return outcomeOf(this.#native.check(token, withKeysAsText(policy), now));
  }

  /** @param {RecheckHandle} handle @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
  recheck(handle, policy, now) {
    return outcomeOf(this.#native.recheck(handle, withKeysAsText(policy), now));
  }

  /** @param {PolicyOptions | CompiledPolicy} policy */
  prefetch(policy) {
    return this.#native
      .prefetch(withKeysAsText(policy))
      .then((refused) => (refused === null ? { ok: true } : refusalOf(refused)));
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
  const policy = binding.compilePolicy(withKeysAsText(options));
  return Array.isArray(policy) ? refusalOf(/** @type {EncodedResult} */ (policy)) : policy;
}

/** @param {string} token @param {PolicyOptions | CompiledPolicy} policy @param {number} [now] */
function verifyRemoteToken(token, policy, now) {
  return /** @type {Promise<Outcome>} */ (outcomeOf(binding.verifyRemoteToken(token, withKeysAsText(policy), now)));
}

// Plain names, so that `import { ... }` finds them without running this file.
module.exports = { compilePolicy, createRemoteAgentAuth, verifyRemoteToken };
