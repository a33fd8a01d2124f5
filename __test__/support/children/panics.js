'use strict';

// Meets a panic in every kind of export of a build with the probe, and continues. Prints the result of each.

const { outcomeOf } = require('../../../lib/verifier/outcome');
const probe = require(process.argv[2]);

/** @param {() => unknown} run */
async function seenOf(run) {
  try {
    const value = await run();
    if (!Array.isArray(value)) return 'a value';
    // What src/node/wire.rs makes of a refusal.
    const [text, handle, ...numbers] = value;
    return outcomeOf('', text, handle, numbers, 0).code;
  } catch (error) {
    return error instanceof Error ? 'an error' : 'something else';
  }
}

async function main() {
  const instance = new probe.PanicProbe(false);
  const seen = {
    function: await seenOf(() => probe.panicInFunction()),
    constructor: await seenOf(() => new probe.PanicProbe(true)),
    method: await seenOf(() => instance.method()),
    getter: await seenOf(() => instance.getter),
    future: await seenOf(() => probe.panicInFuture()),
    line: await seenOf(() => probe.panicInLine()),
    conversion: await seenOf(() => probe.panicInConversion()),
    afterwards: await seenOf(() =>
      probe.createRemoteAgentAuth().check('eyJ.b.c', { issuer: 'https://a', audience: 'b' }),
    ),
    // No certificate was handed over in this process.
    'no trust': await seenOf(() =>
      probe.verifyRemoteToken(process.argv[3], { issuer: 'https://localhost', audience: 'a' }),
    ),
  };
  process.stdout.write(JSON.stringify(seen));
}

main();
