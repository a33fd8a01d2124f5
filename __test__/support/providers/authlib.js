'use strict';

// The provider of authlib_provider.py, and what a client does with it.

const path = require('node:path');
const { pythonPackages, startPython } = require('../python');

const packages = pythonPackages();

async function startAuthlib() {
  const script = path.join(__dirname, 'authlib_provider.py');
  const { found, stop } = await startPython(
    /** @type {string} */ (packages.folder),
    ['-u', script],
    /listening on (\d+)/,
  );
  const issuer = `http://127.0.0.1:${found}`;
  return {
    issuer,
    audience: 'https://chat.example.com/api',
    scope: 'agents:use',
    async tokens() {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from('tests:secret').toString('base64')}` },
        body: new URLSearchParams({
          grant_type: 'password',
          username: 'ada',
          password: 'password',
          scope: 'agents:use',
        }),
      });
      return { access: (await response.json()).access_token };
    },
    rotate: () => fetch(`${issuer}/rotate`, { method: 'POST' }),
    stop,
  };
}

module.exports = { missing: packages.reason, startAuthlib };
