'use strict';

/**
 * @typedef {import('../../index').RemoteAgentAuthLogger} Logger
 * @typedef {'debug' | 'info' | 'warn' | 'error'} Level
 * @typedef {{ [level in Level]: (message: string, detail?: unknown) => void }} Log
 */

const PREFIX = '[remoteAgentAuth] ';

/** @type {Logger} */
const consoleLogger = {
  debug() {},
  info() {},
  warn: (...args) => console.warn(...args),
  error: (...args) => console.error(...args),
};

/**
 * The logger every line of a request goes through. A logger that throws, rejects or lacks a level
 * costs the line, never the request: otherwise a full disk would lock callers out.
 * @param {Partial<Logger>} [logger] winston's shape; warn and error to the console when absent
 * @param {string} [prefix] what every line begins with
 * @returns {Log}
 */
function createLog(logger = consoleLogger, prefix = PREFIX) {
  /** @param {Level} level @returns {(message: string, detail?: unknown) => void} */
  const at = (level) => (message, detail) => {
    try {
      // Operators' alerts and LibreChat's tests tell "no second argument" from `undefined`.
      const result =
        detail === undefined ? logger[level]?.(prefix + message) : logger[level]?.(prefix + message, loggable(detail));
      if (isThenable(result)) result.then(undefined, () => {});
    } catch {
      // Nothing is left to report to.
    }
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** MongoDB's code for a value that a unique index does not let in twice. */
const DUPLICATE_KEY = 11000;
/** Names of indexed fields in a log line. */
const MOST_FIELDS = 5;

/**
 * An error as it may be logged. MongoDB writes the values into the text and the members of error 11000, and here those are subjects and
 * addresses: only the names of the fields are kept. Any other is logged as it is.
 * @param {any} detail
 * @returns {unknown}
 */
function loggable(detail) {
  if (detail?.code !== DUPLICATE_KEY && detail?.cause?.code !== DUPLICATE_KEY) return detail;
  const names = Object.keys(Object(detail.keyPattern ?? detail.cause?.keyPattern));
  const fields = names.filter((name) => /^[\w.]{1,40}$/.test(name)).slice(0, MOST_FIELDS);
  const which = fields.length === 0 ? 'a unique index' : fields.join(', ');
  const shown = new Error(`E${DUPLICATE_KEY}: another document has the same value (${which}; values left out)`);
  return Object.assign(shown, { code: DUPLICATE_KEY });
}

/** Milliseconds between two lines about one cause. */
const PAUSE = 60_000;
/** Causes remembered: one for each issuer and fault; beyond that a line is left out. */
const MOST_CAUSES = 100;

/**
 * Lets each cause through once a minute, and at most 100 causes in it.
 * @param {() => number} [clock] milliseconds, never back
 * @returns {(cause: string) => boolean} whether the line may be written
 */
function onceAMinute(clock = () => performance.now()) {
  /** When each was let through, the oldest first. @type {Map<string, number>} */
  const last = new Map();
  return (cause) => {
    const now = clock();
    for (const [known, time] of last) {
      if (now - time < PAUSE) break;
      last.delete(known);
    }
    if (last.has(cause) || last.size >= MOST_CAUSES) return false;
    last.set(cause, now);
    return true;
  };
}

/** @type {WeakMap<object, (cause: string) => boolean>} */
const limits = new WeakMap();

/**
 * One limit for all who write to one logger: hosts make a middleware per request.
 * @param {Partial<Logger>} [logger]
 * @returns {(cause: string) => boolean}
 */
function limitOf(logger = consoleLogger) {
  const limit = limits.get(logger) ?? onceAMinute();
  limits.set(logger, limit);
  return limit;
}

/** @param {unknown} value @returns {value is PromiseLike<unknown>} */
function isThenable(value) {
  return typeof (/** @type {{ then?: unknown } | null | undefined} */ (value)?.then) === 'function';
}

module.exports = { createLog, limitOf, onceAMinute };
