'use strict';

// Written by `npm run layout` from src/node/wire.rs, which says what each of these is; do not edit.

/** Places of the numbers that go in. */
const INPUT = Object.freeze({
  now: 0,
  flags: 1,
  maxQueued: 2,
});

/** Places of the numbers that are said of an accepted token. */
const ACCEPTED = Object.freeze({
  claims: 0,
  subject: 1,
  oid: 2,
  email: 3,
  emailClaimProblem: 4,
  scopes: 5,
  header: 6,
  keyThumbprint: 7,
  emailSource: 8,
  emailVerified: 9,
  looksLikeIdToken: 10,
  isBound: 11,
  issuerIndex: 12,
  expiresAt: 13,
  from: 14,
  until: 15,
  freshFor: 16,
  epoch: 17,
});

/** Places of the numbers that are said of a refusal. */
const REFUSED = Object.freeze({
  mark: 0,
  code: 1,
  fault: 2,
  message: 3,
  reason: 4,
  host: 5,
  expected: 6,
  got: 7,
  retryAfter: 8,
});

/** What a check can be asked for; they are added up. */
const FLAGS = Object.freeze({
  USE_SIGNATURE_CACHE: 1,
  WITH_FRESHNESS: 2,
  WITH_HANDLE: 4,
});

/** The claims an address may have been taken from; the first stands for the one the policy names. */
const EMAIL_SOURCES = /** @type {const} */ (['configured', 'email', 'preferred_username', 'upn']);

/** The largest values. */
const LIMITS = Object.freeze({
  MAX_QUEUED: 8192,
});

module.exports = { ACCEPTED, EMAIL_SOURCES, FLAGS, INPUT, LIMITS, REFUSED };
