'use strict';

// Every call of the demo, in the order they are made. A call says what it sends, and what must come back: the status, the code or
// reason for it, the body's error where that shows who answered, and the user who got in.

const { resigned, flipped, unsigned, signedWithPublicKey, decode } = require('./tokens.js');

const CHAT = 'https://chat.example.com/api';
const WIKI = 'https://wiki.example.com/api';

/**
 * What the calls may use.
 * @typedef {object} Scene
 * @property {import('./provider.js').Provider} provider
 * @property {string} apiKey
 * @property {Record<string, string>} kept tokens kept from one call for another
 */

/**
 * @typedef {object} Call
 * @property {string} name
 * @property {boolean} [apiKeys] default true
 * @property {boolean} [provisioning] whether the first call of somebody unknown makes an account; default false
 * @property {string} [path] default: GET models; a path ending in completions is POSTed
 * @property {(scene: Scene) => Promise<string | undefined>} authorization the header's value
 * @property {{ status: number, code: string | null, error?: string, user?: string, linked?: boolean, lookups?: number }} expected
 *   error: body's `error.code` or `error`; linked: whether the user was linked to the provider's subject by this call;
 *   lookups: how many times the user store was asked
 */

const COMPLETIONS = '/api/agents/v1/chat/completions';

/** @param {string} token */
const bearer = (token) => `Bearer ${token}`;

/** Who answers when API keys are on and a token failed: the API-key middleware, to whom the token is no key it knows. */
const TRIED_AS_KEY = 'invalid_api_key';
/** The middleware itself. */
const REFUSED = 'Unauthorized';
const NO_TOKEN = 'Bearer token required';

const now = () => Math.floor(Date.now() / 1000);

/**
 * A token of the provider with the claims or the header changed, signed with the provider's own key.
 * @param {(token: { header: Record<string, any>, claims: Record<string, any> }) => { header?: object, claims?: object }} changes
 * @returns {Call['authorization']}
 */
const altered = (changes) => async (scene) =>
  bearer(resigned(scene.kept.ada, await scene.provider.key(), changes(decode(scene.kept.ada))));

/** @type {Call[]} */
const calls = [
  {
    name: 'good token',
    async authorization(scene) {
      scene.kept.ada = await scene.provider.token({
        user: 'ada',
        audience: CHAT,
        scope: 'agents:use',
      });
      return bearer(scene.kept.ada);
    },
    expected: { status: 200, code: null, user: 'ada@example.com', linked: false },
  },
  {
    name: 'the same token again',
    path: COMPLETIONS,
    authorization: async (scene) => bearer(scene.kept.ada),
    expected: { status: 200, code: null, user: 'ada@example.com', linked: false },
  },
  {
    name: 'expired token',
    authorization: altered(() => ({ claims: { exp: now() - 1 } })),
    expected: { status: 401, code: 'ERR_TOKEN_EXPIRED', error: TRIED_AS_KEY },
  },
  {
    name: 'token not yet valid',
    authorization: altered(() => ({ claims: { nbf: now() + 600 } })),
    expected: { status: 401, code: 'ERR_TOKEN_NOT_YET_VALID', error: TRIED_AS_KEY },
  },
  {
    name: 'token for another audience',
    authorization: async (scene) =>
      bearer(await scene.provider.token({ user: 'ada', audience: WIKI, scope: 'agents:use' })),
    expected: { status: 401, code: 'ERR_TOKEN_AUDIENCE', error: TRIED_AS_KEY },
  },
  {
    name: 'token of another issuer',
    authorization: altered(() => ({ claims: { iss: 'https://auth.example.org' } })),
    expected: { status: 401, code: 'ERR_TOKEN_ISSUER', error: TRIED_AS_KEY },
  },
  {
    name: 'token without the scope',
    authorization: async (scene) =>
      bearer(await scene.provider.token({ user: 'ada', audience: CHAT, scope: 'agents:read' })),
    // Known, but not allowed: an API key is not tried in its place.
    expected: { status: 401, code: 'ERR_SCOPE_MISSING', error: REFUSED },
  },
  {
    name: 'token without a subject',
    authorization: altered(() => ({ claims: { sub: undefined } })),
    expected: { status: 401, code: 'ERR_TOKEN_SUBJECT', error: REFUSED },
  },
  {
    name: 'one bit of the signature flipped',
    authorization: async (scene) => bearer(flipped(scene.kept.ada)),
    expected: { status: 401, code: 'ERR_SIGNATURE_INVALID', error: TRIED_AS_KEY },
  },
  {
    name: 'alg none',
    authorization: async (scene) => bearer(unsigned(scene.kept.ada)),
    expected: { status: 401, code: 'ERR_TOKEN_ALGORITHM', error: TRIED_AS_KEY },
  },
  {
    name: 'HS256 signed with the public key',
    authorization: async (scene) => bearer(signedWithPublicKey(scene.kept.ada, await scene.provider.key())),
    expected: { status: 401, code: 'ERR_TOKEN_ALGORITHM', error: TRIED_AS_KEY },
  },
  {
    name: 'unknown kid',
    authorization: altered(() => ({ header: { kid: 'nobody-has-this-key' } })),
    expected: { status: 401, code: 'ERR_KEY_NOT_FOUND', error: TRIED_AS_KEY },
  },
  {
    name: 'no header',
    authorization: async () => undefined,
    expected: { status: 401, code: 'missing_api_key', error: 'missing_api_key' },
  },
  {
    name: 'no header, API keys off',
    apiKeys: false,
    authorization: async () => undefined,
    expected: { status: 401, code: NO_TOKEN, error: NO_TOKEN },
  },
  {
    name: 'malformed header',
    authorization: async (scene) => `Bearer ${scene.kept.ada} twice`,
    expected: { status: 401, code: 'invalid_api_key', error: TRIED_AS_KEY },
  },
  {
    name: 'malformed header, API keys off',
    apiKeys: false,
    authorization: async (scene) => `Bearer ${scene.kept.ada} twice`,
    expected: { status: 401, code: NO_TOKEN, error: NO_TOKEN },
  },
  {
    name: 'good token of an unknown user, API keys on',
    async authorization(scene) {
      scene.kept.nobody = await scene.provider.token({
        user: 'nobody',
        audience: CHAT,
        scope: 'agents:use',
      });
      return bearer(scene.kept.nobody);
    },
    expected: { status: 401, code: 'no_matching_user', error: TRIED_AS_KEY },
  },
  {
    name: 'good token of an unknown user, API keys off',
    apiKeys: false,
    authorization: async (scene) => bearer(scene.kept.nobody),
    expected: { status: 401, code: 'no_matching_user', error: REFUSED },
  },
  {
    name: 'the same user, provisioning on: an account is made',
    provisioning: true,
    authorization: async (scene) => bearer(scene.kept.nobody),
    expected: { status: 200, code: null, user: 'nobody@example.com', linked: false },
  },
  {
    name: 'the same user, now known',
    authorization: async (scene) => bearer(scene.kept.nobody),
    expected: { status: 200, code: null, user: 'nobody@example.com', linked: false, lookups: 1 },
  },
  {
    name: 'provisioning on, a domain that may have no account',
    provisioning: true,
    authorization: async (scene) =>
      bearer(await scene.provider.token({ user: 'eve', audience: CHAT, scope: 'agents:use' })),
    // A good token: an API key is not tried in its place.
    expected: { status: 401, code: 'email_domain_not_allowed', error: REFUSED },
  },
  {
    name: 'API key',
    authorization: async (scene) => bearer(scene.apiKey),
    expected: { status: 200, code: null, user: 'alan@example.com', linked: false },
  },
  {
    name: 'API key, API keys off',
    apiKeys: false,
    authorization: async (scene) => bearer(scene.apiKey),
    expected: { status: 401, code: 'ERR_TOKEN_OPAQUE', error: REFUSED },
  },
  {
    name: 'user found by e-mail and linked',
    async authorization(scene) {
      scene.kept.grace = await scene.provider.token({
        user: 'grace',
        audience: CHAT,
        scope: 'agents:use',
      });
      return bearer(scene.kept.grace);
    },
    expected: { status: 200, code: null, user: 'grace@example.com', linked: true, lookups: 2 },
  },
  {
    name: 'the same user, now found by sub',
    path: COMPLETIONS,
    authorization: async (scene) => bearer(scene.kept.grace),
    expected: { status: 200, code: null, user: 'grace@example.com', linked: false, lookups: 1 },
  },
  {
    name: "someone else's e-mail, not verified by the provider",
    authorization: async (scene) =>
      bearer(await scene.provider.token({ user: 'mallory', audience: CHAT, scope: 'agents:use' })),
    expected: { status: 401, code: 'auth_failed', error: REFUSED },
  },
  {
    name: 'the provider rotates its keys, next token',
    async authorization(scene) {
      await scene.provider.rotate();
      scene.kept.withdrawn = scene.kept.ada;
      scene.kept.ada = await scene.provider.token({
        user: 'ada',
        audience: CHAT,
        scope: 'agents:use',
      });
      return bearer(scene.kept.ada);
    },
    expected: { status: 200, code: null, user: 'ada@example.com', linked: false },
  },
  {
    name: 'token of the withdrawn key',
    authorization: async (scene) => bearer(scene.kept.withdrawn),
    expected: { status: 401, code: 'ERR_KEY_NOT_FOUND', error: TRIED_AS_KEY },
  },
  {
    name: 'the provider is stopped, known token',
    path: COMPLETIONS,
    async authorization(scene) {
      scene.kept.flipped = flipped(scene.kept.ada);
      await scene.provider.stop();
      return bearer(scene.kept.ada);
    },
    expected: { status: 200, code: null, user: 'ada@example.com', linked: false },
  },
  {
    name: 'the provider is stopped, one bit flipped',
    authorization: async (scene) => bearer(scene.kept.flipped),
    expected: { status: 401, code: 'ERR_SIGNATURE_INVALID', error: TRIED_AS_KEY },
  },
];

module.exports = { calls, CHAT };
