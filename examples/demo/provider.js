'use strict';

// The demo's end of the provider: starts the process, gets tokens from its token endpoint the way a client would, and passes on
// what the demo wants of it.

const { fork } = require('node:child_process');
const crypto = require('node:crypto');
const { once } = require('node:events');
const path = require('node:path');

const PATIENCE_MS = 20_000;
const CLIENT = 'demo-cli';
// Nobody listens there: the demo reads the code off the redirect and follows it no further.
const REDIRECT = 'https://client.example.com/callback';

/**
 * @typedef {object} Provider
 * @property {string} issuer
 * @property {(who: { user: string, audience: string, scope: string }) => Promise<string>} token
 * @property {() => Promise<string>} rotate resolves to the new `kid`
 * @property {() => Promise<import('node:crypto').JsonWebKey & { kid: string }>} key
 * @property {() => Promise<{ discovery: number, keys: number }>} requests
 * @property {() => Promise<void>} stop kills the process and resolves when it is gone
 */

/**
 * One request of a browser that keeps cookies and follows nothing by itself.
 * @param {Map<string, string>} cookies
 * @param {string | URL} url
 * @param {RequestInit} [init]
 */
async function browse(cookies, url, init = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(url, {
    ...init,
    headers: { ...init.headers, ...(cookie ? { cookie } : {}) },
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  for (const line of response.headers.getSetCookie()) {
    const [pair] = line.split(';');
    const at = pair.indexOf('=');
    cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return response;
}

/**
 * The authorization code flow with PKCE (RFC 7636): authorize, log in, take the code from the redirect, exchange it.
 * @param {string} issuer
 * @param {{ user: string, audience: string, scope: string }} who
 * @returns {Promise<string>} the access token
 */
async function accessToken(issuer, { user, audience, scope }) {
  const discovery = await browse(new Map(), `${issuer}/.well-known/openid-configuration`);
  const metadata = /** @type {any} */ (await discovery.json());
  const verifier = crypto.randomBytes(32).toString('base64url');
  const cookies = new Map();

  let url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: CLIENT,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: `openid ${scope}`,
    resource: audience,
    login_hint: user,
    code_challenge: crypto.createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  // Authorize, log in, resume, and then the way back to the client, which carries the code.
  for (let hop = 0; hop < 5 && !url.href.startsWith(REDIRECT); hop++) {
    const response = await browse(cookies, url);
    const location = response.headers.get('location');
    if (!location) throw new Error(`no way on from ${url.pathname}: ${response.status} ${await response.text()}`);
    url = new URL(location, url);
  }
  const code = url.searchParams.get('code');
  if (!code) throw new Error(`no code: ${url.searchParams.get('error_description')}`);

  const response = await browse(cookies, metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: CLIENT,
      code,
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      resource: audience,
    }),
  });
  const answer = /** @type {any} */ (await response.json());
  if (!response.ok) throw new Error(`token endpoint: ${answer.error} ${answer.error_description}`);
  return answer.access_token;
}

/** @returns {Promise<Provider>} */
async function startProvider() {
  const child = fork(path.join(__dirname, 'provider.mjs'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit');
  // A parent that ends by an exception or by process.exit takes the provider along; if it is killed outright, the closed channel does.
  const end = () => child.kill('SIGKILL');
  process.on('exit', end);
  gone.then(() => process.off('exit', end));

  /** @type {Map<number, { resolve: (value: any) => void, reject: (reason: Error) => void }>} */
  const waiting = new Map();
  let count = 0;
  /** @param {string} command @returns {Promise<any>} */
  const ask = (command) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      child.send({ id: count, do: command });
    });

  const issuer = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the provider did not start in time')), PATIENCE_MS);
    gone.then(([code]) => reject(new Error(`the provider ended by itself (exit code ${code})`)));
    child.on('message', (/** @type {any} */ message) => {
      if (message.ready) {
        clearTimeout(timer);
        resolve(message.ready);
        return;
      }
      const answer = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) answer?.reject(new Error(message.error));
      else answer?.resolve(message.result);
    });
  });
  gone.then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the provider is gone'));
  });

  return {
    issuer,
    token: (who) => accessToken(issuer, who),
    rotate: () => ask('rotate'),
    key: () => ask('key'),
    requests: () => ask('requests'),
    async stop() {
      end();
      await gone;
    },
  };
}

module.exports = { startProvider };
