'use strict';

// A server of ours on loopback: the middleware in front of one route, an account for whomever the provider names.

const { EventEmitter, once } = require('node:events');
const express = require('express');
const { backchannelLogout, createRemoteAgentAuth, verifyRemoteToken } = require('../..');

/** @typedef {{ issuer: string, audience: string, scope?: string, [option: string]: unknown }} Policy */

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

/** What verifyRemoteToken says of a token. @param {string} token @param {Policy} policy @returns {Promise<string>} a code, or `accepted` */
function codeOf(token, policy) {
  return verifyRemoteToken(token, policy).then(
    () => 'accepted',
    (error) => error.code,
  );
}

/**
 * One token, by the whole way of a request and by verifyRemoteToken.
 * @param {string} token
 * @param {Policy} policy
 * @returns {Promise<string>} `200 accepted`, or the status and the code
 */
async function attempt(token, { issuer, audience, scope, ...added }) {
  const oidc = { enabled: true, issuer, audience, ...(scope === undefined ? {} : { scope }) };
  const handler = createRemoteAgentAuth(
    {
      getAppConfig: async () => ({
        endpoints: { agents: { remoteApi: { auth: { apiKey: { enabled: false }, oidc } } } },
      }),
      findUser: async (/** @type {any} */ filter) =>
        filter.openidId ? { _id: '1', provider: 'openid', role: 'USER', ...filter } : null,
      updateUser: async () => null,
      apiKeyMiddleware: (/** @type {any} */ _req, /** @type {any} */ res) => res.sendStatus(418),
      logger: QUIET,
    },
    // A function, because some of it is one issuer's alone.
    { policy: () => added },
  );
  const server = express()
    .use(/** @type {any} */ (handler))
    .get('/', (_req, res) => void res.json({}))
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  try {
    const { status } = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { authorization: `Bearer ${token}`, connection: 'close' },
    });
    return `${status} ${await codeOf(token, { issuer, audience, scope, ...added })}`;
  } finally {
    server.close();
  }
}

const LOGOUT_LIMIT_MS = 30_000;

/**
 * Our handler for back-channel logout, and what it has said of each logout token.
 * @param {Policy} policy whose audience is the client's id
 * @param {'session' | 'subject'} extent
 */
async function logoutHost(policy, extent) {
  /** @type {string[]} */
  const outcomes = [];
  const heard = new EventEmitter();
  const handler = backchannelLogout({
    policy,
    extent,
    onLogout({ code = 'accepted' }) {
      outcomes.push(code);
      heard.emit('logout', code);
    },
  });
  const server = express()
    .post('/logout', express.urlencoded({ extended: false }), /** @type {any} */ (handler))
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/logout`,
    outcomes,
    /** What becomes of the next token, while `act` has the provider send it. @param {() => Promise<unknown>} act @returns {Promise<string>} */
    async next(act) {
      const signal = AbortSignal.timeout(LOGOUT_LIMIT_MS);
      const [[code]] = await Promise.all([once(heard, 'logout', { signal }), act()]);
      return code;
    },
    close: () => server.close(),
  };
}

module.exports = { attempt, codeOf, logoutHost };
