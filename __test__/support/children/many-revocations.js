'use strict';

// A million revocations in a process of its own, and the memory they take.

const { RemoteTokenVerifier } = require('../../..');
const { addRevocations, revocationText } = require('../../../lib/verifier/revocation');

const COUNT = 1_000_000;
const BATCH = 10_000;
const until = Math.floor(Date.now() / 1000) + 3_600;
const verifier = new RemoteTokenVerifier();
const text = (index) =>
  revocationText({ jti: `token-${index}`, issuer: 'https://idp.example', until: until + (index % 600) });

addRevocations([text(0)]);
global.gc();
const before = process.memoryUsage().rss;
let most = before;
for (let at = 0; at < COUNT; at += BATCH) {
  addRevocations(Array.from({ length: BATCH }, (_, index) => text(at + index)));
  // The texts are JavaScript's, and gone.
  global.gc();
  most = Math.max(most, process.memoryUsage().rss);
}
const full = verifier.stats();
addRevocations([text(COUNT)]);
process.stdout.write(
  JSON.stringify({
    bytes: most - before,
    revocations: full.revocations,
    displaced: verifier.stats().revocationsDisplaced,
  }),
);
