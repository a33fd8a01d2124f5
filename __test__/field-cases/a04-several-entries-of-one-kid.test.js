'use strict';

// RFC 7517 4.5: keys of one `kid` are distinguished by `kty`, `alg`, `crv` and `use`.

const { RemoteTokenVerifier } = require('../../index');
const { Signer, resultOf, policyOf } = require('../support/signer');

const verifier = new RemoteTokenVerifier();
const code = async (token, policy) => resultOf(verifier, token, policy).then((result) => result.code ?? result);
const rsa = new Signer({ alg: 'RS256' });
const other = new Signer({ alg: 'RS256' });

beforeEach(() => verifier.clear());

test.each(['RS256', 'RS384', 'RS512'])(
  'A4 one key listed for RS384, RS256 and RS512 checks a token of %s',
  async (alg) => {
    const policy = policyOf(['RS384', 'RS256', 'RS512'].map((each) => ({ ...rsa.jwk, alg: each, use: 'sig' })));
    expect(await code(rsa.token({}, { alg }), policy)).toBe('ok');
    // The same again, from what is remembered.
    expect(await code(rsa.token({}, { alg }), policy)).toBe('ok');
    expect(await code(rsa.token({}, { alg: 'PS256' }), policy)).toBe('ERR_KEY_UNSUITABLE');
  },
);

test.each(['RS256', 'PS256'])('A4 one key listed for PS256 and RS256 checks a token of %s', async (alg) => {
  const policy = policyOf(['PS256', 'RS256'].map((each) => ({ ...rsa.jwk, alg: each })));
  expect(await code(rsa.token({}, { alg }), policy)).toBe('ok');
});

test('A4 entries that differ in use, key_ops, type or curve', async () => {
  const [p256, p384] = [new Signer({ alg: 'ES256' }), new Signer({ alg: 'ES384' })];
  const policy = policyOf([
    { ...other.jwk, use: 'enc' },
    { ...other.jwk, key_ops: ['encrypt'] },
    p256.jwk,
    p384.jwk,
    { ...rsa.jwk, use: 'sig' },
  ]);
  for (const signer of [p256, p384, rsa]) expect(await code(signer.token(), policy)).toBe('ok');
  expect(await code(other.token(), policy)).toBe('ERR_SIGNATURE_INVALID');
});

test('A4 any number of entries that cannot be used before the one that can', async () => {
  const unusable = Array.from({ length: 20 }, (_, n) => ({
    ...other.jwk,
    ...[{ use: 'enc' }, { alg: 'RSA-OAEP' }, { key_ops: ['wrapKey'] }, { kty: 'oct' }, { alg: 'PS512' }][n % 5],
  }));
  const policy = policyOf([...unusable, { ...rsa.jwk, key_ops: ['sign', 'verify'], use: 'sig', alg: 'RS256' }]);
  expect(await code(rsa.token(), policy)).toBe('ok');
  expect(await code(rsa.token({}, { alg: 'RS512' }), policy)).toBe('ERR_KEY_UNSUITABLE');
});

test('A4 two keys of one kid and one type are both tried, and no third', async () => {
  const policy = policyOf([rsa.jwk, other.jwk]);
  expect(await code(rsa.token(), policy)).toBe('ok');
  expect(await code(other.token(), policy)).toBe('ok');
  expect(await code(new Signer({ alg: 'RS256' }).token(), policy)).toBe('ERR_SIGNATURE_INVALID');
});

test('A4 a token is tried against at most eight keys of its kid', async () => {
  const signers = Array.from({ length: 9 }, () => new Signer());
  const policy = policyOf(signers.map(({ jwk }) => jwk));
  expect(await code(signers[7].token(), policy)).toBe('ok');
  expect(await code(signers[8].token(), policy)).toBe('ERR_SIGNATURE_INVALID');
});
