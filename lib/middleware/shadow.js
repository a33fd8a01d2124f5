'use strict';

// A second policy that decides nothing: what it would have done with each token, where that is something else. Nothing of it reaches the
// request: what it throws costs its own line, and what it must wait for is not waited for.

const { createLog, limitOf } = require('./log');
const { shadows } = require('../events/channels');
const { shownIssuer } = require('../events/observation');
const { printable } = require('../events/printable');
const { createPolicyExtra } = require('../policy/option');
const { wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').RemoteAgentAuthOptions} Options
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('../policy/oidc-config').OidcFields} OidcFields
 * @typedef {import('../policy/option').PolicyExtra} PolicyExtra
 * @typedef {(fields: OidcFields, tenantId: string | undefined) => { fields: OidcFields, extra: PolicyExtra } | undefined} Reader
 * @typedef {NonNullable<DecisionEvent['shadow']>} Difference
 *
 * The difference, where there is one and it is known at once.
 * @typedef {(token: string, fields: OidcFields, tenantId: string | undefined, decided: Outcome) => Difference | undefined} Shadow
 */

/** Milliseconds between two lines. */
const PAUSE = 60_000;
/** Kinds of differences counted between two lines; what comes beyond is counted together. */
const MOST_KINDS = 50;
/** Kinds named in one line, the most frequent. */
const MOST_NAMED = 5;
/** Checks under way that wait for keys or a thread; a request beyond that has no shadow. */
const MOST_WAITING = 100;
const FACTORY = 'createRemoteAgentAuth: the option shadow:';

/** One summary for all who write to one logger: hosts make a middleware per request. @type {WeakMap<object, Summary>} */
const summaries = new WeakMap();
const NO_LOGGER = {};
/** An object is the same for every `oidc` block. */
const NO_FIELDS = Object.freeze({ issuer: undefined, audience: undefined, jwksUri: undefined, scope: undefined });

/**
 * @param {NonNullable<Options['shadow']>} shadow
 * @param {Options['policy']} policy the option whose members it replaces
 * @param {{ verifier: import('../../index').TokenVerifier, policies: import('../policy/policy-cache').PolicyCache, logger: any,
 *   prove(extra: PolicyExtra): void }} on `prove` throws for options that cannot be used
 * @returns {Shadow}
 * @throws {RemoteAuthError} ERR_POLICY_OPTION for an object that is no policy
 */
function createShadow(shadow, policy, { verifier, policies, logger, prove }) {
  const read = readerOf(shadow, policy);
  const fixed = typeof shadow === 'function' || typeof policy === 'function' ? undefined : read(NO_FIELDS, undefined);
  if (fixed !== undefined) prove(fixed.extra);
  const log = createLog(logger);
  const mayWarn = limitOf(logger);
  const summary = summaries.get(Object(logger ?? NO_LOGGER)) ?? new Summary(log);
  summaries.set(Object(logger ?? NO_LOGGER), summary);
  let waiting = 0;
  const fails = (/** @type {unknown} */ error) => {
    if (mayWarn('shadow policy'))
      log.warn('the shadow policy cannot be asked; requests are decided as without it', error);
  };
  return (token, fields, tenantId, decided) => {
    if (isUndecided(decided) || waiting >= MOST_WAITING) return undefined;
    try {
      const wanted = read(fields, tenantId);
      if (wanted === undefined) return undefined;
      const { policy: compiled, failure } = policies.find(wanted.fields, wanted.extra);
      if (compiled === undefined) throw failure;
      const checked = verifier.check(token, compiled);
      if (!('then' in checked)) return summary.add(fields.issuer, differenceOf(decided, checked));
      waiting += 1;
      checked
        .then((outcome) => void summary.add(fields.issuer, differenceOf(decided, outcome)), fails)
        .finally(() => (waiting -= 1));
    } catch (error) {
      fails(error);
    }
    return undefined;
  };
}

/**
 * What an outcome says nothing about: keys that could not be had. Asking for them a second time would take the place of another request,
 * whose budget it is too.
 * @param {Outcome} outcome
 */
function isUndecided(outcome) {
  return !outcome.ok && (outcome.code.startsWith('ERR_KEY_') || !['token', 'scope'].includes(outcome.fault));
}

/**
 * The policy that a request is checked by a second time: that of the configuration and the option `policy`, with the members of `shadow` in
 * the place of theirs.
 * @param {NonNullable<Options['shadow']>} shadow
 * @param {Options['policy']} policy
 * @returns {Reader}
 */
function readerOf(shadow, policy) {
  if (typeof shadow !== 'function' && typeof policy !== 'function') {
    const { audience, extra } = partsOf(shadow, policy);
    const fixed = createPolicyExtra(/** @type {any} */ (extra), FACTORY);
    return (fields, tenantId) => ({ fields: withAudience(fields, audience), extra: fixed(fields, tenantId) });
  }
  return (fields, tenantId) => {
    const of = (/** @type {any} */ option) =>
      typeof option === 'function' ? option({ ...fields }, { tenantId }) : option;
    const own = of(shadow);
    if (own === null || own === undefined) return undefined;
    const { audience, extra } = partsOf(own, of(policy));
    const made = createPolicyExtra(() => extra, FACTORY)(fields, tenantId);
    return { fields: withAudience(fields, audience), extra: made };
  };
}

/** @param {any} shadow @param {any} policy */
function partsOf(shadow, policy) {
  if (typeof shadow !== 'object' || shadow === null || Array.isArray(shadow))
    throw wrongOption(`${FACTORY} must be an object, or a function that returns one`);
  if ('then' in shadow) throw wrongOption(`${FACTORY} must not be asynchronous`);
  const { audience, ...extra } = shadow;
  if (audience !== undefined && typeof audience !== 'string' && !isTexts(audience))
    throw wrongOption(`${FACTORY} audience must be a text or a list of texts`);
  return { audience: Array.isArray(audience) ? [...audience] : audience, extra: { ...policy, ...extra } };
}

/** @param {unknown} value */
function isTexts(value) {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
}

/** @param {OidcFields} fields @param {unknown} audience @returns {OidcFields} */
function withAudience(fields, audience) {
  return audience === undefined ? fields : { ...fields, audience };
}

/** @param {Outcome} decided @param {Outcome} shadowed @returns {Difference | undefined} */
function differenceOf(decided, shadowed) {
  if (decided.ok === shadowed.ok || isUndecided(shadowed)) return undefined;
  if (shadowed.ok) return Object.freeze({ outcome: /** @type {const} */ ('accepted') });
  const { code, expected, got } = shadowed;
  return Object.freeze({
    outcome: /** @type {const} */ ('refused'),
    code,
    ...(expected !== undefined && { expected: printable(expected) }),
    ...(got !== undefined && { got: printable(got) }),
  });
}

/** Differences since the last line, and when that was. */
class Summary {
  /** @type {Map<string, { count: number, difference: Difference }>} */
  #kinds = new Map();
  #last = Number.NEGATIVE_INFINITY;
  #log;
  #clock;

  /** @param {import('./log').Log} log @param {() => number} [clock] milliseconds, never back */
  constructor(log, clock = () => performance.now()) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param {unknown} issuer the configured one @param {Difference | undefined} difference @returns {Difference | undefined} the same */
  add(issuer, difference) {
    if (difference === undefined) return undefined;
    const shown = shownIssuer(issuer);
    if (shadows.hasSubscribers) shadows.publish(Object.freeze({ time: Date.now(), issuer: shown, ...difference }));
    const name = `${difference.outcome} ${difference.code ?? ''} of issuer ${shown}`;
    const kind = this.#kinds.has(name) || this.#kinds.size < MOST_KINDS ? name : 'others';
    this.#kinds.set(kind, { count: (this.#kinds.get(kind)?.count ?? 0) + 1, difference });
    const now = this.#clock();
    if (now - this.#last >= PAUSE) {
      this.#last = now;
      this.#log.warn(lineOf([...this.#kinds]));
      this.#kinds.clear();
    }
    return difference;
  }
}

/** @param {[string, { count: number, difference: Difference }][]} kinds */
function lineOf(kinds) {
  const sum = kinds.reduce((all, [, { count }]) => all + count, 0);
  const named = kinds
    .sort(([, a], [, b]) => b.count - a.count)
    .slice(0, MOST_NAMED)
    .map(
      ([
        name,
        {
          count,
          difference: { expected, got },
        },
      ]) => {
        const detail =
          expected === undefined ? '' : ` (expected ${expected}${got === undefined ? '' : `, got ${got}`})`;
        return `${count} ${name}${detail}`;
      },
    );
  const more = kinds.length > MOST_NAMED ? `, and ${kinds.length - MOST_NAMED} more kinds` : '';
  return `the shadow policy differs in ${sum} ${sum === 1 ? 'request' : 'requests'} since the last such line, and decides nothing; it would have: ${named.join(', ')}${more}`;
}

module.exports = { Summary, createShadow };
