'use strict';

// The kinds of tokens Keycloak signs: access tokens of a service and of a user pass, each other kind is refused with its own code.

const { once } = require('node:events');
const http = require('node:http');
const { attempt } = require('../host');
const { row } = require('../table');
const { AUDIENCE, REALM, SCOPE, makePasswordClient, makeServiceClient, tokensOf } = require('./realm');

/** @typedef {import('./admin').Admin} Admin */

/** Members that a hardcoded claim mapper of that name writes beside Keycloak's own. */
const WRITTEN_TWICE = ['sid', 'allowed-origins', 'resource_access', 'realm_access'];
const LOGOUT_LIMIT_MS = 30_000;

/** The token Keycloak posts to a client when its user is logged out. @param {Admin} admin @param {string} scope @param {string} issuer */
async function logoutToken(admin, scope, issuer) {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const attributes = {
      'backchannel.logout.url': `http://127.0.0.1:${port}/`,
      'backchannel.logout.session.required': 'true',
    };
    await makePasswordClient(admin, scope, 'agents-logout', { attributes });
    await tokensOf(issuer).password('agents-logout');
    const [user] = await admin.get(`/${REALM}/users?username=ada`);
    // Answered at once: Keycloak answers the administrator after that.
    const [form] = await Promise.all([nextForm(server), admin.post(`/${REALM}/users/${user.id}/logout`)]);
    return String(form.get('logout_token'));
  } finally {
    server.close();
  }
}

/** @param {import('node:http').Server} server @returns {Promise<URLSearchParams>} */
async function nextForm(server) {
  const [request, response] = await once(server, 'request', { signal: AbortSignal.timeout(LOGOUT_LIMIT_MS) });
  let body = '';
  for await (const piece of request) body += piece;
  response.end();
  return new URLSearchParams(body);
}

/** @param {string} issuer @param {string} token */
async function signedUserinfo(issuer, token) {
  const response = await fetch(`${issuer}/protocol/openid-connect/userinfo`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return response.text();
}

/** @param {Admin} admin @param {string} scope @param {string} claim */
async function makeMapped(admin, scope, claim) {
  const config = { 'claim.name': claim, 'claim.value': 'x', 'jsonType.label': 'String', 'access.token.claim': 'true' };
  const mapper = { name: claim, protocol: 'openid-connect', protocolMapper: 'oidc-hardcoded-claim-mapper', config };
  await makePasswordClient(admin, scope, `mapped-${claim}`, {
    webOrigins: ['https://app.example.com'],
    protocolMappers: [mapper],
  });
}

/**
 * @param {Admin} admin
 * @param {string} scope id of the client scope of the realm
 * @param {string} issuer
 */
async function kindRows(admin, scope, issuer) {
  const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
  const tokens = tokensOf(issuer);
  /** @type {import('../table').Row[]} */
  const rows = [];
  /** @param {string} check @param {string} token @param {string} expected @param {object} [other] */
  const see = async (check, token, expected, other) => {
    rows.push(row('Keycloak', check, expected, await attempt(token, { ...policy, ...other })));
  };
  await makePasswordClient(admin, scope);
  await makeServiceClient(admin, scope);
  await makePasswordClient(admin, scope, 'agents-light', {
    attributes: { 'client.use.lightweight.access.token.enabled': 'true' },
  });
  await makePasswordClient(admin, scope, 'agents-userinfo', {
    attributes: { 'user.info.response.signature.alg': 'RS256' },
  });
  const user = await tokens.password();

  await see('client credentials', (await tokens.credentials()).access_token, '200 accepted');
  await see('user token', user.access_token, '200 accepted');
  await see('wrong audience', user.access_token, '401 ERR_TOKEN_AUDIENCE', { audience: 'https://wiki.example.com' });
  await see('scope not granted', user.access_token, '401 ERR_SCOPE_MISSING', { scope: 'agents:administer' });
  // For these the audience is the client's own id, so that nothing but the kind can be the reason.
  const asClient = (/** @type {string} */ audience) => ({ audience, scope: undefined });
  await see('ID token', user.id_token, '401 ERR_ID_TOKEN', asClient('agents-cli'));
  // Signed by a secret of the server's, which is refused before anything it says.
  await see('refresh token', user.refresh_token, '401 ERR_TOKEN_ALGORITHM', asClient(issuer));
  await see('logout token', await logoutToken(admin, scope, issuer), '401 ERR_LOGOUT_TOKEN', asClient('agents-logout'));
  const { access_token: asked } = await tokens.password('agents-userinfo');
  await see('signed userinfo', await signedUserinfo(issuer, asked), '401 ERR_USERINFO_TOKEN', {
    ...asClient('agents-userinfo'),
    requireExp: false,
  });
  await see('lightweight access token', (await tokens.password('agents-light')).access_token, '401 ERR_TOKEN_AUDIENCE');
  for (const claim of WRITTEN_TWICE) {
    await makeMapped(admin, scope, claim);
    await see(
      `member ${claim} twice`,
      (await tokens.password(`mapped-${claim}`)).access_token,
      '401 ERR_TOKEN_MALFORMED',
    );
  }
  return rows;
}

module.exports = { kindRows };
