// What runs in an installed project, in any runtime: all entries imported by name, one good token let in, one altered refused.
// Prints one line of JSON.

import { generateKeyPairSync, sign } from 'node:crypto';
import { RemoteAuthError, createRemoteAgentAuth, verifyRemoteToken } from 'remote-agent-auth';
import { createRemoteAgentAuth as createNative } from 'remote-agent-auth/native';
import { findOpenIDUser } from 'remote-agent-auth/librechat';
import { bearerAuth as fastifyPlugin } from 'remote-agent-auth/fastify';
import { requestVerifier } from 'remote-agent-auth/hono';
import { bearerAuth as koaMiddleware } from 'remote-agent-auth/koa';
import { createTokenVerifier } from 'remote-agent-auth/mcp';
import { createTestIssuer } from 'remote-agent-auth/testing';

const issuer = 'https://provider.test';
const { publicKey, privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'jwk' },
});
const jwks = JSON.stringify({ keys: [{ ...publicKey, kid: 'one', alg: 'ES256', use: 'sig' }] });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const exp = Math.floor(Date.now() / 1000) + 600;
const claims = { iss: issuer, aud: 'agents', sub: 'someone', exp };
const signed = `${encode({ alg: 'ES256', kid: 'one' })}.${encode(claims)}`;
const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString(
  'base64url',
);
const altered = `${encode({ alg: 'ES256', kid: 'one' })}.${encode({ ...claims, sub: 'other' })}`;

const policy = { issuer, audience: 'agents', jwks };
const { subject } = await verifyRemoteToken(`${signed}.${signature}`, policy);
const refused = await verifyRemoteToken(`${altered}.${signature}`, policy).catch((error) => error);
const native = createNative().check(`${signed}.${signature}`, policy);

console.log(
  JSON.stringify({
    subject,
    refused: refused.code,
    typed: refused instanceof RemoteAuthError,
    native: (await native).ok,
    functions: [
      ...[createRemoteAgentAuth, findOpenIDUser, fastifyPlugin, requestVerifier, koaMiddleware, createTokenVerifier],
      createTestIssuer,
    ].map((each) => typeof each),
  }),
);
