// Both sides of each page of docs/coming-from as they stand, on the real packages, over the same requests. Prints a line of JSON: for each
// page and side the status of each request, and what a good one is answered with.

import { createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';
import http from 'node:http';
import express from 'express';
import * as jose from 'jose';

const require = createRequire(import.meta.url);
const { createTestIssuer } = require('../../../lib/testing');
const { blocksOf, documents, read } = require('../markdown');

const issuer = await createTestIssuer({ audience: 'https://api.example.com' });
const scope = 'agents:use';
const REQUESTS = {
  good: issuer.token({ sub: 'ada', scope }),
  nothing: undefined,
  forged: issuer.token({ scope }, { forged: true }),
  expired: issuer.token({ scope }, { expiresIn: -10 }),
  'for another audience': issuer.token({ aud: 'https://other.example.com', scope }),
  'of another issuer': issuer.token({ iss: 'https://attacker.example', scope }),
  unsigned: issuer.token({ scope }, { alg: 'none' }),
  'without the scope': issuer.token({ scope: 'other' }),
};

/** fast-jwt wants the key itself. */
function keyOf(kid) {
  const jwk = issuer.jwks().keys.find((key) => key.kid === kid);
  if (jwk === undefined) throw new Error('no such key');
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' });
}

/** Two of them fetch by https alone, which is all that is changed of them. */
const LOOPBACK = {
  '@okta/jwt-verifier': (OktaJwtVerifier) =>
    class extends OktaJwtVerifier {
      constructor(options) {
        super({ ...options, testing: { disableHttpsCheck: true } });
      }
    },
  'aws-jwt-verify': (aws) => {
    const { SimpleJwksCache } = require('aws-jwt-verify/jwk');
    const fetcher = { fetch: async (uri) => (await fetch(uri)).arrayBuffer() };
    const create = (properties) => aws.JwtVerifier.create(properties, { jwksCache: new SimpleJwksCache({ fetcher }) });
    return { JwtVerifier: { create } };
  },
};
const required = (name) => LOOPBACK[name]?.(require(name)) ?? require(name);

async function statuses(text) {
  const app = express();
  const here = text
    .replaceAll('https://login.example.com', issuer.issuer)
    .replace("import('jose')", 'Promise.resolve(jose)');
  new Function('require', 'app', 'keyOf', 'jose$', here.replace('Promise.resolve(jose)', 'Promise.resolve(jose$)'))(
    required,
    app,
    keyOf,
    jose,
  );
  app.use((error, _req, res, _next) => res.status(error.status ?? 500).end());
  const server = http.createServer(app);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = {};
  for (const [name, token] of Object.entries(REQUESTS)) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${server.address().port}/agents`, { headers });
    found[name] = response.status === 200 ? (await response.json()).subject : response.status;
  }
  server.close();
  server.closeAllConnections();
  return found;
}

const result = {};
for (const file of documents().filter((name) => /^docs\/coming-from\/(?!README)/.test(name))) {
  const sides = blocksOf(read(file), file).filter(({ marker }) => marker === 'before' || marker === 'after');
  result[file] = Object.fromEntries(
    await Promise.all(sides.map(async ({ marker, text }) => [marker, await statuses(text)])),
  );
}
await issuer.stop();
console.log(JSON.stringify(result));
// Some of the packages keep timers.
process.exit(0);
