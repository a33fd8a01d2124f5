'use strict';

// A flood of forged tokens whose signatures cost the most to check keeps the threads that check signatures busy; the same threads fetch keys.

const { generateKeyPairSync, randomBytes } = require('node:crypto');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { Issuer } = require('../support/issuer');

const issuer = new Issuer();
beforeAll(() => issuer.start());
afterAll(() => issuer.stop());

/** Seconds of work for every thread there is: what waits for the end of the flood waits for all of them. */
const MOST_FORGED = 30_000;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A signature of the right form, which only the costly signature check can distinguish from a good one. */
function forged() {
  const numbers = [66, 66].map((length) => randomBytes(length).fill(0, 0, 1).fill(1, 1, 2));
  return Buffer.concat(numbers).toString('base64url');
}

test('keys are fetched in the middle of a flood of ES512 tokens, and a good token passes', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-521', publicKeyEncoding: { format: 'jwk' } });
  const jwk = { ...publicKey, kid: 'costly', alg: 'ES512' };
  const verifier = new RemoteTokenVerifier();
  const flooded = verifier.compile({ issuer: 'https://flooded.example', audience: 'agents', jwks: { keys: [jwk] } });
  await verifier.prefetch({ issuer: 'https://flooded.example', audience: 'agents', jwks: { keys: [jwk] } });
  const claims = part({ iss: 'https://flooded.example', aud: 'agents', sub: 's', exp: 4e9 });
  const head = `${part({ alg: 'ES512', kid: 'costly' })}.${claims}.`;

  // As many as wait at once, each followed by another: without end, but for a server that never comes to the keys.
  let answered = 0;
  let flooding = true;
  const codes = new Set();
  const caller = async () => {
    while (flooding && answered < MOST_FORGED) {
      const { code } = await verifier.check(head + forged(), flooded);
      codes.add(code);
      answered += 1;
      // As a request comes from a socket: with the next turn of the event loop.
      await new Promise(setImmediate);
    }
  };
  const flood = Array.from({ length: 2000 }, caller);
  const own = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  const good = await verifier.check(issuer.token(), own);
  flooding = false;
  expect(good.ok ? 'ok' : good.code).toBe('ok');
  expect(answered).toBeLessThan(MOST_FORGED);
  await Promise.all(flood);
  expect(codes).toContain('ERR_SIGNATURE_INVALID');
  expect(verifier.stats().queued).toBe(0);
});
