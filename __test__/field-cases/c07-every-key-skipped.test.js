'use strict';

const { RemoteTokenVerifier } = require('../../index');
const { Signer, resultOf, policyOf } = require('../support/signer');

const verifier = new RemoteTokenVerifier();
const signer = new Signer();

beforeEach(() => verifier.clear());

test('C7 where no entry of a set can be used, the error and stats() say why for each', async () => {
  const keys = [
    { ...signer.jwk, use: 'enc' },
    { kty: 'oct', kid: 'k', k: 'AAAA' },
    { ...signer.jwk, key_ops: ['sign'] },
    5,
  ];
  const error = await resultOf(verifier, signer.token(), policyOf(keys));
  expect(error).toMatchObject({ code: 'ERR_JWKS_DOCUMENT', fault: 'upstream' });
  for (const reason of ['`use` is not `sig`', 'private or symmetric', '`key_ops`', 'not a JSON object'])
    expect(error.message).toContain(reason);
  const [{ skipped }] = verifier.stats().sources;
  expect(skipped.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(skipped.map(({ reason }) => reason)).toEqual([
    '`use` is not `sig`',
    'it holds private or symmetric key material',
    '`key_ops` does not have `verify`',
    'not a JSON object',
  ]);
});

test('C7 the list is bounded', async () => {
  const keys = Array.from({ length: 500 }, () => ({ ...signer.jwk, use: 'enc' }));
  const error = await resultOf(verifier, signer.token(), policyOf(keys));
  expect(error.code).toBe('ERR_JWKS_DOCUMENT');
  expect(error.message.length).toBeLessThan(500);
  expect(verifier.stats().sources[0].skipped).toHaveLength(8);
});
