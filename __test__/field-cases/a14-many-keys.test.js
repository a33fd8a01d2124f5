'use strict';

// Platforms that sign for many tenants publish some hundred keys.

const http = require('node:http');
const { once } = require('node:events');
const { RemoteTokenVerifier } = require('../../index');
const { Signer, resultOf, policyOf } = require('../support/signer');

const verifier = new RemoteTokenVerifier();
const code = async (token, policy) => resultOf(verifier, token, policy).then((result) => result.code ?? result);
const signers = [1, 101, 500, 1000, 1001].map((place) => ({
  place,
  signer: new Signer({ kid: `kid-${place}`, alg: 'RS256' }),
}));
const filler = new Signer({ alg: 'RS256' });
const keys = Array.from({ length: 1001 }, (_, index) => {
  const known = signers.find(({ place }) => place === index + 1);
  return { ...(known?.signer ?? filler).jwk, kid: `kid-${index + 1}`, use: 'sig', alg: 'RS256' };
});

let server;
beforeAll(async () => {
  server = http.createServer((request, response) => response.end(JSON.stringify({ keys })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  verifier.clear();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

test.each([1, 101, 500, 1000])(
  'A14 the key at place %d of a thousand is found by its kid, within the usual body cap',
  async (place) => {
    const { signer } = signers.find((each) => each.place === place);
    const policy = { ...policyOf([]), jwks: undefined, jwksUri: `http://127.0.0.1:${server.address().port}/keys` };
    expect(await code(signer.token(), policy)).toBe('ok');
  },
);

test('A14 past a thousand entries a key is not looked at, and stats() says so', async () => {
  const policy = { ...policyOf([]), jwks: undefined, jwksUri: `http://127.0.0.1:${server.address().port}/keys` };
  expect(await code(signers.at(-1).signer.token(), policy)).toBe('ERR_KEY_NOT_FOUND');
  // One process, one store: other suites have sources there too.
  const [source] = verifier.stats().sources.filter(({ url }) => url === policy.jwksUri);
  expect(source.keys).toHaveLength(1000);
  expect(source.skipped).toEqual([{ index: 1000, kid: 'kid-1001', reason: expect.stringContaining('1000') }]);
});
