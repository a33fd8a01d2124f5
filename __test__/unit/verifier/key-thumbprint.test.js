'use strict';

// The key that signed, as an outcome names it natively: by its material (RFC 7638), whatever `kid` and `alg` say.

const { createHash } = require('node:crypto');
const { Issuer } = require('../../support/issuer');
const { RemoteTokenVerifier } = require('../../../lib/verifier');
const { Success } = require('../../../lib/verifier/outcome');

/** RFC 7638 3.2 and 3.3: the required members, in their order. */
const MEMBERS = { EC: ['crv', 'kty', 'x', 'y'], RSA: ['e', 'kty', 'n'] };

function thumbprintOf(jwk) {
  const members = Object.fromEntries(MEMBERS[jwk.kty].map((name) => [name, jwk[name]]));
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

const publishedKey = async (issuer) => (await (await fetch(issuer.jwksUri)).json()).keys.at(-1);

test.each(['ES256', 'RS256'])(
  'the thumbprint of the key of %s, by the cache, without it and after it',
  async (algorithm) => {
    const issuer = await new Issuer({ algorithm }).start();
    try {
      const options = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
      const expected = thumbprintOf(await publishedKey(issuer));
      for (const verifier of [new RemoteTokenVerifier(), new RemoteTokenVerifier({ verdictCache: false })]) {
        const policy = verifier.compile(options);
        const token = issuer.token({ sub: 'åda 😀' });
        for (let time = 0; time < 2; time += 1) {
          const outcome = await verifier.check(token, policy, { forRecheck: true });
          expect(Success.keyThumbprintOf(outcome)).toBe(expected);
          // The part before it ends where it begins.
          expect(JSON.parse(outcome.header)).toMatchObject({ alg: algorithm });
        }
        const again = await verifier.recheck(
          (await verifier.check(token, policy, { forRecheck: true })).verdict,
          policy,
        );
        expect(Success.keyThumbprintOf(again)).toBe(expected);
        verifier.clear();
      }
    } finally {
      await issuer.stop();
    }
  },
);

test('another key of the same kid has another thumbprint', async () => {
  const verifier = new RemoteTokenVerifier();
  const issuer = await new Issuer().start();
  const other = await new Issuer().start();
  try {
    const thumbprints = [];
    for (const signer of [issuer, other]) {
      const policy = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: signer.jwksUri });
      const outcome = await verifier.check(signer.token({ iss: issuer.url }), policy);
      expect(JSON.parse(outcome.header).kid).toBe('key-1');
      thumbprints.push(Success.keyThumbprintOf(outcome));
    }
    expect(thumbprints).toEqual([expect.stringMatching(/^[\w-]{43}$/), expect.stringMatching(/^[\w-]{43}$/)]);
    expect(thumbprints[0]).not.toBe(thumbprints[1]);
  } finally {
    verifier.clear();
    await Promise.all([issuer.stop(), other.stop()]);
  }
});

test.each([undefined, null, {}, 'text', { ok: true }])('what is no outcome of ours names no key: %p', (value) => {
  expect(Success.keyThumbprintOf(value)).toBeUndefined();
});
