'use strict';

// How cost grows: with issuers, with keys in a set, with tokens remembered, with worker threads. Prints Markdown tables.

const { spawnSync } = require('node:child_process');
const { generateKeyPairSync } = require('node:crypto');
const { once } = require('node:events');
const path = require('node:path');
const { performance } = require('node:perf_hooks');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { spread } = require('./measure');
const { startProvider } = require('./provider');
const { perSecond, range, table } = require('./format');
const { fill } = require('./report');
const { start, tenants } = require('./scale-tenants');
const { folder, ours } = require('./subject');
const { AUDIENCE, Keys, claimsFor, mintPool } = require('./tokens');

const ROUNDS = 9;
const CHECKS = 4000;
const ALG = 'ES256';

const megabytes = () => process.memoryUsage.rss() / 2 ** 20;

/** Microseconds per check of `count` checks, claims parsed. */
async function timed(verifier, count, tokenOf, policyOf) {
  const tokens = Array.from({ length: count }, (_, i) => tokenOf(i).latin1Slice());
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const checked = verifier.check(tokens[i], policyOf(i));
    // One now and then is checked on another thread.
    const outcome = 'then' in checked ? await checked : checked;
    if (!outcome.ok) throw new Error(outcome.code);
    JSON.parse(outcome.claims);
  }
  return ((performance.now() - start) * 1000) / count;
}

async function rounds(work) {
  const taken = [];
  while (taken.length < ROUNDS) taken.push(await work());
  return spread(taken);
}

async function issuers() {
  const { RemoteTokenVerifier } = ours();
  const keys = new Keys([ALG]);
  const provider = await startProvider(keys.jwks);
  const rows = [];
  let held = '';
  // The largest first, while the process is still small and its memory means something.
  for (const count of [10_000, 1000, 100, 10, 1]) {
    const verifier = new RemoteTokenVerifier();
    verifier.clear();
    const fresh = new RemoteTokenVerifier({ verdictCache: false });
    const issuerOf = (i) => `${provider.issuer}/${count}/${i % count}`;
    const options = Array.from({ length: count }, (_, i) => ({
      issuer: issuerOf(i),
      audience: AUDIENCE,
      jwksUri: `${issuerOf(i)}/keys`,
    }));
    global.gc?.();
    const before = megabytes();
    const start = performance.now();
    for (let i = 0; i < count; i += 50)
      await Promise.all(options.slice(i, i + 50).map((policy) => verifier.prefetch(policy)));
    const fetched = performance.now() - start;
    global.gc?.();
    held ||= heldBy(count, megabytes() - before);
    const policies = options.map((policy) => verifier.compile(policy));
    const tokens = Array.from({ length: Math.max(count, 500) }, (_, i) => keys.mint(ALG, claimsFor(issuerOf(i), i)));
    const args = [CHECKS, (i) => tokens[i % tokens.length], (i) => policies[(i % tokens.length) % count]];
    const slots = () => verifier.stats().sources.length;
    try {
      const freshCost = await rounds(() => timed(fresh, ...args));
      await timed(verifier, Math.max(tokens.length, CHECKS), ...args.slice(1));
      const known = await rounds(() => timed(verifier, ...args));
      rows.push([perSecond(count), range(freshCost), range(known), perSecond(fetched), perSecond(slots())]);
    } catch (error) {
      rows.push([perSecond(count), error.message, '', perSecond(fetched), perSecond(slots())]);
    }
  }
  provider.stop();
  return `${table(['issuers', 'new token, us', 'known token, us', 'fetching all keys, ms', 'sources held'], rows.reverse())}\n\n${held}`;
}

/** @param {number} count @param {number} grown megabytes */
function heldBy(count, grown) {
  const each = (grown * 1024) / count;
  return `The keys of ${perSecond(count)} issuers took ${grown.toFixed(0)} MB, ${each.toFixed(1)} kB each.`;
}

async function keySets() {
  const { RemoteTokenVerifier } = ours();
  const rows = [];
  for (const count of [1, 2, 5, 20, 100]) {
    const keys = new Keys([ALG]);
    const others = Array.from({ length: count - 1 }, (_, i) => ({
      ...generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: { format: 'jwk' } }).publicKey,
      kid: `other-${i}`,
      use: 'sig',
      alg: ALG,
    }));
    // The key in use comes last: the worst place for a search from the front.
    const provider = await startProvider({ keys: [...others, ...keys.jwks.keys] });
    const verifier = new RemoteTokenVerifier({ verdictCache: false });
    const policy = { issuer: provider.issuer, audience: AUDIENCE, jwksUri: provider.jwksUri };
    const start = performance.now();
    await verifier.prefetch(policy);
    const fetched = performance.now() - start;
    const compiled = verifier.compile(policy);
    const pool = mintPool(keys, ALG, provider.issuer, 500);
    rows.push([
      String(count),
      range(
        await rounds(() =>
          timed(
            verifier,
            CHECKS,
            (i) => pool[i % 500],
            () => compiled,
          ),
        ),
      ),
      fetched.toFixed(1),
    ]);
    provider.stop();
  }
  return table(['keys in the set', 'new token, us', 'first fetch, ms'], rows);
}

/** Short claims and the quickest algorithm to sign: a million tokens are many. */
async function remembered() {
  const { RemoteTokenVerifier } = ours();
  const keys = new Keys(['EdDSA']);
  const provider = await startProvider(keys.jwks);
  const verifier = new RemoteTokenVerifier();
  verifier.clear();
  const policy = { issuer: provider.issuer, audience: AUDIENCE, jwksUri: provider.jwksUri, algorithms: ['EdDSA'] };
  await verifier.prefetch(policy);
  const compiled = verifier.compile(policy);
  const native = require(path.join(folder, 'native.js')).createRemoteAgentAuth();
  const { exp } = claimsFor(provider.issuer, 0);
  const mint = (serial) => keys.mint('EdDSA', { iss: provider.issuer, aud: AUDIENCE, sub: `user-${serial}`, exp });
  const rows = [];
  global.gc?.();
  const before = megabytes();
  let shown = 0;
  const recent = [];
  for (const count of [1, 1000, 10_000, 100_000, 1_000_000]) {
    for (; shown < count; shown++) {
      const token = mint(shown);
      recent[shown % 1000] = token;
      const outcome = await verifier.check(token.latin1Slice(), compiled);
      if (!outcome.ok) throw new Error(outcome.code);
      if (shown % 5000 === 0) await new Promise(setImmediate);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    const few = Math.min(count, 1000);
    const again = async (checker) =>
      range(
        await rounds(() =>
          timed(
            checker,
            CHECKS,
            (i) => recent[i % few],
            () => compiled,
          ),
        ),
      );
    const { verdicts: signatures } = verifier.stats();
    rows.push([
      perSecond(count),
      perSecond(signatures),
      await again(verifier),
      await again(native),
      (megabytes() - before).toFixed(0),
    ]);
  }
  provider.stop();
  return table(
    [
      'tokens shown',
      'signatures held',
      'one of the last 1,000 again, us',
      'the same by the native signature cache, us',
      'memory over start, MB',
      'kB for each remembered',
    ],
    rows,
  );
}

async function workers() {
  const keys = new Keys(['RS256']);
  const provider = await startProvider(keys.jwks);
  const pool = mintPool(keys, 'RS256', provider.issuer, 2000);
  const rows = [];
  for (const verdictCache of [false, true]) {
    for (const count of [1, 2, 3, 4]) {
      const windows = [];
      for (let round = 0; round < 5; round++) {
        const threads = Array.from(
          { length: count },
          () =>
            new Worker(__filename, {
              workerData: { issuer: provider.issuer, jwksUri: provider.jwksUri, pool, verdictCache },
            }),
        );
        await Promise.all(threads.map((thread) => once(thread, 'message')));
        threads.forEach((thread) => thread.postMessage('go'));
        const done = await Promise.all(threads.map((thread) => once(thread, 'message')));
        windows.push(done.reduce((sum, [rate]) => sum + rate, 0));
        await Promise.all(threads.map((thread) => thread.terminate()));
      }
      rows.push([verdictCache ? 'known' : 'new', String(count), range(spread(windows), perSecond)]);
    }
  }
  provider.stop();
  return table(['tokens', 'worker threads', 'tokens/s together'], rows);
}

async function worker() {
  const { issuer, jwksUri, pool, verdictCache } = workerData;
  const { RemoteTokenVerifier } = ours();
  const verifier = new RemoteTokenVerifier({ verdictCache });
  const policy = { issuer, audience: AUDIENCE, jwksUri };
  await verifier.prefetch(policy);
  const compiled = verifier.compile(policy);
  const tokens = pool.map((bytes) => Buffer.from(bytes));
  const run = () =>
    timed(
      verifier,
      CHECKS,
      (i) => tokens[i % tokens.length],
      () => compiled,
    );
  await run();
  parentPort.postMessage('ready');
  await once(parentPort, 'message');
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < 700) {
    await run();
    count += CHECKS;
  }
  parentPort.postMessage((count / (performance.now() - start)) * 1000);
}

async function main() {
  const [wanted] = process.argv.slice(2).filter((it) => it !== '--write');
  const sections = {
    Issuers: issuers,
    'Tenants, through the middleware': tenants,
    'Start with many tenants': start,
    'Keys in a set': keySets,
    'Tokens remembered': remembered,
    'Worker threads': workers,
  };
  const parts = [];
  for (const [title, section] of Object.entries(sections)) {
    if (wanted !== undefined && !title.toLowerCase().startsWith(wanted)) continue;
    // A process each: what one leaves behind shall not count as memory or time of the next.
    if (wanted === undefined) {
      const alone = spawnSync(process.execPath, [...process.execArgv, __filename, title.toLowerCase().split(' ')[0]], {
        encoding: 'utf8',
      });
      if (alone.status !== 0) throw new Error(alone.stderr);
      parts.push(alone.stdout.trim());
    } else parts.push(`### ${title}\n\n${await section()}`);
    console.log(`${parts.at(-1)}\n`);
  }
  if (process.argv.includes('--write'))
    fill(path.join(__dirname, '..', 'docs', 'performance.md'), 'scale', parts.join('\n\n'));
}

if (isMainThread) {
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
} else worker();
