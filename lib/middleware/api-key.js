'use strict';

/**
 * @typedef {import('./log').Log} Log
 * @typedef {import('./decision').Cause} Cause
 *
 * @typedef {{
 *   run: (next: (value?: unknown) => void) => unknown,
 *   objection: () => Promise<Cause | undefined>,
 *   pass: () => unknown,
 *   forward: (value: unknown) => void,
 *   refuse: (cause: Cause) => void,
 *   fail: (error: unknown) => void,
 *   hasAnswered: () => boolean,
 *   log: Log,
 * }} ApiKeyRequest
 *   `run`: calls the API-key middleware with our `next`; `objection`: why the user it has set must not pass,
 *   undefined when nothing speaks against it; `pass`, `forward`, `refuse`, `fail`: the four answers, of which
 *   `pass` is waited for; `hasAnswered`: whether a response is already under way
 */

/**
 * Runs the host's API-key middleware and checks its user's own configuration before the request proceeds
 * (the second table of docs/requests.md). That middleware is not ours: it may call `next` twice, late, or after answering, and
 * may fail after calling it. The first answer stands and a failure before it closes the request.
 *
 * The promise settles with the middleware and with what its `next` started. It rejects only with what the
 * host's own `next` threw; when `next` comes after that, such an error can only be logged.
 * @param {ApiKeyRequest} request
 * @returns {Promise<void>}
 */
async function runApiKey(request) {
  const run = new ApiKeyRun(request);
  try {
    await request.run((value) => run.next(value));
  } catch (error) {
    run.failed(error);
  }
  await run.ended();
}

/** One call of the API-key middleware: which of the four answers was given, and what its `next` started. */
class ApiKeyRun {
  #request;
  #answered = false;
  #asked = false;
  #returned = false;
  /** What the host's own `next` threw. @type {{ error: unknown } | undefined} */
  #downstream;
  /** @type {Promise<void> | undefined} */
  #pending;

  /** @param {ApiKeyRequest} request */
  constructor(request) {
    this.#request = request;
  }

  /** What the middleware is given as its `next`. @param {unknown} [value] */
  next(value) {
    const isError = value !== undefined && value !== null;
    // An error that follows a bare next() still counts while the policy is being checked.
    if (this.#answered || (this.#asked && !isError)) {
      this.#request.log.warn('the API-key middleware called next again: ignored');
      return;
    }
    this.#asked = true;
    const late = this.#returned;
    const started = this.#proceed(value).catch((error) => {
      if (late) this.#request.log.error('an error thrown after the API-key middleware had returned', error);
      else this.#downstream ??= { error };
    });
    this.#pending = Promise.all([this.#pending, started]).then(() => {});
  }

  /** @param {unknown} error what the middleware threw */
  failed(error) {
    if (this.#answered) this.#request.log.error('the API-key middleware failed after it had called next', error);
    else this.#answer(() => this.#request.fail(error));
  }

  async ended() {
    this.#returned = true;
    await this.#pending;
    if (this.#downstream !== undefined) throw this.#downstream.error;
  }

  /** @param {unknown} value */
  async #proceed(value) {
    if (value !== undefined && value !== null) return this.#answer(() => this.#request.forward(value));
    let objection;
    try {
      objection = await this.#request.objection();
    } catch (error) {
      return this.#answer(() => this.#request.fail(error));
    }
    return this.#answer(() => (objection === undefined ? this.#pass() : this.#request.refuse(objection)));
  }

  #pass() {
    if (!this.#request.hasAnswered()) return this.#request.pass();
    this.#request.log.warn('the API-key middleware answered and called next: its answer stands');
    return undefined;
  }

  /** The first answer stands. @param {() => unknown} give */
  #answer(give) {
    if (this.#answered) return undefined;
    this.#answered = true;
    return give();
  }
}

module.exports = { runApiKey };
