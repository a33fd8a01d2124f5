'use strict';

// Keycloak asked about its tokens (RFC 7662), the client proving who it is in each way that it takes; and its logout tokens at our handler.

const { generateKeyPairSync } = require('node:crypto');
const { attempt, codeOf, logoutHost } = require('../host');
const { row } = require('../table');
const { AUDIENCE, REALM, SCOPE, SECRET, audienceMapper, makeClient, makePasswordClient, tokensOf } = require('./realm');

/** @typedef {import('./admin').Admin} Admin */

/** @type {[string, 'rsa' | 'ec' | 'ed25519', object][]} */
const KEYS = [
  ['RS256', 'rsa', { modulusLength: 2048 }],
  ['PS256', 'rsa', { modulusLength: 2048 }],
  ['ES256', 'ec', { namedCurve: 'P-256' }],
  ['ES384', 'ec', { namedCurve: 'P-384' }],
  ['ES512', 'ec', { namedCurve: 'P-521' }],
  ['EdDSA', 'ed25519', {}],
];

/**
 * A client that proves who it is by a key of its own.
 * @param {Admin} admin
 * @param {string} scope
 * @param {[string, 'rsa' | 'ec' | 'ed25519', object]} key
 */
async function makeKeyClient(admin, scope, [alg, kind, options]) {
  const { privateKey, publicKey } = generateKeyPairSync(/** @type {any} */ (kind), /** @type {any} */ (options));
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: `key-${alg}`, alg, use: 'sig' };
  const clientId = `agents-${alg}`;
  await makeClient(admin, scope, clientId, {
    clientAuthenticatorType: 'client-jwt',
    serviceAccountsEnabled: true,
    attributes: {
      'use.jwks.string': 'true',
      'jwks.string': JSON.stringify({ keys: [jwk] }),
      'token.endpoint.auth.signing.alg': alg,
    },
  });
  const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  return { clientId, auth: 'private_key_jwt', privateKey: pem, kid: jwk.kid, alg };
}

/**
 * @param {Admin} admin
 * @param {string} scope id of the client scope of the realm, whose clients are there
 * @param {string} issuer
 */
async function introspectionRows(admin, scope, issuer) {
  const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
  const tokens = tokensOf(issuer);
  /** @type {import('../table').Row[]} */
  const rows = [];
  /** @param {string} check @param {string} token @param {string} expected @param {object} members @param {object} [other] */
  const see = async (check, token, expected, members, other) => {
    const introspection = { also: true, cacheMs: 0, ...members };
    const got = await attempt(token, { ...policy, introspection, ...other });
    rows.push(row('Keycloak', `introspection: ${check}`, expected, got));
  };
  const secret = { clientId: 'agents-service', clientSecret: SECRET };
  const clients = [];
  for (const key of KEYS) clients.push(await makeKeyClient(admin, scope, key));
  // It calls a token active only where the client that asks is among the token's audiences.
  const protocolMappers = [secret, ...clients].map(({ clientId }) => audienceMapper(clientId));
  await makePasswordClient(admin, scope, 'agents-asked', { protocolMappers });
  const { access_token: token } = await tokens.password('agents-asked');
  const { access_token: ofOthers } = await tokens.password();
  await see('client_secret_basic', token, '200 accepted', secret);
  await see('client_secret_post', token, '200 accepted', { ...secret, auth: 'post' });
  await see('a wrong secret', token, '401 ERR_ENDPOINT_STATUS', { ...secret, clientSecret: 'another' });
  await see('a token for other clients', ofOthers, '401 ERR_TOKEN_INACTIVE', secret);
  for (const client of clients) await see(`private_key_jwt, ${client.alg}`, token, '200 accepted', client);
  const [rsa, pss] = clients;
  await see('for the endpoint', token, '200 accepted', { ...rsa, assertionAudience: 'endpoint' });
  const tokenEndpoint = `${issuer}/protocol/openid-connect/token`;
  await see('for the token endpoint', token, '200 accepted', { ...rsa, assertionAudience: tokenEndpoint });
  await see('for somebody else', token, '401 ERR_ENDPOINT_STATUS', { ...rsa, assertionAudience: 'https://x.example' });
  await see('by another client’s key', token, '401 ERR_ENDPOINT_STATUS', { ...rsa, privateKey: pss?.privateKey });
  // It has no answers of RFC 9701, and says so by plain JSON.
  await see('a signed answer', token, '401 ERR_ENDPOINT_ANSWER', { ...secret, signed: true });
  const [user] = await admin.get(`/${REALM}/users?username=ada`);
  await admin.post(`/${REALM}/users/${user.id}/logout`);
  await see('after the session has ended', token, '401 ERR_TOKEN_INACTIVE', secret);
  rows.push(...(await logoutRows(admin, scope, issuer, policy, user)));
  return rows;
}

/** @param {Admin} admin @param {string} scope @param {string} issuer @param {import('../host').Policy} policy @param {{ id: string }} user */
async function logoutRows(admin, scope, issuer, policy, user) {
  const client = 'agents-backchannel';
  const host = await logoutHost({ issuer, audience: client }, 'session');
  try {
    const attributes = { 'backchannel.logout.url': host.url, 'backchannel.logout.session.required': 'true' };
    await makePasswordClient(admin, scope, client, { attributes });
    const { access_token: token } = await tokensOf(issuer).password(client);
    const before = await codeOf(token, policy);
    const logout = await host.next(() => admin.post(`/${REALM}/users/${user.id}/logout`));
    const { access_token: later } = await tokensOf(issuer).password(client);
    return [
      row('Keycloak', 'back-channel logout: its logout token', 'accepted', logout),
      row(
        'Keycloak',
        'back-channel logout: tokens of the session',
        'accepted, ERR_TOKEN_REVOKED',
        `${before}, ${await codeOf(token, policy)}`,
      ),
      row('Keycloak', 'back-channel logout: a session that began later', 'accepted', await codeOf(later, policy)),
    ];
  } finally {
    host.close();
  }
}

module.exports = { introspectionRows };
