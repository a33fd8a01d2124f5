'use strict';

// Hydra asked about its opaque tokens (RFC 7662), and its logout tokens at our handler.

const { attempt, logoutHost } = require('../host');
const { row } = require('../table');
const { makeClient, revokeToken, serviceToken, userTokens } = require('./tokens');

/**
 * @param {Awaited<ReturnType<import('./server').startHydra>>} server
 * @param {import('../host').Policy & { scope: string }} policy
 */
async function introspectionRows({ issuer, admin, introspection }, policy) {
  const { audience, scope } = policy;
  /** @type {import('../table').Row[]} */
  const rows = [];
  const asked = { endpoint: introspection, clientId: 'anybody', clientSecret: 'anything', cacheMs: 0 };
  /** @param {string} check @param {string} token @param {string} expected @param {object} [other] */
  const see = async (check, token, expected, other) => {
    const got = await attempt(token, { ...policy, introspection: asked, ...other });
    rows.push(row('Ory Hydra', `introspection: ${check}`, expected, got));
  };
  const opaque = { access_token_strategy: 'opaque', audience: [audience] };
  const { client_id: service } = await makeClient(admin, { ...opaque, grant_types: ['client_credentials'], scope });
  const { client_id: person } = await makeClient(admin, {
    ...opaque,
    grant_types: ['authorization_code', 'refresh_token'],
    scope: `openid offline ${scope}`,
  });
  const token = await serviceToken(issuer, service, audience, scope);
  const user = await userTokens(issuer, admin, { client: person, audience, scope: `openid offline ${scope}` });
  await see('an opaque token of a service', token, '200 accepted');
  await see('an opaque token of a user', user.access_token, '200 accepted');
  await see('a refresh token', user.refresh_token, '401 ERR_REFRESH_TOKEN');
  await see('one nobody has issued', `${token}x`, '401 ERR_TOKEN_INACTIVE');
  await see('wrong audience', token, '401 ERR_TOKEN_AUDIENCE', { audience: 'https://wiki.example.com' });
  await see('scope not granted', token, '401 ERR_SCOPE_MISSING', { scope: 'agents:administer' });
  // It has no answers of RFC 9701.
  await see('a signed answer', token, '401 ERR_ENDPOINT_ANSWER', { introspection: { ...asked, signed: true } });
  await revokeToken(issuer, service, token);
  await see('after it was revoked', token, '401 ERR_TOKEN_INACTIVE');
  rows.push(await logoutRow({ issuer, admin }, policy));
  return rows;
}

/** @param {{ issuer: string, admin: import('./tokens').Admin }} server @param {import('../host').Policy & { scope: string }} policy */
async function logoutRow({ issuer, admin }, { audience, scope }) {
  const openid = `openid ${scope}`;
  const made = await makeClient(admin, { audience: [audience], grant_types: ['authorization_code'], scope: openid });
  const { client_id: client } = made;
  // Its logout tokens have no `exp`.
  const host = await logoutHost({ issuer, audience: client, requireExp: false }, 'session');
  try {
    const more = { backchannel_logout_uri: host.url, backchannel_logout_session_required: true };
    await admin('PUT', `/clients/${client}`, { ...made, ...more });
    const user = await userTokens(issuer, admin, { client, audience, scope: openid });
    const { sid } = JSON.parse(Buffer.from(user.id_token.split('.')[1], 'base64url').toString());
    const logout = () => admin('DELETE', `/oauth2/auth/sessions/login?sid=${encodeURIComponent(sid)}`);
    return row('Ory Hydra', 'back-channel logout: its logout token', 'accepted', await host.next(logout));
  } finally {
    host.close();
  }
}

module.exports = { introspectionRows };
