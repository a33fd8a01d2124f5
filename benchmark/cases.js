'use strict';

// The in-process cases: what is sent, to whom, and how it is timed.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { ALGORITHMS, AUDIENCE, JUNK, expired, forged, mintPool, tampered } = require('./tokens');
const { answer, inFlight, oneAtATime, turn } = require('./measure');
const { SUBJECTS } = require('./subjects');
const { brief, summarize } = require('./summary');

const HOT = 500;
const forgets = ({ remembers }) => !remembers;
const ourDefault = ({ name, reference }) => name !== 'ours' && !reference;

/**
 * `ours` names the row of ours the ratios are of; more than one where a case has more of ours, each under a suffix.
 * @type {{ name: string, of: (subject: any) => boolean, ours: Record<string, string>, concurrent?: boolean, pool: (good: Buffer[]) => Buffer[], run: Function, refused?: boolean }[]}
 */
const CASES = [
  { name: 'fresh-one', of: forgets, ours: { '': 'ours' }, pool: (good) => good, run: oneAtATime },
  { name: 'fresh-64', of: forgets, ours: { '': 'ours' }, pool: (good) => good, run: inFlight, concurrent: true },
  {
    name: 'repeat',
    of: ourDefault,
    ours: { '': 'ours (cache)', '-shared': 'ours (cache, shared claims)' },
    pool: (good) => good.slice(0, 1),
    run: oneAtATime,
  },
  {
    name: 'hot-500',
    of: ourDefault,
    ours: { '': 'ours (cache)', '-shared': 'ours (cache, shared claims)' },
    pool: (good) => good.slice(0, HOT),
    run: oneAtATime,
  },
  {
    name: 'junk',
    of: (subject) => forgets(subject) && !subject.reference,
    ours: { '': 'ours' },
    pool: () => [JUNK],
    run: oneAtATime,
    refused: true,
  },
  {
    name: 'forged',
    of: (subject) => forgets(subject) && !subject.reference,
    ours: { '': 'ours' },
    pool: (good) => good.slice(0, 200).map(forged),
    run: oneAtATime,
    refused: true,
  },
];

/**
 * Every peer's answer before any is timed: a subject that lets a bad token pass, or not a good one, has no time.
 * @returns {Promise<number>} answers asserted
 */
async function assertAnswers(subject, verify, { keys, alg, issuer, pool }) {
  const wrong = (what) => new Error(`${subject.name}, ${alg}: ${what}`);
  let asserted = 0;
  for (const token of [pool[0], pool[1], pool[0]]) {
    const claims = await verify(token.latin1Slice());
    const sub = JSON.parse(Buffer.from(token.latin1Slice().split('.')[1], 'base64url').toString()).sub;
    if (!subject.reference && claims.sub !== sub && claims.claims?.sub !== sub)
      throw wrong('a good token gave other claims');
    asserted++;
  }
  const strangers = forgedByAnotherKey(alg, issuer, keys);
  const bad = { forged: forged(pool[1]), tampered: tampered(pool[1]), "another key's": strangers, junk: JUNK };
  if (!subject.reference) bad.expired = expired(keys, alg, issuer);
  for (const [kind, token] of Object.entries(bad)) {
    if (await answer(verify, token.latin1Slice())) throw wrong(`a bad token passed (${kind})`);
    asserted++;
  }
  return asserted;
}

/** Signed well, with a key the provider does not have, under the name of one it has. */
function forgedByAnotherKey(alg, issuer, keys) {
  const others = new keys.constructor([alg]);
  return mintPool(others, alg, issuer, 1)[0];
}

/**
 * The library's bare check and the Rust core, measured by the native program of benches/limit.rs within the same round.
 * @returns {{ bare: number, core: number } | undefined} microseconds per token
 */
function limit(file, millis) {
  const program = path.join(__dirname, '..', 'target', 'bench-limit');
  if (!fs.existsSync(program)) return undefined;
  const { status, stdout, stderr } = spawnSync(program, ['--fixture', file, '--millis', String(millis)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return JSON.parse(stdout);
}

/**
 * Runs all in-process cases for one algorithm.
 * @param {{ keys: any, alg: string, issuer: string, jwksUri: string, poolSize: number, rounds: number, millis: number, only: RegExp, say: (line: string) => void, scratch: string }} options
 */
async function runAlgorithm({ keys, alg, issuer, jwksUri, poolSize, rounds, millis, only, say, scratch }) {
  const wanted = CASES.filter(({ name }) => only.test(`${name} ${alg}`));
  const result = { asserted: 0, cases: {} };
  if (wanted.length === 0) return result;
  const pool = mintPool(keys, alg, issuer, poolSize);
  const environment = { keys, alg, issuer, jwksUri };
  const fixture = path.join(scratch, `${alg}.json`);
  fs.writeFileSync(
    fixture,
    JSON.stringify({ alg, issuer, audience: AUDIENCE, jwks: keys.jwks, tokens: pool.slice(0, 64).map(String) }),
  );

  /** @type {{ subject: any, one: any, many: any }[]} */
  const candidates = [];
  for (const subject of SUBJECTS) {
    if (subject.supports?.(alg) === false || subject.isThere?.() === false) continue;
    const one = await subject.create(environment);
    const many = subject.createConcurrent ? await subject.createConcurrent(environment) : one;
    for (const verify of new Set([one, many]))
      result.asserted += await assertAnswers(subject, verify, { ...environment, pool });
    candidates.push({ subject, one, many });
  }

  for (const { name, of, ours, pool: poolOf, run, concurrent, refused } of wanted) {
    const title = `${name} ${alg}`;
    const entrants = candidates.filter(({ subject }) => of(subject));
    const tokens = poolOf(pool);
    const measured = Object.fromEntries(entrants.map(({ subject }) => [subject.name, []]));
    const limits = [];
    // Caches are full before anything counts.
    for (const { subject, one } of entrants) {
      if (subject.remembers) for (const token of tokens) await one(token.latin1Slice());
    }
    // The first round warms up and counts for nothing.
    for (let round = -1; round < rounds; round++) {
      for (let i = 0; i < entrants.length; i++) {
        // Another one begins each round, so that nobody always runs in somebody's wake.
        const { subject, one, many } = entrants[(i + round + entrants.length) % entrants.length];
        await turn();
        const window = await run(concurrent ? many : one, tokens, { millis, refused });
        if (round >= 0) measured[subject.name].push(window);
      }
      const bounds = name === 'fresh-one' ? limit(fixture, millis) : undefined;
      if (bounds && round >= 0) limits.push(bounds);
    }
    result.cases[title] = summarize(measured, ours, limits);
    say(`${title.padEnd(18)} ${brief(result.cases[title])}`);
  }
  return result;
}

module.exports = { ALGORITHMS, runAlgorithm };
