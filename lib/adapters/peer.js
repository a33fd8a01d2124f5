'use strict';

/**
 * An optional peer, with an error that says what to install.
 * @template T
 * @param {string} name
 * @param {() => T} load
 * @returns {T}
 */
function peer(name, load) {
  try {
    return load();
  } catch (cause) {
    if (/** @type {NodeJS.ErrnoException} */ (cause).code !== 'MODULE_NOT_FOUND') throw cause;
    throw Object.assign(
      new Error(`remote-agent-auth: install ${name} to use this entry: npm install ${name}`, { cause }),
      {
        code: 'ERR_PEER_MISSING',
      },
    );
  }
}

module.exports = { peer };
