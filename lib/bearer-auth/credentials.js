'use strict';

/**
 * What a request says of itself, as Node and the Fetch API give it. `rawHeaders`: Node's list of names and values, where a second
 * `Authorization` header is seen that `headers` does not have.
 * @typedef {import('../../index').BearerRequest} BearerRequest
 *
 * @typedef {{ token: string } | 'none' | 'malformed'} Credentials
 */

// RFC 9110 11.4: the scheme is a token in any case; blanks alone separate it from what follows.
const SCHEME = /^([\w!#$%&'*+.^`|~-]+)(?: +(.*))?$/s;
// RFC 6750 2.1, `b64token`. The two runs have no character in common, so that a hostile header costs linear time.
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
const USUAL = 'Bearer ';
const ACCESS_TOKEN = 'access_token';

/**
 * The one credential of a request (RFC 6750 2). Only the `Authorization` header carries one here: a token in the query or the body
 * beside it is a second method, which the client must not use (2, 3.1 `invalid_request`); alone it is a method that is not supported,
 * and so no credential.
 * @param {BearerRequest} request
 * @param {(token: string) => boolean} [wasAccepted] of a text that was read here before, and accepted: its form need not be looked at again
 * @returns {Credentials}
 */
function credentialsOf(request, wasAccepted) {
  const header = authorizationOf(request);
  const found = header === undefined ? 'none' : readHeader(header, wasAccepted);
  if (found === 'none' || found === 'malformed') return found;
  return hasTokenElsewhere(request) ? 'malformed' : found;
}

/** @param {BearerRequest} request @returns {string | string[] | undefined} a list where there is more than one header */
function authorizationOf({ headers, rawHeaders }) {
  const values = valuesOf(rawHeaders ?? []);
  if (values.length > 1) return values;
  if (typeof headers?.get === 'function') return headers.get('authorization') ?? undefined;
  const { authorization } = headers ?? {};
  return Array.isArray(authorization) && authorization.length === 1 ? authorization[0] : authorization;
}

/** @param {readonly string[]} rawHeaders names and values in turn @returns {string[]} */
function valuesOf(rawHeaders) {
  const values = [];
  for (let place = 0; place + 1 < rawHeaders.length; place += 2) {
    const name = rawHeaders[place];
    if (name?.length === 13 && name.toLowerCase() === 'authorization') values.push(`${rawHeaders[place + 1]}`);
  }
  return values;
}

/** @param {unknown} header @param {((token: string) => boolean) | undefined} wasAccepted @returns {Credentials} */
function readHeader(header, wasAccepted) {
  if (typeof header !== 'string') return 'malformed';
  if (header.startsWith(USUAL)) {
    const token = header.slice(USUAL.length);
    if (wasAccepted?.(token) || TOKEN.test(token)) return { token };
  }
  const text = header.trim();
  if (text === '') return 'none';
  const [, scheme, token = ''] = SCHEME.exec(text) ?? [];
  if (scheme === undefined) return 'malformed';
  // Another scheme is one that is not supported: RFC 6750 3.1 wants no error code for it.
  if (scheme.toLowerCase() !== 'bearer') return 'none';
  return TOKEN.test(token) ? { token } : 'malformed';
}

/** @param {BearerRequest} request */
function hasTokenElsewhere(request) {
  return hasTokenInQuery(request.originalUrl ?? request.url) || hasTokenInForm(request);
}

/** RFC 6750 2.3. @param {unknown} url */
function hasTokenInQuery(url) {
  if (typeof url !== 'string') return false;
  const start = url.indexOf('?');
  if (start < 0) return false;
  const query = url.slice(start + 1);
  // A name can be spelled with escapes; without any, and without the name, there is nothing to take apart.
  if (!query.includes('%') && !query.includes(ACCESS_TOKEN)) return false;
  return new URLSearchParams(query).has(ACCESS_TOKEN);
}

/** RFC 6750 2.2: a form. A member of that name in a JSON body is the application's. @param {BearerRequest} request */
function hasTokenInForm({ headers, body }) {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, ACCESS_TOKEN)) return false;
  const type = typeof headers?.get === 'function' ? headers.get('content-type') : headers?.['content-type'];
  return /^\s*application\/x-www-form-urlencoded\b/i.test(`${type}`);
}

/**
 * A CORS preflight (Fetch 3.2.2). A browser sends it without credentials and lets nobody read more of its answer than headers.
 * @param {BearerRequest} request
 */
function isPreflight({ method, headers }) {
  if (method !== 'OPTIONS' || headers === undefined || headers === null) return false;
  const has = (/** @type {string} */ name) =>
    typeof headers.get === 'function' ? headers.get(name) !== null : headers[name] !== undefined;
  return has('origin') && has('access-control-request-method');
}

module.exports = { credentialsOf, isPreflight };
