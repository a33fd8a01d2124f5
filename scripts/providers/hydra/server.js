'use strict';

// Ory Hydra on loopback, signing its access tokens as JWTs, on a database of this run's own, which a restart keeps.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { answers, freePort, scratchFolder, startChild } = require('../child');
const { hydraProgram } = require('../fetched');

const LIMIT_MS = 60_000;

/** @param {string} base @param {string} method @param {string} where @param {unknown} [body] @returns {Promise<any>} */
async function call(base, method, where, body) {
  // Of its own: the server ends a connection that waits for the next rotation when it likes.
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const signal = AbortSignal.timeout(LIMIT_MS);
  const response = await fetch(`${base}${where}`, {
    method,
    headers,
    signal,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`Hydra, ${method} ${where}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** @throws {import('../fetched').Missing} where it cannot be had */
async function startHydra() {
  const program = hydraProgram();
  const folder = scratchFolder('hydra-');
  const [port, adminPort] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${port}`;
  const env = {
    DSN: `sqlite://${path.join(folder, 'database')}?_fk=true`,
    SERVE_PUBLIC_HOST: '127.0.0.1',
    SERVE_PUBLIC_PORT: String(port),
    SERVE_ADMIN_HOST: '127.0.0.1',
    SERVE_ADMIN_PORT: String(adminPort),
    URLS_SELF_ISSUER: `${base}/`,
    // Nobody listens there: the checks answer in the place of a login page.
    URLS_LOGIN: 'http://127.0.0.1:1/login',
    URLS_CONSENT: 'http://127.0.0.1:1/consent',
    SECRETS_SYSTEM: 'a secret of one run of the checks',
    STRATEGIES_ACCESS_TOKEN: 'jwt',
    TTL_ACCESS_TOKEN: '3h',
    // No usage figures to anybody.
    SQA_OPT_OUT: 'true',
  };
  const migrated = spawnSync(program, ['migrate', 'sql', 'up', '-e', '--yes'], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: LIMIT_MS,
  });
  if (migrated.status !== 0) throw new Error(`Hydra, migrate: ${migrated.stdout}${migrated.stderr}`);
  const log = path.join(folder, 'log');
  const start = () =>
    startChild(program, ['serve', 'all', '--dev'], {
      env,
      log,
      ready: () => answers(`${base}/.well-known/openid-configuration`),
    });
  let server = await start();
  return {
    issuer: `${base}/`,
    // Of its administrators, who need no credentials there.
    introspection: `http://127.0.0.1:${adminPort}/admin/oauth2/introspect`,
    admin: (/** @type {string} */ method, /** @type {string} */ where, /** @type {unknown} */ body) =>
      call(`http://127.0.0.1:${adminPort}/admin`, method, where, body),
    halt: () => server.stop(),
    resume: async () => void (server = await start()),
    stop: () => server.stop(),
  };
}

module.exports = { startHydra };
