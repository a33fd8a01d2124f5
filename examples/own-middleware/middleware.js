'use strict';

// A middleware of a server that has nothing to do with LibreChat: its own configuration, its own idea of a user, its own fallback.
// All it takes from the package is the native engine, which checks tokens; what a result means for a request is decided here.

const { createRemoteAgentAuth } = require('remote-agent-auth/native');

/**
 * @typedef {object} Identity who may vouch for a reader
 * @property {string} provider the provider's issuer
 * @property {string} application our name at the provider, found in the tokens' `aud`
 * @property {string} [permission] scopes a token must carry
 */

/**
 * @typedef {object} Reader
 * @property {string} name
 */

/**
 * @param {object} deps
 * @param {Identity} deps.identity
 * @param {(subject: string) => Promise<Reader | undefined>} deps.readerOf
 * @param {string} [deps.kioskCode] readers in the hall send this code and no token
 * @param {(line: string) => void} [deps.log]
 * @returns {import('express').RequestHandler}
 */
function readersOnly({ identity, readerOf, kioskCode, log = console.warn }) {
  const engine = createRemoteAgentAuth();
  const policy = {
    issuer: identity.provider,
    audience: identity.application,
    scope: identity.permission,
  };

  return async (req, res, next) => {
    const [scheme, token, ...rest] = (req.get('authorization') ?? '').split(' ');

    // The kiosk is for requests without a token. A bad token is refused, whatever else the request carries.
    if (scheme === '') {
      if (kioskCode !== undefined && req.get('x-kiosk-code') === kioskCode) {
        res.locals.reader = { name: 'kiosk' };
        return next();
      }
      return res.status(401).send('Please sign in.\n');
    }
    if (scheme.toLowerCase() !== 'bearer' || !token || rest.length > 0)
      return res.status(400).send('Not a Bearer token.\n');

    // An outcome is a value, or the promise of one when keys must be fetched; await takes both.
    const outcome = await engine.check(token, policy);
    if (!outcome.ok) {
      log(`reader refused: ${outcome.code} (${outcome.message})`);
      switch (outcome.fault) {
        case 'token':
        case 'request':
          return res.status(401).send('Please sign in again.\n');
        case 'scope':
          return res.status(403).send('Not for you.\n');
        case 'upstream':
        case 'capacity':
          res.set('Retry-After', String(Math.ceil(outcome.retryAfter ?? 1)));
          return res.status(503).send('Nobody can be checked at the moment.\n');
        default:
          return res.status(500).send('This server is not set up properly.\n');
      }
    }

    const reader = await readerOf(outcome.subject);
    if (!reader) return res.status(403).send('You are not a reader here.\n');
    res.locals.reader = reader;
    next();
  };
}

module.exports = { readersOnly };
