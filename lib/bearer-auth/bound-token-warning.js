'use strict';

const { printableUrl } = require('../events/printable');

/** Issuers warned of, in the whole process; of more than these nothing is said. */
const MOST = 100;

/** @type {Set<string>} */
const warned = new Set();

/**
 * Once for each issuer: a token that is bound to a key of its holder's (`cnf`, RFC 7800) passes as a bearer token, without a proof.
 * @param {string} [issuer] as it is configured
 */
function warnOfBoundToken(issuer = 'unknown') {
  if (warned.size >= MOST || warned.has(issuer)) return;
  warned.add(issuer);
  process.emitWarning(
    `a token of ${printableUrl(issuer)} that is bound to a key of its holder (cnf: DPoP or a client certificate) was accepted without a proof of that ` +
      'key; requireUnbound: true in its policy refuses such tokens',
    { code: 'REMOTE_AGENT_AUTH_BOUND_TOKEN' },
  );
}

module.exports = { warnOfBoundToken };
