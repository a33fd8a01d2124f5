'use strict';

// Keycloak's admin REST interface, as much of it as the checks use.

const LIMIT_MS = 60_000;

/** @typedef {{ get: (path: string) => Promise<any>, post: (path: string, body?: unknown) => Promise<string>, put: (path: string, body: unknown) => Promise<unknown>, remove: (path: string) => Promise<unknown> }} Admin */

/**
 * @param {string} url
 * @param {Record<string, string>} form
 * @returns {Promise<any>} the token endpoint's answer
 */
async function tokenRequest(url, form) {
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.error}: ${answer.error_description}`);
  return answer;
}

/**
 * @param {string} base URL of the server
 * @param {{ username: string, password: string }} who
 * @returns {Admin} paths are below `/admin/realms`; `post` gives the id of what it made
 */
function adminOf(base, { username, password }) {
  let token = '';
  let until = 0;
  async function call(/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body) {
    if (Date.now() > until) {
      const form = { grant_type: 'password', client_id: 'admin-cli', username, password };
      const answer = await tokenRequest(`${base}/realms/master/protocol/openid-connect/token`, form);
      token = answer.access_token;
      until = Date.now() + (answer.expires_in - 20) * 1_000;
    }
    // Of its own: the server ends a connection that waits for the next rotation when it likes.
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' };
    const signal = AbortSignal.timeout(LIMIT_MS);
    const response = await fetch(`${base}/admin/realms${path}`, {
      method,
      headers,
      signal,
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Keycloak, ${method} ${path}: ${response.status} ${text}`);
    return { text, location: response.headers.get('location') ?? '' };
  }
  return {
    get: async (path) => JSON.parse((await call('GET', path, undefined)).text),
    post: async (path, body = {}) => String((await call('POST', path, body)).location.split('/').at(-1)),
    put: (path, body) => call('PUT', path, body),
    remove: (path) => call('DELETE', path, undefined),
  };
}

module.exports = { adminOf, tokenRequest };
