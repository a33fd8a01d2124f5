'use strict';

// Keycloak on loopback, on a database of this run's own, which a restart keeps.

const path = require('node:path');
const { answers, freePort, scratchFolder, startChild } = require('../child');
const { keycloakHome } = require('../fetched');
const { adminOf } = require('./admin');

const WHO = { username: 'admin', password: 'an admin of one run' };

/** @throws {import('../fetched').Missing} where it cannot be had */
async function startKeycloak() {
  const home = keycloakHome();
  const folder = scratchFolder('keycloak-');
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const env = {
    KC_BOOTSTRAP_ADMIN_USERNAME: WHO.username,
    KC_BOOTSTRAP_ADMIN_PASSWORD: WHO.password,
    KC_DB_URL: `jdbc:h2:file:${path.join(folder, 'database')};NON_KEYWORDS=VALUE`,
    JAVA_OPTS_APPEND: '-Xmx768m',
  };
  const args = ['start-dev', '--http-host=127.0.0.1', `--http-port=${port}`, '--cache=local'];
  const log = path.join(folder, 'log');
  const start = () =>
    startChild(path.join(home, 'bin', 'kc.sh'), args, { env, log, ready: () => answers(`${base}/realms/master`) });
  let server = await start();
  return {
    base,
    // What commands of an administrator need.
    commands: { base, bin: path.join(home, 'bin'), folder, admin: WHO },
    admin: adminOf(base, WHO),
    halt: () => server.stop(),
    resume: async () => void (server = await start()),
    stop: () => server.stop(),
  };
}

module.exports = { startKeycloak };
