'use strict';

// A realm as docs/providers/keycloak.md has its administrator make it, and the signing keys of such a realm.

const { tokenRequest } = require('./admin');

/** @typedef {import('./admin').Admin} Admin */

const REALM = 'chat';
const AUDIENCE = 'librechat';
const SCOPE = 'agents:use';
const PASSWORD = 'a password of one run';
const SECRET = 'a secret of one run';
/** Longer than any run. */
const LIFE_S = 3 * 3600;

const audienceMapper = (/** @type {string} */ audience) => ({
  name: `audience ${audience}`,
  protocol: 'openid-connect',
  protocolMapper: 'oidc-audience-mapper',
  config: { 'included.custom.audience': audience, 'access.token.claim': 'true', 'id.token.claim': 'false' },
});

/** @param {Admin} admin */
async function makeRealm(admin) {
  await admin.post('', {
    realm: REALM,
    enabled: true,
    accessTokenLifespan: LIFE_S,
    ssoSessionMaxLifespan: LIFE_S,
    ssoSessionIdleTimeout: LIFE_S,
  });
  const scope = await admin.post(`/${REALM}/client-scopes`, {
    name: SCOPE,
    protocol: 'openid-connect',
    attributes: { 'include.in.token.scope': 'true' },
    protocolMappers: [audienceMapper(AUDIENCE)],
  });
  const user = {
    username: 'ada',
    email: 'ada@example.com',
    firstName: 'Ada',
    lastName: 'Lovelace',
    emailVerified: true,
  };
  await admin.post(`/${REALM}/users`, {
    ...user,
    enabled: true,
    credentials: [{ type: 'password', value: PASSWORD, temporary: false }],
  });
  return scope;
}

/**
 * @param {Admin} admin
 * @param {string} scope id of the client scope
 * @param {string} clientId
 * @param {Record<string, unknown>} client what is not the default
 * @returns {Promise<string>} its id
 */
async function makeClient(admin, scope, clientId, client) {
  const id = await admin.post(`/${REALM}/clients`, { clientId, standardFlowEnabled: false, ...client });
  await admin.put(`/${REALM}/clients/${id}/default-client-scopes/${scope}`, {});
  return id;
}

/** Public, so that the password example needs no secret. @param {Admin} admin @param {string} scope */
const makePasswordClient = (admin, scope, clientId = 'agents-cli', more = {}) =>
  makeClient(admin, scope, clientId, { publicClient: true, directAccessGrantsEnabled: true, ...more });

/** @param {Admin} admin @param {string} scope @returns {Promise<string>} its client's id, after its account was given an e-mail address */
async function makeServiceClient(admin, scope, clientId = 'agents-service') {
  const id = await makeClient(admin, scope, clientId, { serviceAccountsEnabled: true, secret: SECRET });
  const account = await admin.get(`/${REALM}/clients/${id}/service-account-user`);
  await admin.put(`/${REALM}/users/${account.id}`, {
    ...account,
    email: `${clientId}@example.com`,
    emailVerified: true,
  });
  return id;
}

/** @param {string} issuer */
function tokensOf(issuer) {
  const url = `${issuer}/protocol/openid-connect/token`;
  return {
    /** @returns {Promise<any>} */
    password: (clientId = 'agents-cli', scope = `openid ${SCOPE}`) =>
      tokenRequest(url, { grant_type: 'password', client_id: clientId, scope, username: 'ada', password: PASSWORD }),
    /** @returns {Promise<any>} */
    credentials: (clientId = 'agents-service') =>
      tokenRequest(url, { grant_type: 'client_credentials', client_id: clientId, client_secret: SECRET }),
  };
}

/**
 * A key that the realm signs with from now on, for the algorithms that are its own.
 * @param {Admin} admin
 * @param {string} algorithm
 * @param {number} priority the highest signs
 * @returns {Promise<string>} the id of its provider
 */
async function addKey(admin, algorithm, priority) {
  const { id: parentId } = await admin.get(`/${REALM}`);
  /** @type {Record<string, string>} */
  const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
  const [providerId, own] =
    curves[algorithm] !== undefined
      ? ['ecdsa-generated', { ecdsaEllipticCurveKey: [curves[algorithm]] }]
      : algorithm === 'EdDSA'
        ? ['eddsa-generated', { eddsaEllipticCurveKey: ['Ed25519'] }]
        : ['rsa-generated', { algorithm: [algorithm], keySize: ['2048'] }];
  const config = { priority: [String(priority)], enabled: ['true'], active: ['true'], ...own };
  const component = {
    name: `${algorithm} ${priority}`,
    parentId,
    providerId,
    providerType: 'org.keycloak.keys.KeyProvider',
    config,
  };
  return admin.post(`/${REALM}/components`, component);
}

/** @param {Admin} admin @param {string} key id of its provider */
const removeKey = (admin, key) => admin.remove(`/${REALM}/components/${key}`);

/** Ids of the providers of keys that sign with RS256, before we add any. @param {Admin} admin @returns {Promise<string[]>} */
async function signingKeys(admin) {
  const { keys } = await admin.get(`/${REALM}/keys`);
  return keys
    .filter((/** @type {any} */ key) => key.use === 'SIG' && key.algorithm === 'RS256')
    .map((/** @type {any} */ key) => key.providerId);
}

module.exports = {
  AUDIENCE,
  PASSWORD,
  REALM,
  SCOPE,
  SECRET,
  addKey,
  audienceMapper,
  makeClient,
  makePasswordClient,
  makeRealm,
  makeServiceClient,
  removeKey,
  signingKeys,
  tokensOf,
};
