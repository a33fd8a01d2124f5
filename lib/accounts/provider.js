'use strict';

const { entraTenantOf } = require('./email-address');
const { normalizeIssuer } = require('../policy/issuer');

/**
 * The issuer's endpoints beside its keys: the native client's.
 * @typedef {{ ok: false, reason: 'unauthorized' | 'subject_mismatch' | 'service_error', code: string, message: string, host?: string,
 *   connection?: string, status?: number }} Failure
 * @typedef {import('../../native').CompiledPolicy} CompiledPolicy
 * @typedef {{
 *   userinfo(policy: CompiledPolicy, args: { token: string, subject: string, hosts?: readonly string[], timeoutMs?: number }):
 *     Promise<{ ok: true, claims: Record<string, unknown> } | Failure>,
 *   exchange(policy: CompiledPolicy, args: { token: string, scope: string, clientId: string, clientSecret: string,
 *     hosts?: readonly string[], timeoutMs?: number }): Promise<{ ok: true, accessToken: string, expiresIn?: number } | Failure>,
 *   graph(policy: CompiledPolicy, args: { token: string, method: 'GET' | 'POST', path: string, body?: object, graphBase?: string,
 *     timeoutMs?: number }): Promise<{ ok: true, status: number, retryAfter?: number, body: any } | Failure>,
 * }} Client
 *
 * @typedef {{ ok: true, token: string } | { ok: false, message: string }} Exchanged
 *
 * Whose token endpoint is asked: the configured issuer, normalised, and hosts that may be asked besides its own.
 * @typedef {{ issuer: string | undefined, hosts: readonly string[] }} Provider
 */

const GRAPH_SCOPES = 'User.Read,People.Read,GroupMember.Read.All';
const USERINFO_SCOPE = 'user.read';

/** @param {string | undefined} value of the environment */
function isOn(value) {
  return value?.trim().toLowerCase() === 'true';
}

/**
 * The on-behalf-of exchange with LibreChat's own client, as its environment names it. Its secret is for the provider of the browser
 * login alone: whoever writes the `oidc` block of a tenant must not be able to have it sent anywhere else.
 * @param {() => Client} client
 * @param {CompiledPolicy} policy
 * @param {string} token the caller's
 * @param {string} scope
 * @param {Provider} provider
 * @returns {Promise<Exchanged>}
 */
async function exchange(client, policy, token, scope, { issuer, hosts }) {
  const { env } = process;
  const [clientId, clientSecret] = [env.OPENID_CLIENT_ID, env.OPENID_CLIENT_SECRET];
  if (!clientId || !clientSecret) {
    return { ok: false, message: 'the on-behalf-of exchange needs OPENID_CLIENT_ID and OPENID_CLIENT_SECRET' };
  }
  if (!isLoginProvider(issuer, env.OPENID_ISSUER)) {
    return { ok: false, message: 'OPENID_ISSUER names another issuer, and OPENID_CLIENT_SECRET is for that one alone' };
  }
  const answer = await client().exchange(policy, { token, scope, clientId, clientSecret, hosts });
  return answer.ok
    ? { ok: true, token: answer.accessToken }
    : { ok: false, message: `${answer.code}: ${answer.message}` };
}

/**
 * Whether an issuer is the provider of the browser login: the same issuer, or the same tenant of Entra ID by its other issuer.
 * @param {string | undefined} issuer normalised
 * @param {string | undefined} login OPENID_ISSUER; without one there is no other provider whose secret it could be
 */
function isLoginProvider(issuer, login) {
  const normal = normalizeIssuer(login);
  if (normal === undefined || normal === issuer) return true;
  const tenant = entraTenantOf(normal);
  return tenant !== undefined && tenant === entraTenantOf(issuer);
}

/**
 * Another token for userinfo, where OPENID_ON_BEHALF_FLOW_FOR_USERINFO_REQUIRED wants one.
 * @param {() => Client} client
 * @param {CompiledPolicy} policy
 * @param {string} token
 * @param {Provider} provider
 * @returns {Promise<Exchanged> | undefined}
 */
function forUserinfo(client, policy, token, provider) {
  const { env } = process;
  if (!isOn(env.OPENID_ON_BEHALF_FLOW_FOR_USERINFO_REQUIRED)) return undefined;
  return exchange(client, policy, token, env.OPENID_ON_BEHALF_FLOW_USERINFO_SCOPE || USERINFO_SCOPE, provider);
}

/**
 * A token for Microsoft Graph.
 * @param {() => Client} client
 * @param {CompiledPolicy} policy
 * @param {string} token
 * @param {Provider} provider
 * @param {string} graphBase the origin of the cloud's Graph, which its permissions are named after
 */
function forGraph(client, policy, token, provider, graphBase) {
  const { env } = process;
  const names = (env.OPENID_GRAPH_SCOPES || GRAPH_SCOPES).split(/[\s,]+/).filter(Boolean);
  const scope = names.map((name) => (name.startsWith('https://') ? name : `${graphBase}/${name}`)).join(' ');
  return exchange(client, policy, token, scope, provider);
}

/** Milliseconds for one call, as LibreChat reads them: 0 is no limit. @returns {number | undefined} undefined: the client's own */
function callTimeout() {
  const { env } = process;
  const text = env.REMOTE_AUTH_FETCH_TIMEOUT_MS?.trim();
  const milliseconds = text ? Number(text) : NaN;
  return milliseconds >= 0 ? milliseconds : undefined;
}

module.exports = { callTimeout, forGraph, forUserinfo, isLoginProvider, isOn };
