'use strict';

// Every check against a real Ory Hydra. Its issuer ends with a slash, and its tokens say `nbf` = `iat`.

const { attempt } = require('../host');
const { restartRows } = require('../restart');
const { rotationRows } = require('../rotation');
const { row } = require('../table');
const { introspectionRows } = require('./introspection');
const { startHydra } = require('./server');
const { makeClient, serviceToken, userTokens } = require('./tokens');

const AUDIENCE = 'https://chat.example.com/api';
const SCOPE = 'agents:use';
const KEYS = '/keys/hydra.jwt.access-token';

/** @param {Awaited<ReturnType<typeof startHydra>>} server @param {{ service: string, person: string, opaque: string }} clients */
async function kindRows({ issuer, admin }, { service, person, opaque }) {
  const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
  /** @type {import('../table').Row[]} */
  const rows = [];
  /** @param {string} check @param {string} token @param {string} expected @param {object} [other] */
  const see = async (check, token, expected, other) => {
    rows.push(row('Ory Hydra', check, expected, await attempt(token, { ...policy, ...other })));
  };
  const access = await serviceToken(issuer, service, AUDIENCE, SCOPE);
  const user = await userTokens(issuer, admin, {
    client: person,
    audience: AUDIENCE,
    scope: `openid offline ${SCOPE}`,
  });
  await see('client credentials', access, '200 accepted');
  await see('user token', user.access_token, '200 accepted');
  await see('wrong audience', access, '401 ERR_TOKEN_AUDIENCE', { audience: 'https://wiki.example.com' });
  await see('scope not granted', access, '401 ERR_SCOPE_MISSING', { scope: 'agents:administer' });
  await see('ID token', user.id_token, '401 ERR_ID_TOKEN', { audience: person, scope: undefined });
  await see('refresh token', user.refresh_token, '401 ERR_TOKEN_OPAQUE');
  await see('opaque access token', await serviceToken(issuer, opaque, AUDIENCE, SCOPE), '401 ERR_TOKEN_OPAQUE');
  return rows;
}

/** @param {import('../options').Options} options @param {(line: string) => void} say */
async function hydraRows(options, say) {
  const server = await startHydra();
  try {
    say('has started');
    const { issuer, admin } = server;
    const audience = [AUDIENCE];
    const credentials = { grant_types: ['client_credentials'], scope: SCOPE, audience };
    const service = await makeClient(admin, credentials);
    const opaque = await makeClient(admin, { ...credentials, access_token_strategy: 'opaque' });
    const person = await makeClient(admin, {
      grant_types: ['authorization_code', 'refresh_token'],
      scope: `openid offline ${SCOPE}`,
      audience,
    });
    const rows = await kindRows(server, {
      service: service.client_id,
      person: person.client_id,
      opaque: opaque.client_id,
    });
    say('kinds of tokens seen');
    const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
    rows.push(...(await introspectionRows(server, policy)));
    say('asked about tokens, and logged out');
    let made = 0;
    const signing = {
      async rotate() {
        const { keys } = await admin('GET', KEYS);
        const old = [...new Set(keys.map((/** @type {any} */ key) => key.kid))];
        await admin('POST', KEYS, { alg: 'RS256', use: 'sig', kid: `generation-${++made}` });
        for (const kid of old) await admin('DELETE', `${KEYS}/${encodeURIComponent(String(kid))}`);
      },
      token: () => serviceToken(issuer, service.client_id, AUDIENCE, SCOPE),
    };
    rows.push(...(await rotationRows('Ory Hydra', policy, signing, options, say)));
    rows.push(
      ...(await restartRows('Ory Hydra', policy, { ...signing, halt: server.halt, resume: server.resume }, say)),
    );
    return rows;
  } finally {
    await server.stop();
  }
}

module.exports = { hydraRows };
