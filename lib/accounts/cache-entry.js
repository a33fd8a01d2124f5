'use strict';

/**
 * What is kept of an account, for whom, and under what. `tenantId` and `user.tenantId` are null where there is none. `policy`: what stands
 * for everything the token was checked by. `signedBy`: the RFC 7638 thumbprint of the key that signed it. Times in milliseconds since 1970.
 * @typedef {{ version: 1, tenantId: string | null, issuer: string, subject: string, policy: string, signedBy: string, createdAt: number,
 *   expiresAt: number, user: Record<string, any>, groupsSyncedAt?: number }} Entry
 *
 * For whom something is asked. `since`: how often accounts had been invalidated in this process.
 * @typedef {Pick<Entry, 'tenantId' | 'issuer' | 'subject' | 'policy' | 'signedBy'> & { since: number }} Slot
 */

const VERSION = 1;
/** Milliseconds by which another machine's clock may be ahead. */
const CLOCKS_APART = 5_000;
/** Characters of any text in an entry. */
const LONGEST = 1_024;

/** What of a user is kept besides its id: texts, and what is yes or no. No token, no password, nothing a request does not look at. */
const TEXTS = [
  'email',
  'username',
  'name',
  'avatar',
  'provider',
  'role',
  'openidId',
  'openidIssuer',
  'idOnTheSource',
  'tenantId',
];
const FLAGS = ['emailVerified', 'twoFactorEnabled', 'termsAccepted'];

/** @param {Record<string, any>} user @param {string} id @returns {Record<string, any>} */
function keptOf(user, id) {
  /** @type {Record<string, any>} */
  const kept = { id };
  for (const name of TEXTS) if (isText(user[name])) kept[name] = user[name];
  for (const name of FLAGS) if (typeof user[name] === 'boolean') kept[name] = user[name];
  return kept;
}

/**
 * An entry as it was written, or nothing: what comes out of a store is input like any other.
 * @param {any} entry
 * @param {Slot} slot
 * @param {number} now
 * @returns {Entry | undefined}
 */
function validated(entry, slot, now) {
  if (typeof entry !== 'object' || entry === null || entry.version !== VERSION) return undefined;
  const { createdAt, expiresAt, user, groupsSyncedAt } = entry;
  if (!isTime(createdAt) || !isTime(expiresAt) || createdAt > now + CLOCKS_APART) return undefined;
  if (groupsSyncedAt !== undefined && !isTime(groupsSyncedAt)) return undefined;
  return isOf(entry, slot, now) && isUser(user, slot) ? entry : undefined;
}

/**
 * Whether an entry that was looked at when it was written is for this slot, and its time has not come.
 * @param {Entry} entry
 * @param {Slot} slot
 * @param {number} now
 */
function isOf({ tenantId, issuer, subject, policy, signedBy, expiresAt }, slot, now) {
  const isItsOwn = tenantId === slot.tenantId && issuer === slot.issuer && subject === slot.subject;
  return isItsOwn && policy === slot.policy && signedBy === slot.signedBy && now < expiresAt;
}

/** @param {any} user @param {Slot} slot */
function isUser(user, { tenantId, subject }) {
  if (typeof user !== 'object' || user === null || Array.isArray(user)) return false;
  if (!isText(user.id) || !isText(user.role) || (user.tenantId ?? null) !== tenantId) return false;
  // Found by `oid` an account may be bound to another subject, never to none of its own kind.
  if (user.openidId === undefined && user.idOnTheSource === undefined && subject !== '') return false;
  return Object.entries(user).every(([name, value]) => {
    if (name === 'id' || TEXTS.includes(name)) return isText(value);
    return FLAGS.includes(name) && typeof value === 'boolean';
  });
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST;
}

/** @param {unknown} value @returns {value is number} */
function isTime(value) {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

module.exports = { VERSION, isOf, keptOf, validated };
