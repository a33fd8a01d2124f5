'use strict';

// Ten algorithms: a key provider of the realm for each, and a client whose access tokens are signed with it.

const { attempt } = require('../host');
const { row } = require('../table');
const { AUDIENCE, SCOPE, addKey, makePasswordClient, tokensOf } = require('./realm');

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** @param {import('./admin').Admin} admin @param {string} scope @param {string} issuer */
async function algorithmRows(admin, scope, issuer) {
  const rows = [];
  const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
  // All of them before the first token: a provider that grew a key a second is the business of the rotations.
  for (const algorithm of ALGORITHMS.filter((name) => name !== 'RS256')) await addKey(admin, algorithm, 50);
  for (const algorithm of ALGORITHMS) {
    const client = `agents-${algorithm.toLowerCase()}`;
    await makePasswordClient(admin, scope, client, { attributes: { 'access.token.signed.response.alg': algorithm } });
    const { access_token: token } = await tokensOf(issuer).password(client);
    const { alg } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
    rows.push(
      row(
        'Keycloak',
        `signed with ${algorithm}`,
        `${algorithm} 200 accepted`,
        `${alg} ${await attempt(token, { ...policy, algorithms: [algorithm] })}`,
      ),
    );
  }
  return rows;
}

module.exports = { algorithmRows };
