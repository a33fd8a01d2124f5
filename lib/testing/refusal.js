'use strict';

const { AssertionError } = require('node:assert');

/**
 * Waits for a refusal and gives it; anything else is an AssertionError that says what came instead.
 * @param {string} code
 * @param {unknown} attempt a promise, a function that returns one, or an outcome of `remote-agent-auth/native`
 * @returns {Promise<any>} the error, or the outcome with `ok: false`
 */
async function expectRefusal(code, attempt) {
  const came = await settled(attempt);
  if (came.value?.code === code && (came.threw || came.value.ok === false)) return came.value;
  // Only what cannot hold anything of a token is shown.
  const actual = typeof came.value?.code === 'string' ? came.value.code : came.threw ? String(came.value) : 'accepted';
  throw new AssertionError({
    message: `expected a refusal with ${code}, and got ${actual}`,
    actual,
    expected: code,
    operator: 'expectRefusal',
    stackStartFn: expectRefusal,
  });
}

/** @param {any} attempt @returns {Promise<{ threw: boolean, value: any }>} */
async function settled(attempt) {
  try {
    return { threw: false, value: await (typeof attempt === 'function' ? attempt() : attempt) };
  } catch (value) {
    return { threw: true, value };
  }
}

module.exports = { expectRefusal };
