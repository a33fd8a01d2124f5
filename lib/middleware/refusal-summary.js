'use strict';

const { AsyncResource } = require('node:async_hooks');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('./log').Log} Log
 *
 * Refusals of one code. `example`: the first of them.
 * @typedef {{ count: number, example: DecisionEvent }} Counted
 */

/** Milliseconds that one summary is about. */
const PERIOD = 60_000;
/** Issuers counted in one period, as configured; those beyond are one more, `OTHER`. Codes are a closed set. */
const MOST_ISSUERS = 100;
const OTHER = 'other issuers';
/**
 * What a summary is written in: what was there when this file was loaded, which is with the middleware and in no request. A summary is
 * about several requests, and the context of none of them (its tenant, its user) may stand at the line.
 */
const noRequest = new AsyncResource('RemoteAgentAuthSummary');

/**
 * Sums up the refusals that are logged at debug alone, because API keys are tried instead: nobody has that level on. At most one line a
 * minute and issuer, however many tokens are refused. It is given the events of the very lines, so that what it says can be found by
 * its example's reference.
 */
class RefusalSummary {
  /** @type {Map<string, Map<string, Counted>>} */
  #issuers = new Map();
  /** @type {number | undefined} */
  #began;
  #log;
  #clock;
  #later;

  /**
   * @param {Log} log
   * @param {() => number} [clock] milliseconds, never back
   * @param {(run: () => void, milliseconds: number) => void} [later] calls `run` later, and keeps no process alive for it
   */
  constructor(
    log,
    clock = () => performance.now(),
    later = (run, milliseconds) => void setTimeout(run, milliseconds).unref(),
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#later = later;
  }

  /** @param {DecisionEvent} event of a refusal with a code */
  add(event) {
    // Timers may be late: a request after the end of the period ends it as well.
    if (this.#began !== undefined && this.#clock() - this.#began >= PERIOD) this.#write();
    if (this.#began === undefined) {
      const began = this.#clock();
      this.#began = began;
      noRequest.runInAsyncScope(() => this.#later(() => this.#ended(began), PERIOD));
    }
    const codes = this.#codesOf(event.issuer ?? 'unknown');
    const code = String(event.code);
    const known = codes.get(code);
    if (known === undefined) codes.set(code, { count: 1, example: event });
    else known.count += 1;
  }

  /** @param {number} began the period that a timer was set for; a request may have ended it meanwhile */
  #ended(began) {
    if (this.#began === began) this.#write();
  }

  /** @param {string} issuer */
  #codesOf(issuer) {
    const name = this.#issuers.has(issuer) || this.#issuers.size < MOST_ISSUERS ? issuer : OTHER;
    const codes = this.#issuers.get(name) ?? new Map();
    this.#issuers.set(name, codes);
    return codes;
  }

  #write() {
    const issuers = this.#issuers;
    this.#issuers = new Map();
    this.#began = undefined;
    noRequest.runInAsyncScope(() => {
      for (const [issuer, codes] of issuers) this.#log.warn(lineOf(issuer, codes));
    });
  }
}

/** @param {string} issuer @param {Map<string, Counted>} codes @returns {string} */
function lineOf(issuer, codes) {
  const counted = [...codes].sort(([, a], [, b]) => b.count - a.count);
  const total = counted.reduce((sum, [, { count }]) => sum + count, 0);
  const parts = counted.map(([code, { count, example }]) => `${count} ${code} (${explained(example)})`);
  const tokens = total === 1 ? '1 token' : `${total} tokens`;
  const were = total === 1 ? 'was' : 'were';
  return `in the last minute ${tokens} of issuer ${issuer} ${were} refused, API keys were tried instead: ${parts.join(', ')}`;
}

/** @param {DecisionEvent} event @returns {string} */
function explained({ expected, got, action, reference }) {
  const compared = [];
  if (expected !== undefined) compared.push(`expected ${expected}`);
  if (got !== undefined) compared.push(`got ${got}`);
  const said = compared.length === 0 ? '' : `${compared.join(', ')}; `;
  return `${said}${action === undefined ? '' : `${action} `}Example: reference ${reference}`;
}

/** One for all who write to one logger: hosts make a middleware per request. @type {WeakMap<object, RefusalSummary>} */
const summaries = new WeakMap();
/** In place of a logger that is not there. */
const NO_LOGGER = {};

/** @param {any} logger the host's @param {Log} log over it @returns {RefusalSummary} */
function summaryOf(logger, log) {
  const key = Object(logger ?? NO_LOGGER);
  const summary = summaries.get(key) ?? new RefusalSummary(log);
  summaries.set(key, summary);
  return summary;
}

module.exports = { RefusalSummary, summaryOf };
