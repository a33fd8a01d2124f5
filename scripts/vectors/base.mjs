// What rows have in common.
export const NOW = 1_700_000_000;
export const ISSUER = 'https://id.example.test/realms/main';
export const POLICY = { issuer: ISSUER, audience: 'api' };
export const CLAIMS = { iss: ISSUER, aud: 'api', sub: 'user-1', iat: NOW - 10, exp: NOW + 300 };

const DEFAULT_KEY = { RS: 'rsa-a', PS: 'rsa-a', HS: 'oct-a', ES256: 'ec-256', ES384: 'ec-384', ES512: 'ec-521', ES256K: 'ec-k1', EdDSA: 'ed-25519', 'ML-DSA-44': 'ml-dsa-44', 'ML-DSA-65': 'ml-dsa-65', 'ML-DSA-87': 'ml-dsa-87' };

export const keyFor = (alg) => DEFAULT_KEY[alg] ?? DEFAULT_KEY[alg.slice(0, 2)];

/** `undefined` removes a member. */
export const header = (changes = {}) => ({ alg: 'RS256', typ: 'at+jwt', kid: 'rsa-a', ...changes });
export const claims = (changes = {}) => ({ ...CLAIMS, ...changes });
export const raw = (text) => ({ $text: text });
export const bytes = (hex) => ({ $hex: hex });
export const parts = (...list) => ({ $parts: list });
export const times = (repeat, count) => ({ repeat, times: count });

/** JSON text of the usual claims with members added or replaced by raw JSON text. */
export function claimsText(members) {
  const kept = Object.entries(CLAIMS).filter(([name]) => !(name in members)).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const added = Object.entries(members).filter(([, value]) => value !== undefined).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
  return raw(`{${[...kept, ...added].join(',')}}`);
}

/** A table being filled. Rows default to a good RS256 token for the usual policy. */
export function table(theme) {
  const rows = [];
  const row = (name, expect, given = {}) => {
    const head = given.header ?? header();
    const alg = given.sign?.alg ?? head.alg;
    const recipe = {
      header: head,
      claims: given.claims ?? claims(),
      sign: given.sign ?? { key: keyFor(alg), alg },
      ...(given.mutate ? { mutate: given.mutate } : {}),
    };
    rows.push({
      name,
      policy: { ...POLICY, ...given.policy },
      keys: given.keys ?? 'main',
      now: given.now ?? NOW,
      recipe,
      expect,
      ...(given.scopes ? { scopes: given.scopes } : {}),
      ...(given.differs ? { differs: given.differs } : {}),
    });
  };
  return { theme, rows, row };
}

// Rows of design.md 7, named by their first column, and what is not listed there yet.
export const DIFFERS = {
  crit: '`crit` in the JWS header',
  weak: 'RSA key under 2048 bits',
  jwk: 'JWK with `alg`, `key_ops` or `use` that forbids this use',
  duplicate: 'duplicate members in header or claims',
  base64: 'base64url with wrong trailing bits, padding, other characters',
  exp: 'no `exp`',
  finite: '`exp`/`nbf` not finite',
  utf8: 'header JSON',
  nullEntry: 'null entry in a JWKS',
  limits: 'token over 16 KiB, JSON deeper than 16, more than 1,000 keys, `kid` over 256 bytes',
  kind: 'an explicit type of another kind of token',
  shared: 'several keys of one `kid`',
  noKid: 'token without `kid`',
  eddsa: 'EdDSA (Ed25519)',
};
