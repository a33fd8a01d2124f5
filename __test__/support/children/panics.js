'use strict';

// Meets a panic in every kind of export of a build with the probe, and goes on. Prints what became of each.

const probe = require(process.argv[2]);

/** @param {() => unknown} run */
async function outcomeOf(run) {
  try {
    const value = await run();
    return value?.code ?? 'a value';
  } catch (error) {
    return error instanceof Error ? 'an error' : 'something else';
  }
}

async function main() {
  const instance = new probe.PanicProbe(false);
  const seen = {
    function: await outcomeOf(() => probe.panicInFunction()),
    constructor: await outcomeOf(() => new probe.PanicProbe(true)),
    method: await outcomeOf(() => instance.method()),
    getter: await outcomeOf(() => instance.getter),
    future: await outcomeOf(() => probe.panicInFuture()),
    line: await outcomeOf(() => probe.panicInLine()),
    conversion: await outcomeOf(() => probe.panicInConversion()),
    afterwards: await outcomeOf(() => probe.createRemoteAgentAuth().check('a.b.c', { issuer: 'https://a', audience: 'b' })),
    // No certificate was handed over in this process.
    'no trust': await outcomeOf(() => probe.verifyRemoteToken(process.argv[3], { issuer: 'https://localhost', audience: 'a' })),
  };
  process.stdout.write(JSON.stringify(seen));
}

main();
