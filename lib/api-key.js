'use strict';

/**
 * @typedef {import('./log').Log} Log
 *
 * @typedef {{
 *   run: (next: (value?: unknown) => void) => unknown,
 *   isAllowed: () => Promise<boolean>,
 *   pass: () => void,
 *   forward: (value: unknown) => void,
 *   refuse: () => void,
 *   fail: (error: unknown) => void,
 *   hasAnswered: () => boolean,
 *   log: Log,
 * }} ApiKeyRequest
 *   `run`: calls the API-key middleware with our `next`; `isAllowed`: whether the configuration of the user
 *   it has set allows API keys; `pass`, `forward`, `refuse`, `fail`: the four answers; `hasAnswered`: whether
 *   a response is already under way
 */

/**
 * Runs the host's API-key middleware and judges its user's own configuration before the request goes on
 * (the second table of the README). That middleware is not ours: it may call `next` twice, late, or after answering, and
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

  /** @param {() => void} give */
  const answer = (give) => {
    if (answered) return;
    answered = true;
    give();
  };

  const pass = () => {
    if (request.hasAnswered()) log.warn('the API-key middleware answered and called next: its answer stands');
    else request.pass();
  };

  /** @param {unknown} value */
  const goOn = async (value) => {
    if (value !== undefined && value !== null) return answer(() => request.forward(value));
    let allowed;
    try {
      allowed = await request.isAllowed();
    } catch (error) {
      return answer(() => request.fail(error));
    }
    answer(allowed ? pass : request.refuse);
  };

  /** @param {unknown} [value] */
  const next = (value) => {
    const isError = value !== undefined && value !== null;
    // An error that follows a bare next() still counts while the policy is being judged.
    if (answered || (asked && !isError)) {
      log.warn('the API-key middleware called next again: ignored');
      return;
    }
    asked = true;
    const late = returned;
    const started = goOn(value).catch((error) => {
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
