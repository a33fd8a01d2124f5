// Key sets as raw JSON text: what matters is often malformed, and JSON.stringify cannot write that.
import { fillerPoint, publicJwk } from './keys.mjs';
import { b64u, unb64u } from './mint.mjs';

const json = (keys) => JSON.stringify({ keys });

export function keySets(keys) {
  const pub = (name, extra = {}) => ({ ...publicJwk(keys[name]), kid: name, ...extra });
  const bare = (name, extra = {}) => ({ ...publicJwk(keys[name]), ...extra });
  const good = pub('rsa-a');
  const text = (jwk) => JSON.stringify(jwk);
  const withPadding = (value) => value + '='.repeat((4 - (value.length % 4)) % 4);
  const shiftBit = (value) => {
    const bytes = unb64u(value);
    bytes[bytes.length - 1] ^= 1;
    return b64u(bytes);
  };
  const leadingZero = (value) => b64u(Buffer.concat([Buffer.from([0]), unb64u(value)]));
  const offCurve = (() => {
    const y = unb64u(keys['ec-256'].y);
    y[31] ^= 1;
    return b64u(y);
  })();

  const sets = {
    main: json(['rsa-a', 'rsa-b', 'rsa-3072', 'rsa-4096', 'ec-256', 'ec-384', 'ec-521', 'ed-25519', 'ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'].map((name) => pub(name))),
    'rsa-a only': json([good]),
    'rsa-a of another provider': json([pub('rsa-b', { kid: 'rsa-a' })]),
    'elliptic only': json([pub('ec-256'), pub('ec-384'), pub('ec-521')]),
    'ed25519 only': json([pub('ed-25519')]),
    'without kids': json([bare('rsa-b'), bare('ec-256'), bare('rsa-a')]),

    'named algorithms': json([
      pub('rsa-a', { alg: 'RS256' }),
      pub('rsa-b', { alg: 'PS256' }),
      pub('rsa-3072', { alg: 'RS384' }),
      pub('rsa-c', { alg: 'RSA-OAEP' }),
      pub('ec-256', { alg: 'ES256' }),
      pub('ec-384', { alg: 'ES256' }),
      pub('ec-521', { alg: 'ES512' }),
      pub('ed-25519', { alg: 'EdDSA' }),
      pub('rsa-4096', { alg: 'HS256' }),
    ]),
    'named algorithms, no kid': json([bare('rsa-a', { alg: 'PS256' }), bare('rsa-b', { alg: 'RS256' })]),
    'two algorithms, one key': json([bare('rsa-a', { alg: 'PS256' }), bare('rsa-a', { alg: 'RS256' })]),
    uses: json([
      pub('rsa-a', { kid: 'use-sig', use: 'sig' }),
      pub('rsa-a', { kid: 'use-enc', use: 'enc' }),
      pub('rsa-a', { kid: 'use-null', use: null }),
      pub('rsa-a', { kid: 'use-SIG', use: 'SIG' }),
      pub('rsa-a', { kid: 'use-empty', use: '' }),
      pub('rsa-a', { kid: 'use-number', use: 1 }),
      pub('rsa-a', { kid: 'use-array', use: ['sig'] }),
      pub('rsa-a', { kid: 'use-absent' }),
    ]),
    'only for encryption': json([bare('rsa-a', { use: 'enc' }), pub('rsa-b')]),
    operations: json([
      pub('rsa-a', { kid: 'verify', key_ops: ['verify'] }),
      pub('rsa-a', { kid: 'sign-verify', key_ops: ['sign', 'verify'] }),
      pub('rsa-a', { kid: 'sign', key_ops: ['sign'] }),
      pub('rsa-a', { kid: 'encrypt', key_ops: ['encrypt', 'wrapKey'] }),
      pub('rsa-a', { kid: 'empty', key_ops: [] }),
      pub('rsa-a', { kid: 'upper', key_ops: ['VERIFY'] }),
      pub('rsa-a', { kid: 'use-and-ops', use: 'sig', key_ops: ['encrypt'] }),
      pub('rsa-b'),
    ]),
    'private entries': json([
      { ...keys['rsa-a'], kid: 'rsa-private' },
      { ...keys['ec-256'], kid: 'ec-private' },
      { ...keys['ed-25519'], kid: 'ed-private' },
      { ...keys['ml-dsa-44'], kid: 'ml-dsa-private' },
      { ...keys['rsa-a'], kid: 'rsa-a' },
      good,
      pub('rsa-b'),
    ]),
    'null entry': json([null, good]),
    'odd entries': json([
      'rsa-a', 5, true, [], {},
      { kid: 'rsa-a' },
      { kty: 'LOTS', kid: 'rsa-a' },
      { kty: null, kid: 'rsa-a' },
      { kty: 'oct', k: keys['oct-a'].k, kid: 'rsa-a' },
      { kty: 'AKP', alg: 'ML-DSA-65', pub: 'AAAA', kid: 'rsa-a' },
      { kty: 'RSA', e: 'AQAB', kid: 'rsa-a' },
      { kty: 'RSA', n: keys['rsa-a'].n, kid: 'rsa-a' },
      { kty: 'RSA', n: 5, e: 'AQAB', kid: 'rsa-a' },
      { kty: 'RSA', n: '', e: 'AQAB', kid: 'empty-modulus' },
      { kty: 'RSA', n: '!!!!', e: 'AQAB', kid: 'junk-modulus' },
      { kty: 'EC', crv: 'P-256', kid: 'rsa-a' },
      { kty: 'rsa', n: keys['rsa-a'].n, e: 'AQAB', kid: 'rsa-a' },
      good,
    ]),
    'a symmetric entry': json([{ kty: 'oct', k: keys['oct-a'].k, kid: 'oct-a' }, good]),
    'x5c oddities': json([
      pub('rsa-a', { kid: 'x5c-string', x5c: 'MIIB' }),
      pub('rsa-a', { kid: 'x5c-object', x5c: {} }),
      pub('rsa-a', { kid: 'x5c-array', x5c: ['not a certificate'] }),
      pub('rsa-a', { kid: 'x5t-number', x5t: 5 }),
      pub('rsa-a', { kid: 'unknown-members', issuer: { a: [1, null] }, exp: 1, nbf: '0' }),
    ]),
    'strange kids': json([
      pub('rsa-a', { kid: 7 }),
      pub('ec-256', { kid: null }),
      pub('ec-384', { kid: '' }),
      pub('ec-521', { kid: { a: 1 } }),
      pub('rsa-b'),
    ]),
    'kids beyond ASCII': json([
      pub('rsa-a', { kid: 'clé-\u{1f511}' }),
      pub('rsa-b', { kid: 'clA\u0303©' }),
      pub('ec-256', { kid: 'a\u0000b' }),
      pub('ec-384', { kid: '__proto__' }),
      pub('ec-521', { kid: ' rsa-a' }),
    ]),
    'long kids': json([pub('rsa-a', { kid: 'k'.repeat(256) }), pub('rsa-b', { kid: 'k'.repeat(257) }), pub('rsa-c', { kid: 'é'.repeat(128) })]),

    'same kid, wrong key first': json([pub('rsa-b', { kid: 'rsa-a' }), good]),
    'same kid, right key first': json([good, pub('rsa-b', { kid: 'rsa-a' })]),
    'same kid, unusable first': json([pub('rsa-b', { kid: 'rsa-a', use: 'enc' }), pub('rsa-1024', { kid: 'rsa-a' }), good]),
    'same kid, other type first': json([pub('ec-256', { kid: 'shared' }), pub('rsa-a', { kid: 'shared' })]),
    'one key, three algorithms': json(['RS384', 'RS256', 'RS512'].map((alg) => pub('rsa-a', { alg }))),
    'one kid for RS256 and PS256': json([pub('rsa-a', { alg: 'PS256' }), pub('rsa-a', { alg: 'RS256', use: 'sig' })]),
    'one kid for encryption and signatures': json([pub('rsa-b', { kid: 'rsa-a', use: 'enc' }), pub('rsa-b', { kid: 'rsa-a', use: 'enc', alg: 'RSA-OAEP' }), { ...good, use: 'sig' }]),
    'one kid on two curves': json([pub('ec-256', { kid: 'shared' }), pub('ec-384', { kid: 'shared' })]),
    'eight of one kid': json([...Array.from({ length: 7 }, (_, i) => ({ ...fillerPoint(i + 1), kid: 'shared' })), pub('ec-256', { kid: 'shared' })]),
    'nine of one kid': json([...Array.from({ length: 8 }, (_, i) => ({ ...fillerPoint(i + 1), kid: 'shared' })), pub('ec-256', { kid: 'shared' })]),

    weak: json([pub('rsa-1024'), pub('rsa-2047'), pub('rsa-b')]),
    'weak without kid': json([bare('rsa-1024')]),
    exponents: json([
      pub('rsa-e3'),
      pub('rsa-a', { kid: 'e-zero', e: 'AA' }),
      pub('rsa-a', { kid: 'e-one', e: 'AQ' }),
      pub('rsa-a', { kid: 'e-two', e: 'Ag' }),
      pub('rsa-a', { kid: 'e-even', e: 'AQAA' }),
      pub('rsa-a', { kid: 'e-empty', e: '' }),
      pub('rsa-a', { kid: 'e-number', e: 65537 }),
      pub('rsa-a', { kid: 'n-even', n: shiftBit(keys['rsa-a'].n) }),
      pub('rsa-a', { kid: 'e-leading-zero', e: 'AAEAAQ' }),
      pub('rsa-b'),
    ]),
    'leading zero in n': json([pub('rsa-a', { n: leadingZero(keys['rsa-a'].n) })]),
    'padded members': json([pub('rsa-a', { n: withPadding(keys['rsa-a'].n) }), pub('ec-256', { x: withPadding(keys['ec-256'].x), y: withPadding(keys['ec-256'].y) })]),
    'standard alphabet': json([pub('rsa-a', { n: keys['rsa-a'].n.replaceAll('-', '+').replaceAll('_', '/') })]),
    'spare bit in n': json([pub('rsa-a', { n: keys['rsa-a'].n.replace(/.$/, (last) => ({ A: 'B', Q: 'R', g: 'h', w: 'x' })[last]) })]),
    'short coordinate': json([pub('ec-256-short', { x: b64u(unb64u(keys['ec-256-short'].x).subarray(1)) })]),
    'coordinate with its zero': json([pub('ec-256-short')]),
    'long coordinate': json([
      pub('ec-256', { x: leadingZero(keys['ec-256'].x), y: leadingZero(keys['ec-256'].y) }),
      pub('ec-256-b', { x: b64u(Buffer.concat([unb64u(keys['ec-256-b'].x), Buffer.from([0])])) }),
    ]),
    'bad points': json([
      pub('ec-256', { kid: 'off-curve', y: offCurve }),
      pub('ec-256', { kid: 'origin', x: b64u(Buffer.alloc(32)), y: b64u(Buffer.alloc(32)) }),
      pub('ec-256', { kid: 'other-curve', crv: 'P-384' }),
      pub('ec-256', { kid: 'unknown-curve', crv: 'P-257' }),
      pub('ec-256', { kid: 'no-curve', crv: undefined }),
      pub('ec-256', { kid: 'swapped', x: keys['ec-256'].y, y: keys['ec-256'].x }),
      pub('ec-256', { kid: 'no-y', y: undefined }),
      pub('ec-256', { kid: 'coordinates-beyond-field', x: b64u(Buffer.alloc(32, 0xff)) }),
      pub('ec-k1', { kid: 'ec-k1' }),
      pub('ec-384'),
    ]),
    'other okp': json([
      pub('ed-448'),
      pub('x-25519'),
      pub('ed-25519', { kid: 'ed-short', x: b64u(unb64u(keys['ed-25519'].x).subarray(1)) }),
      pub('ed-25519', { kid: 'ed-as-ed448', crv: 'Ed448' }),
      pub('ed-25519'),
    ]),

    'other akp': json([
      pub('ml-dsa-44', { kid: 'no-alg', alg: undefined }),
      pub('ml-dsa-44', { kid: 'alg-null', alg: null }),
      pub('ml-dsa-44', { kid: 'alg-of-another-size', alg: 'ML-DSA-65' }),
      pub('ml-dsa-44', { kid: 'alg-unknown', alg: 'ML-DSA-45' }),
      pub('ml-dsa-44', { kid: 'alg-rs256', alg: 'RS256' }),
      pub('ml-dsa-44', { kid: 'alg-lower', alg: 'ml-dsa-44' }),
      pub('ml-dsa-44', { kid: 'pub-short', pub: b64u(unb64u(keys['ml-dsa-44'].pub).subarray(1)) }),
      pub('ml-dsa-44', { kid: 'pub-long', pub: b64u(Buffer.concat([unb64u(keys['ml-dsa-44'].pub), Buffer.from([0])])) }),
      // What a certificate has (RFC 9881 4): the same key in a DER structure.
      pub('ml-dsa-44', { kid: 'pub-der', pub: b64u(Buffer.concat([Buffer.from('30820532300b06096086480165030403110382052100', 'hex'), unb64u(keys['ml-dsa-44'].pub)])) }),
      pub('ml-dsa-44', { kid: 'pub-empty', pub: '' }),
      pub('ml-dsa-44', { kid: 'pub-number', pub: 5 }),
      pub('ml-dsa-44', { kid: 'no-pub', pub: undefined }),
      pub('ml-dsa-44', { kid: 'as-x', pub: undefined, x: keys['ml-dsa-44'].pub }),
      pub('ml-dsa-44', { kid: 'as-okp', kty: 'OKP', crv: 'ML-DSA-44', x: keys['ml-dsa-44'].pub }),
      pub('ml-dsa-44', { kid: 'private-as-d', d: keys['ml-dsa-44'].priv }),
      pub('ml-dsa-44', { kid: 'padded', pub: `${keys['ml-dsa-44'].pub}==` }),
      pub('ml-dsa-65'),
    ]),
    'names of Ed25519': json([pub('ed-25519', { kid: 'new', alg: 'Ed25519' }), pub('ed-25519', { kid: 'old', alg: 'EdDSA' })]),

    'nine candidates': json([...Array.from({ length: 8 }, (_, i) => fillerPoint(i + 1)), bare('ec-256')]),
    'eight candidates': json([...Array.from({ length: 7 }, (_, i) => fillerPoint(i + 1)), bare('rsa-b'), bare('ec-384'), bare('ec-256')]),
    '101 keys': json([...Array.from({ length: 99 }, (_, i) => ({ ...fillerPoint(i + 1), kid: `filler-${i + 1}` })), good, pub('rsa-b')]),

    'duplicate member in an entry': `{"keys":[${text(good).replace('"kid":', '"kid":"first","kid":')},${text(pub('rsa-b'))}]}`,
    'duplicate keys member': `{"keys":[],"keys":[${text(good)}]}`,
    'extra members': `\n { "issuer" : "https://else.example", "keys" : [ ${text(good)} ], "next" : null }\n`,
    empty: '{"keys":[]}',
    'no keys member': '{}',
    'keys null': '{"keys":null}',
    'keys object': '{"keys":{}}',
    'keys text': '{"keys":"rsa-a"}',
    'bare array': `[${text(good)}]`,
    'single key, no set': text(good),
    'json null': 'null',
    'not json': '<html>keys</html>',
    'empty body': '',
    'cut short': json([good]).slice(0, -2),
    'trailing text': `${json([good])} x`,
    'deep member': `{"keys":[${text(good).slice(0, -1)},"note":${'['.repeat(40)}${']'.repeat(40)}}]}`,
  };
  return sets;
}
