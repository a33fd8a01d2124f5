import { DIFFERS, NOW, bytes, claims, claimsText, header, raw, table } from './base.mjs';

const { theme, rows, row } = table('claims');
export default { theme, rows };

const MALFORMED = 'ERR_TOKEN_MALFORMED';
const CLAIMS = 'ERR_TOKEN_CLAIMS';
const EXPIRED = 'ERR_TOKEN_EXPIRED';
const EARLY = 'ERR_TOKEN_NOT_YET_VALID';
const AUDIENCE = 'ERR_TOKEN_AUDIENCE';
const SUBJECT = 'ERR_TOKEN_SUBJECT';
const withClaims = (changes, more = {}) => ({ claims: claims(changes), ...more });
const withText = (members, more = {}) => ({ claims: claimsText(members), ...more });

// The payload itself.
for (const [what, text, code] of [['an array', '[]', CLAIMS], ['an array of claims', '[{"sub":"user-1"}]', CLAIMS], ['a number', '5', CLAIMS], ['a string', '"claims"', CLAIMS], ['null', 'null', CLAIMS], ['true', 'true', CLAIMS]]) {
  row(`refuses a payload that is ${what}`, code, { claims: raw(text) });
}
row('refuses a payload that is an empty object', CLAIMS, { claims: raw('{}') });
row('refuses a payload that is not JSON', MALFORMED, { claims: raw('sub=user-1') });
row('refuses a payload cut short', MALFORMED, { claims: raw('{"sub":"user-1"') });
row('refuses text after the payload object', MALFORMED, { claims: raw(`${claimsText({}).$text}x`) });
row('refuses a byte order mark before the payload', MALFORMED, { claims: raw(`\ufeff${claimsText({}).$text}`) });
row('refuses a trailing comma in the payload', MALFORMED, { claims: raw(claimsText({}).$text.replace(/}$/, ',}')) });
row('refuses a raw control character inside a claim', MALFORMED, { claims: raw(claimsText({ x: '"a\nb"' }).$text) });
row('accepts white space around the payload', 'ok', { claims: raw(` \n${claimsText({}).$text}\r\n\t `) });
row('refuses bytes in the payload that are not UTF-8', MALFORMED, { claims: bytes(Buffer.concat([Buffer.from(claimsText({}).$text.replace(/}$/, ',"x":"')), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]).toString('hex')), differs: 'unlisted: payload bytes that are not UTF-8' });
row('refuses a surrogate encoded in UTF-8', MALFORMED, { claims: bytes(Buffer.concat([Buffer.from(claimsText({}).$text.replace(/}$/, ',"x":"')), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]).toString('hex')), differs: 'unlisted: payload bytes that are not UTF-8' });
row('accepts claims beyond ASCII', 'ok', withClaims({ name: 'Zoë \u{1f600}', sub: 'użytkownik-ż' }));
row('accepts a surrogate pair written with escapes', 'ok', withText({ name: '"\\ud83d\\ude00"' }));
row('refuses a lone high surrogate in sub', MALFORMED, withText({ sub: '"\\ud800"' }, { differs: 'unlisted: lone surrogate escapes' }));
row('refuses a lone low surrogate in a claim nobody reads', MALFORMED, withText({ name: '"\\udc00"' }, { differs: 'unlisted: lone surrogate escapes' }));
row('refuses a lone surrogate in the name of a claim', MALFORMED, { claims: raw(claimsText({}).$text.replace(/}$/, ',"\\ud800":1}')), differs: 'unlisted: lone surrogate escapes' });
row('refuses an escape JSON does not know', MALFORMED, withText({ name: '"\\x41"' }));
row('accepts NUL inside a claim', 'ok', withText({ name: '"a\\u0000b"' }));
row('accepts a __proto__ claim as data', 'ok', withText({ ['__proto__']: '{"sub":"admin","exp":0}' }));
row('accepts a claim called constructor', 'ok', withText({ constructor: '{"prototype":{"sub":"admin"}}' }));
row('does not take sub from __proto__', SUBJECT, { claims: raw(claimsText({ sub: undefined }).$text.replace(/}$/, ',"__proto__":{"sub":"admin"}}')) });
row('does not take aud from __proto__', AUDIENCE, { claims: raw(claimsText({ aud: undefined }).$text.replace(/}$/, ',"__proto__":{"aud":"api"}}')) });
row('accepts huge numbers in claims nobody reads', 'ok', withText({ x: '123456789012345678901234567890', y: '1e300', z: '-0.0' }));
row('refuses an infinite number even in a claim nobody reads', 'ERR_TOKEN_MALFORMED', withText({ x: '1e400' }, { differs: DIFFERS.finite }));
row('accepts empty claim names', 'ok', { claims: raw(claimsText({}).$text.replace(/}$/, ',"":1}')) });

for (const [what, text] of [
  ['sub', '"sub":"admin"'], ['sub that says the same', '"sub":"user-1"'], ['exp', '"exp":9999999999'], ['iss', '"iss":"https://else.example"'], ['aud', '"aud":"other"'],
  ['claim nobody reads', '"x":1,"x":1'], ['claim spelt with an escape', '"\\u0073ub":"admin"'], ['nested member', '"x":{"y":1,"y":1}'], ['member deep inside arrays', '"x":[[{"y":{"z":1,"z":2}}]]'],
  ['__proto__', '"__proto__":{},"__proto__":{}'],
]) {
  row(`refuses a duplicate ${what}`, MALFORMED, { claims: raw(claimsText({}).$text.replace(/}$/, `,${text}}`)), ...(what === 'iss' || what === 'aud' ? {} : { differs: DIFFERS.duplicate }) });
}
row('refuses a duplicate before it looks at the claims', MALFORMED, { claims: raw(claimsText({ exp: '1' }).$text.replace(/}$/, ',"x":1,"x":2}')) });
row('accepts claim names that differ in case only', 'ok', withClaims({ Sub: 'admin', SUB: 'admin', Exp: 1, AUD: 'x' }));
row('accepts the same name at different levels', 'ok', withClaims({ act: { sub: 'actor', act: { sub: 'other' } } }));

// exp.
row('accepts a token one second before its exp', 'ok', { now: NOW + 299 });
row('refuses a token at its exp', EXPIRED, { now: NOW + 300 });
row('refuses a token after its exp', EXPIRED, { now: NOW + 301 });
row('reads the time in whole seconds: 0.999 before exp is before', 'ok', { now: NOW + 299.999 });
row('reads the time in whole seconds: a fraction after exp is after', EXPIRED, { now: NOW + 300.001 });
row('accepts a fractional exp until the next whole second', 'ok', withClaims({ exp: NOW + 0.5 }));
row('compares the whole second, not the fraction, with a fractional exp', 'ok', withClaims({ exp: NOW + 0.5 }, { now: NOW + 0.9 }));
row('refuses a fractional exp in the whole second after it', EXPIRED, withClaims({ exp: NOW + 0.5 }, { now: NOW + 1 }));
row('refuses exp 0', EXPIRED, withClaims({ exp: 0 }));
row('refuses exp -1', EXPIRED, withClaims({ exp: -1 }));
row('accepts exp written with an exponent', 'ok', withText({ exp: '1.8e9' }));
row('accepts exp written with a decimal point', 'ok', withText({ exp: '1800000000.0' }));
row('accepts an exp far away', 'ok', withText({ exp: '9007199254740993' }));
row('accepts an exp beyond 64 bits', 'ok', withText({ exp: '99999999999999999999999' }));
row('refuses an exp of 1e400', 'ERR_TOKEN_MALFORMED', withText({ exp: '1e400' }, { differs: DIFFERS.finite }));
row('refuses an exp of -1e400', 'ERR_TOKEN_MALFORMED', withText({ exp: '-1e400' }));
row('refuses an exp that underflows to zero', EXPIRED, withText({ exp: '1e-400' }));
for (const exp of ['1800000000', '', null, true, [NOW + 300], { value: NOW + 300 }]) row(`refuses an exp that is ${JSON.stringify(exp)}`, CLAIMS, withClaims({ exp }));
row('refuses a token without exp', CLAIMS, withClaims({ exp: undefined }, { differs: DIFFERS.exp }));
row('accepts a token without exp where the policy does not require it', 'ok', withClaims({ exp: undefined }, { policy: { requireExp: false } }));
row('refuses a token without exp where the policy says so', CLAIMS, withClaims({ exp: undefined }, { policy: { requireExp: true }, differs: DIFFERS.exp }));
row('refuses a null exp even where exp is not required', CLAIMS, withClaims({ exp: null }, { policy: { requireExp: false } }));
row('refuses a text exp even where exp is not required', CLAIMS, withClaims({ exp: '1800000000' }, { policy: { requireExp: false } }));
row('refuses an expired token even where exp is not required', EXPIRED, withClaims({ exp: NOW }, { policy: { requireExp: false } }));

// nbf.
row('accepts a token at its nbf', 'ok', withClaims({ nbf: NOW }));
row('refuses a token one second before its nbf', EARLY, withClaims({ nbf: NOW + 1 }));
row('accepts a token after its nbf', 'ok', withClaims({ nbf: NOW - 1 }));
row('refuses a fractional nbf in the same second', EARLY, withClaims({ nbf: NOW + 0.5 }));
row('compares the whole second, not the fraction, with a fractional nbf', EARLY, withClaims({ nbf: NOW + 0.5 }, { now: NOW + 0.9 }));
row('accepts a fractional nbf in the next whole second', 'ok', withClaims({ nbf: NOW + 0.5 }, { now: NOW + 1 }));
row('accepts nbf 0', 'ok', withClaims({ nbf: 0 }));
row('accepts a negative nbf', 'ok', withClaims({ nbf: -5 }));
row('refuses an nbf of 1e400', 'ERR_TOKEN_MALFORMED', withText({ nbf: '1e400' }));
row('refuses an nbf of -1e400', 'ERR_TOKEN_MALFORMED', withText({ nbf: '-1e400' }, { differs: DIFFERS.finite }));
for (const nbf of [String(NOW), null, false, [NOW], {}]) row(`refuses an nbf that is ${JSON.stringify(nbf)}`, CLAIMS, withClaims({ nbf }));

// Tolerance.
const tolerant = (seconds, more) => ({ policy: { clockTolerance: seconds }, ...more });
row('accepts an expired token within the tolerance', 'ok', tolerant(30, { now: NOW + 329 }));
row('refuses an expired token at the end of the tolerance', EXPIRED, tolerant(30, { now: NOW + 330 }));
row('accepts a token not yet valid at the edge of the tolerance', 'ok', tolerant(30, withClaims({ nbf: NOW + 30 })));
row('refuses a token not yet valid beyond the tolerance', EARLY, tolerant(30, withClaims({ nbf: NOW + 31 })));
row('accepts a tolerance of 300 seconds', 'ok', tolerant(300, { now: NOW + 599 }));
row('refuses at the end of a tolerance of 300 seconds', EXPIRED, tolerant(300, { now: NOW + 600 }));
row('has no tolerance where it is 0', EXPIRED, tolerant(0, { now: NOW + 300 }));

// iat and other claims that are not checked.
row('ignores an iat in the future', 'ok', withClaims({ iat: NOW + 9999 }));
row('ignores an iat that is text', 'ok', withClaims({ iat: 'yesterday' }));
row('ignores an iat of null', 'ok', withClaims({ iat: null }));
row('accepts a token without iat', 'ok', withClaims({ iat: undefined }));
row('ignores jti, azp, nonce, token_use and auth_time', 'ok', withClaims({ jti: 5, azp: 'someone-else', nonce: {}, token_use: 'id', auth_time: 'x' }));

// aud.
row('accepts the audience in an array', 'ok', withClaims({ aud: ['other', 'api'] }));
row('accepts the audience in an array of one', 'ok', withClaims({ aud: ['api'] }));
row('accepts the audience in an array beside items that are no strings', 'ok', withClaims({ aud: [5, null, 'api'] }));
row('refuses another audience', AUDIENCE, withClaims({ aud: 'other' }));
row('refuses other audiences', AUDIENCE, withClaims({ aud: ['other', 'else'] }));
row('refuses an empty array of audiences', AUDIENCE, withClaims({ aud: [] }));
row('refuses a token without aud', AUDIENCE, withClaims({ aud: undefined }));
for (const aud of [null, 5, true, {}, { 0: 'api' }, [['api']], [{ aud: 'api' }], '']) row(`refuses an aud that is ${JSON.stringify(aud)}`, AUDIENCE, withClaims({ aud }));
row('compares audiences by case', AUDIENCE, withClaims({ aud: 'API' }));
row('does not trim an audience', AUDIENCE, withClaims({ aud: 'api ' }));
row('does not split an audience', AUDIENCE, withClaims({ aud: 'api other' }));
row('does not take a prefix of an audience', AUDIENCE, withClaims({ aud: 'api2' }));
row('does not take azp for the audience', AUDIENCE, withClaims({ aud: 'other', azp: 'api' }));
row('does not take client_id for the audience', AUDIENCE, withClaims({ aud: undefined, client_id: 'api' }));
row('accepts any of the audiences of the policy', 'ok', withClaims({ aud: 'second' }, { policy: { audience: ['first', 'second'] } }));
row('accepts where an array of the token meets an array of the policy', 'ok', withClaims({ aud: ['x', 'second'] }, { policy: { audience: ['first', 'second'] } }));
row('refuses an audience that is in neither', AUDIENCE, withClaims({ aud: ['x'] }, { policy: { audience: ['first', 'second'] } }));
row('accepts an audience of blanks where the policy names it', 'ok', withClaims({ aud: ' ' }, { policy: { audience: ' ' } }));
row('accepts an audience that is a URL with a slash', 'ok', withClaims({ aud: 'https://api.example/' }, { policy: { audience: 'https://api.example/' } }));
row('does not normalise an audience', AUDIENCE, withClaims({ aud: 'https://api.example' }, { policy: { audience: 'https://api.example/' } }));

// sub.
row('refuses a token without sub', SUBJECT, withClaims({ sub: undefined }));
for (const sub of [null, 5, true, [], ['user-1'], {}]) row(`refuses a sub that is ${JSON.stringify(sub)}`, SUBJECT, withClaims({ sub }));
for (const sub of ['', ' ', '\t\n', '\u00a0', '\ufeff', '\u2003\u3000', '\u2028\u2029', '\u000b\u000c', '\u1680', '\u202f\u205f']) row(`refuses a blank sub ${escaped(sub)}`, SUBJECT, withClaims({ sub }));
for (const sub of ['\u0085', '\u200b', '\u180e', '\u0000', '\u2060', '.']) row(`accepts a sub that JavaScript does not call blank ${escaped(sub)}`, 'ok', withClaims({ sub }));
row('keeps blanks around a sub', 'ok', withClaims({ sub: '  user-1 ' }));
row('accepts a long sub', 'ok', withClaims({ sub: 's'.repeat(2000) }));

// Order.
row('reports nbf before exp', EARLY, withClaims({ nbf: NOW + 60, exp: NOW - 60 }));
row('reports exp before aud', EXPIRED, withClaims({ exp: NOW - 60, aud: 'other' }));
row('reports aud before iss', AUDIENCE, withClaims({ aud: 'other', iss: 'https://else.example' }));
row('reports iss before a missing scope', 'ERR_TOKEN_ISSUER', withClaims({ iss: 'https://else.example' }, { policy: { scope: 'agents' } }));
row('reports a malformed scope before sub', 'ERR_SCOPE_MALFORMED', withClaims({ scope: 5, sub: undefined }, { policy: { scope: 'agents' } }));
row('reports a missing scope before sub', 'ERR_SCOPE_MISSING', withClaims({ sub: undefined }, { policy: { scope: 'agents' } }));
row('reports a missing exp before aud', CLAIMS, withClaims({ exp: undefined, aud: 'other' }));
row('reports expiry before sub', EXPIRED, withClaims({ exp: NOW - 60, sub: undefined }));

function escaped(text) {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// Other kinds of token that a provider signs with the same keys (RFC 8725 3.11).
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const kind = (what, expect, changes, more = {}) => row(`refuses ${what}`, expect, { claims: claims(changes), header: header({ typ: 'JWT' }), differs: DIFFERS.kind, ...more });
kind('a logout token', 'ERR_LOGOUT_TOKEN', { events: { [EVENT]: {} }, sid: 's' });
kind('a logout token of Keycloak', 'ERR_LOGOUT_TOKEN', { typ: 'Logout', events: { [EVENT]: {} } });
kind('a security event', 'ERR_LOGOUT_TOKEN', { events: { 'https://schemas.openid.net/secevent/risc/event-type/account-disabled': { subject: {} } } });
kind('a refresh token', 'ERR_REFRESH_TOKEN', { typ: 'Refresh' });
kind('an offline token', 'ERR_REFRESH_TOKEN', { typ: 'Offline' });
kind('a registration token of Keycloak', 'ERR_TOKEN_TYPE', { typ: 'RegistrationAccessToken' });
kind('an authorization answer', 'ERR_AUTHORIZATION_RESPONSE', { sub: undefined, code: 'c', state: 's' }, { differs: undefined });
kind('an authorization answer with an error', 'ERR_AUTHORIZATION_RESPONSE', { sub: undefined, error: 'access_denied' }, { differs: undefined });
kind('a signed userinfo answer', 'ERR_USERINFO_TOKEN', { exp: undefined, iat: undefined, email: 'ada@example.com' });
kind('a signed userinfo answer where no exp is asked', 'ERR_USERINFO_TOKEN', { exp: undefined, iat: undefined, name: 'Ada' }, { policy: { requireExp: false } });
row('accepts a token without exp that grants something where no exp is asked', 'ok', { claims: claims({ exp: undefined, email: 'ada@example.com', scope: 'read' }), policy: { requireExp: false } });
row('accepts events that are none of RFC 8417', 'ok', { claims: claims({ events: ['read'] }) });
row('accepts a code without a state', 'ok', { claims: claims({ code: 'c' }) });
row('accepts an ID token for the audience, as LibreChat does', 'ok', { claims: claims({ typ: 'ID', nonce: 'n', at_hash: 'h', azp: 'api' }) });
row('says that a token for another audience is an ID token', 'ERR_ID_TOKEN', { claims: claims({ aud: 'web', azp: 'web', auth_time: 1 }) });
