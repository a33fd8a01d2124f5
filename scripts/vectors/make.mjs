#!/usr/bin/env node
// Writes tests/vectors/*.json from the tables in scripts/vectors. A token is minted again only when its recipe changed,
// so that random signatures do not churn. `--check` writes nothing and fails when the files do not follow from the tables.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compactVerify, importJWK } from 'jose';
import algorithms from './algorithms.mjs';
import claims from './claims.mjs';
import headers from './headers.mjs';
import issuerNormalForms from './issuer-normal-forms.mjs';
import issuers from './issuers.mjs';
import { completeKeys, publicJwk } from './keys.mjs';
import { keySets } from './key-sets.mjs';
import { examplesOfRfc9964 } from './rfc-9964.mjs';
import { comparable, librechat, normaliseIssuer } from './librechat.mjs';
import limits from './limits.mjs';
import { isDeterministic, mint, ML_DSA, signatureOf } from './mint.mjs';
import policies from './policies.mjs';
import profiles from './profiles.mjs';
import scopes from './scopes.mjs';
import urls from './urls.mjs';

const { isRemoteOidcUrlAllowed } = createRequire(import.meta.url)('librechat-data-provider');

const TABLES = [headers, algorithms, claims, issuers, scopes, limits, profiles];
const directory = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'tests', 'vectors');
const check = process.argv.includes('--check');
const problems = [];

const fileOf = (name) => path.join(directory, `${name}.json`);
const read = (name) => (fs.existsSync(fileOf(name)) ? JSON.parse(fs.readFileSync(fileOf(name), 'utf8')) : undefined);

const documentText = (value) => `${JSON.stringify(value, null, 2)}\n`;

function write(name, text) {
  if (check) {
    if (!fs.existsSync(fileOf(name)) || fs.readFileSync(fileOf(name), 'utf8') !== text) problems.push(`tests/vectors/${name}.json is not what the tables say`);
    return;
  }
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(fileOf(name), text);
}

/** One row a line, its recipe and token on lines of their own: diffs stay readable. */
function rowsText(rows) {
  const lines = rows.map((row) => {
    const members = Object.entries(row).filter(([, value]) => value !== undefined).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    return `  {\n${members.join(',\n')}\n  }`;
  });
  return `[\n${lines.join(',\n')}\n]\n`;
}

const committed = read('keys');
const keys = completeKeys(committed?.keys);
const sets = keySets(keys);
const plain = (value) => JSON.parse(JSON.stringify(value), (name, inner) => (inner && typeof inner === 'object' && '$key' in inner ? publicJwk(keys[inner.$key]) : inner));

/** Varies `jti` until the (deterministic) signature has the shape that the row needs. */
function searched(recipe) {
  const wanted = { ZERO: (bytes) => bytes[0] === 0, MODULUS: (bytes) => bytes[0] < 0x20 }[recipe.claims?.jti];
  if (!wanted) return recipe;
  for (let i = 0; ; i += 1) {
    const tried = { ...recipe, claims: { ...recipe.claims, jti: String(i) } };
    const input = mint({ ...tried, mutate: undefined }, keys).split('.').slice(0, 2).join('.');
    if (wanted(signatureOf(tried.sign, input, keys))) return tried;
  }
}

function followsFrom(row, token) {
  const again = mint(row.recipe, keys);
  if (isDeterministic(row.recipe)) return again === token;
  const [head, payload, signature] = token.split('.');
  const [head2, payload2, signature2] = again.split('.');
  const der = row.recipe.sign.encoding === 'der';
  return head === head2 && payload === payload2 && (der || signature?.length === signature2?.length);
}

/** Checked after the signature, so the signature itself must be good: jose, which is not ours, has to agree. */
const AFTER_SIGNATURE = /^(ok|ERR_TOKEN_(CLAIMS|EXPIRED|NOT_YET_VALID|AUDIENCE|ISSUER|SUBJECT)|ERR_SCOPE_.*)$/;

async function joseRefuses({ expect, recipe, token }) {
  if (!AFTER_SIGNATURE.test(expect)) return undefined;
  const { alg, key } = recipe.sign;
  // jose asks Node for it, which has it from version 24 on.
  if (alg in ML_DSA) return undefined;
  // RFC 9864: two names of one algorithm.
  const algorithms = alg === 'EdDSA' ? [alg, 'Ed25519'] : [alg];
  try {
    await compactVerify(token, await importJWK(publicJwk(keys[key]), alg), { algorithms });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

let minted = 0;
let total = 0;
const names = new Set();
const tally = new Map();
for (const { theme, rows } of TABLES) {
  const before = new Map((read(theme) ?? []).map((row) => [row.name, row]));
  const done = [];
  for (const given of rows) {
    if (names.has(given.name)) problems.push(`two rows are called "${given.name}"`);
    names.add(given.name);
    if (!(given.keys in sets)) problems.push(`"${given.name}" wants an unknown key set "${given.keys}"`);
    const { expect, scopes: expectedScopes, differs, ...start } = given;
    const recipe = searched(plain(start.recipe));
    const old = before.get(given.name);
    const same = old && JSON.stringify(old.recipe) === JSON.stringify(recipe);
    const token = same ? old.token : mint(recipe, keys);
    if (!same) minted += 1;
    const row = { ...plain(start), recipe, token, expect, ...(expectedScopes ? { scopes: expectedScopes } : {}), ...(differs ? { differs } : {}) };
    if (check && !followsFrom(row, token)) problems.push(`the token of "${row.name}" does not follow from its recipe`);
    if (comparable(row)) {
      const theirs = librechat(row, sets[row.keys]);
      if ((theirs === 'ok') !== (expect === 'ok') && !differs) problems.push(`"${row.name}": we say ${expect}, LibreChat says ${theirs}, and no difference is declared`);
      if ((theirs === 'ok') === (expect === 'ok') && differs) problems.push(`"${row.name}": a difference is declared, yet LibreChat says ${theirs} too`);
    }
    tally.set(expect, (tally.get(expect) ?? 0) + 1);
    total += 1;
    done.push(row);
    const refused = await joseRefuses(row);
    if (refused) problems.push(`"${row.name}": jose does not verify its signature: ${refused}`);
  }
  write(theme, rowsText(done));
}
write('keys', documentText({ comment: 'Keys of the test vectors. TEST ONLY: private, published, never to be trusted by anything.', keys }));
write('key-sets', documentText({ comment: 'Raw JSON text, because malformed JSON matters. Made by scripts/vectors/make.mjs.', sets }));

for (const { value, allowed, differs } of urls) {
  if (isRemoteOidcUrlAllowed(value) !== allowed && !differs) problems.push(`URL rule: LibreChat says otherwise of ${JSON.stringify(value)}`);
}
for (const { configured, normal } of issuerNormalForms) {
  if ((normaliseIssuer(configured) ?? null) !== normal) problems.push(`issuer form: the model says otherwise of ${JSON.stringify(configured)}`);
}
write('rfc-9964', documentText(examplesOfRfc9964()));
write('urls', rowsText(urls));
write('issuers', rowsText(issuerNormalForms));
write('policies', rowsText(policies));

const counts = [...tally].sort().map(([code, count]) => `${code} ${count}`).join(', ');
console.log(`${total} rows (${counts}), ${minted} minted, digest ${crypto.createHash('sha256').update([...names].join('\n')).digest('hex').slice(0, 12)}`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
