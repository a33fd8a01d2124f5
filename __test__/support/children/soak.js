'use strict';

// Checks tokens by the million and says by how much the process has grown since it was warm. Run with --expose-gc.

const path = require('node:path');
const { generateKeyPairSync, sign } = require('node:crypto');
const { RemoteTokenVerifier } = require(path.join(__dirname, '../../../lib/verifier/index.js'));
const native = require(path.join(__dirname, '../../../native.js'));

const checks = Number(process.argv[2]);
const ISSUER = 'https://issuer.example';
const { publicKey, privateKey } = generateKeyPairSync('ed25519', { publicKeyEncoding: { format: 'jwk' } });
const jwks = { keys: [{ ...publicKey, kid: 'k', alg: 'EdDSA', use: 'sig' }] };
const options = { issuer: ISSUER, audience: 'a', algorithms: ['EdDSA'], jwks };

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const mint = (claims) => {
  const input = `${encode({ alg: 'EdDSA', kid: 'k' })}.${encode({ iss: ISSUER, aud: 'a', exp: 4e9, pad: 'x'.repeat(600), ...claims })}`;
  return Buffer.from(`${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`);
};
// More than all caches of outcomes hold, so that those are full and turn over.
const good = Array.from({ length: 12_000 }, (_, n) =>
  mint({ sub: `user-${n}`, name: n % 3 === 0 ? 'Łukasz 😀' : 'Ada' }),
);
const bad = [
  mint({ sub: 'u', exp: 1 }),
  mint({ sub: 'u', aud: 'x' }),
  Buffer.from('a.b.c'),
  Buffer.from(`${'a'.repeat(20_000)}`),
];

const verifier = new RemoteTokenVerifier();
const shared = new RemoteTokenVerifier({ sharedClaims: true });
const plain = new RemoteTokenVerifier({ verdictCache: false });
const auth = native.createRemoteAgentAuth();
let policy = verifier.compile(options);

/** What is wanted of an outcome, whether it is there or comes later. */
const of = (outcome, wanted) => ('then' in outcome ? outcome.then(wanted) : wanted(outcome));
const subject = (outcome) => outcome.subject;

/** One of every call into native code, each with a new string as from a socket. */
function one(n) {
  const token = good[n % (n % 2 === 0 ? 500 : good.length)].latin1Slice();
  const kind = n % 64;
  if (kind < 48) return of(verifier.check(token, policy), subject);
  if (kind < 54) return of(shared.check(token, policy), (outcome) => shared.claimsOf(outcome).sub);
  if (kind < 58) return of(verifier.check(bad[n % bad.length].latin1Slice(), policy), ({ code }) => code);
  if (kind < 60) return of(auth.check(token, policy), subject);
  if (kind < 61) return of(auth.check(token, policy), ({ verdict }) => of(auth.recheck(verdict, policy), subject));
  if (kind < 62)
    return of(plain.check(token, policy, { forRecheck: true }), ({ verdict }) =>
      of(plain.recheck(verdict, policy), subject),
    );
  if (kind < 63) policy = verifier.compile(options);
  return of(verifier.check(token, policy), subject);
}

async function run(count) {
  for (let n = 0; n < count; n += 1) {
    const answer = one(n);
    if (typeof (typeof answer === 'string' ? answer : await answer) !== 'string')
      throw new Error(`check ${n} gave no answer`);
    // Finalizers run when the loop turns.
    if (n % 1000 === 0) await new Promise(setImmediate);
  }
}

/** The least of a few looks: the collector and the allocator give back when they see fit. */
async function size() {
  let least = Infinity;
  for (let look = 0; look < 8; look += 1) {
    globalThis.gc();
    await new Promise(setImmediate);
    least = Math.min(least, process.memoryUsage().rss);
  }
  return least;
}

void (async () => {
  await verifier.prefetch(options);
  // Node 24 lets its heap grow for longer than the others before it stays as it is.
  await run(Math.max(400_000, checks / 10));
  const warm = await size();
  await run(checks);
  process.stdout.write(JSON.stringify({ checks, grown: (await size()) - warm }));
})();
