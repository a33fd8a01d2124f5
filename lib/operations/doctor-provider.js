'use strict';

// The provider as seen from this machine: the way to it, its metadata, its keys, its clock. What reaches it is the native client that the
// middleware uses; only the certificate's end and the provider's clock, which that does not tell, are asked for by Node.

const tls = require('node:tls');
const { codes } = require('../verifier/codes');

/**
 * @typedef {import('./doctor').Line} Line
 * @typedef {import('../../index').RemoteTokenVerifier} Verifier
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {import('../verifier/errors').RemoteAuthError} RemoteAuthError
 */

/** Days before a certificate ends at which that is worth a line. */
const CERTIFICATE_DAYS = 14;
/** Seconds by which clocks may differ unnoticed: a `Date` has whole seconds, and took its time to come. */
const CLOCK_SECONDS = 5;
const ASIDE_MS = 5000;

/** The stages on the way to an answer, in order, and the connection faults that end the way at each. */
const STAGES = /** @type {const} */ ([
  ['dns', ['dns'], 'the name was found'],
  [
    'tcp',
    ['refused', 'unreachable', 'timeout-connect', 'address', 'proxy-refused', 'proxy-auth', 'proxy-denied'],
    'a connection was made',
  ],
  ['tls', [], 'the certificate is accepted'],
]);

/** At which stage a connection fault ends the way; undefined where a connection stood. @param {string | undefined} reason */
function stageOf(reason = '') {
  if (reason.startsWith('tls-') || reason === 'not-tls' || reason === 'no-trust') return 'tls';
  return STAGES.find(([, reasons]) => reasons.some((each) => each === reason))?.[0];
}

/**
 * @param {Verifier} verifier one that has fetched nothing yet
 * @param {PolicyOptions} options
 * @returns {Promise<Line[]>}
 */
async function checkProvider(verifier, options) {
  const { jwks, jwksFile, jwksUri, issuer: issuers } = /** @type {any} */ (options);
  if (jwks !== undefined || jwksFile !== undefined) {
    return [{ check: 'keys', status: 'ok', text: 'the keys are given in the configuration: no provider is asked' }];
  }
  const issuer = String(Array.isArray(issuers) ? issuers[0] : issuers);
  const failure = await verifier.prefetch(options).then(
    () => undefined,
    (/** @type {RemoteAuthError} */ error) => error,
  );
  const url = String(jwksUri ?? issuer);
  const [source] = sourcesOf(verifier, url);
  const lines = [...wayTo(url, failure), ...documents(failure, jwksUri === undefined), ...keysOf(source)];
  const asked = new URL(url);
  if (failure === undefined && isDirect(options))
    lines.push(...(await Promise.all([certificateEnd(asked), clockOf(asked)])).flat());
  return lines;
}

/** @param {Verifier} verifier @param {string} url @returns {any[]} */
function sourcesOf(verifier, url) {
  const { sources } = /** @type {{ sources: any[] }} */ (verifier.stats());
  return sources.filter((source) => source.url === url || source.url === url.replace(/\/$/, ''));
}

/** @param {PolicyOptions} options */
function isDirect({ proxy }) {
  return proxy?.http === undefined && proxy?.https === undefined;
}

/**
 * Name, connection and certificate, up to the one that failed.
 * @param {string} url
 * @param {RemoteAuthError | undefined} failure
 * @returns {Line[]}
 */
function wayTo(url, failure) {
  const { host, protocol } = new URL(url);
  const failedAt = stageOf(failure?.reason);
  const stages = STAGES.filter(([stage]) => protocol === 'https:' || stage !== 'tls');
  /** @type {Line[]} */
  const lines = [];
  for (const [check, , good] of stages) {
    if (check === failedAt && failure !== undefined) return [...lines, failed(check, failure)];
    // Keys at another host than the metadata: the way to the metadata stood.
    lines.push({ check, status: 'ok', text: `${failure?.host ?? host}: ${good}` });
  }
  return lines;
}

/** @param {RemoteAuthError | undefined} failure @param {boolean} isDiscovered @returns {Line[]} */
function documents(failure, isDiscovered) {
  if (failure === undefined) {
    const keys = /** @type {Line} */ ({ check: 'keys', status: 'ok', text: 'the key document is usable' });
    return isDiscovered
      ? [{ check: 'discovery', status: 'ok', text: 'the metadata names the configured issuer' }, keys]
      : [keys];
  }
  if (stageOf(failure.reason) !== undefined) return [];
  if (!failure.code.startsWith('ERR_JWKS') || !isDiscovered)
    return [failed(failure.code.startsWith('ERR_JWKS') ? 'keys' : 'discovery', failure)];
  return [
    { check: 'discovery', status: 'ok', text: 'the metadata names the configured issuer' },
    failed('keys', failure),
  ];
}

/** @param {string} check @param {RemoteAuthError} failure @returns {Line} */
function failed(check, failure) {
  const { code, message, reason, expected, got } = failure;
  // A connection fault says itself what to do.
  const action = reason === undefined ? codes[code].action : undefined;
  return {
    check,
    status: 'failed',
    code,
    text: message,
    ...(action && { action }),
    ...(expected && { expected }),
    ...(got && { got }),
  };
}

/** A line for each key. @param {any} source of `stats()` @returns {Line[]} */
function keysOf(source) {
  /** @type {Line[]} */
  const usable = (source?.keys ?? []).map((/** @type {any} */ key) => ({
    check: 'key',
    status: 'ok',
    text: `${nameOf(key)} is usable`,
  }));
  const skipped = (source?.skipped ?? []).map((/** @type {any} */ skip) => ({
    check: 'key',
    status: 'warning',
    text: `skipped: ${nameOf(skip)}`,
  }));
  return [...usable, ...skipped];
}

/** @param {unknown} value an entry of `stats()` */
function nameOf(value) {
  return typeof value === 'string'
    ? value
    : Object.entries(Object(value))
        .map(([name, member]) => `${name} ${member}`)
        .join(', ');
}

/** How long the certificate holds on. Nothing is sent. @param {URL} url @returns {Promise<Line[]>} */
function certificateEnd(url) {
  if (url.protocol !== 'https:') return Promise.resolve([]);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    // Whether it is to be trusted was the native client's to say.
    const socket = tls.connect({
      host,
      port: Number(url.port || 443),
      servername: /[a-z]/i.test(host) ? host : undefined,
      rejectUnauthorized: false,
    });
    socket.setTimeout(ASIDE_MS, () => socket.destroy(new Error('late')));
    socket.once('error', () => resolve([]));
    socket.once('secureConnect', () => {
      const days = (Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / 86_400_000;
      socket.destroy();
      if (!(days < CERTIFICATE_DAYS)) return resolve([]);
      const text = `${url.host}: the certificate ends in ${Math.floor(days)} days`;
      return resolve([{ check: 'tls', status: 'warning', text, action: 'Have it renewed.' }]);
    });
  });
}

/** This machine's clock against the provider's (RFC 9110 6.6.1). @param {URL} url @returns {Promise<Line[]>} */
async function clockOf(url) {
  try {
    const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(ASIDE_MS) });
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(date)) return [];
    return [clockLine((Date.now() - date) / 1000)];
  } catch {
    return [];
  }
}

/** @param {number} ahead seconds by which this machine's clock is ahead @returns {Line} */
function clockLine(ahead) {
  const seconds = Math.round(Math.abs(ahead));
  if (seconds <= CLOCK_SECONDS)
    return { check: 'clock', status: 'ok', text: "this machine's clock and the provider's agree" };
  const text = `this machine's clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the provider's`;
  return {
    check: 'clock',
    status: 'failed',
    text,
    action: 'Correct the clock that is wrong; OPENID_REMOTE_CLOCK_TOLERANCE allows for up to 300 s until then.',
  };
}

module.exports = { checkProvider, clockLine };
