'use strict';

/** Characters of a text in an event, as natively (src/details.rs): enough for a URL, a scope list or an issuer. */
const LONGEST = 200;
// Control characters, line separators, and those that change the direction of what follows or are not seen.
const HIDDEN = /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu;
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * The beginning of a text, in one line, with U+FFFD for what is not shown as itself.
 * @param {string} text
 * @returns {string} at most 200 characters
 */
function printable(text) {
  const short = text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
  return PLAIN.test(short) ? short : short.replace(HIDDEN, '\ufffd');
}

/**
 * What a URL may have before its host (RFC 3986 3.2.1), as natively (src/mismatch.rs): after http and https the URL Standard takes any number of
 * slashes of both kinds.
 */
const CREDENTIALS = /^(\s*https?:[/\\]*|[^/?#]*\/\/)[^/\\?#]*@/i;

/**
 * The same of a URL that is configured: a name and a password in it are not shown.
 * @param {string} url
 * @returns {string}
 */
function printableUrl(url) {
  return printable(url.replace(CREDENTIALS, '$1'));
}

module.exports = { printable, printableUrl };
