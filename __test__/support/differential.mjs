// A child process of __test__/journey/differential.test.js (jwks-rsa needs jose, which is ESM only, so Jest cannot load it):
// generates tokens and key sets from a seed, serves the sets over loopback http, and prints, a line each, what jsonwebtoken
// with jwks-rsa (as LibreChat uses them) and jose say. Arguments: seed, number of tokens. Ends when its input does.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { normaliseIssuer, scopesOf, split } from '../../scripts/vectors/librechat.mjs';
import { b64u, signatureOf, unb64u } from '../../scripts/vectors/mint.mjs';
import { fillerPoint, publicJwk } from '../../scripts/vectors/keys.mjs';

const require = createRequire(import.meta.url);
const jsonwebtoken = require('jsonwebtoken');
const jwksRsa = require('jwks-rsa');

const [seed, wanted] = process.argv.slice(2).map(Number);
const PER_SET = 50;
const NOW = 1_700_000_000;
const ISSUER = 'https://id.example.test/realms/main';
const NINE = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
const { keys } = JSON.parse(fs.readFileSync(new URL('../../tests/vectors/keys.json', import.meta.url), 'utf8'));

// ---- Chance, the same on every run of one seed (mulberry32)

let state = seed >>> 0;
function chance() {
  state = (state + 0x6d2b79f5) >>> 0;
  let z = state;
  z = Math.imul(z ^ (z >>> 15), z | 1);
  z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
  return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
}
const below = (bound) => Math.floor(chance() * bound);
const pick = (list) => list[below(list.length)];
const times = (least, most) => least + below(most - least + 1);

// ---- Key sets

const NAMES = ['rsa-a', 'rsa-b', 'rsa-3072', 'ec-256', 'ec-384', 'ec-521', 'ed-25519'];
const isRsa = (entry) => entry.kty === 'RSA';
const isEc = (entry) => entry.kty === 'EC';
const pad = (text) => `${text}${'='.repeat((4 - (`${text}`.length % 4)) % 4)}`;
// A member may be odd already.
const unpacked = (value) => unb64u(`${value}`);
const zero = (text) => b64u(Buffer.concat([Buffer.alloc(1), unpacked(text)]));
const member = (name, value) => (entry) => void (entry[name] = value());

/** What may be odd about an entry: a label, whom it concerns, the change. */
const ENTRY_ODDITIES = [
  ['use', () => true, member('use', () => pick(['sig', 'sig', 'enc', null, 'SIG', '', 1, ['sig']]))],
  [
    'key_ops',
    () => true,
    member('key_ops', () =>
      pick([['verify'], ['sign', 'verify'], ['sign'], [], ['encrypt'], ['VERIFY'], 'verify', null, 7]),
    ),
  ],
  [
    'jwk alg',
    isRsa,
    member('alg', () => pick(['RS256', 'RS256', 'PS256', 'RS512', 'RSA-OAEP', 'ES256', 'HS256', 'none', '', null, 5])),
  ],
  ['jwk alg', isEc, member('alg', () => pick(['ES256', 'ES384', 'ES512', 'ES256K', 'ECDH-ES', 'RS256', null]))],
  [
    'kid of a key',
    () => true,
    member('kid', () => pick([7, null, '', ['a'], 'K'.repeat(256), 'k'.repeat(257), 'other'])),
  ],
  ['no kid of a key', () => true, (entry) => void delete entry.kid],
  ['private', () => true, (entry) => void Object.assign(entry, { d: keys[entry.kid]?.d ?? 'AAAA' })],
  [
    'weak',
    isRsa,
    (entry, material) => {
      const name = pick(['rsa-1024', 'rsa-2047']);
      material.set(entry.kid, name);
      Object.assign(entry, publicJwk(keys[name]));
    },
  ],
  ['exponent', isRsa, member('e', () => pick(['AQ', 'AA', 'Ag', 'Aw', 'AQAA', 'AAEAAQ', '', 65537]))],
  ['modulus', isRsa, (entry) => void (entry.n = pick([zero(entry.n), 5, '', '!!!!', `${entry.n}`.slice(0, -4)]))],
  [
    'spelling of a key',
    isRsa,
    (entry) => void (entry.n = pick([pad(entry.n), `${entry.n}`.replaceAll('-', '+').replaceAll('_', '/')])),
  ],
  ['spelling of a key', isEc, (entry) => void (entry.x = pad(entry.x))],
  [
    'point',
    isEc,
    (entry) => void (entry.y = pick([entry.x, zero(entry.y), undefined, b64u(unpacked(entry.y).subarray(1)), 'AAAA'])),
  ],
  ['curve', (entry) => !isRsa(entry), member('crv', () => pick(['P-256', 'P-384', 'P-257', 'Ed448', undefined, 5]))],
  ['type', () => true, member('kty', () => pick(['rsa', 'oct', 'AKP', null, undefined]))],
  ['x5c', () => true, member('x5c', () => pick(['MIIB', {}, ['x'], 5]))],
  ['other member', () => true, member('issuer', () => pick([{ a: [1, null] }, 'https://else.example', null]))],
];

/** What may be odd about a set: a label, and the text from the texts of its entries. */
const SET_ODDITIES = [
  ['null entry', (texts) => [...texts, 'null']],
  [
    'junk entries',
    (texts) => [
      pick(['5', '"rsa-a"', '[]', '{}', 'true', '{"kid":"rsa-a"}', '{"kty":"LOTS","kid":"rsa-a"}']),
      ...texts,
    ],
  ],
  ['symmetric entry', (texts) => [JSON.stringify({ kty: 'oct', k: keys['oct-a'].k, kid: 'rsa-a' }), ...texts]],
  [
    'duplicate kid',
    (texts) => [JSON.stringify({ ...publicJwk(keys['rsa-c']), kid: pick(['rsa-a', 'rsa-b', 'ec-256']) }), ...texts],
  ],
  ['duplicate kid', (texts) => [...texts, JSON.stringify({ ...publicJwk(keys['rsa-c']), kid: 'rsa-a' })]],
  [
    'unusable of the same kid',
    (texts) => [JSON.stringify({ ...publicJwk(keys['rsa-b']), kid: 'rsa-a', use: 'enc' }), ...texts],
  ],
  ['members twice', (texts) => texts.map((text) => text.replace('"kid":', '"kid":"first","kid":'))],
  ['deep entry', (texts) => texts.map((text) => text.replace(/}$/, `,"note":${'['.repeat(40)}${']'.repeat(40)}}`))],
  [
    'over 100 keys',
    (texts) => [
      ...Array.from({ length: 98 }, (_, i) => JSON.stringify({ ...fillerPoint(i + 1), kid: `filler-${i}` })),
      ...texts,
    ],
  ],
  [
    'over 8 candidates',
    (texts) => [...Array.from({ length: 9 }, (_, i) => JSON.stringify(fillerPoint(i + 1))), ...texts],
  ],
];
const WHOLE = [
  '{"keys":[]}',
  '{}',
  '{"keys":null}',
  '{"keys":{}}',
  '{"keys":"rsa-a"}',
  '[]',
  'null',
  '<html>',
  '',
  '{"keys":[null]}',
  '{"keys":[{}]}',
];

function keySet(place) {
  const labels = [];
  // Which keys stand under another one's `kid`, so that tokens can be signed by what is published.
  const material = new Map();
  if (place % 40 === 39) return { labels: ['no set'], text: WHOLE[Math.floor(place / 40) % WHOLE.length], material };
  const entries = NAMES.filter(() => chance() > 0.1).map((name) => ({ ...publicJwk(keys[name]), kid: name }));
  if (chance() < 0.25) entries.forEach((entry) => void delete entry.kid);
  for (let n = place % 4 === 0 ? 0 : times(1, 4); n > 0; n -= 1) {
    const entry = pick(entries);
    const [label, concerns, change] = pick(ENTRY_ODDITIES);
    if (!entry || !concerns(entry)) continue;
    change(entry, material);
    labels.push(label);
  }
  let texts = entries.map((entry) => JSON.stringify(entry));
  if (place % 3 === 2) {
    const [label, change] = pick(SET_ODDITIES);
    texts = change(texts);
    labels.push(label);
  }
  return { labels, material, text: `{"keys":[${texts.join(',')}]}` };
}

// ---- Tokens

const ALGORITHMS = {
  'rsa-a': NINE.slice(0, 6),
  'rsa-b': NINE.slice(0, 6),
  'rsa-3072': ['RS256', 'PS384'],
  'ec-256': ['ES256'],
  'ec-384': ['ES384'],
  'ec-521': ['ES512'],
  'ed-25519': ['EdDSA'],
};
/** Cheap signatures more often. */
const SIGNERS = [
  ...Array(12).fill('ec-256'),
  ...Array(5).fill('ed-25519'),
  'rsa-a',
  'rsa-a',
  'rsa-a',
  'rsa-b',
  'rsa-3072',
  'ec-384',
  'ec-521',
];
const json = JSON.stringify;
const STRINGS = ['', ' ', 'x', '\u00a0', '\u0085', '\ufeff', '\u200b'];
const ODD = [null, true, false, 0, 1, -1, [], {}, [null], 'x', ['x']].map(json);
const set =
  (place, name, ...values) =>
  (spec) =>
    void spec[place].set(name, pick(values));
const text =
  (place, ...texts) =>
  (spec) =>
    void (spec[`${place}Text`] = pick(texts)(spec[`${place}Json`]()));
const insert = (place) => (spec) => {
  const part = below(3);
  const at = pick([0, 3, spec.parts[part].length]);
  spec.parts[part] = spec.parts[part].slice(0, at) + place() + spec.parts[part].slice(at);
};
const utf8 = (hex) => (whole) =>
  Buffer.concat([Buffer.from(`${whole.slice(0, -1)},"x":"`), Buffer.from(hex, 'hex'), Buffer.from('"}')]);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** What may be odd about a token before it is signed. */
const BEFORE = [
  ['typ', set('header', 'typ', ...['JWT', 'at+jwt', 'application/at+jwt', 'dpop+jwt', 5, null].map(json))],
  ['crit', set('header', 'crit', '["exp"]', '["x"]', '["b64"]', '[]', 'null', '"b64"', '{}')],
  ['b64', set('header', 'b64', 'false', 'true', '0')],
  [
    'kid',
    set(
      'header',
      'kid',
      ...[
        '',
        'nobody',
        'rsa-a',
        'rsa-b',
        'ec-256',
        '__proto__',
        ' rsa-a',
        'k'.repeat(256),
        'K'.repeat(256),
        'first',
        'other',
      ].map(json),
    ),
  ],
  ['kid not text', set('header', 'kid', 'null', '7', 'true', '[]', '{}', '["rsa-a"]')],
  ['long kid', set('header', 'kid', json('k'.repeat(257)), json('é'.repeat(129)))],
  ['kid beyond ASCII', set('header', 'kid', json('clé'), json('\u{1f511}'))],
  ['no kid', (spec) => void spec.header.delete('kid')],
  ['no kid', (spec) => void spec.header.delete('kid')],
  [
    'alg',
    set(
      'header',
      'alg',
      ...['none', 'None', 'HS256', 'HS512', 'rs256', 'ES256K', 'Ed448', '', null, 5, ['RS256'], ...NINE, 'EdDSA'].map(
        json,
      ),
    ),
  ],
  ['no alg', (spec) => void spec.header.delete('alg')],
  ['offers', set('header', 'jwk', json(publicJwk(keys['rsa-c'])), 'null', '"x"')],
  ['offers', set('header', pick(['jku', 'x5u']), '"http://127.0.0.1:9/x"', '5')],
  ['offers', set('header', 'x5c', '["MIIB"]', '"MIIB"', '{}')],
  ['cty', set('header', 'cty', '"JWT"', '5')],
  ['zip', set('header', 'zip', '"DEF"')],
  [
    'twice in the header',
    text(
      'header',
      ...[
        '"x":1,"x":2',
        '"alg":"none"',
        '"kid":"nobody"',
        '"x":{"y":1,"y":1}',
        '"\\u006bid":"rsa-a"',
        '"__proto__":1,"__proto__":2',
      ].map((more) => (whole) => `${whole.slice(0, -1)},${more}}`),
    ),
  ],
  ['header beyond ASCII', text('header', (whole) => `${whole.slice(0, -1)},"x":"é\u{1f511}"}`)],
  ['header not UTF-8', text('header', utf8('ff'), utf8('c0af'), utf8('eda080'))],
  ['lone surrogate in the header', text('header', (whole) => `${whole.slice(0, -1)},"x":"\\ud800"}`)],
  ['deep header', text('header', (whole) => `${whole.slice(0, -1)},"x":${'['.repeat(16)}${']'.repeat(16)}}`)],
  ['not finite in the header', text('header', (whole) => `${whole.slice(0, -1)},"x":1e400}`)],
  [
    'form of the header',
    text(
      'header',
      (whole) => ` \n${whole}\t`,
      () => '[]',
      () => 'null',
      () => '5',
      (whole) => `${whole}x`,
      (whole) => `\ufeff${whole}`,
      (whole) => whole.slice(0, -1),
      () => '',
      (whole) => whole.replace('"alg"', '"\\u0061lg"'),
      (whole) => `[${whole}]`,
    ),
  ],
  [
    'exp',
    set(
      'claims',
      'exp',
      ...[NOW, NOW - 1, NOW + 1, 0, -1, NOW + 0.5, NOW - 0.5, 1e300, '1800000000'].map(json),
      ...ODD,
    ),
  ],
  ['exp not finite', set('claims', 'exp', '1e400', '-1e400')],
  ['no exp', (spec) => void spec.claims.delete('exp')],
  ['nbf', set('claims', 'nbf', ...[NOW, NOW - 1, NOW + 1, NOW + 0.5, NOW - 0.5, 1e300, 'x'].map(json), ...ODD)],
  ['nbf not finite', set('claims', 'nbf', '1e400', '-1e400')],
  ['iat', set('claims', 'iat', ...[NOW + 1000, 'x', null].map(json))],
  [
    'aud',
    set(
      'claims',
      'aud',
      ...['API', 'other', '', ['x', 'api'], ['x'], [['api']], ['api', 5], { api: 1 }, 'api '].map(json),
      ...ODD,
    ),
  ],
  ['no aud', (spec) => void spec.claims.delete('aud')],
  [
    'iss',
    set(
      'claims',
      'iss',
      ...[
        `${ISSUER}/`,
        ISSUER.toUpperCase(),
        `${ISSUER}/.well-known/openid-configuration`,
        'https://else.example',
        [ISSUER],
        '',
        ` ${ISSUER}`,
      ].map(json),
      ...ODD,
    ),
  ],
  ['no iss', (spec) => void spec.claims.delete('iss')],
  ['sub', set('claims', 'sub', ...STRINGS.map(json), ...ODD)],
  ['no sub', (spec) => void spec.claims.delete('sub')],
  [
    'scp',
    set(
      'claims',
      'scp',
      ...[
        'read',
        'write read',
        '',
        'read,write',
        ['read'],
        ['write read'],
        ['read', 5],
        'READ',
        'a\u00a0read',
        'a\u0085read',
      ].map(json),
      ...ODD,
    ),
  ],
  [
    'scope',
    set('claims', 'scope', ...['read', 'write read', '', 'read,write', ['read'], 'x', 'read\u2028x'].map(json), ...ODD),
  ],
  [
    'other claim',
    set(
      'claims',
      pick(['__proto__', 'constructor', 'nonce', 'token_use', 'azp', 'tid']),
      '{"sub":"admin"}',
      '"id"',
      '5',
      'null',
    ),
  ],
  ['huge number in the claims', set('claims', 'x', '123456789012345678901234567890', '1e300', '-0')],
  [
    'twice in the claims',
    text(
      'claims',
      ...[
        '"sub":"admin"',
        '"exp":9999999999',
        '"aud":"other"',
        '"x":{"y":1,"y":1}',
        '"\\u0073ub":"admin"',
        '"x":1,"x":1',
        '"__proto__":{},"__proto__":{}',
      ].map((more) => (whole) => `${whole.slice(0, -1)},${more}}`),
    ),
  ],
  ['claims not UTF-8', text('claims', utf8('ff'), utf8('c328'), utf8('eda080'))],
  ['lone surrogate in the claims', text('claims', (whole) => `${whole.slice(0, -1)},"x":"\\udc00"}`)],
  ['deep claims', text('claims', (whole) => `${whole.slice(0, -1)},"x":${'['.repeat(16)}${']'.repeat(16)}}`)],
  ['not finite in the claims', text('claims', (whole) => `${whole.slice(0, -1)},"x":1e400}`)],
  [
    'form of the claims',
    text(
      'claims',
      (whole) => ` \n${whole}\t`,
      () => '[]',
      () => 'null',
      () => '5',
      () => '"x"',
      () => '{}',
      () => '',
      (whole) => `${whole}x`,
      (whole) => `\ufeff${whole}`,
      (whole) => whole.slice(0, -1),
      (whole) => `[${whole}]`,
      (whole) => whole.replace(/}$/, ',}'),
    ),
  ],
  ['large', (spec) => void spec.claims.set('x', json('x'.repeat(14_000)))],
  ['signer', (spec) => void (spec.key = pick(['rsa-c', 'ec-256-b', 'rsa-a', 'ec-256']))],
  ['DER', (spec) => void (spec.encoding = 'der')],
  [
    'symmetric',
    (spec) => void Object.assign(spec, { alg: 'HS256', secret: pick(['spki-pem', 'spki-der', 'jwk-json', 'empty']) }),
  ],
  [
    'issuer',
    (spec) =>
      void (spec.policy.issuer = pick([
        `${ISSUER}/`,
        `${ISSUER}/.well-known/openid-configuration`,
        ` ${ISSUER} `,
        'https://else.example',
      ])),
  ],
  ['audience', (spec) => void (spec.policy.audience = pick(['other', ' ', 'API', 'https://api.example/']))],
  ['required scope', (spec) => void (spec.policy.scope = pick(['read', ' write  read ', 'read,write', ' ', '']))],
  ['required scope', (spec) => void (spec.policy.scope = 'read')],
  ['EdDSA', (spec) => void (spec.policy.algorithms = [...NINE, 'EdDSA'])],
  ['EdDSA', (spec) => void (spec.policy.algorithms = [...NINE, 'EdDSA'])],
  ['exp not required', (spec) => void (spec.policy.requireExp = false)],
  ['fraction of a second', (spec) => void (spec.now += pick([0.25, 0.999]))],
];

/** What may happen to a token after it was signed. */
const AFTER = [
  ['padding', (spec) => void (spec.parts = spec.parts.map(pad))],
  ['padding', (spec) => void (spec.parts[2] += '=')],
  ['alphabet', (spec) => void (spec.parts = spec.parts.map((part) => part.replaceAll('-', '+').replaceAll('_', '/')))],
  [
    'trailing bits',
    (spec) => {
      const part = below(3);
      const spare = spec.parts[part].length % 4;
      if (spare < 2) return;
      const last = ALPHABET.indexOf(spec.parts[part].at(-1));
      spec.parts[part] = spec.parts[part].slice(0, -1) + ALPHABET[last ^ times(1, spare === 2 ? 15 : 3)];
    },
  ],
  ['blank', insert(() => pick([' ', '\n', '\t', '\u0000', '\u00a0']))],
  ['other character', insert(() => pick(['*', '%', 'é', '\u0141', '~']))],
  [
    'wide character',
    (spec) => {
      const at = below(spec.parts[1].length || 1);
      spec.parts[1] =
        spec.parts[1].slice(0, at) +
        String.fromCharCode(0x100 + (spec.parts[1].charCodeAt(at) || 65)) +
        spec.parts[1].slice(at + 1);
    },
  ],
  [
    'parts',
    (spec) =>
      void (spec.parts = pick([
        spec.parts.slice(0, 2),
        spec.parts.slice(0, 1),
        [...spec.parts, ''],
        [...spec.parts, 'AAAA'],
        ['', ...spec.parts],
        [],
      ])),
  ],
  ['no signature', (spec) => void (spec.parts[2] = '')],
  ['no payload', (spec) => void (spec.parts[1] = '')],
  [
    'flipped bit',
    (spec) => {
      const part = below(3);
      const bytes = unb64u(spec.parts[part]);
      if (bytes.length === 0) return;
      bytes[below(bytes.length)] ^= 1 << below(8);
      spec.parts[part] = b64u(bytes);
    },
  ],
  [
    'length of the signature',
    (spec) => {
      const bytes = unb64u(spec.parts[2]);
      spec.parts[2] = b64u(
        pick([
          Buffer.concat([Buffer.alloc(1), bytes]),
          Buffer.concat([bytes, Buffer.alloc(1)]),
          bytes.subarray(0, -1),
          Buffer.alloc(bytes.length),
        ]),
      );
    },
  ],
  [
    'other s',
    (spec) => {
      const bytes = unb64u(spec.parts[2]);
      if (bytes.length !== 64 || spec.alg !== 'ES256') return;
      const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
      const s = n - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
      spec.parts[2] = b64u(
        Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]),
      );
    },
  ],
];

const objectText = (members) => `{${[...members].map(([name, value]) => `${json(name)}:${value}`).join(',')}}`;

function token(material) {
  const key = pick(SIGNERS);
  const alg = pick(ALGORITHMS[key]);
  const spec = {
    key: material.get(key) ?? key,
    alg,
    header: new Map([
      ['alg', json(alg)],
      ['typ', '"at+jwt"'],
      ['kid', json(key)],
    ]),
    claims: new Map([
      ['iss', json(ISSUER)],
      ['aud', '"api"'],
      ['sub', '"user-1"'],
      ['iat', `${NOW - 10}`],
      ['exp', `${NOW + 300}`],
    ]),
    headerJson: () => objectText(spec.header),
    claimsJson: () => objectText(spec.claims),
    policy: { issuer: ISSUER, audience: 'api' },
    now: NOW,
    labels: [],
  };
  const odd = (list) => {
    const [label, change] = pick(list);
    change(spec);
    spec.labels.push(label);
  };
  for (let n = pick([0, 0, 1, 1, 1, 1, 2, 2]); n > 0; n -= 1) odd(BEFORE);
  const input = [spec.headerText ?? spec.headerJson(), spec.claimsText ?? spec.claimsJson()]
    .map((part) => b64u(part))
    .join('.');
  const signer = { key: spec.key, alg: spec.alg, encoding: spec.encoding, secret: spec.secret };
  // A key of another type signs with what it can.
  if (
    keys[signer.key].kty !== { R: 'RSA', P: 'RSA', E: 'EC', H: keys[signer.key].kty }[spec.alg[0]] &&
    spec.alg !== 'EdDSA'
  )
    signer.alg = keys[signer.key].kty === 'RSA' ? 'RS256' : 'ES256';
  if (spec.alg === 'EdDSA' && keys[signer.key].kty !== 'OKP')
    signer.alg = keys[signer.key].kty === 'RSA' ? 'RS256' : 'ES256';
  // A salt of 64 bytes does not fit into 1024 bits.
  if (signer.key === 'rsa-1024' && signer.alg === 'PS512') signer.alg = 'RS256';
  spec.parts = [...input.split('.'), b64u(signatureOf(signer, input, keys))];
  if (chance() < 0.2) odd(AFTER);
  return { token: spec.parts.join('.'), policy: spec.policy, now: spec.now, labels: spec.labels };
}

// ---- The peers

const acceptedIssuers = (issuer) => [...new Set([issuer, normaliseIssuer(issuer)])];

/** What LibreChat asks of claims once jsonwebtoken accepts; jose is asked for the same, so that only its own rules differ. */
function checkClaims(payload, policy) {
  const required = split(policy.scope ?? '');
  if (required.length > 0) {
    const held = scopesOf(payload);
    if (!required.every((scope) => held.includes(scope))) throw new Error('scope');
  }
  if (typeof payload.sub !== 'string' || payload.sub.trim() === '') throw new Error('sub');
  return 'ok';
}

/** As LibreChat verifies: jsonwebtoken with each key that jwks-rsa finds, then scopes and subject. */
async function librechat(keysFor, { token, policy, now }) {
  const { kid } = jsonwebtoken.decode(token, { complete: true }).header;
  const candidates = await keysFor(typeof kid === 'string' ? kid : undefined);
  let problem;
  for (const candidate of candidates) {
    let payload;
    try {
      payload = jsonwebtoken.verify(token, candidate.getPublicKey(), {
        algorithms: NINE,
        issuer: acceptedIssuers(policy.issuer),
        audience: policy.audience,
        clockTimestamp: Math.floor(now),
      });
    } catch (error) {
      problem = error;
      continue;
    }
    return checkClaims(payload, policy);
  }
  throw problem;
}

/** One question to jwks-rsa per `kid`: a set here never changes, and LibreChat would fetch it anew each time. */
function askedOnce(client) {
  const answers = new Map();
  return (kid) => {
    if (!answers.has(kid))
      answers.set(kid, kid === undefined ? client.getSigningKeys() : client.getSigningKey(kid).then((key) => [key]));
    return answers.get(kid);
  };
}

async function jose(remote, { token, policy, now }) {
  const options = {
    algorithms: policy.algorithms ?? NINE,
    issuer: acceptedIssuers(policy.issuer),
    audience: policy.audience,
    currentDate: new Date(Math.floor(now) * 1000),
  };
  try {
    return checkClaims((await jwtVerify(token, remote, options)).payload, policy);
  } catch (error) {
    if (error?.code !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') throw error;
    let problem = error;
    for await (const key of error) {
      try {
        return checkClaims((await jwtVerify(token, key, options)).payload, policy);
      } catch (inner) {
        problem = inner;
      }
    }
    throw problem;
  }
}

const said = async (answer) => {
  try {
    return await answer();
  } catch (error) {
    return String(error?.message ?? error).slice(0, 100);
  }
};

// ---- The run

const sets = Array.from({ length: Math.ceil(wanted / PER_SET) }, (_, place) => keySet(place));
const server = http.createServer((request, response) => {
  const found = sets[Number(/^\/(\d+)$/.exec(request.url)?.[1])];
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(found?.text);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
process.stdin.on('end', () => process.exit(0)).resume();

for (const [place, { labels, material }] of sets.entries()) {
  const jwksUri = `${origin}/${place}`;
  const keysFor = askedOnce(jwksRsa({ jwksUri, cache: true, rateLimit: false }));
  const remote = createRemoteJWKSet(new URL(jwksUri));
  const lines = [];
  for (let n = 0; n < Math.min(PER_SET, wanted - place * PER_SET); n += 1) {
    const made = token(material);
    lines.push(
      json({
        ...made,
        jwksUri,
        labels: [...made.labels, ...labels],
        librechat: await said(() => librechat(keysFor, made)),
        jose: await said(() => jose(remote, made)),
      }),
    );
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}
process.stdout.write('done\n');
