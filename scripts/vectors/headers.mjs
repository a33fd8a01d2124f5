import { DIFFERS, bytes, claims, claimsText, header, raw, table } from './base.mjs';

const RS256 = { key: 'rsa-a', alg: 'RS256' };
const { theme, rows, row } = table('headers');
export default { theme, rows };

const MALFORMED = 'ERR_TOKEN_MALFORMED';
const signed = (given) => ({ sign: RS256, ...given });
const text = (value) => signed({ header: raw(value) });

row('accepts a token whose header says typ at+jwt', 'ok');
row('accepts a token whose header says typ JWT', 'ok', { header: header({ typ: 'JWT' }) });
row('accepts a token whose header has no typ', 'ok', { header: header({ typ: undefined }) });
row('accepts a token whose typ is no media type of a JWT', 'ok', { header: header({ typ: 'anything' }) });
for (const typ of ['AT+JWT', 'application/at+jwt', 'jwt']) row(`accepts a token whose header says typ ${typ}`, 'ok', { header: header({ typ }) });
for (const typ of ['dpop+jwt', 'entity-statement+jwt', 'oauth-authz-req+jwt', 'token-introspection+jwt', 'client-authentication+jwt', 'kb+jwt', 'vc+sd-jwt', 'application/DPoP+JWT']) {
  row(`refuses a token whose header says typ ${typ}`, 'ERR_TOKEN_TYPE', { header: header({ typ }), differs: DIFFERS.kind });
}
for (const typ of ['logout+jwt', 'application/logout+jwt', 'LOGOUT+JWT', 'secevent+jwt']) {
  row(`refuses a token whose header says typ ${typ}`, 'ERR_LOGOUT_TOKEN', { header: header({ typ }), differs: DIFFERS.kind });
}
row('accepts a typ that is not a string', 'ok', { header: header({ typ: 5 }) });
row('accepts white space around the members of the header', 'ok', text(' {\n\t"kid" : "rsa-a",\r\n "alg" : "RS256" } '));
row('accepts escapes in the names and values of the header', 'ok', text('{"\\u0061lg":"RS\\u0032\\u00356","kid":"rsa\\u002da"}'));
row('ignores header members it does not know', 'ok', { header: header({ x: [1, { y: null }], zip: 'DEF' }) });
row('ignores a cty of JWT', 'ok', { header: header({ cty: 'JWT' }) });
row('ignores a __proto__ member of the header', 'ok', text('{"alg":"RS256","kid":"rsa-a","__proto__":{"alg":"none"}}'));
row('ignores a member called constructor', 'ok', text('{"alg":"RS256","kid":"rsa-a","constructor":{"prototype":{"alg":"none"}}}'));

row('ignores a key offered in the header', 'ok', { header: header({ jwk: { kty: 'oct', k: 'AAAA' } }) });
row('does not verify with a key the token brings along as jwk', 'ERR_SIGNATURE_INVALID', {
  header: header({ jwk: { kty: 'RSA', $key: 'rsa-c' } }), sign: { key: 'rsa-c', alg: 'RS256' },
});
row('does not verify with an embedded jwk when there is no kid', 'ERR_SIGNATURE_INVALID', {
  header: header({ kid: undefined, jwk: { kty: 'RSA', $key: 'rsa-c' } }), sign: { key: 'rsa-c', alg: 'RS256' },
});
row('ignores jku', 'ok', { header: header({ jku: 'https://evil.example/jwks' }) });
row('does not fetch keys from a jku for an unknown kid', 'ERR_KEY_NOT_FOUND', { header: header({ kid: 'evil', jku: 'https://evil.example/jwks' }) });
row('ignores x5u', 'ok', { header: header({ x5u: 'https://evil.example/cert' }) });
row('ignores x5c', 'ok', { header: header({ x5c: ['MIIB'] }) });
row('ignores x5t', 'ok', { header: header({ x5t: 'AAAA', 'x5t#S256': 'BBBB' }) });

row('refuses crit naming an unknown extension', 'ERR_TOKEN_CRITICAL', { header: header({ crit: ['http://example.com/x'], 'http://example.com/x': 1 }), differs: DIFFERS.crit });
row('refuses crit naming b64', 'ERR_TOKEN_CRITICAL', { header: header({ crit: ['b64'], b64: false }), differs: DIFFERS.crit });
row('refuses crit naming a registered member', 'ERR_TOKEN_CRITICAL', { header: header({ crit: ['exp'], exp: 1 }), differs: DIFFERS.crit });
row('refuses an empty crit', 'ERR_TOKEN_CRITICAL', { header: header({ crit: [] }), differs: DIFFERS.crit });
row('refuses a crit of null', 'ERR_TOKEN_CRITICAL', { header: header({ crit: null }), differs: DIFFERS.crit });
row('refuses a crit that is a string', 'ERR_TOKEN_CRITICAL', { header: header({ crit: 'b64' }), differs: DIFFERS.crit });
row('ignores b64 where crit does not name it', 'ok', { header: header({ b64: false }) });
row('ignores crit among the claims', 'ok', { claims: claims({ crit: ['x'] }) });

row('refuses a header that is an array', MALFORMED, text('["alg","RS256"]'));
row('refuses a header that is null', MALFORMED, text('null'));
row('refuses a header that is a number', MALFORMED, text('5'));
row('refuses a header that is a string', MALFORMED, text('"RS256"'));
row('refuses a header that is not JSON', MALFORMED, text('alg=RS256'));
row('refuses a header cut short', MALFORMED, text('{"alg":"RS256","kid":"rsa-a"'));
row('refuses text after the header object', MALFORMED, text('{"alg":"RS256","kid":"rsa-a"}x'));
row('refuses a second object after the header object', MALFORMED, text('{"alg":"RS256","kid":"rsa-a"}{}'));
row('refuses a trailing comma in the header', MALFORMED, text('{"alg":"RS256","kid":"rsa-a",}'));
row('refuses a comment in the header', MALFORMED, text('{"alg":"RS256",/* */"kid":"rsa-a"}'));
row('refuses single quotes in the header', MALFORMED, text("{'alg':'RS256','kid':'rsa-a'}"));
row('refuses a byte order mark before the header', MALFORMED, text('\ufeff{"alg":"RS256","kid":"rsa-a"}'));
row('refuses a raw control character inside a header string', MALFORMED, text('{"alg":"RS256","kid":"rsa-a","x":"a\u0001b"}'));
row('refuses a raw NUL after the header', MALFORMED, text('{"alg":"RS256","kid":"rsa-a"}\u0000'));
row('refuses a number with a leading zero in the header', MALFORMED, text('{"alg":"RS256","kid":"rsa-a","x":01}'));
row('refuses NaN in the header', MALFORMED, text('{"alg":"RS256","kid":"rsa-a","x":NaN}'));
row('refuses bytes in the header that are not UTF-8', MALFORMED, signed({ header: bytes(Buffer.concat([Buffer.from('{"alg":"RS256","kid":"rsa-a","x":"'), Buffer.from([0xff]), Buffer.from('"}')]).toString('hex')), differs: DIFFERS.utf8 }));
row('refuses a header in UTF-16', MALFORMED, signed({ header: bytes(Buffer.from('{"alg":"RS256","kid":"rsa-a"}', 'utf16le').toString('hex')) }));
row('refuses an overlong UTF-8 sequence in the header', MALFORMED, signed({ header: bytes(Buffer.concat([Buffer.from('{"alg":"RS256","kid":"rsa-a","x":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]).toString('hex')), differs: DIFFERS.utf8 }));

row('refuses two alg members', MALFORMED, { ...text('{"alg":"none","alg":"RS256","kid":"rsa-a"}'), differs: DIFFERS.duplicate });
row('refuses two alg members that say the same', MALFORMED, { ...text('{"alg":"RS256","alg":"RS256","kid":"rsa-a"}'), differs: DIFFERS.duplicate });
row('refuses two kid members', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-b","kid":"rsa-a"}'), differs: DIFFERS.duplicate });
row('refuses a duplicate member spelt with an escape', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-a","\\u006bid":"rsa-a"}'), differs: DIFFERS.duplicate });
row('refuses a duplicate of a header member it does not know', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-a","x":1,"x":2}'), differs: DIFFERS.duplicate });
row('refuses a duplicate member nested in the header', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-a","x":{"y":1,"y":1}}'), differs: DIFFERS.duplicate });
row('refuses a duplicate member in an object inside an array of the header', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-a","x":[{"y":1,"z":2,"y":3}]}'), differs: DIFFERS.duplicate });
row('refuses two __proto__ members in the header', MALFORMED, { ...text('{"alg":"RS256","kid":"rsa-a","__proto__":1,"__proto__":2}'), differs: DIFFERS.duplicate });
row('accepts header members that differ in case only', 'ok', text('{"alg":"RS256","Alg":"none","ALG":"none","kid":"rsa-a"}'));
row('accepts the same member name at different levels of the header', 'ok', text('{"alg":"RS256","kid":"rsa-a","x":{"alg":"none","kid":"y"}}'));

// The parts and their spelling.
row('refuses an empty token', MALFORMED, { mutate: [{ op: 'token', text: '' }] });
row('refuses a token of one part', 'ERR_TOKEN_OPAQUE', { mutate: [{ op: 'keep-parts', count: 1 }] });
row('refuses a token of two parts', MALFORMED, { mutate: [{ op: 'keep-parts', count: 2 }] });
row('refuses a token of four parts', MALFORMED, { mutate: [{ op: 'add-part', text: 'AAAA' }] });
row('refuses a token with a dot at the end', MALFORMED, { mutate: [{ op: 'add-part', text: '' }] });
row('refuses a token of five parts, the shape of a JWE', MALFORMED, { mutate: [{ op: 'add-part', text: 'AAAA' }, { op: 'add-part', text: 'AAAA' }] });
row('refuses a token of dots only', MALFORMED, { mutate: [{ op: 'token', text: '..' }] });
row('refuses a JWE', 'ERR_TOKEN_ENCRYPTED', { mutate: [{ op: 'token', text: `${Buffer.from('{"alg":"RSA-OAEP","enc":"A256GCM"}').toString('base64url')}.AAAA.AAAA.AAAA.AAAA` }] });
row('refuses a JWE with a key agreed upon', 'ERR_TOKEN_ENCRYPTED', { mutate: [{ op: 'token', text: `${Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')}..AAAA.AAAA.AAAA` }] });
row('refuses an opaque token of two parts', 'ERR_TOKEN_OPAQUE', { mutate: [{ op: 'token', text: 'ory_at_Zm9v-bar.b_az' }] });
row('refuses an opaque token of four parts', 'ERR_TOKEN_OPAQUE', { mutate: [{ op: 'token', text: 'ya29.a0AfH6SM.x.y' }] });
row('refuses an API key', 'ERR_TOKEN_OPAQUE', { mutate: [{ op: 'token', text: 'sk-0123456789abcdef' }] });
row('refuses the JSON serialisation', MALFORMED, { mutate: [{ op: 'token', text: '{"payload":"e30","protected":"e30","signature":"AAAA"}' }] });
row('refuses an empty header part', MALFORMED, { mutate: [{ op: 'set', part: 0, text: '' }] });
row('refuses an empty payload part only for its signature', 'ERR_SIGNATURE_INVALID', { mutate: [{ op: 'set', part: 1, text: '' }] });
row('refuses a signed empty payload', MALFORMED, { claims: raw('') });
row('refuses an empty signature part', 'ERR_SIGNATURE_INVALID', { mutate: [{ op: 'set', part: 2, text: '' }] });
row('refuses white space before the token', MALFORMED, { mutate: [{ op: 'surround', before: ' ' }] });
row('refuses white space after the token', MALFORMED, { mutate: [{ op: 'surround', after: ' ' }] });
row('refuses a newline after the token', MALFORMED, { mutate: [{ op: 'surround', after: '\n' }] });
row('refuses a NUL after the token', MALFORMED, { mutate: [{ op: 'surround', after: '\u0000' }] });
row('refuses quotes around the token', MALFORMED, { mutate: [{ op: 'surround', before: '"', after: '"' }] });
for (const [part, what] of [[0, 'header'], [1, 'payload'], [2, 'signature']]) {
  row(`refuses a space inside the ${what} part`, MALFORMED, { mutate: [{ op: 'insert', part, at: 4, text: ' ' }] });
  row(`refuses a newline inside the ${what} part`, MALFORMED, { mutate: [{ op: 'insert', part, at: 4, text: '\n' }] });
  row(`refuses a character outside the alphabet in the ${what} part`, MALFORMED, { mutate: [{ op: 'insert', part, at: 4, text: '*' }] });
  row(`refuses a character whose low byte would pass in the ${what} part`, MALFORMED, { mutate: [{ op: 'widen-char', part, at: 3 }] });
}
row('refuses padding after the header part', MALFORMED, { header: header({ typ: 'JWT' }), mutate: [{ op: 'pad', part: 0 }] });
row('refuses padding after the payload part', MALFORMED, { claims: claims({ sub: 'user-12' }), mutate: [{ op: 'pad', part: 1 }] });
row('refuses padding after the signature part', MALFORMED, { mutate: [{ op: 'pad', part: 2 }] });
row('refuses padding after the signature part even where the rest would be a whole group', MALFORMED, { mutate: [{ op: 'append', part: 2, text: '=' }] });
row('refuses the standard alphabet in the payload part', MALFORMED, { claims: claims({ x: '???>>>???' }), mutate: [{ op: 'standard-alphabet', part: 1 }] });
row('accepts minus and underscore in the payload part', 'ok', { claims: claims({ x: '???>>>???' }) });
row('refuses an unused bit set in the header part', MALFORMED, { header: header({ typ: 'JWT' }), mutate: [{ op: 'trailing-bit', part: 0 }] });
row('refuses an unused bit set in the payload part', MALFORMED, { claims: claims({ sub: 'user-12' }), mutate: [{ op: 'trailing-bit', part: 1 }] });
row('refuses an unused bit set in the signature part', MALFORMED, { mutate: [{ op: 'trailing-bit', part: 2 }], differs: DIFFERS.base64 });
row('refuses an unused bit set in the signature part of an ES256 token', MALFORMED, { header: header({ alg: 'ES256', kid: 'ec-256' }), mutate: [{ op: 'trailing-bit', part: 2 }], differs: DIFFERS.base64 });
row('refuses a signature part of 4n+1 characters', MALFORMED, { mutate: [{ op: 'append', part: 2, text: 'AAA' }] });
row('refuses a header part of 4n+1 characters', MALFORMED, { mutate: [{ op: 'set', part: 0, text: 'eyJhb' }] });
row('refuses a payload that is not base64url before it looks for a key', MALFORMED, { header: header({ kid: 'nobody' }), mutate: [{ op: 'set', part: 1, text: 'e30=' }] });
row('refuses a signature that is not base64url before it looks for a key', MALFORMED, { header: header({ kid: 'nobody' }), mutate: [{ op: 'set', part: 2, text: '!!!!' }] });
row('refuses one flipped bit in the header', 'ERR_SIGNATURE_INVALID', { header: header({ x: 'a' }), mutate: [{ op: 'flip-bit', part: 0, byte: -3, bit: 1 }] });
row('refuses one flipped bit in the payload', 'ERR_SIGNATURE_INVALID', { mutate: [{ op: 'flip-bit', part: 1, byte: 10, bit: 0 }] });
row('refuses one flipped bit in the signature', 'ERR_SIGNATURE_INVALID', { mutate: [{ op: 'flip-bit', part: 2, byte: 100, bit: 3 }] });
row('checks the payload only after the signature', 'ERR_SIGNATURE_INVALID', { claims: raw('not json'), mutate: [{ op: 'flip-bit', part: 2, byte: 0, bit: 0 }] });
row('checks exp only after the signature', 'ERR_SIGNATURE_INVALID', { claims: claims({ exp: 1 }), mutate: [{ op: 'flip-bit', part: 2, byte: 0, bit: 0 }] });
row('checks for a duplicate claim only after the signature', 'ERR_SIGNATURE_INVALID', { claims: claimsText({ a: '1,"a":2' }), mutate: [{ op: 'flip-bit', part: 2, byte: 0, bit: 0 }] });
