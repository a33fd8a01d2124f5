'use strict';

// npx remote-agent-auth issuer: the test issuer, for people who try things by hand.

const { parseArgs } = require('node:util');
const { createTestIssuer } = require('./issuer');

const USAGE = `Usage: npx remote-agent-auth issuer [options]

Runs an OpenID issuer on 127.0.0.1 for trying things by hand, prints a token, and gives out more. Whoever can reach the port gets any
token: trust it in no server that others use.

  --port N          default: a free one
  --audience TEXT   aud of its tokens
  --profile NAME    tokens that look like a provider's: entra, keycloak, auth0, okta, cognito, google, zitadel, authentik, kubernetes,
                    github-actions
  --alg NAME        RS256 (default) to RS512, PS256 to PS512, ES256 to ES512, EdDSA; with Node 24.6 ML-DSA-44, -65, -87
  --claims JSON     claims of the first token
  --expires-in N    seconds the first token lives, default 3600
  --help

A token with other claims: curl 'ISSUER-ORIGIN/token?sub=ada&scope=agents:use'; expires_in, alg, kind and typ are options, everything
else a claim. New keys: curl -X POST ISSUER-ORIGIN/rotate.
`;

const OPTIONS = /** @type {const} */ ({
  port: { type: 'string' },
  audience: { type: 'string' },
  profile: { type: 'string' },
  alg: { type: 'string' },
  claims: { type: 'string' },
  'expires-in': { type: 'string' },
  help: { type: 'boolean' },
});

/**
 * @typedef {{ write(text: string): unknown }} Output
 * @param {string[]} args
 * @param {{ stdout: Output, stderr: Output }} [io]
 * @returns {Promise<{ code: number, issuer?: import('../../testing').TestIssuer }>} without an issuer: the exit code
 */
async function issuer(args, { stdout, stderr } = process) {
  /** @type {any} */
  let started;
  try {
    const given = parseArgs({ args, options: OPTIONS, strict: true }).values;
    if (given.help) {
      stdout.write(USAGE);
      return { code: 0 };
    }
    const { alg, audience, profile } = given;
    const port = numberOf(given.port, 'port', 65_535) ?? 0;
    const lifetime = numberOf(given['expires-in'], 'expires-in', 31_536_000) ?? 3600;
    const claims = given.claims === undefined ? {} : objectOf(given.claims);
    started = await createTestIssuer(/** @type {any} */ ({ port, audience, profile, alg }));
    started.serve(answersOf(started));
    stdout.write(greeting(started, started.token(claims, { expiresIn: lifetime })));
    return { code: 0, issuer: started };
  } catch (error) {
    await started?.stop();
    stderr.write(`issuer: ${/** @type {Error} */ (error).message}\n`);
    return { code: 2 };
  }
}

/** @param {import('../../testing').TestIssuer} started @param {string} token */
function greeting({ issuer, audience, jwksUri }, token) {
  const { origin } = new URL(issuer);
  return `issuer    ${issuer}
audience  ${audience}
keys      ${jwksUri}
more      curl '${origin}/token?sub=ada'    new keys: curl -X POST ${origin}/rotate    to end: Ctrl-C

${token}
`;
}

/** Parameters of /token that are no claims. */
const TOKEN_OPTIONS = ['alg', 'kind', 'typ'];

/**
 * @param {any} started
 * @returns {(url: URL, res: import('node:http').ServerResponse, req: import('node:http').IncomingMessage) => boolean}
 */
function answersOf(started) {
  const origin = new URL(started.issuer);
  return (url, res, req) => {
    const isToken = url.pathname === '/token' && req.method === 'GET';
    const isRotation = url.pathname === '/rotate' && req.method === 'POST';
    if (!isToken && !isRotation) return false;
    // A page in the browser reaches loopback under a name of its own (DNS rebinding) or as another origin.
    if (
      req.headers.host !== origin.host ||
      req.headers.origin !== undefined ||
      req.headers['sec-fetch-site'] !== undefined
    ) {
      res.writeHead(403).end();
      return true;
    }
    try {
      const text = isRotation ? started.rotate() : tokenOf(started, url.searchParams);
      res.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' }).end(`${text}\n`);
    } catch (error) {
      res.writeHead(400, { 'Content-Type': 'text/plain' }).end(`${/** @type {Error} */ (error).message}\n`);
    }
    return true;
  };
}

/** @param {any} started @param {URLSearchParams} parameters */
function tokenOf(started, parameters) {
  const given = Object.fromEntries(parameters);
  const { expires_in: expiresIn, ...rest } = given;
  const options = Object.fromEntries(TOKEN_OPTIONS.filter((name) => name in rest).map((name) => [name, rest[name]]));
  const claims = Object.fromEntries(Object.entries(rest).filter(([name]) => !TOKEN_OPTIONS.includes(name)));
  return started.token(claims, {
    ...options,
    ...(expiresIn !== undefined && { expiresIn: Number(expiresIn) || 0 }),
  });
}

/** @param {string | undefined} text @param {string} name @param {number} most */
function numberOf(text, name, most) {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  throw new TypeError(`--${name} must be a whole number from 0 to ${most}, and is ${JSON.stringify(text)}`);
}

/** @param {string} text */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new TypeError('--claims must be a JSON object');
}

module.exports = { issuer };
