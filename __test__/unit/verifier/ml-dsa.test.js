'use strict';

// ML-DSA (RFC 9964) over keys that are fetched, signed by Node where it can: what is made by other libraries stands in tests/vectors.

const { verifyRemoteToken } = require('../../..');
const { createTestIssuer } = require('../../../lib/testing');

const ML_DSA = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'];
const hasMlDsa = (() => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 6);
})();

test.each(ML_DSA)('a test issuer signs with %s where Node does, and says where it does not', async (alg) => {
  if (!hasMlDsa) return expect(createTestIssuer({ alg })).rejects.toThrow(`signs with ${alg} from Node 24.6 on`);
  const issuer = await createTestIssuer({ alg });
  try {
    const token = issuer.token({ sub: 'ada' });
    expect(issuer.jwks().keys).toEqual([{ kty: 'AKP', alg, pub: expect.any(String), kid: issuer.kid, use: 'sig' }]);
    expect(await verifyRemoteToken(token, issuer.policy({ algorithms: [alg] }))).toMatchObject({ subject: 'ada' });
    await issuer.expectRefusal('ERR_TOKEN_ALGORITHM', verifyRemoteToken(token, issuer.policy()));
    const forged = issuer.token({ sub: 'ada' }, { forged: true });
    const refused = verifyRemoteToken(forged, issuer.policy({ algorithms: [alg] }));
    return await issuer.expectRefusal('ERR_SIGNATURE_INVALID', refused);
  } finally {
    await issuer.stop();
  }
});
