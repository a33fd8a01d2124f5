import { DIFFERS, claims, claimsText, header, parts, raw, table, times } from './base.mjs';

const { theme, rows, row } = table('limits');
export default { theme, rows };

const LARGE = 'ERR_TOKEN_TOO_LARGE';
const MALFORMED = 'ERR_TOKEN_MALFORMED';
const RS256 = { key: 'rsa-a', alg: 'RS256' };
const nest = (open, close, depth, inside = '') => open.repeat(depth) + inside + close.repeat(depth);
const base = claimsText({}).$text.slice(0, -1);
const head = '{"alg":"RS256","kid":"rsa-a"';

/** A good token of exactly `size` characters: some lengths need a slightly longer header. */
function ofSize(size, more = {}) {
  const length = (bytes) => Math.ceil((bytes * 4) / 3);
  for (let h = 0; h < 4; h += 1) {
    const headText = `${head},"p":"${'x'.repeat(h)}"}`;
    for (let pad = size; pad > 0; pad -= 1) {
      const payload = base.length + ',"p":""}'.length + pad;
      const total = length(headText.length) + 1 + length(payload) + 1 + 342;
      if (total === size) return { header: raw(headText), claims: parts(`${base},"p":"`, times('x', pad), '"}'), sign: RS256, ...more };
      if (total < size) break;
    }
  }
  throw new Error(`no token of ${size} characters`);
}

row('accepts a token of 16 KiB', 'ok', ofSize(16384));
row('refuses a token of 16 KiB and one character', LARGE, { ...ofSize(16385), differs: DIFFERS.limits });
row('accepts a token of 16 KiB less one', 'ok', ofSize(16383));
row('refuses a token of 20 KiB', LARGE, { ...ofSize(20480), differs: DIFFERS.limits });
row('counts the header part too', LARGE, { header: parts(`${head},"p":"`, times('x', 12000), '"}'), sign: RS256, differs: DIFFERS.limits });
row('counts the signature part too', LARGE, { mutate: [{ op: 'append', part: 2, text: 'A'.repeat(16000) }] });
row('counts bytes, not characters', LARGE, { mutate: [{ op: 'token', text: 'é'.repeat(9000) }] });
row('measures before it looks at the parts', LARGE, { mutate: [{ op: 'token', text: '.'.repeat(16385) }] });
row('looks at the parts of a token of dots within the limit', MALFORMED, { mutate: [{ op: 'token', text: '.'.repeat(16384) }] });
row('checks the size of a token before its algorithm', LARGE, { ...ofSize(16385), header: raw('{"alg":"none"}'), claims: parts(`${base},"p":"`, times('x', 12400), '"}'), sign: 'none' });

row('accepts claims nested 16 deep in arrays', 'ok', { claims: raw(`${base},"x":${nest('[', ']', 15)}}`) });
row('refuses claims nested 17 deep in arrays', MALFORMED, { claims: raw(`${base},"x":${nest('[', ']', 16)}}`), differs: DIFFERS.limits });
row('accepts claims nested 16 deep in objects', 'ok', { claims: raw(`${base},"x":${nest('{"a":', '}', 14, '{}')}}`) });
row('refuses claims nested 17 deep in objects', MALFORMED, { claims: raw(`${base},"x":${nest('{"a":', '}', 15, '{}')}}`), differs: DIFFERS.limits });
row('counts arrays and objects together', MALFORMED, { claims: raw(`${base},"x":${nest('[{"a":', '}]', 8)}}`.replace(':}]', ':1}]')), differs: DIFFERS.limits });
row('accepts a scalar inside the sixteenth level', 'ok', { claims: raw(`${base},"x":${nest('[', ']', 15, '1')}}`) });
row('does not count siblings as depth', 'ok', { claims: raw(`${base},"x":[${Array(50).fill('[]').join(',')}]}`) });
row('refuses claims nested 5000 deep', MALFORMED, { claims: parts(`${base},"x":`, times('[', 5000), times(']', 5000), '}'), differs: DIFFERS.limits });
row('refuses claims that open 11000 arrays and close none', MALFORMED, { claims: parts(`${base},"x":`, times('[', 11000)) });
row('accepts a header nested 16 deep', 'ok', { header: raw(`${head},"x":${nest('[', ']', 15)}}`), sign: RS256 });
row('refuses a header nested 17 deep', MALFORMED, { header: raw(`${head},"x":${nest('[', ']', 16)}}`), sign: RS256, differs: DIFFERS.limits });
row('refuses a header nested 5000 deep', MALFORMED, { header: parts(`${head},"x":`, times('[', 5000), times(']', 5000), '}'), sign: RS256, differs: DIFFERS.limits });
row('refuses a header that opens 11000 objects', MALFORMED, { header: parts(times('{"a":', 2000)), sign: RS256 });

row('uses the hundredth key of a set', 'ok', { keys: '101 keys' });
row('uses the hundred and first key of a set', 'ok', { header: header({ kid: 'rsa-b' }), sign: { key: 'rsa-b', alg: 'RS256' }, keys: '101 keys' });
row('accepts a key set nested 42 deep', 'ok', { keys: 'deep member' });
row('accepts 500 claims', 'ok', { claims: claims(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`c${i}`, i]))) });
row('accepts an audience array of 500', 'ok', { claims: claims({ aud: [...Array.from({ length: 499 }, (_, i) => `a${i}`), 'api'] }) });
row('accepts 1000 scopes', 'ok', { policy: { scope: 's999' }, claims: claims({ scope: Array.from({ length: 1000 }, (_, i) => `s${i}`).join(' ') }) });
row('refuses a number of 10000 digits as exp', 'ERR_TOKEN_MALFORMED', { claims: parts(claimsText({ exp: undefined }).$text.slice(0, -1), ',"exp":', times('9', 10000), '}'), differs: DIFFERS.finite });
