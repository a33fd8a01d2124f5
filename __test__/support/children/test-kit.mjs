// The test kit under node:test or vitest, whichever RUNNER names: imported by name, from an ES module.

import { strict as assert } from 'node:assert';
import { RemoteTokenVerifier } from 'remote-agent-auth';
import { createTestIssuer, expectRefusal } from 'remote-agent-auth/testing';

const { test } = process.env.RUNNER === 'vitest' ? await import('vitest') : await import('node:test');

test('an issuer is rotated, withdrawn from, cut off and restored', async () => {
  const issuer = await createTestIssuer({ alg: 'ES256' });
  const verifier = new RemoteTokenVerifier({ clock: issuer.clock });
  const policy = issuer.policy();
  assert.equal((await verifier.verify(issuer.token({ sub: 'ada' }), policy)).subject, 'ada');
  issuer.rotate();
  await verifier.verify(issuer.token(), policy);
  await expectRefusal('ERR_SIGNATURE_INVALID', verifier.verify(issuer.token({}, { forged: true }), policy));
  issuer.outage();
  verifier.clear();
  await expectRefusal('ERR_DISCOVERY_FETCH', verifier.verify(issuer.token(), policy));
  issuer.restore();
  verifier.clear();
  const token = issuer.token({}, { expiresIn: 60 });
  await verifier.verify(token, policy);
  issuer.clock.advance(61);
  await expectRefusal('ERR_TOKEN_EXPIRED', verifier.verify(token, policy));
  await issuer.stop();
});
