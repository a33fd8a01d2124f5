'use strict';

// docs/providers/keycloak.md, followed to the letter: its commands as written, against this Keycloak, and its configuration with their tokens.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const yaml = require('js-yaml');
const { attempt } = require('../host');
const { row } = require('../table');
const { tokenRequest } = require('./admin');

const PAGE = path.join(__dirname, '..', '..', '..', 'docs', 'providers', 'keycloak.md');
const PUBLIC = 'https://keycloak.example.com';
/** Each command is a Java machine of its own. */
const PATIENCE_MS = 10 * 60_000;

/** The page's blocks that are to be run here, in its order. @param {string} page @returns {string[]} */
function commandsOf(page) {
  return [...page.matchAll(/^<!-- run against Keycloak -->\n```sh\n([^]*?)\n```$/gm)].map(([, text]) => String(text));
}

/** @param {string} page @returns {import('../host').Policy} of its configuration */
function policyOf(page) {
  const [, text] = /^```yaml\n([^]*?)\n```$/m.exec(page) ?? [];
  const { enabled: _on, ...policy } = /** @type {any} */ (yaml.load(String(text))).endpoints.agents.remoteApi.auth.oidc;
  return policy;
}

/** @param {{ base: string, bin: string, folder: string, admin: { password: string } }} where */
function shell({ base, bin, folder, admin }) {
  const env = {
    ...process.env,
    HOME: folder,
    KC_CLI_PASSWORD: admin.password,
    PATH: `${bin}${path.delimiter}${process.env.PATH}`,
  };
  return (/** @type {string} */ text) => {
    const script = text.replaceAll(PUBLIC, base);
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    });
    if (status !== 0) throw new Error(`docs/providers/keycloak.md: ${stdout}${stderr}\nof\n${script}`);
    return stdout;
  };
}

/**
 * @param {{ base: string, bin: string, folder: string, admin: { password: string } }} where `folder`: where the commands may write
 */
async function pageRows(where) {
  const page = fs.readFileSync(PAGE, 'utf8');
  const run = shell(where);
  const [password, credentials, setUp] = commandsOf(page);
  run(String(setUp));
  const policy = policyOf(page);
  const issuer = policy.issuer.replace(PUBLIC, where.base);
  const asWritten = { ...policy, issuer, typ: 'preferred' };
  const token = (/** @type {string | undefined} */ text) => JSON.parse(run(String(text))).access_token;
  const withNewline = await tokenRequest(`${issuer}/protocol/openid-connect/token`, {
    grant_type: 'password',
    client_id: 'agents-cli',
    username: 'ada',
    password: `${fs.readFileSync(path.join(where.folder, 'password.txt'), 'utf8')}\n`,
  }).then(
    () => 'accepted',
    (error) => error.message,
  );
  return [
    row(
      'Keycloak',
      'page: the password command',
      '200 accepted',
      await attempt(token(password), { ...asWritten, requiredRoles: ['agents'] }),
    ),
    row('Keycloak', 'page: the service account command', '200 accepted', await attempt(token(credentials), asWritten)),
    row('Keycloak', 'page: a password with a newline', 'invalid_grant: Invalid user credentials', withNewline),
  ];
}

module.exports = { commandsOf, pageRows, policyOf };
