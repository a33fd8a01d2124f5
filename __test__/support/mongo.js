'use strict';

// A MongoDB-compatible server in memory (SecantusDB, not MongoDB itself), and LibreChat's own models and methods on it.

const { pythonPackages, startPython } = require('./python');

const packages = pythonPackages();

/** Why there is no such server here, if there is none. */
const missing = packages.reason;

/** @returns {Promise<{ uri: string, stop: () => Promise<void> }>} */
async function startMongo() {
  const { found, stop } = await startPython(
    /** @type {string} */ (packages.folder),
    ['-m', 'secantus', '--port', '0', '--storage-path', ':memory:', '--cache-size', '64M'],
    /listening on 127\.0\.0\.1:(\d+)/,
  );
  return { uri: `mongodb://127.0.0.1:${found}/librechat?directConnection=true`, stop };
}

module.exports = { missing, startMongo };
