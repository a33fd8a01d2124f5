'use strict';

// A small user store with the calls LibreChat's database layer offers: `findUser(filter)`, `updateUser(id, fields)` and `createUser(fields)`.
// Filters are MongoDB's, as far as the middleware uses them: equality (where null also matches a missing field) and $exists.

const crypto = require('node:crypto');

/**
 * @typedef {object} User
 * @property {string} _id
 * @property {string} email
 * @property {string} [name]
 * @property {string} [role]
 * @property {string} [provider]
 * @property {string} [openidId]
 * @property {string} [openidIssuer]
 */

/**
 * @param {any} value
 * @param {any} condition
 */
function matches(value, condition) {
  if (condition === null) return value === undefined || value === null;
  if (typeof condition !== 'object') return value === condition;
  const operators = Object.keys(condition);
  if (operators.length !== 1 || operators[0] !== '$exists') {
    throw new TypeError(`this store does not know ${operators.join(', ')}`);
  }
  return (value !== undefined) === condition.$exists;
}

/** @param {string} key */
function digest(key) {
  return crypto.createHash('sha256').update(key).digest('hex');
}

/**
 * @param {User[]} users
 * @param {Record<string, string>} [keysOf] agent API keys by user id; only their digests are kept
 */
function createStore(users, keysOf = {}) {
  const rows = new Map(users.map((user) => [user._id, { ...user }]));
  const keys = new Map(Object.entries(keysOf).map(([id, key]) => [digest(key), id]));

  return {
    /** @param {Record<string, any>} filter @returns {Promise<User | null>} a copy: what a caller does to it is not stored */
    async findUser(filter) {
      // The database layer of LibreChat compares addresses in lower case and without blanks.
      const wanted = { ...filter };
      if (typeof wanted.email === 'string') wanted.email = wanted.email.trim().toLowerCase();
      for (const row of rows.values()) {
        if (Object.entries(wanted).every(([field, condition]) => matches(/** @type {any} */ (row)[field], condition)))
          return { ...row };
      }
      return null;
    },
    /** @param {string} id @param {Partial<User>} fields */
    async updateUser(id, fields) {
      const row = rows.get(id);
      if (!row) return null;
      Object.assign(row, fields);
      return { ...row };
    },
    /** @param {Omit<User, '_id'>} fields @returns {Promise<User>} */
    async createUser(fields) {
      const row = { _id: crypto.randomUUID(), ...fields };
      // As a unique index of MongoDB would say it.
      for (const { email } of rows.values())
        if (email === row.email) throw Object.assign(new Error('duplicate key'), { code: 11000 });
      rows.set(row._id, row);
      return { ...row };
    },
    /** @param {string} key @returns {Promise<{ userId: string, keyId: string } | null>} */
    async validateAgentApiKey(key) {
      const userId = keys.get(digest(key));
      return userId ? { userId, keyId: digest(key).slice(0, 8) } : null;
    },
  };
}

module.exports = { createStore };
