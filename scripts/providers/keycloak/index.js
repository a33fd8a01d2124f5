'use strict';

// Every check against a real Keycloak.

const { restartRows } = require('../restart');
const { rotationRows } = require('../rotation');
const { algorithmRows } = require('./algorithms');
const { introspectionRows } = require('./introspection');
const { kindRows } = require('./kinds');
const { pageRows } = require('./page');
const { AUDIENCE, REALM, SCOPE, addKey, makeRealm, removeKey, signingKeys, tokensOf } = require('./realm');
const { startKeycloak } = require('./server');

/** @param {import('../options').Options} options @param {(line: string) => void} say */
async function keycloakRows(options, say) {
  const server = await startKeycloak();
  try {
    const { admin, base } = server;
    const issuer = `${base}/realms/${REALM}`;
    const policy = { issuer, audience: AUDIENCE, scope: SCOPE, typ: 'preferred' };
    say('has started');
    const rows = await pageRows(server.commands);
    say('page followed');
    // Its realm is of the same name, and makes tokens that live five minutes.
    await admin.remove(`/${REALM}`);
    const scope = await makeRealm(admin);
    rows.push(...(await kindRows(admin, scope, issuer)));
    say('kinds of tokens seen');
    rows.push(...(await introspectionRows(admin, scope, issuer)));
    say('asked about tokens, and logged out');
    rows.push(...(await algorithmRows(admin, scope, issuer)));
    say('algorithms seen');
    let priority = 100;
    let keys = await signingKeys(admin);
    const signing = {
      async rotate() {
        const next = await addKey(admin, 'RS256', ++priority);
        for (const key of keys) await removeKey(admin, key);
        keys = [next];
      },
      token: async () => (await tokensOf(issuer).credentials()).access_token,
    };
    rows.push(...(await rotationRows('Keycloak', policy, signing, options, say)));
    rows.push(
      ...(await restartRows('Keycloak', policy, { ...signing, halt: server.halt, resume: server.resume }, say)),
    );
    return rows;
  } finally {
    await server.stop();
  }
}

module.exports = { keycloakRows };
