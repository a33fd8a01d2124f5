'use strict';

const { isEntraTenant } = require('./email-address');
const { claimAt } = require('../policy/claim-path');

/**
 * @typedef {import('./groups-graph').Group} Group
 * @typedef {{ is: 'listed', groups: Group[] } | { is: 'overage' } | { is: 'none', why: string }} GroupsInToken
 */

/** A token of 16 KiB has not many more. */
const MOST_GROUPS = 2_000;
/** Characters. Paths of Keycloak are longer than names. */
const LONGEST = 256;
/** Between an issuer and its group's name: no issuer ends in a blank. */
const SEPARATOR = ' ';

/**
 * The groups a token names.
 * @param {Record<string, any>} claims
 * @param {string} claim a path of dots and brackets, or a claim of literally that name
 * @param {string} issuer normalised
 * @returns {GroupsInToken}
 */
function groupsInToken(claims, claim, issuer) {
  if (isOverage(claims, claim)) return { is: 'overage' };
  const value = claimAt(claims, claim);
  if (value === undefined || value === null) return { is: 'none', why: `the token has no claim "${claim}"` };
  const isList =
    Array.isArray(value) &&
    value.every((item) => typeof item === 'string' && item.trim() !== '' && item.length <= LONGEST);
  // Half a list would take memberships away.
  if (!isList || value.length > MOST_GROUPS)
    return { is: 'none', why: `the claim "${claim}" is no list of at most ${MOST_GROUPS} names` };
  const names = [...new Set(value.map((item) => item.trim()))];
  return { is: 'listed', groups: names.map((name) => ({ id: idOf(name, issuer), name })) };
}

/**
 * The identifier a group is stored by. Entra's are unique in the world; another provider's `admins` must not be the `admins` of the next.
 * @param {string} name
 * @param {string} issuer
 */
function idOf(name, issuer) {
  return isEntraTenant(issuer) ? name : `${issuer}${SEPARATOR}${name}`;
}

/**
 * Which stored groups a user of this issuer may be taken out of. An issuer's list says nothing of another's groups.
 * @param {string} issuer
 * @param {string[]} ids where the user stays
 */
function othersOf(issuer, ids) {
  if (isEntraTenant(issuer)) return { $nin: ids };
  const prefix = `${issuer}${SEPARATOR}`.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return { $nin: ids, $regex: `^${prefix}` };
}

/**
 * Whether the provider has left the groups out because they are too many, and says where they are instead (Entra ID; OpenID Connect
 * Core 5.6.2). That place is the token's word, and nobody is asked there.
 * @param {Record<string, any>} claims
 * @param {string} claim
 */
function isOverage(claims, claim) {
  if (claim !== 'groups') return false;
  return Boolean(claims.hasgroups) || claims._claim_names?.groups !== undefined;
}

module.exports = { groupsInToken, othersOf };
