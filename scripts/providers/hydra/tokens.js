'use strict';

// Hydra's tokens: a service's by its credentials, a person's by the code flow, with the checks in the place of the login page.

const LIMIT_MS = 60_000;
const REDIRECT = 'http://127.0.0.1:1/callback';
const SECRET = 'a secret of one run';

/** @typedef {(method: string, where: string, body?: unknown) => Promise<any>} Admin */

/** @param {Admin} admin @param {object} more */
const makeClient = (admin, more) =>
  admin('POST', '/clients', {
    client_secret: SECRET,
    token_endpoint_auth_method: 'client_secret_post',
    redirect_uris: [REDIRECT],
    ...more,
  });

/** @param {string} issuer @param {Record<string, string>} form @returns {Promise<any>} */
async function tokenRequest(issuer, form) {
  const body = new URLSearchParams({ client_secret: SECRET, ...form });
  const response = await fetch(`${issuer}oauth2/token`, {
    method: 'POST',
    body,
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`Hydra, token: ${answer.error}: ${answer.error_description}`);
  return answer;
}

/** @param {string} issuer @param {string} client @param {string} audience @param {string} scope */
const serviceToken = async (issuer, client, audience, scope) =>
  (await tokenRequest(issuer, { grant_type: 'client_credentials', client_id: client, audience, scope })).access_token;

/** @param {string} issuer @param {string} client @param {string} token */
async function revokeToken(issuer, client, token) {
  const body = new URLSearchParams({ client_id: client, client_secret: SECRET, token });
  const response = await fetch(`${issuer}oauth2/revoke`, { method: 'POST', body, headers: { connection: 'close' } });
  if (!response.ok) throw new Error(`Hydra, revoke: ${response.status} ${await response.text()}`);
}

/**
 * A person's tokens: the browser's way, each redirect followed by hand, with its cookies.
 * @param {string} issuer
 * @param {Admin} admin
 * @param {{ client: string, audience: string, scope: string }} asked
 */
async function userTokens(issuer, admin, { client, audience, scope }) {
  /** @type {Map<string, string>} */
  const cookies = new Map();
  /** @param {string | URL} url @returns {Promise<URL>} where it sends the browser */
  async function visit(url) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    for (const set of response.headers.getSetCookie()) {
      const [name, ...value] = String(set.split(';')[0]).split('=');
      cookies.set(String(name), value.join('='));
    }
    return new URL(String(response.headers.get('location')), issuer);
  }
  const accepted = async (/** @type {string} */ step, /** @type {URL} */ at, /** @type {object} */ answer) => {
    const challenge = at.searchParams.get(`${step}_challenge`);
    return (await admin('PUT', `/oauth2/auth/requests/${step}/accept?${step}_challenge=${challenge}`, answer))
      .redirect_to;
  };
  const query = new URLSearchParams({
    client_id: client,
    response_type: 'code',
    scope,
    audience,
    redirect_uri: REDIRECT,
    state: 'state-of-one-run',
    nonce: 'nonce-of-one-run',
  });
  const login = await visit(`${issuer}oauth2/auth?${query}`);
  const consent = await visit(await accepted('login', login, { subject: 'ada', remember: true }));
  const granted = { grant_scope: scope.split(' '), grant_access_token_audience: [audience] };
  const back = await visit(await accepted('consent', consent, granted));
  const code = back.searchParams.get('code');
  if (code === null) throw new Error(`Hydra gave no code: ${back.searchParams}`);
  return tokenRequest(issuer, { grant_type: 'authorization_code', client_id: client, code, redirect_uri: REDIRECT });
}

module.exports = { makeClient, revokeToken, serviceToken, userTokens };
