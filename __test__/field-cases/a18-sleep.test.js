'use strict';

// The native side is tried with clocks of its own by tests/suite/sleeping_machine.rs (`a18_...`).

const { RemoteTokenVerifier } = require('../../lib/verifier');
const { issuerWhileTesting } = require('../support/surroundings');

const issuer = issuerWhileTesting();

test('A18 what is remembered of a token is not believed after a sleep that only the wall clock shows', async () => {
  let seconds = Date.now() / 1000;
  const verifier = new RemoteTokenVerifier({ clock: () => seconds });
  const policy = verifier.compile({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  await verifier.prefetch({ issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri });
  const outcome = await verifier.check(issuer.token({ exp: Math.floor(seconds) + 86_400 }), policy, {
    forRecheck: true,
  });
  expect(outcome.ok).toBe(true);
  for (const [later, holds] of [
    [0, true],
    [3, true],
    [40, true],
    [7_200, false],
  ]) {
    seconds += later;
    expect([later, verifier.stillHolds(outcome, policy)]).toEqual([later, holds]);
    seconds -= later;
  }
});
