'use strict';

// The native verifier as JavaScript objects and errors, and the one place that sees its "outcome now, or a promise of it".

const { performance } = require('node:perf_hooks');
const { RemoteAuthError, wrongOption } = require('./errors');
const { OutcomeCache, holds } = require('./outcome-cache');
const nativeCheck = require('./native-check');
const { Success } = require('./outcome');
const { MAX_QUEUED } = require('./wire-layout').LIMITS;

/**
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 */

const { checkToken, compilePolicy, hinted, keyChanges, refusalOf, settled, tokenEvidence } = nativeCheck;
const { USE_SIGNATURE_CACHE, WITH_FRESHNESS, WITH_HANDLE } = nativeCheck.FLAGS;

/** LibreChat's clock: whole seconds are what claims are compared with; fractions are cut natively. */
const systemClock = () => Date.now() / 1000;

/** @param {RemoteTokenVerifier} verifier */
function newMemory(verifier) {
  const { CompiledPolicies } = require('./compiled-policies');
  return new CompiledPolicies((options) => verifier.compile(options));
}

/** Seconds by which the wall clock may be ahead of the monotonic one before that counts as sleep: less is the clock being set. */
const CLOCK_SET = 5;

/** An opaque token is shown to its own provider alone (RFC 7662 4): a policy of another one, which would ask there, is not its own. */
const OF_ANOTHER = /** @type {Outcome} */ (
  Object.freeze({
    ok: false,
    code: 'ERR_TOKEN_ISSUER',
    fault: 'token',
    message: 'the token is no JWT, and another issuer has called it active than the policy has',
  })
);

const OPTIONS = ['clock', 'maxQueued', 'sharedClaims', 'verdictCache'];

class RemoteTokenVerifier {
  #native;
  #clock;
  #maxQueued;
  /** Undefined where every signature is to be verified. */
  #recent;
  #sharedClaims;
  /** Only of `verify`, whose callers pass options anew each time. @type {import('./compiled-policies').CompiledPolicies | undefined} */
  #policies;

  /** @param {import('../../index').RemoteTokenVerifierOptions} [options] */
  constructor(options = {}) {
    const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
    if (unknown !== undefined) throw wrongOption(`\`${unknown}\` is not an option; there are ${OPTIONS.join(', ')}`);
    const { clock = systemClock, sharedClaims = false, verdictCache = true, maxQueued = MAX_QUEUED } = options;
    if (typeof clock !== 'function') throw wrongOption('`clock` must be a function that returns seconds');
    if (typeof sharedClaims !== 'boolean') throw wrongOption('`sharedClaims` must be true or false');
    if (typeof verdictCache !== 'boolean') throw wrongOption('`verdictCache` must be true or false');
    if (!(Number.isInteger(maxQueued) && maxQueued >= 0 && maxQueued <= MAX_QUEUED)) {
      throw wrongOption(`\`maxQueued\` must be a whole number from 0 to ${MAX_QUEUED}`);
    }
    this.#clock = clock;
    this.#maxQueued = maxQueued;
    this.#sharedClaims = sharedClaims;
    this.#native = nativeCheck.createRemoteAgentAuth({ verdictCache, maxQueued });
    this.#recent = verdictCache ? new OutcomeCache() : undefined;
  }

  /** The clock that tokens are checked by: seconds since 1970. @returns {number} */
  now() {
    return this.#clock();
  }

  /**
   * @param {PolicyOptions} options
   * @returns {CompiledPolicy}
   */
  compile(options) {
    return compilePolicy(options);
  }

  /**
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @param {{ forRecheck?: boolean }} [options]
   * @returns {Outcome | Promise<Outcome>}
   */
  check(token, policy, options) {
    const now = this.#clock();
    const recent = this.#recent;
    const forRecheck = options?.forRecheck === true;
    if (recent === undefined && !forRecheck) return checkToken(token, policy, now, 0, this.#maxQueued);
    const monotonic = performance.now();
    if (recent !== undefined && typeof token === 'string') {
      const known = recent.find(token, policy, now, monotonic, keyChanges);
      if (known !== undefined) return known;
    }
    const flags = WITH_FRESHNESS | (recent === undefined ? WITH_HANDLE : USE_SIGNATURE_CACHE);
    return this.#checked(token, policy, now, monotonic, flags);
  }

  /**
   * The outcome that `check` would give again, from memory. A host's own `check` is asked about every token.
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @returns {import('../../native').Success | undefined} undefined: `check` knows
   */
  known(token, policy) {
    if (this.#recent === undefined || typeof token !== 'string' || this.check !== own.check) return undefined;
    return this.#recent.find(token, policy, this.#clock(), performance.now(), keyChanges);
  }

  /**
   * The outcome of a native check, kept for as long as it is good.
   * @param {string} token
   * @param {CompiledPolicy} policy
   * @param {number} now seconds of wall time when the check began
   * @param {number} monotonic the same, in milliseconds of the monotonic clock
   * @param {number} flags
   */
  #checked(token, policy, now, monotonic, flags) {
    return checkToken(token, policy, now, flags, this.#maxQueued, (outcome, { from, until, freshFor, epoch }) => {
      const entry = {
        token,
        policy,
        epoch,
        from,
        // The monotonic clock may stand still while the machine sleeps; then the wall clock says that the keys may have to be refreshed.
        until: Math.min(until, now + freshFor / 1000 + CLOCK_SET),
        freshUntil: monotonic + freshFor,
        outcome,
        by: this,
      };
      Success.date(outcome, entry);
      // What the provider is asked about is good for no second time.
      if (freshFor > 0) this.#recent?.keep(entry);
      // Many requests may get this very object.
      Object.freeze(outcome);
    });
  }

  /**
   * Whether `check` would give this outcome of its own again for this policy, now. What a host's own `check` or `recheck` would say is not known
   * here.
   * @param {Outcome} outcome
   * @param {CompiledPolicy} policy
   * @returns {boolean}
   */
  stillHolds(outcome, policy) {
    const entry = Success.entryOf(outcome);
    if (entry?.policy !== policy || entry.by !== this) return false;
    if (this.check !== own.check || this.recheck !== own.recheck) return false;
    return holds(entry, this.#clock(), performance.now(), keyChanges);
  }

  /**
   * @param {import('../../native').RecheckHandle} verdict
   * @param {CompiledPolicy} policy
   * @returns {Outcome | Promise<Outcome>}
   */
  recheck(verdict, policy) {
    const now = this.#clock();
    const verified = Success.behind(verdict);
    if (verified?.isOpaque && !nativeCheck.shareIssuer(Success.entryOf(verdict)?.policy, policy)) return OF_ANOTHER;
    if (verified?.token === undefined || verified.handle !== undefined) {
      return hinted(policy, settled(verified?.token, this.#native.recheck(verified?.handle ?? verdict, policy, now)));
    }
    if (this.#recent === undefined) return checkToken(verified.token, policy, now, 0, this.#maxQueued);
    // By the token's text: a handle costs more for every token than reading the text does for one that is rechecked, and would
    // keep the native copy of it for as long as the outcome is kept.
    const known = this.#recent.find(verified.token, policy, now, performance.now(), keyChanges);
    return known ?? checkToken(verified.token, policy, now, USE_SIGNATURE_CACHE, this.#maxQueued);
  }

  /**
   * What an operator can compare beside a decision. It decides nothing.
   * @param {string} token
   * @param {CompiledPolicy} policy
   */
  evidence(token, policy) {
    return tokenEvidence(token, policy, this.#clock());
  }

  /**
   * Asked natively only where the keys have come to the time of their refresh.
   * @param {Outcome} outcome
   * @param {CompiledPolicy} policy
   */
  keyState(outcome, policy) {
    const entry = Success.entryOf(outcome);
    if (entry?.by === this && performance.now() < entry.freshUntil) return 'fresh';
    return this.evidence('', policy)?.keys;
  }

  /**
   * The claims of a good token: a fresh object for each call, or with `sharedClaims` the same deep-frozen one for everybody.
   * @param {import('../../native').Success} outcome
   * @returns {Record<string, unknown>}
   */
  claimsOf(outcome) {
    const claims = this.#sharedClaims ? Success.sharedClaimsOf(outcome) : Success.freshClaimsOf(outcome);
    return claims ?? JSON.parse(outcome.claims);
  }

  /**
   * @param {string} token
   * @param {PolicyOptions} policy
   */
  async verify(token, policy) {
    this.#policies ??= newMemory(this);
    const checked = this.check(token, this.#policies.find(policy));
    const outcome = 'then' in checked ? await checked : checked;
    if (!outcome.ok) throw new RemoteAuthError(outcome);
    const { subject, oid, email, emailSource, emailVerified, scopes, expiresAt } = outcome;
    return {
      claims: this.claimsOf(outcome),
      header: Success.freshHeaderOf(outcome) ?? JSON.parse(outcome.header),
      subject,
      ...(oid !== undefined && { oid }),
      ...(email !== undefined && { email, emailSource }),
      ...(emailVerified !== undefined && { emailVerified }),
      scopes: [...scopes],
      ...(expiresAt !== undefined && { expiresAt }),
    };
  }

  /** @param {PolicyOptions} policy */
  async prefetch(policy) {
    const refused = await this.#native.prefetch(this.compile(policy));
    if (refused !== null) throw new RemoteAuthError(refusalOf(refused));
  }

  /** @param {import('../../index').Revocation} revocation */
  revoke(revocation) {
    require('./revocation').revoke(revocation);
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

/** As they are here: a host may put others in their place, in a class of its own, in one verifier or in all. */
const { check, recheck } = RemoteTokenVerifier.prototype;
const own = { check, recheck };

module.exports = { RemoteTokenVerifier };
