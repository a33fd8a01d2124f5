'use strict';

/** @typedef {import('./log').Log} Log */

/**
 * Goes on to the host's `next` through its tenant-context middleware, which may answer instead. What `next` throws is
 * the host's and comes out here, even though such a middleware often runs it where an error would be lost.
 * @param {(next: () => void) => unknown} middleware
 * @param {() => void} next
 * @param {Log} log
 * @returns {Promise<{ failed: false } | { failed: true, error: unknown }>} whether the middleware itself failed before
 *   it went on
 * @throws what `next` threw
 */
async function runThrough(middleware, next, log) {
  let proceeded = false;
  let returned = false;
  /** @type {{ error: unknown } | undefined} */
  let downstream;
  const once = () => {
    if (proceeded) return;
    proceeded = true;
    try {
      next();
    } catch (error) {
      if (returned) log.error('an error thrown after the tenant-context middleware had returned', error);
      else downstream = { error };
    }
  };
  try {
    await middleware(once);
  } catch (error) {
    if (!proceeded) return { failed: true, error };
    log.error('the tenant-context middleware failed after it had gone on', error);
  } finally {
    returned = true;
  }
  if (downstream !== undefined) throw downstream.error;
  return { failed: false };
}

module.exports = { runThrough };
