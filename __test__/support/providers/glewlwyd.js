'use strict';

// glewlwyd, an OpenID provider written in C, from Debian's packages: unpacked into target/, on a database of its own, configured over
// its own API. The libraries it needs are Debian's; only CI installs those.

const { generateKeyPairSync } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { freePort, hasApt, run, unpack } = require('../debian');
const { startServer } = require('../server-process');

const TARGET = path.join(__dirname, '..', '..', '..', 'target');
const ROOT = path.join(TARGET, 'glewlwyd');
const BINARY = path.join(ROOT, 'usr', 'bin', 'glewlwyd');
const TABLES = path.join(ROOT, 'usr', 'share', 'dbconfig-common', 'data', 'glewlwyd', 'install', 'sqlite3');
const PACKAGES = ['glewlwyd', 'glewlwyd-common'];

/** From its first word to its last setting. */
const CONFIGURE_MS = 15_000;

const runs = () =>
  run(BINARY, ['--version']).error === undefined && run('ldd', [BINARY]).stdout?.includes('not found') === false;

/** Unpacks the packages, and in CI installs the libraries they link to. @returns {string | undefined} why it is not there */
function install() {
  if (fs.existsSync(BINARY) && runs() && run('sqlite3', ['--version']).status === 0) return undefined;
  if (!hasApt()) return 'no apt-get';
  unpack(ROOT, PACKAGES, ['sqlite3']);
  if (!fs.existsSync(BINARY)) return 'Debian’s package could not be downloaded';
  if (!runs()) return 'its libraries are not installed';
  return run('sqlite3', ['--version']).status === 0 ? undefined : 'no sqlite3';
}

/** It says that it has started, and then begins to listen. @param {number} port @param {AbortSignal} limit */
async function listening(port, limit) {
  for (;;) {
    const socket = net.connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (limit.aborted) throw error;
      await setTimeout(20);
    } finally {
      socket.destroy();
    }
  }
}

async function startGlewlwyd() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'glewlwyd-'));
  const port = await freePort();
  const database = path.join(folder, 'database');
  const filled = run('sqlite3', [database], { input: fs.readFileSync(TABLES) });
  if (filled.status !== 0) throw new Error(filled.stderr);
  const modules = path.join(ROOT, 'usr', 'lib', 'glewlwyd');
  const settings = path.join(folder, 'settings');
  fs.writeFileSync(
    settings,
    `port=${port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:${port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="INFO"
cookie_domain="127.0.0.1"
cookie_secure=0
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="${modules}/user"
user_middleware_module_path="${modules}/user"
client_module_path="${modules}/client"
user_auth_scheme_module_path="${modules}/scheme"
plugin_module_path="${modules}/plugin"
hash_algorithm = "SHA512"
database = { type = "sqlite3"; path = "${database}"; };
`,
  );
  const api = `http://127.0.0.1:${port}/api`;
  /** @type {Awaited<ReturnType<typeof startServer>> | undefined} */
  let server;
  const stop = async () => {
    await server?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  try {
    server = await startServer(BINARY, ['-c', settings], /Glewlwyd started on port/);
    const limit = AbortSignal.timeout(CONFIGURE_MS);
    await listening(port, limit);
    await configure(api, limit);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    issuer: `${api}/oidc`,
    // Without a resource indicator the audience is the list of scopes.
    audience: 'openid agents',
    scope: 'agents',
    tokens: () => tokens(api),
    stop,
  };
}

/**
 * Scope, OpenID plugin, user and client, as its administrator would click them together.
 * @param {string} api
 * @param {AbortSignal} limit
 */
async function configure(api, limit) {
  let cookie;
  const post = async (where, body) => {
    const headers = { 'content-type': 'application/json', ...(cookie ? { cookie } : {}) };
    const response = await fetch(`${api}/${where}/`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal: limit,
    });
    if (!response.ok) throw new Error(`glewlwyd, ${where}: ${response.status} ${await response.text()}`);
    cookie ??= response.headers.getSetCookie()[0]?.split(';')[0];
  };
  // Not exported afterwards: Node 20 can wait for itself for ever when garbage is collected in the midst of that.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { format: 'jwk' } });
  const jwk = { ...privateKey, kid: 'glewlwyd-1', alg: 'ES256', use: 'sig' };
  await post('auth', { username: 'admin', password: 'password' });
  await post('scope', { name: 'agents', display_name: 'agents', password_required: true });
  await post('mod/plugin', {
    module: 'oidc',
    name: 'oidc',
    display_name: 'oidc',
    order_rank: 0,
    parameters: {
      iss: `${api}/oidc`,
      'jwt-type': 'ecdsa',
      'jwt-key-size': '256',
      key: '',
      cert: '',
      'jwks-private': JSON.stringify({ keys: [jwk] }),
      'default-kid': jwk.kid,
      'jwks-show': true,
      'access-token-duration': 3600,
      'refresh-token-duration': 3600,
      'code-duration': 600,
      'refresh-token-rolling': true,
      'allow-non-oidc': true,
      'auth-type-password-enabled': true,
      'auth-type-code-enabled': true,
      'auth-type-client-enabled': false,
      'auth-type-refresh-enabled': false,
      'auth-type-token-enabled': false,
      'auth-type-id-token-enabled': true,
      'auth-type-none-enabled': false,
      scope: [],
      'additional-parameters': [],
      claims: [],
      'subject-type': 'public',
      'address-claim': { type: 'no', mandatory: false },
      'name-claim': 'no',
      'name-claim-scope': [],
      'email-claim': 'no',
      'email-claim-scope': [],
      'scope-claim': 'no',
    },
  });
  await post('user', {
    username: 'ada',
    name: 'Ada',
    password: 'password',
    enabled: true,
    scope: ['openid', 'agents'],
  });
  await post('client', {
    client_id: 'tests',
    name: 'tests',
    confidential: true,
    password: 'password',
    client_secret: 'password',
    token_endpoint_auth_method: ['client_secret_basic'],
    enabled: true,
    authorization_type: ['password'],
    redirect_uri: ['https://client.example.com/callback'],
    scope: ['agents'],
  });
}

/** @returns {Promise<{ access: string, id: string }>} */
async function tokens(api) {
  const body = { grant_type: 'password', username: 'ada', password: 'password', scope: 'agents openid' };
  const response = await fetch(`${api}/oidc/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from('tests:password').toString('base64')}`,
      // Exactly this: with a charset behind it glewlwyd does not read the form.
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(body).toString(),
  });
  if (!response.ok) throw new Error(`glewlwyd, token: ${response.status} ${await response.text()}`);
  const answer = await response.json();
  return { access: answer.access_token, id: answer.id_token };
}

module.exports = { missing: install(), startGlewlwyd };
