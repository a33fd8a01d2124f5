'use strict';

const { isScopeText } = require('../responses/challenge');
const { wrongOption } = require('../verifier/errors');
const { guardOf } = require('./guard');

/** Seconds by which `auth_time` may lie ahead of our clock, as `clockTolerance` at its most: what is further ahead is no past event. */
const AHEAD = 300;

/**
 * Step-up (RFC 9470): 401 `insufficient_user_authentication` unless the user was authenticated in one of these ways (`acr`), and no
 * longer ago than this (`auth_time`). A token that does not say so, or says it in the wrong type, does not satisfy it (4).
 * @param {import('../../index').AuthenticationRequirement} requirement
 * @returns {import('../../index').Guard}
 */
function requireAuthentication(requirement) {
  const { acrValues, maxAge } = Object(requirement);
  const levels = typeof acrValues === 'string' ? acrValues.split(' ').filter(Boolean) : (acrValues ?? []);
  const unknown = Object.keys(Object(requirement)).find((name) => name !== 'acrValues' && name !== 'maxAge');
  if (unknown !== undefined) throw wrong(`"${unknown}" is not a requirement; there are acrValues and maxAge`);
  if (!Array.isArray(levels) || !levels.every((level) => isScopeText(level) && !level.includes(' '))) {
    throw wrong('acrValues must be a text of values separated by blanks, or a list of them');
  }
  if (maxAge !== undefined && !(Number.isSafeInteger(maxAge) && maxAge >= 0)) {
    throw wrong('maxAge must be a whole number of seconds, 0 or more');
  }
  if (levels.length === 0 && maxAge === undefined) throw wrong('acrValues or maxAge is required');

  const wanted = Object.freeze([...levels]);
  const acr = wanted.length > 0 ? wanted.join(' ') : undefined;
  return guardOf('requireAuthentication', ({ facts, now }) => {
    const isRight = wanted.length === 0 || (facts.acr !== undefined && wanted.includes(facts.acr));
    if (isRight && (maxAge === undefined || isRecent(facts.authTime, now(), maxAge))) return undefined;
    return {
      code: 'ERR_AUTHENTICATION_LEVEL',
      message: 'the user was authenticated in another way, or longer ago, than the route requires',
      ...(acr !== undefined && { acrValues: acr }),
      ...(maxAge !== undefined && { maxAge }),
    };
  });
}

/** @param {number | undefined} authTime @param {number} now @param {number} maxAge all in seconds */
function isRecent(authTime, now, maxAge) {
  if (authTime === undefined || !Number.isFinite(now)) return false;
  const age = now - authTime;
  return age <= maxAge && age >= -AHEAD;
}

/** @param {string} problem */
function wrong(problem) {
  return wrongOption(`requireAuthentication: ${problem}`);
}

module.exports = { requireAuthentication };
