'use strict';

// examples/mcp with the SDK's own client and a certified OpenID provider, and what the verifier says to the SDK.

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { createTokenVerifier } = require('../../lib/adapters/mcp');
const { createTestIssuer } = require('../../lib/testing');
const { ROOT } = require('../support/markdown');

const CLIENT = path.join(__dirname, '..', 'support', 'children', 'mcp-client.mjs');

test('the SDK’s client finds the provider from our 401, gets a token there and calls a tool', async () => {
  const example = path.join(ROOT, 'examples', 'mcp', 'server.js');
  const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, example], { cwd: ROOT });
  // The provider says things before it.
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual({
    unauthorized: true,
    askedAt: true,
    resource: true,
    said: true,
    good: 200,
    forged: [
      401,
      expect.stringMatching(
        /^Bearer error="invalid_token".*resource_metadata="http.*\/oauth-protected-resource\/mcp"$/,
      ),
    ],
    log: expect.stringMatching(/^refused: ERR_SIGNATURE_INVALID: /),
    leaked: false,
  });
}, 60_000);

describe('the verifier', () => {
  class InvalidTokenError extends Error {}
  class InsufficientScopeError extends Error {}
  class ServerError extends Error {}
  const errors = { InvalidTokenError, InsufficientScopeError, ServerError };
  /** @type {import('../../testing').TestIssuer} */
  let issuer;
  beforeAll(async () => {
    issuer = await createTestIssuer({ alg: 'ES256', audience: 'https://mcp.example.com/mcp' });
  });
  afterAll(() => issuer.stop());

  test('says what the SDK wants to know of a good token', async () => {
    const token = issuer.token({ sub: 'ada', client_id: 'cli', scope: 'a b' });
    const info = await createTokenVerifier(issuer.policy({ errors })).verifyAccessToken(token);
    expect(info).toEqual({
      token,
      clientId: 'cli',
      scopes: ['a', 'b'],
      expiresAt: expect.any(Number),
      resource: new URL(issuer.audience),
      extra: { subject: 'ada', issuer: issuer.issuer },
    });
  });

  test.each([
    ['a forged token', () => issuer.token({}, { forged: true }), {}, InvalidTokenError],
    ['one for another server', () => issuer.token({ aud: 'https://other.example.com' }), {}, InvalidTokenError],
    ['an ID token', () => issuer.token({ nonce: 'n' }), {}, InvalidTokenError],
    ['a text with blanks', () => `${issuer.token()} x`, {}, InvalidTokenError],
    ['nothing', () => '', {}, InvalidTokenError],
    ['a token without the scope', () => issuer.token(), { scope: 'agents:use' }, InsufficientScopeError],
  ])('%s is the error of the SDK for it', async (_name, token, more, type) => {
    const verifier = createTokenVerifier(issuer.policy({ errors, ...more }));
    await expect(verifier.verifyAccessToken(token())).rejects.toBeInstanceOf(type);
  });

  test('a provider that cannot be reached is no fault of the token', async () => {
    const policy = { issuer: 'http://127.0.0.1:9', audience: issuer.audience, errors };
    const seen = [];
    const verifier = createTokenVerifier({ ...policy, onRefusal: ({ code }) => seen.push(code) });
    await expect(verifier.verifyAccessToken(issuer.token({ iss: policy.issuer }))).rejects.toBeInstanceOf(ServerError);
    expect(seen).toEqual(['ERR_DISCOVERY_FETCH']);
  });
});
