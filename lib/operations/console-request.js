'use strict';

// Which requests the console answers: whose Host is ours, who comes from its own page, and what its form may hold.

const { createHmac, timingSafeEqual } = require('node:crypto');

/**
 * @typedef {import('../../console').ConsoleRequest} Request
 * @typedef {{ status: number, text: string }} Refusal
 */

/** Characters of a form. A token of 16 KiB, the longest that is looked at by default, fits in thrice. */
const MOST_CHARACTERS = 65_536;
const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;
const LOOPBACK_ADDRESS = /^(::ffff:)?127\.|^::1$/;
const LOOPBACK_NAME = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * DNS rebinding: a name of somebody else's that leads to this machine makes a foreign page same-origin with ours, and only the header Host shows it.
 * A request that came over loopback must name this machine, or a host that the operator lists.
 * @param {Request} req
 * @param {readonly string[] | undefined} hosts with which the rule holds for every connection
 * @returns {Refusal | undefined}
 */
function refuseHost({ headers: { host }, socket }, hosts) {
  const isLocal = LOOPBACK_ADDRESS.test(socket?.localAddress ?? '');
  if (hosts === undefined && !isLocal) return undefined;
  if (typeof host === 'string' && (hosts?.includes(host.toLowerCase()) || (isLocal && isLoopbackHost(host))))
    return undefined;
  return {
    status: 403,
    text: 'The Host of this request is not one the console answers to: name it in the option hosts of createConsole.',
  };
}

/** @param {string} host with or without a port */
function isLoopbackHost(host) {
  return LOOPBACK_NAME.test(host.toLowerCase().replace(/:\d*$/, ''));
}

/**
 * A form sent from another site. Browsers say where a request comes from (Fetch Metadata; Origin, RFC 6454 7.3); without either the
 * form's own token decides.
 * @param {Request} req
 * @param {readonly string[]} hosts
 */
function isForeign({ headers }, hosts) {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin';
  const { host, origin } = headers;
  if (origin === undefined) return false;
  if (typeof origin !== 'string' || !URL.canParse(origin)) return true;
  const from = new URL(origin).host;
  return from !== String(host).toLowerCase() && !hosts.includes(from);
}

/** What the form must hold: known only to those who were shown the page. @param {string | Buffer} secret */
function formTokenOf(secret) {
  return createHmac('sha256', secret).update('remote-agent-auth console form').digest('base64url');
}

/** @param {unknown} given @param {string} expected */
function isSame(given, expected) {
  const [a, b] = [Buffer.from(String(given)), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * The fields of the form, as the host's body parser left them or read here, never more than MOST_CHARACTERS.
 * @param {Request} req
 * @returns {Promise<{ fields: Record<string, unknown>, refusal?: undefined } | { fields?: undefined, refusal: Refusal }>}
 */
async function readForm(req) {
  if (!FORM.test(String(req.headers['content-type'])))
    return { refusal: { status: 415, text: 'A form is expected: application/x-www-form-urlencoded.' } };
  if (typeof req.body === 'object' && req.body !== null) return { fields: /** @type {any} */ (req.body) };
  const text = await readText(req);
  if (text === undefined)
    return { refusal: { status: 413, text: `The form is longer than ${MOST_CHARACTERS} characters.` } };
  return { fields: Object.fromEntries(new URLSearchParams(text)) };
}

/** @param {Request} req @returns {Promise<string | undefined>} undefined where it is too long */
async function readText(req) {
  /** @type {Buffer[]} */
  const parts = [];
  let length = 0;
  for await (const part of /** @type {AsyncIterable<Buffer>} */ (/** @type {unknown} */ (req))) {
    length += part.length;
    if (length > MOST_CHARACTERS) return undefined;
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts).toString('utf8');
}

module.exports = { formTokenOf, isForeign, isSame, readForm, refuseHost };
