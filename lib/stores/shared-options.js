'use strict';

// What `shareKeys` and `shareRevocations` are given, checked, and how both report to the host.

const { notify } = require('../events/notify');
const { wrongOption } = require('../verifier/errors');

/** Bytes of a secret: less can be guessed. */
const SHORTEST_SECRET = 32;
/** Milliseconds between two problems that are reported to the host. */
const BETWEEN_PROBLEMS = 1_000;

/** @param {string} factory @param {any} store @param {readonly string[]} names of functions that it must have */
function requireFunctions(factory, store, names) {
  const missing = names.find((name) => typeof store?.[name] !== 'function');
  if (missing !== undefined) throw wrongOption(`${factory}: \`store\` has no function \`${missing}\``);
}

/** @param {string} factory @param {{ sharedSecret: unknown, onProblem: unknown }} options */
function requireSecret(factory, { sharedSecret, onProblem }) {
  if (typeof sharedSecret !== 'string' || Buffer.byteLength(sharedSecret) < SHORTEST_SECRET) {
    throw wrongOption(`${factory}: \`sharedSecret\` must be text of at least ${SHORTEST_SECRET} bytes`);
  }
  if (typeof onProblem !== 'function') throw wrongOption(`${factory}: \`onProblem\` must be a function`);
}

/** What `shareKeys` needs of a store besides `get` and `set`. @param {any} store */
function requireKeyStore(store) {
  requireFunctions('shareKeys', store, ['get', 'set']);
  for (const name of ['delete', 'setIfAbsent', 'publish', 'subscribe']) {
    if (store[name] !== undefined && typeof store[name] !== 'function')
      throw wrongOption(`shareKeys: \`${name}\` of \`store\` must be a function`);
  }
  // It would be subscribed itself, and could do nothing else for the host then.
  if ('defineCommand' in store || 'zScan' in store)
    throw wrongOption('shareKeys: `store` is a client of Redis; write `redisStore(client)`');
  if (store.setIfAbsent !== undefined && store.delete === undefined) {
    throw wrongOption('shareKeys: a `store` with `setIfAbsent` must have `delete`');
  }
  if ((store.subscribe === undefined) !== (store.publish === undefined)) {
    throw wrongOption('shareKeys: `store` must have both `publish` and `subscribe`, or neither');
  }
}

/**
 * Reports to the host, at most once a second: whoever can write to the store decides how often it is wrong.
 * @param {(error: Error) => void} onProblem
 * @returns {(error: unknown) => void}
 */
function reporter(onProblem) {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() - reportedAt < BETWEEN_PROBLEMS) return;
    reportedAt = performance.now();
    notify(onProblem, /** @type {Error} */ (error));
  };
}

module.exports = { reporter, requireFunctions, requireKeyStore, requireSecret };
