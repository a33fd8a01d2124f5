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
  const { log } = request;
  let answered = false;
  let asked = false;
  let returned = false;
  /** @type {{ error: unknown } | undefined} */
  let downstream;
  /** @type {Promise<void> | undefined} */
  let pending;

  /** @param {() => unknown} give */
  const answer = (give) => {
    if (answered) return undefined;
    answered = true;
    return give();
  };

  const pass = () => {
    if (!request.hasAnswered()) return request.pass();
    log.warn('the API-key middleware answered and called next: its answer stands');
    return undefined;
  };

  /** @param {unknown} value */
  const proceed = async (value) => {
    if (value !== undefined && value !== null) return answer(() => request.forward(value));
    let objection;
    try {
      objection = await request.objection();
    } catch (error) {
      return answer(() => request.fail(error));
    }
    return answer(() => (objection === undefined ? pass() : request.refuse(objection)));
  };

  /** @param {unknown} [value] */
  const next = (value) => {
    const isError = value !== undefined && value !== null;
    // An error that follows a bare next() still counts while the policy is being checked.
    if (answered || (asked && !isError)) {
      log.warn('the API-key middleware called next again: ignored');
      return;
    }
    asked = true;
    const late = returned;
    const started = proceed(value).catch((error) => {
      if (late) log.error('an error thrown after the API-key middleware had returned', error);
      else downstream ??= { error };
    });
    pending = Promise.all([pending, started]).then(() => {});
  };

  try {
    await request.run(next);
  } catch (error) {
    if (answered) log.error('the API-key middleware failed after it had called next', error);
    else answer(() => request.fail(error));
  }
  returned = true;
  await pending;
  if (downstream !== undefined) throw downstream.error;
}

module.exports = { runApiKey };
