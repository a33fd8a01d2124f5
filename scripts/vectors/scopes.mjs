import { claims, claimsText, table } from './base.mjs';

const { theme, rows, row } = table('scopes');
export default { theme, rows };

const MISSING = 'ERR_SCOPE_MISSING';
const BAD = 'ERR_SCOPE_MALFORMED';
const scope = (required, members, scopes) => ({ ...(required === undefined ? {} : { policy: { scope: required } }), claims: claims(members), ...(scopes ? { scopes } : {}) });

row('checks nothing where no scope is configured', 'ok', scope(undefined, {}));
row('checks nothing where the configured scope is empty', 'ok', scope('', {}));
row('checks nothing where the configured scope is blank', 'ok', scope(' \t\u00a0\ufeff', {}));
row('does not check a malformed scope where none is configured', 'ok', scope(undefined, { scope: 5 }));
row('does not check a malformed scope where the configured one is blank', 'ok', scope(' ', { scp: { a: 1 } }));

row('accepts a scope string', 'ok', scope('agents', { scope: 'agents' }, ['agents']));
row('accepts a scope among others', 'ok', scope('agents', { scope: 'openid agents profile' }, ['openid', 'agents', 'profile']));
row('accepts a scope array', 'ok', scope('agents', { scope: ['openid', 'agents'] }, ['openid', 'agents']));
row('accepts an scp string', 'ok', scope('agents', { scp: 'openid agents' }, ['openid', 'agents']));
row('accepts an scp array', 'ok', scope('agents', { scp: ['openid', 'agents'] }, ['openid', 'agents']));
row('splits the items of an array', 'ok', scope('agents', { scp: ['openid agents', 'x'] }, ['openid', 'agents', 'x']));
row('accepts every one of several required scopes, in any order', 'ok', scope('b a', { scope: 'a c b' }, ['a', 'c', 'b']));
row('refuses where one of several required scopes is missing', MISSING, scope('a b', { scope: 'a c' }));
row('accepts a required scope named twice', 'ok', scope('a a', { scope: 'a' }));
row('prefers scp to scope', MISSING, scope('agents', { scp: 'openid', scope: 'agents' }));
row('takes scp where scope lacks it', 'ok', scope('agents', { scp: 'agents', scope: 'openid' }, ['agents']));
row('falls back to scope where scp is null', 'ok', scope('agents', { scp: null, scope: 'agents' }, ['agents']));
row('lets an empty scp hide a good scope', MISSING, scope('agents', { scp: '', scope: 'agents' }));
row('lets a blank scp hide a good scope', MISSING, scope('agents', { scp: '  ', scope: 'agents' }));
row('lets an empty scp array hide a good scope', MISSING, scope('agents', { scp: [], scope: 'agents' }));
row('refuses a token without scope claims', MISSING, scope('agents', {}));
row('refuses a null scope', MISSING, scope('agents', { scope: null }));
row('refuses two nulls', MISSING, scope('agents', { scp: null, scope: null }));
row('refuses an empty scope', MISSING, scope('agents', { scope: '' }));
row('compares scopes by case', MISSING, scope('agents', { scope: 'Agents AGENTS' }));
row('does not take a prefix of a scope', MISSING, scope('agents', { scope: 'agents:read agent' }));
row('does not split at a comma', MISSING, scope('agents', { scope: 'openid,agents' }));
row('does not split at a semicolon or plus', MISSING, scope('agents', { scope: 'openid;agents openid+agents' }));
row('matches a configured scope with a comma only literally', 'ok', scope('a,b', { scope: 'a,b' }, ['a,b']));
row('does not split a configured scope at its comma', MISSING, scope('a,b', { scope: 'a b' }));
for (const [what, blank] of [['tabs', '\t'], ['newlines', '\n'], ['several blanks', '   '], ['no-break spaces', '\u00a0'], ['byte order marks', '\ufeff'], ['line separators', '\u2028'], ['ideographic spaces', '\u3000'], ['vertical tabs', '\u000b']]) {
  row(`splits a token's scope at ${what}`, 'ok', scope('agents', { scope: `openid${blank}agents` }, ['openid', 'agents']));
  row(`splits the configured scope at ${what}`, 'ok', scope(`a${blank}b`, { scope: 'b a' }));
}
for (const [what, mark] of [['U+0085', '\u0085'], ['U+200B', '\u200b'], ['U+180E', '\u180e'], ['NUL', '\u0000']]) {
  row(`does not split a token's scope at ${what}`, MISSING, scope('agents', { scope: `openid${mark}agents` }));
  row(`does not split the configured scope at ${what}`, MISSING, scope(`a${mark}b`, { scope: 'a b' }));
}
row('ignores blanks around a scope', 'ok', scope(' agents ', { scope: '\n agents \t' }, ['agents']));
for (const value of [5, true, {}, { agents: true }, ['agents', 5], ['agents', null], [['agents']], [{}]]) {
  row(`calls a scope of ${JSON.stringify(value)} malformed`, BAD, scope('agents', { scope: value }));
}
for (const value of [true, {}, ['agents', 5]]) row(`calls an scp of ${JSON.stringify(value)} malformed, whatever scope says`, BAD, scope('agents', { scp: value, scope: 'agents' }));
for (const value of [false, 0]) {
  row(`takes a scope of ${value} for no scope at all`, MISSING, scope('agents', { scope: value }));
  row(`lets an scp of ${value} hide a good scope`, MISSING, scope('agents', { scp: value, scope: 'agents' }));
}
row('does not check scope where scp decides', 'ok', scope('agents', { scp: 'agents', scope: 5 }, ['agents']));
row('reads roles nowhere as scopes', MISSING, scope('agents', { roles: ['agents'], permissions: ['agents'], scopes: 'agents' }));
row('refuses a duplicate scope claim', 'ERR_TOKEN_MALFORMED', { policy: { scope: 'agents' }, claims: { $text: claimsText({ scope: '"openid"' }).$text.replace(/}$/, ',"scope":"agents"}') }, differs: 'duplicate members in header or claims' });
row('accepts a scope written with escapes', 'ok', { policy: { scope: 'agents' }, claims: claimsText({ scope: '"\\u0061gents"' }), scopes: ['agents'] });
