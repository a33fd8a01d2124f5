import { DIFFERS, claims, header, table } from './base.mjs';

const { theme, rows, row } = table('algorithms');
export default { theme, rows };

const NINE = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
const ML_DSA = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'];
const KID = { ES256: 'ec-256', ES384: 'ec-384', ES512: 'ec-521', EdDSA: 'ed-25519' };
const kidOf = (alg) => KID[alg] ?? 'rsa-a';
const ALGORITHM = 'ERR_TOKEN_ALGORITHM';
const INVALID = 'ERR_SIGNATURE_INVALID';

// The list.
for (const alg of NINE) {
  row(`accepts ${alg} by default`, 'ok', { header: header({ alg, kid: kidOf(alg) }) });
  row(`accepts ${alg} where the policy names only it`, 'ok', { header: header({ alg, kid: kidOf(alg) }), policy: { algorithms: [alg] } });
  const others = [...NINE.filter((other) => other !== alg), 'EdDSA', ...ML_DSA];
  row(`refuses ${alg} where the policy names all others`, ALGORITHM, { header: header({ alg, kid: kidOf(alg) }), policy: { algorithms: others } });
}
row('refuses EdDSA by default', ALGORITHM, { header: header({ alg: 'EdDSA', kid: 'ed-25519' }) });
row('accepts EdDSA where the policy names it', 'ok', { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), policy: { algorithms: ['EdDSA'] } });
row('accepts EdDSA beside others where the policy names it', 'ok', { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), policy: { algorithms: ['RS256', 'EdDSA'] } });
for (const alg of ML_DSA) {
  const token = { header: header({ alg, kid: alg.toLowerCase() }) };
  row(`refuses ${alg} by default`, ALGORITHM, token);
  row(`accepts ${alg} where the policy names it`, 'ok', { ...token, policy: { algorithms: [alg] } });
  row(`accepts ${alg} without kid`, 'ok', { header: header({ alg, kid: undefined }), policy: { algorithms: ['RS256', alg] } });
  row(`refuses ${alg} where the policy names all others`, ALGORITHM, { ...token, policy: { algorithms: [...NINE, 'EdDSA', ...ML_DSA.filter((other) => other !== alg)] } });
}
row('refuses RS256 where the policy names only EdDSA', ALGORITHM, { policy: { algorithms: ['EdDSA'] } });
row('accepts an algorithm that the policy names twice', 'ok', { policy: { algorithms: ['RS256', 'RS256'] } });
row('accepts a 3072-bit RSA key', 'ok', { header: header({ kid: 'rsa-3072' }), sign: { key: 'rsa-3072', alg: 'RS256' } });
row('accepts a 4096-bit RSA key with PS512', 'ok', { header: header({ alg: 'PS512', kid: 'rsa-4096' }), sign: { key: 'rsa-4096', alg: 'PS512' } });

// alg that is none of them.
const unsigned = (alg, more = {}) => ({ header: header({ alg, ...more }), sign: 'none' });
for (const alg of ['none', 'None', 'NONE', 'nOnE', 'none ', '']) row(`refuses alg ${JSON.stringify(alg)} without a signature`, ALGORITHM, unsigned(alg));
row('refuses alg none with a signature', ALGORITHM, { header: header({ alg: 'none' }), sign: { key: 'rsa-a', alg: 'RS256' } });
row('refuses alg none without kid', ALGORITHM, unsigned('none', { kid: undefined }));
row('refuses alg none before it looks for the key', ALGORITHM, unsigned('none', { kid: 'nobody' }));
for (const secret of ['spki-pem', 'spki-der', 'modulus-text', 'jwk-json', 'empty']) {
  row(`refuses HS256 made with the public key as secret (${secret})`, ALGORITHM, { header: header({ alg: 'HS256' }), sign: { key: 'rsa-a', alg: 'HS256', secret } });
}
row('refuses HS256 with a symmetric entry of the set', ALGORITHM, { header: header({ alg: 'HS256', kid: 'oct-a' }), keys: 'a symmetric entry' });
row('refuses HS384', ALGORITHM, { header: header({ alg: 'HS384' }), sign: { key: 'rsa-a', alg: 'HS384', secret: 'spki-pem' } });
row('refuses HS512', ALGORITHM, { header: header({ alg: 'HS512' }), sign: { key: 'rsa-a', alg: 'HS512', secret: 'spki-pem' } });
for (const alg of ['rs256', 'Rs256', 'RS256 ', ' RS256', 'RS-256', 'RS1', 'RSA-OAEP', 'dir', 'RS256\u0000', 'RSA256', 'RS2560']) {
  row(`refuses alg ${JSON.stringify(alg)} over a true RS256 signature`, ALGORITHM, { header: header({ alg }), sign: { key: 'rsa-a', alg: 'RS256' } });
}
row('refuses alg es256', ALGORITHM, { header: header({ alg: 'es256', kid: 'ec-256' }), sign: { key: 'ec-256', alg: 'ES256' } });
row('refuses alg eddsa even where EdDSA is named', ALGORITHM, { header: header({ alg: 'eddsa', kid: 'ed-25519' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, policy: { algorithms: ['EdDSA'] } });
row('accepts alg Ed25519, the other name of EdDSA (RFC 9864)', 'ok', { header: header({ alg: 'Ed25519', kid: 'ed-25519' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, policy: { algorithms: ['EdDSA'] } });
row('accepts alg EdDSA under a policy that names it Ed25519', 'ok', { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), policy: { algorithms: ['Ed25519'] } });
row('accepts alg Ed25519 with a key that names EdDSA', 'ok', { header: header({ alg: 'Ed25519', kid: 'old' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, keys: 'names of Ed25519', policy: { algorithms: ['EdDSA'] } });
row('accepts alg EdDSA with a key that names Ed25519', 'ok', { header: header({ alg: 'EdDSA', kid: 'new' }), keys: 'names of Ed25519', policy: { algorithms: ['Ed25519'] } });
row('refuses alg ed25519', ALGORITHM, { header: header({ alg: 'ed25519', kid: 'ed-25519' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, policy: { algorithms: ['Ed25519'] } });
row('refuses alg Ed25519 over an RSA key', 'ERR_KEY_UNSUITABLE', { header: header({ alg: 'Ed25519', kid: 'rsa-a' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, policy: { algorithms: ['EdDSA'] } });
row('refuses alg Ed448', ALGORITHM, { header: header({ alg: 'Ed448', kid: 'ed-25519' }), sign: { key: 'ed-25519', alg: 'EdDSA' }, policy: { algorithms: ['EdDSA'] } });
row('refuses ES256K', ALGORITHM, { header: header({ alg: 'ES256K', kid: 'ec-k1' }), sign: { key: 'ec-k1', alg: 'ES256' }, keys: 'bad points' });
row('refuses a header without alg', ALGORITHM, { header: header({ alg: undefined }), sign: { key: 'rsa-a', alg: 'RS256' } });
for (const alg of [null, 256, true, ['RS256'], { name: 'RS256' }]) {
  row(`refuses an alg that is ${JSON.stringify(alg)}`, ALGORITHM, { header: header({ alg }), sign: { key: 'rsa-a', alg: 'RS256' } });
}
row('refuses an unlisted alg before it looks for the key', ALGORITHM, { header: header({ alg: 'HS256', kid: 'nobody' }), sign: { key: 'oct-a', alg: 'HS256' } });
row('refuses an alg of another name over the same key and signature', INVALID, { header: header({ alg: 'RS384' }), sign: { key: 'rsa-a', alg: 'RS256' } });

// kid.
row('finds the second key by its kid', 'ok', { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' } });
row('does not try other keys when the kid names one', INVALID, { header: header({ kid: 'rsa-b' }) });
row('refuses an unknown kid', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'nobody' }) });
row('compares kids by case', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'RSA-A' }) });
row('does not trim a kid', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'rsa-a ' }) });
row('does not take a prefix of a kid', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'rsa' }) });
row('refuses a token signed by another provider\'s key under a known kid', INVALID, { keys: 'rsa-a of another provider' });
row('refuses an empty kid', 'ERR_TOKEN_KID', { header: header({ kid: '' }) });
row('refuses an empty kid even where a key has one', 'ERR_TOKEN_KID', { header: header({ alg: 'ES384', kid: '' }), keys: 'strange kids' });
for (const kid of [undefined, null, 7, 0, true, {}, { a: 1 }, [], ['rsa-a']]) {
  row(`tries every suitable key when kid is ${kid === undefined ? 'absent' : JSON.stringify(kid)}`, 'ok', { header: header({ kid }) });
}
row('tries every suitable key in order when there is no kid', 'ok', { header: header({ kid: undefined }), sign: { key: 'rsa-4096', alg: 'RS256' } });
row('tries keys without kid for a token without kid', 'ok', { header: header({ kid: undefined }), keys: 'without kids' });
row('tries only EC keys for an ES256 token without kid', 'ok', { header: header({ alg: 'ES256', kid: undefined }), keys: 'without kids' });
row('does not find a key without kid by a kid', 'ERR_KEY_NOT_FOUND', { keys: 'without kids' });
row('refuses a token without kid that no key has signed', INVALID, { header: header({ kid: undefined }), sign: { key: 'rsa-c', alg: 'RS256' } });
row('refuses a token without kid where no key suits its algorithm', 'ERR_KEY_NOT_FOUND', { header: header({ alg: 'ES256', kid: undefined }), keys: 'rsa-a only' });
row('refuses an ES384 token without kid where only other curves are at hand', 'ERR_KEY_NOT_FOUND', { header: header({ alg: 'ES384', kid: undefined }), keys: 'without kids' });
row('refuses a token without kid where the policy requires one', 'ERR_TOKEN_KID', { header: header({ kid: undefined }), policy: { requireKid: true } });
row('refuses a null kid where the policy requires one', 'ERR_TOKEN_KID', { header: header({ kid: null }), policy: { requireKid: true } });
row('refuses a numeric kid where the policy requires one', 'ERR_TOKEN_KID', { header: header({ kid: 7 }), policy: { requireKid: true } });
row('refuses an empty kid where the policy requires one', 'ERR_TOKEN_KID', { header: header({ kid: '' }), policy: { requireKid: true } });
row('accepts a token with kid where the policy requires one', 'ok', { policy: { requireKid: true } });
row('accepts a token without kid where the policy does not require one', 'ok', { header: header({ kid: undefined }), policy: { requireKid: false } });
row('checks the algorithm before a missing kid', ALGORITHM, { ...unsigned('none', { kid: undefined }), policy: { requireKid: true } });
row('finds a kid of 256 bytes', 'ok', { header: header({ kid: 'k'.repeat(256) }), keys: 'long kids' });
row('refuses a kid of 257 bytes', 'ERR_TOKEN_KID', { header: header({ kid: 'k'.repeat(257) }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: 'long kids', differs: DIFFERS.limits });
row('counts the kid in bytes: 128 letters of two bytes pass', 'ok', { header: header({ kid: 'é'.repeat(128) }), sign: { key: 'rsa-c', alg: 'RS256' }, keys: 'long kids', differs: DIFFERS.utf8 });
row('counts the kid in bytes: 129 letters of two bytes are too many', 'ERR_TOKEN_KID', { header: header({ kid: 'é'.repeat(129) }) });
row('reads a kid as UTF-8', 'ok', { header: header({ kid: 'clé-\u{1f511}' }), keys: 'kids beyond ASCII', differs: DIFFERS.utf8 });
row('reads a kid written with escapes', 'ok', { header: { $text: '{"alg":"RS256","kid":"cl\\u00e9-\\ud83d\\udd11"}' }, sign: { key: 'rsa-a', alg: 'RS256' }, keys: 'kids beyond ASCII' });
row('does not compare kids after Unicode normalisation', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'cle\u0301-\u{1f511}' }), keys: 'kids beyond ASCII' });
row('keeps a NUL inside a kid', 'ok', { header: header({ alg: 'ES256', kid: 'a\u0000b' }), keys: 'kids beyond ASCII' });
row('does not cut a kid at a NUL', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'rsa-a\u0000' }) });
row('finds a kid called __proto__', 'ok', { header: header({ alg: 'ES384', kid: '__proto__' }), keys: 'kids beyond ASCII' });
row('does not find a kid called __proto__ where no key has it', 'ERR_KEY_NOT_FOUND', { header: header({ kid: '__proto__' }) });
row('does not find a kid called constructor', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'constructor' }) });
row('finds a kid that starts with a blank', 'ok', { header: header({ alg: 'ES512', kid: ' rsa-a' }), keys: 'kids beyond ASCII' });
row('tries both keys of one kid: wrong one first', 'ok', { keys: 'same kid, wrong key first', differs: DIFFERS.shared });
row('tries both keys of one kid: right one first', 'ok', { keys: 'same kid, right key first' });
row('tries the second of two keys with one kid', 'ok', { keys: 'same kid, right key first', sign: { key: 'rsa-b', alg: 'RS256' }, differs: DIFFERS.shared });
row('believes neither of two keys with one kid for a third key', INVALID, { keys: 'same kid, right key first', sign: { key: 'rsa-c', alg: 'RS256' } });
row('skips unusable entries when it looks for the keys of a kid', 'ok', { keys: 'same kid, unusable first', differs: DIFFERS.weak });
row('chooses among the keys of one kid by type', 'ok', { header: header({ kid: 'shared' }), keys: 'same kid, other type first', differs: DIFFERS.shared });
row('refuses an algorithm that none of the keys of one kid fits', 'ERR_KEY_UNSUITABLE', { header: header({ alg: 'ES384', kid: 'shared' }), sign: { key: 'ec-384', alg: 'ES384' }, keys: 'same kid, other type first' });
for (const alg of ['RS256', 'RS384', 'RS512']) row(`chooses among the entries of one key under one kid by alg: ${alg}`, 'ok', { header: header({ alg }), sign: { key: 'rsa-a', alg }, keys: 'one key, three algorithms' });
row('refuses an algorithm that no entry of the kid names', 'ERR_KEY_UNSUITABLE', { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256' }, keys: 'one key, three algorithms', differs: DIFFERS.jwk });
for (const alg of ['RS256', 'PS256']) row(`finds the ${alg} entry of a kid that has one for RS256 and one for PS256`, 'ok', { header: header({ alg }), sign: { key: 'rsa-a', alg }, keys: 'one kid for RS256 and PS256' });
row('finds the entry of a kid for signatures behind the one for encryption', 'ok', { keys: 'one kid for encryption and signatures' });
row('chooses among the elliptic keys of one kid by curve', 'ok', { header: header({ alg: 'ES384', kid: 'shared' }), sign: { key: 'ec-384', alg: 'ES384' }, keys: 'one kid on two curves', differs: DIFFERS.shared });
row('tries eight keys of one kid', 'ok', { header: header({ alg: 'ES256', kid: 'shared' }), sign: { key: 'ec-256', alg: 'ES256' }, keys: 'eight of one kid', differs: DIFFERS.shared });
row('does not try a ninth key of one kid', INVALID, { header: header({ alg: 'ES256', kid: 'shared' }), sign: { key: 'ec-256', alg: 'ES256' }, keys: 'nine of one kid' });
row('uses the first of two keys with one kid where its type suits', 'ok', { header: header({ alg: 'ES256', kid: 'shared' }), keys: 'same kid, other type first' });
row('never matches a kid text with a numeric kid of the set', 'ERR_KEY_NOT_FOUND', { header: header({ kid: '7' }), keys: 'strange kids' });
row('tries a key with a numeric kid for a token without kid', 'ok', { header: header({ kid: undefined }), keys: 'strange kids' });
row('tries a key with a numeric kid for a token with a numeric kid', 'ok', { header: header({ kid: 7 }), keys: 'strange kids' });
row('tries a key with a null kid for a token without kid', 'ok', { header: header({ alg: 'ES256', kid: undefined }), keys: 'strange kids' });
row('tries a key with an empty kid for a token without kid', 'ok', { header: header({ alg: 'ES384', kid: undefined }), keys: 'strange kids' });
row('tries a key whose kid is an object for a token without kid', 'ok', { header: header({ alg: 'ES512', kid: undefined }), keys: 'strange kids' });
row('finds a good key beside ones with strange kids', 'ok', { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: 'strange kids' });
row('tries eight suitable keys, not counting those of other types', 'ok', { header: header({ alg: 'ES256', kid: undefined }), keys: 'eight candidates' });
row('does not try a ninth suitable key', INVALID, { header: header({ alg: 'ES256', kid: undefined }), keys: 'nine candidates', differs: DIFFERS.noKid });

// Key against algorithm.
const UNSUITABLE = 'ERR_KEY_UNSUITABLE';
row('refuses an ES256 header over an RSA key', UNSUITABLE, { header: header({ alg: 'ES256', kid: 'rsa-a' }), sign: { key: 'ec-256', alg: 'ES256' } });
row('refuses an RS256 header over an EC key', UNSUITABLE, { header: header({ kid: 'ec-256' }) });
row('refuses a PS256 header over an EC key', UNSUITABLE, { header: header({ alg: 'PS256', kid: 'ec-256' }) });
row('refuses an RS256 header over an Ed25519 key', UNSUITABLE, { header: header({ kid: 'ed-25519' }) });
row('refuses an EdDSA header over an RSA key', UNSUITABLE, { header: header({ alg: 'EdDSA', kid: 'rsa-a' }), policy: { algorithms: ['EdDSA', 'RS256'] } });
row('refuses an EdDSA header over an EC key', UNSUITABLE, { header: header({ alg: 'EdDSA', kid: 'ec-256' }), policy: { algorithms: ['EdDSA'] } });
row('refuses an ES256 header over an Ed25519 key', UNSUITABLE, { header: header({ alg: 'ES256', kid: 'ed-25519' }) });
row('refuses ES256 with a P-384 key', UNSUITABLE, { header: header({ alg: 'ES256', kid: 'ec-384' }), sign: { key: 'ec-384', alg: 'ES256' } });
row('refuses ES384 with a P-256 key', UNSUITABLE, { header: header({ alg: 'ES384', kid: 'ec-256' }), sign: { key: 'ec-256', alg: 'ES384' } });
row('refuses ES512 with a P-256 key', UNSUITABLE, { header: header({ alg: 'ES512', kid: 'ec-256' }), sign: { key: 'ec-256', alg: 'ES512' } });
row('refuses ES256 with a P-521 key', UNSUITABLE, { header: header({ alg: 'ES256', kid: 'ec-521' }), sign: { key: 'ec-521', alg: 'ES256' } });
row('accepts a key with the algorithm it names', 'ok', { keys: 'named algorithms' });
row('accepts an ES512 key with the algorithm it names', 'ok', { header: header({ alg: 'ES512', kid: 'ec-521' }), keys: 'named algorithms' });
row('accepts an EdDSA key with the algorithm it names', 'ok', { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), keys: 'named algorithms', policy: { algorithms: ['EdDSA'] } });
row('refuses RS384 with a key that names RS256', UNSUITABLE, { header: header({ alg: 'RS384' }), keys: 'named algorithms', differs: DIFFERS.jwk });
row('refuses PS256 with a key that names RS256', UNSUITABLE, { header: header({ alg: 'PS256' }), keys: 'named algorithms', differs: DIFFERS.jwk });
row('refuses RS256 with a key that names PS256', UNSUITABLE, { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: 'named algorithms', differs: DIFFERS.jwk });
row('accepts PS256 with a key that names PS256', 'ok', { header: header({ alg: 'PS256', kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'PS256' }, keys: 'named algorithms' });
row('does not hold a P-384 key that names ES256', 'ERR_KEY_NOT_FOUND', { header: header({ alg: 'ES384', kid: 'ec-384' }), keys: 'named algorithms', differs: DIFFERS.jwk });
row('does not hold a key that names RSA-OAEP', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'rsa-c' }), sign: { key: 'rsa-c', alg: 'RS256' }, keys: 'named algorithms', differs: DIFFERS.jwk });
row('does not hold an RSA key that names HS256', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'rsa-4096' }), sign: { key: 'rsa-4096', alg: 'RS256' }, keys: 'named algorithms', differs: DIFFERS.jwk });
row('does not try a key that names another algorithm for a token without kid', INVALID, { header: header({ kid: undefined }), keys: 'named algorithms, no kid', differs: DIFFERS.jwk });
row('finds no candidate where all keys name other algorithms', 'ERR_KEY_NOT_FOUND', { header: header({ alg: 'RS512', kid: undefined }), keys: 'named algorithms, no kid', differs: DIFFERS.jwk });
row('tries the entry that names the algorithm of a token without kid', 'ok', { header: header({ kid: undefined }), keys: 'two algorithms, one key' });

// ML-DSA (RFC 9964).
const AKP = { header: header({ alg: 'ML-DSA-44', kid: 'ml-dsa-44' }), policy: { algorithms: ML_DSA } };
const akp = (kid, more = {}) => ({ ...AKP, header: header({ alg: 'ML-DSA-44', kid }), keys: 'other akp', ...more });
for (const kid of ['no-alg', 'alg-null', 'alg-of-another-size', 'alg-unknown', 'alg-rs256', 'alg-lower', 'pub-short', 'pub-long', 'pub-der', 'pub-empty', 'pub-number', 'no-pub', 'as-x', 'as-okp', 'private-as-d']) {
  row(`does not hold an AKP key that cannot be used: ${kid}`, 'ERR_KEY_NOT_FOUND', akp(kid));
}
row('accepts an AKP key with base64 padding', 'ok', akp('padded'));
row('uses a good AKP key beside others', 'ok', akp('ml-dsa-65', { header: header({ alg: 'ML-DSA-65', kid: 'ml-dsa-65' }) }));
row('does not hold a private AKP key', 'ERR_KEY_NOT_FOUND', akp('ml-dsa-private', { keys: 'private entries' }));
row('refuses an ML-DSA-65 header over an ML-DSA-44 key', UNSUITABLE, { ...AKP, header: header({ alg: 'ML-DSA-65', kid: 'ml-dsa-44' }) });
row('refuses an ML-DSA-44 header over an ML-DSA-65 key', UNSUITABLE, { ...AKP, header: header({ alg: 'ML-DSA-44', kid: 'ml-dsa-65' }) });
row('refuses an ML-DSA-44 header over an RSA key', UNSUITABLE, { ...AKP, header: header({ alg: 'ML-DSA-44', kid: 'rsa-a' }) });
row('refuses an RS256 header over an ML-DSA key', UNSUITABLE, { header: header({ alg: 'RS256', kid: 'ml-dsa-44' }), sign: { key: 'rsa-a', alg: 'RS256' } });
row('refuses alg ml-dsa-44', ALGORITHM, { ...AKP, header: header({ alg: 'ml-dsa-44', kid: 'ml-dsa-44' }), sign: { key: 'ml-dsa-44', alg: 'ML-DSA-44' } });
row('refuses alg HS256 made with an ML-DSA key as secret', ALGORITHM, { ...AKP, header: header({ alg: 'HS256', kid: 'ml-dsa-44' }), sign: { key: 'oct-a', alg: 'HS256' } });
row('refuses an ML-DSA-44 signature by another key', INVALID, { ...AKP, sign: { key: 'ml-dsa-44-b', alg: 'ML-DSA-44' } });
row('refuses an ML-DSA-65 signature under ML-DSA-44', INVALID, { ...AKP, sign: { key: 'ml-dsa-65', alg: 'ML-DSA-65' } });
row('refuses an ML-DSA-44 signature with a context', INVALID, { ...AKP, sign: { key: 'ml-dsa-44', alg: 'ML-DSA-44', context: 'jwt' } });
for (const how of ['all-zero', 'drop-last', 'append-zero', 'prepend-zero']) row(`refuses an ML-DSA-44 signature changed by ${how}`, INVALID, { ...AKP, mutate: [{ op: 'reshape', part: 2, how }] });
for (const byte of [0, 31, 32, 1200, 2335, 2336, 2415, -1]) row(`refuses an ML-DSA-44 signature with a flipped bit in byte ${byte}`, INVALID, { ...AKP, mutate: [{ op: 'flip-bit', part: 2, byte, bit: 0 }] });
for (const alg of ['ML-DSA-65', 'ML-DSA-87']) row(`refuses an ${alg} signature with a flipped bit`, INVALID, { header: header({ alg, kid: alg.toLowerCase() }), policy: { algorithms: [alg] }, mutate: [{ op: 'flip-bit', part: 2, byte: 100, bit: 3 }] });
row('refuses an empty signature under ML-DSA-44', INVALID, { ...AKP, mutate: [{ op: 'set', part: 2, text: '' }] });
row('refuses claims changed under an ML-DSA-44 signature', INVALID, { ...AKP, mutate: [{ op: 'flip-bit', part: 1, byte: -3, bit: 0 }] });

// use and key_ops.
const NOT_FOUND = 'ERR_KEY_NOT_FOUND';
row('accepts a key with use sig', 'ok', { header: header({ kid: 'use-sig' }), keys: 'uses' });
row('accepts a key without use', 'ok', { header: header({ kid: 'use-absent' }), keys: 'uses' });
for (const use of ['enc', 'null', 'SIG', 'empty', 'number', 'array']) row(`does not hold a key with use ${use}`, NOT_FOUND, { header: header({ kid: `use-${use}` }), keys: 'uses' });
row('does not try a key with use enc for a token without kid', INVALID, { header: header({ kid: undefined }), keys: 'only for encryption' });
row('accepts a key with key_ops verify', 'ok', { header: header({ kid: 'verify' }), keys: 'operations' });
row('accepts a key with key_ops sign and verify', 'ok', { header: header({ kid: 'sign-verify' }), keys: 'operations' });
for (const kid of ['sign', 'encrypt', 'empty', 'upper', 'use-and-ops']) row(`does not hold a key with key_ops ${kid}`, NOT_FOUND, { header: header({ kid }), keys: 'operations', differs: DIFFERS.jwk });

// Import.
row('does not hold a private RSA key', NOT_FOUND, { header: header({ kid: 'rsa-private' }), keys: 'private entries' });
row('does not hold a private EC key', NOT_FOUND, { header: header({ alg: 'ES256', kid: 'ec-private' }), keys: 'private entries' });
row('does not hold a private Ed25519 key', NOT_FOUND, { header: header({ alg: 'EdDSA', kid: 'ed-private' }), keys: 'private entries', policy: { algorithms: ['EdDSA'] } });
row('finds the public entry behind a private one of the same kid', 'ok', { keys: 'private entries' });
row('skips a null entry of the set', 'ok', { keys: 'null entry', differs: DIFFERS.nullEntry });
row('skips entries that are no keys', 'ok', { keys: 'odd entries' });
for (const kid of ['empty-modulus', 'junk-modulus']) row(`does not hold an RSA key without a modulus: ${kid}`, NOT_FOUND, { header: header({ kid }), keys: 'odd entries' });
row('uses a good key beside a symmetric one', 'ok', { keys: 'a symmetric entry' });
for (const kid of ['x5c-string', 'x5c-object', 'x5c-array', 'x5t-number', 'unknown-members']) row(`ignores what a key says besides its material: ${kid}`, 'ok', { header: header({ kid }), keys: 'x5c oddities' });
row('does not hold a 1024-bit RSA key', NOT_FOUND, { header: header({ kid: 'rsa-1024' }), sign: { key: 'rsa-1024', alg: 'RS256' }, keys: 'weak', differs: DIFFERS.weak });
row('does not hold a 2047-bit RSA key', NOT_FOUND, { header: header({ kid: 'rsa-2047' }), sign: { key: 'rsa-2047', alg: 'RS256' }, keys: 'weak', differs: DIFFERS.weak });
row('does not hold a 1024-bit RSA key for PS256 either', NOT_FOUND, { header: header({ alg: 'PS256', kid: 'rsa-1024' }), sign: { key: 'rsa-1024', alg: 'PS256' }, keys: 'weak', differs: DIFFERS.weak });
row('does not try a 1024-bit RSA key for a token without kid', INVALID, { header: header({ kid: undefined }), sign: { key: 'rsa-1024', alg: 'RS256' }, keys: 'weak', differs: DIFFERS.weak });
row('refuses a set whose only key is weak', 'ERR_JWKS_DOCUMENT', { header: header({ kid: undefined }), sign: { key: 'rsa-1024', alg: 'RS256' }, keys: 'weak without kid', differs: DIFFERS.weak });
row('uses a good key beside weak ones', 'ok', { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: 'weak' });
row('accepts an RSA key with exponent 3', 'ok', { header: header({ kid: 'rsa-e3' }), sign: { key: 'rsa-e3', alg: 'RS256' }, keys: 'exponents' });
for (const kid of ['e-zero', 'e-one', 'e-two', 'e-even', 'e-empty', 'e-number', 'n-even']) row(`does not hold an RSA key that cannot be one: ${kid}`, NOT_FOUND, { header: header({ kid }), keys: 'exponents' });
row('accepts an exponent with a leading zero byte', 'ok', { header: header({ kid: 'e-leading-zero' }), keys: 'exponents' });
row('accepts a modulus with a leading zero byte', 'ok', { keys: 'leading zero in n' });
row('accepts a modulus with base64 padding', 'ok', { keys: 'padded members' });
row('accepts EC coordinates with base64 padding', 'ok', { header: header({ alg: 'ES256', kid: 'ec-256' }), keys: 'padded members' });
row('accepts a modulus in the standard base64 alphabet', 'ok', { keys: 'standard alphabet' });
row('accepts a modulus with an unused bit set', 'ok', { keys: 'spare bit in n' });
const SHORT = { header: header({ alg: 'ES256', kid: 'ec-256-short' }), sign: { key: 'ec-256-short', alg: 'ES256' } };
row('accepts an EC coordinate without its leading zero byte', 'ok', { ...SHORT, keys: 'short coordinate' });
row('accepts an EC coordinate with its leading zero byte', 'ok', { ...SHORT, keys: 'coordinate with its zero' });
row('accepts EC coordinates with one zero byte too many in front', 'ok', { header: header({ alg: 'ES256', kid: 'ec-256' }), keys: 'long coordinate' });
row('does not hold an EC key with a coordinate too long', NOT_FOUND, { header: header({ alg: 'ES256', kid: 'ec-256-b' }), sign: { key: 'ec-256-b', alg: 'ES256' }, keys: 'long coordinate' });
for (const kid of ['off-curve', 'origin', 'other-curve', 'unknown-curve', 'no-curve', 'swapped', 'no-y', 'coordinates-beyond-field', 'ec-k1']) {
  row(`does not hold an EC key that cannot be used: ${kid}`, NOT_FOUND, { header: header({ alg: 'ES256', kid }), keys: 'bad points' });
}
row('uses a good key beside bad points', 'ok', { header: header({ alg: 'ES384', kid: 'ec-384' }), keys: 'bad points' });
for (const kid of ['ed-448', 'x-25519', 'ed-short', 'ed-as-ed448']) {
  row(`does not hold an OKP key that is not Ed25519: ${kid}`, NOT_FOUND, { header: header({ alg: 'EdDSA', kid }), keys: 'other okp', policy: { algorithms: ['EdDSA'] } });
}
row('uses an Ed25519 key beside other OKP keys', 'ok', { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), keys: 'other okp', policy: { algorithms: ['EdDSA'] } });
row('uses an Ed25519 key for a token without kid', 'ok', { header: header({ alg: 'EdDSA', kid: undefined }), keys: 'main', policy: { algorithms: ['EdDSA'] } });

// The document.
row('accepts white space and further members in the set', 'ok', { keys: 'extra members' });
row('takes the last of two members of one name in an entry', 'ok', { keys: 'duplicate member in an entry' });
row('does not take the first of two members of one name in an entry', NOT_FOUND, { header: header({ kid: 'first' }), keys: 'duplicate member in an entry' });
row('uses the other keys of a set in which one entry has a duplicate member', 'ok', { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: 'duplicate member in an entry' });
row('takes the last of two keys members', 'ok', { keys: 'duplicate keys member' });
for (const keys of ['no keys member', 'keys null', 'keys object', 'keys text', 'bare array', 'single key, no set', 'json null', 'not json', 'empty body', 'cut short', 'trailing text']) {
  row(`refuses a key set document: ${keys}`, 'ERR_JWKS_DOCUMENT', { keys });
}
row('refuses a set without keys', 'ERR_JWKS_DOCUMENT', { keys: 'empty' });

// Signatures that are nearly right.
const ES = (mutate) => ({ header: header({ alg: 'ES256', kid: 'ec-256' }), mutate: [{ op: 'reshape', part: 2, ...mutate }] });
row('refuses an ES256 signature in DER', INVALID, { header: header({ alg: 'ES256', kid: 'ec-256' }), sign: { key: 'ec-256', alg: 'ES256', encoding: 'der' } });
row('refuses an ES384 signature in DER', INVALID, { header: header({ alg: 'ES384', kid: 'ec-384' }), sign: { key: 'ec-384', alg: 'ES384', encoding: 'der' } });
row('refuses an ES512 signature in DER', INVALID, { header: header({ alg: 'ES512', kid: 'ec-521' }), sign: { key: 'ec-521', alg: 'ES512', encoding: 'der' } });
for (const how of ['all-zero', 'zero-r', 'zero-s', 'swap-halves', 'r-plus-order', 'drop-last', 'append-zero', 'prepend-zero']) row(`refuses an ES256 signature changed by ${how}`, INVALID, ES({ how }));
row('accepts the other half of an ECDSA pair, n - s: tokens must not be identified by their signature', 'ok', ES({ how: 'negate-s' }));
row('refuses an ES256 signature by another P-256 key', INVALID, { header: header({ alg: 'ES256', kid: 'ec-256' }), sign: { key: 'ec-256-b', alg: 'ES256' } });
row('refuses an ES384 signature over SHA-256', INVALID, { header: header({ alg: 'ES384', kid: 'ec-384' }), sign: { key: 'ec-384', alg: 'ES256' } });
row('refuses an ES512 signature over SHA-256', INVALID, { header: header({ alg: 'ES512', kid: 'ec-521' }), sign: { key: 'ec-521', alg: 'ES256' } });
row('refuses an ES512 signature that is all zero', INVALID, { header: header({ alg: 'ES512', kid: 'ec-521' }), mutate: [{ op: 'reshape', part: 2, how: 'all-zero' }] });
for (const how of ['all-zero', 'prepend-zero', 'append-zero', 'drop-last']) row(`refuses an RS256 signature changed by ${how}`, INVALID, { mutate: [{ op: 'reshape', part: 2, how }] });
row('refuses an RS256 signature whose leading zero byte is left out', INVALID, { claims: claims({ jti: 'ZERO' }), mutate: [{ op: 'reshape', part: 2, how: 'strip-leading-zero' }] });
row('refuses an RS256 signature plus the modulus', INVALID, { claims: claims({ jti: 'MODULUS' }), mutate: [{ op: 'reshape', part: 2, how: 'add-modulus', key: 'rsa-a' }] });
row('refuses a PKCS #1 v1.5 signature under PS256', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'RS256' } });
row('refuses a PSS signature under RS256', INVALID, { sign: { key: 'rsa-a', alg: 'PS256' } });
row('refuses a PS256 signature without salt', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', salt: 0 } });
row('refuses a PS256 signature with a salt of 20 bytes', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', salt: 20 } });
row('refuses a PS256 signature with a salt of 33 bytes', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', salt: 33 } });
row('refuses a PS256 signature with the longest salt', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', salt: 222 } });
row('refuses a PS384 signature with a salt of 32 bytes', INVALID, { header: header({ alg: 'PS384' }), sign: { key: 'rsa-a', alg: 'PS384', salt: 32 } });
row('refuses a PS512 signature with a salt of 32 bytes', INVALID, { header: header({ alg: 'PS512' }), sign: { key: 'rsa-a', alg: 'PS512', salt: 32 } });
row('refuses a PS256 signature with MGF1 over SHA-1', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', mgf: 'sha1' } });
row('refuses a PS512 signature with MGF1 over SHA-256', INVALID, { header: header({ alg: 'PS512' }), sign: { key: 'rsa-a', alg: 'PS512', mgf: 'sha256' } });
row('accepts a PS256 signature made by hand with MGF1 over SHA-256', 'ok', { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS256', mgf: 'sha256' } });
row('refuses a PS256 header over a PS384 signature', INVALID, { header: header({ alg: 'PS256' }), sign: { key: 'rsa-a', alg: 'PS384' } });
const ED = { header: header({ alg: 'EdDSA', kid: 'ed-25519' }), policy: { algorithms: ['EdDSA'] } };
row('refuses an EdDSA signature whose S is not reduced', INVALID, { ...ED, mutate: [{ op: 'reshape', part: 2, how: 'ed25519-s-plus-order' }] });
row('refuses an EdDSA signature that is all zero', INVALID, { ...ED, mutate: [{ op: 'reshape', part: 2, how: 'all-zero' }] });
row('refuses an EdDSA signature one byte short', INVALID, { ...ED, mutate: [{ op: 'reshape', part: 2, how: 'drop-last' }] });
row('refuses an EdDSA signature one byte long', INVALID, { ...ED, mutate: [{ op: 'reshape', part: 2, how: 'append-zero' }] });
row('refuses an EdDSA signature with a flipped bit', INVALID, { ...ED, mutate: [{ op: 'flip-bit', part: 2, byte: 40, bit: 2 }] });
row('refuses an empty signature under EdDSA', INVALID, { ...ED, mutate: [{ op: 'set', part: 2, text: '' }] });
row('refuses an empty signature under ES256', INVALID, { header: header({ alg: 'ES256', kid: 'ec-256' }), mutate: [{ op: 'set', part: 2, text: '' }] });
