'use strict';

// Twenty thousand generated tokens and their key sets before this verifier, jsonwebtoken with jwks-rsa as LibreChat uses
// them, and jose. Where two disagree, the disagreement falls under a row of docs/differences.md, or, for
// jose, under a rule that is LibreChat's and not jose's. Nothing is left over.
// DIFFERENTIAL_SEED chooses other tokens.

const { spawn } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { RemoteTokenVerifier } = require('../../lib/verifier');
const { long } = require('../support/score');

const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 20_261_123);
/** How many fetches unknown `kid`s may cause at once (docs/keys.md). */
const BURST = 3;
const TOKENS = long ? 200_000 : 20_000;

/**
 * A difference: the row of docs/differences.md it falls under, what the generator did to bring it about, and the answers that it
 * explains.
 * @typedef {{ row: string, labels: string[], codes: string[] }} Difference
 */

const KEY = ['ERR_KEY_NOT_FOUND', 'ERR_KEY_UNSUITABLE', 'ERR_SIGNATURE_INVALID', 'ERR_JWKS_DOCUMENT'];
const LIMITS = 'token over 16 KiB, JSON deeper than 16 levels, `kid` over 256 bytes, more than 1,000 keys in a set';
const NOT_FINITE = 'a number that is not finite (`1e400`), in `exp` or anywhere else';
const ANOTHER_KIND =
  'a logout token or another security event, a refresh or offline token, a signed userinfo or authorization answer (also a token of nothing but issuer, audience and subject), and whatever else says by `typ` (`…+jwt`, but `at+jwt`) that it is no access token';
const NOT_TEXT = 'text that is not UTF-8, or half a surrogate pair, in header or claims';

/** @type {Difference[]} */
const FROM_LIBRECHAT = [
  { row: '`crit` in the JWS header', labels: ['crit'], codes: ['ERR_TOKEN_CRITICAL'] },
  { row: ANOTHER_KIND, labels: ['typ'], codes: ['ERR_TOKEN_TYPE'] },
  { row: 'RSA key under 2048 bits', labels: ['weak'], codes: KEY },
  { row: 'JWK whose `alg` or `key_ops` forbids this use', labels: ['jwk alg', 'key_ops'], codes: KEY },
  {
    row: 'duplicate members in header or claims',
    labels: ['twice in the header', 'twice in the claims'],
    codes: ['ERR_TOKEN_MALFORMED'],
  },
  {
    row: 'base64url with unused bits set, padding or other characters',
    labels: ['trailing bits', 'padding', 'alphabet'],
    codes: ['ERR_TOKEN_MALFORMED'],
  },
  { row: 'no `exp`', labels: ['no exp'], codes: ['ERR_TOKEN_CLAIMS'] },
  {
    row: NOT_FINITE,
    labels: ['exp not finite', 'nbf not finite', 'not finite in the header', 'not finite in the claims'],
    codes: ['ERR_TOKEN_MALFORMED'],
  },
  {
    row: NOT_TEXT,
    labels: ['header not UTF-8', 'claims not UTF-8', 'lone surrogate in the header', 'lone surrogate in the claims'],
    codes: ['ERR_TOKEN_MALFORMED'],
  },
  { row: LIMITS, labels: ['large'], codes: ['ERR_TOKEN_TOO_LARGE'] },
  { row: LIMITS, labels: ['deep header', 'deep claims'], codes: ['ERR_TOKEN_MALFORMED'] },
  { row: LIMITS, labels: ['long kid'], codes: ['ERR_TOKEN_KID'] },
  { row: LIMITS, labels: ['kid of a key'], codes: KEY },
  { row: 'header JSON', labels: ['kid beyond ASCII'], codes: ['ok', ...KEY] },
  { row: 'EdDSA (Ed25519)', labels: ['EdDSA'], codes: ['ok'] },
  { row: 'null entry in a JWK Set', labels: ['null entry'], codes: ['ok'] },
  { row: 'several keys of one `kid`', labels: ['duplicate kid'], codes: ['ok'] },
  { row: 'token without `kid`', labels: ['over 8 candidates', 'over 100 keys'], codes: KEY },
];

/**
 * `LibreChat:` means that jose has a rule of its own, and LibreChat's answer stands here.
 * @type {Difference[]}
 */
const FROM_JOSE = [
  ...FROM_LIBRECHAT.filter(({ row }) => !['header JSON', 'EdDSA (Ed25519)'].includes(row)),
  { row: 'LibreChat: `iat` is never checked', labels: ['iat'], codes: ['ok'] },
  { row: 'LibreChat: a `kid` that is no text counts as none', labels: ['kid not text'], codes: ['ok'] },
  { row: 'LibreChat: entries that are no keys are skipped', labels: ['junk entries'], codes: ['ok'] },
  { row: 'LibreChat: an empty `kid` names no key', labels: ['kid'], codes: ['ERR_TOKEN_KID'] },
  {
    row: 'LibreChat: a byte order mark is no JSON',
    labels: ['form of the header', 'form of the claims'],
    codes: ['ERR_TOKEN_MALFORMED'],
  },
  { row: 'LibreChat: a blank is no base64url', labels: ['blank'], codes: ['ERR_TOKEN_MALFORMED'] },
  { row: 'LibreChat: a JWK whose `alg` is null names none', labels: ['jwk alg'], codes: ['ok'] },
  { row: 'LibreChat: `key_ops` may say more than `verify`, or nothing', labels: ['key_ops'], codes: ['ok'] },
];

test('every difference from LibreChat is a row of docs/differences.md', () => {
  const page = readFileSync(path.join(__dirname, '..', '..', 'docs', 'differences.md'), 'utf8');
  for (const { row } of FROM_LIBRECHAT) expect(page).toContain(`\n| ${row} | `);
});

/** @param {Difference[]} known @param {{ labels: string[] }} made @param {string} ours */
const rowOf = (known, made, ours) =>
  known.find(({ labels, codes }) => codes.includes(ours) && labels.some((label) => made.labels.includes(label)))?.row;

test(
  `agrees with jsonwebtoken and jose on ${TOKENS} tokens, but for the differences on purpose`,
  async () => {
    console.log(`seed ${SEED}`);
    const script = path.join(__dirname, '..', 'support', 'differential.mjs');
    const child = spawn(process.execPath, [script, String(SEED), String(TOKENS)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let now = 0;
    const verifier = new RemoteTokenVerifier({ clock: () => now });
    verifier.clear();
    const prefetched = new Set();
    const tally = new Map();
    const count = (what) => tally.set(what, (tally.get(what) ?? 0) + 1);
    const unexplained = [];
    let [tried, caused] = [0, 0];
    try {
      for await (const line of readline.createInterface({ input: child.stdout })) {
        if (line === 'done') break;
        const made = JSON.parse(line);
        const policy = { ...made.policy, jwksUri: made.jwksUri };
        if (!prefetched.has(made.jwksUri)) {
          prefetched.add(made.jwksUri);
          await verifier.prefetch(policy).catch(() => {});
        }
        now = made.now;
        const outcome = await verifier.check(made.token, verifier.compile(policy));
        const ours = outcome.ok ? 'ok' : outcome.code;
        if (ours === 'ERR_KEY_NOT_FOUND') caused += 1;
        if (caused === BURST) {
          // From now on tokens of unknown keys would wait for their turn.
          verifier.clear();
          prefetched.clear();
          caused = 0;
        }
        tried += 1;
        count(`ours ${outcome.ok ? 'accepted' : 'refused'}`);
        for (const [peer, known] of [
          ['librechat', FROM_LIBRECHAT],
          ['jose', FROM_JOSE],
        ]) {
          if (outcome.ok === (made[peer] === 'ok')) continue;
          const row = rowOf(known, made, ours);
          // Where LibreChat's rule is the reason, LibreChat itself must agree, or differ for a reason of its own.
          const astray =
            row?.startsWith('LibreChat:') &&
            outcome.ok !== (made.librechat === 'ok') &&
            rowOf(FROM_LIBRECHAT, made, ours) === undefined;
          if (row === undefined || astray) unexplained.push({ peer, ours, theirs: made[peer], ...made });
          else count(`${peer}: ${row}`);
        }
      }
    } finally {
      child.stdin.end();
      child.kill();
      verifier.clear();
    }
    console.log(
      [...tally]
        .sort()
        .map(([what, times]) => `${String(times).padStart(6)}  ${what}`)
        .join('\n'),
    );
    const kinds = new Set(
      unexplained.map(({ peer, ours, theirs, labels }) => `${peer}: ${theirs} | ours ${ours} | ${labels}`),
    );
    expect([...kinds].slice(0, 30)).toEqual([]);
    expect(unexplained.slice(0, 3)).toEqual([]);
    expect(tried).toBe(TOKENS);
    expect(tally.get('ours accepted')).toBeGreaterThan(TOKENS / 10);
    expect(tally.get('ours refused')).toBeGreaterThan(TOKENS / 10);
  },
  long ? 1_800_000 : 180_000,
);
