'use strict';

// LibreChat's users and groups in memory, with the unique indexes its database has: for tests of accounts.

/** Whether a stored user meets a filter of LibreChat's shapes. */
const meets = (user, filter) =>
  Object.entries(filter).every(([key, wanted]) => {
    const stored = user[key];
    if (wanted !== null && typeof wanted === 'object') return !(key in user);
    if (key === 'email') return stored === wanted.trim().toLowerCase();
    return wanted === null ? stored === null : stored === wanted;
  });

const duplicate = (what) => Object.assign(new Error(`E11000 duplicate key error: ${what}`), { code: 11000 });

class UserStore {
  users = [];
  #serial = 0;

  /** @param {object[]} [users] */
  constructor(users = []) {
    for (const user of users)
      this.users.push({ _id: `id-${(this.#serial += 1)}`, role: 'USER', provider: 'openid', ...user });
    const { findUser, createUser, updateUser } = this;
    // As jest sees them, bound: the middleware calls them on the dependency object.
    this.findUser = jest.fn(async (filter) => findUser.call(this, filter));
    this.createUser = jest.fn(async (fields) => createUser.call(this, fields));
    this.updateUser = jest.fn(async (id, fields) => updateUser.call(this, id, fields));
  }

  get deps() {
    const { findUser, createUser, updateUser } = this;
    return { findUser, createUser, updateUser, isEmailDomainAllowed: jest.fn(async () => true) };
  }

  findUser(filter) {
    const user = this.users.find((candidate) => meets(candidate, filter));
    return user === undefined ? null : { ...user };
  }

  createUser(fields) {
    this.#checkUnique(fields, undefined);
    const user = { _id: `id-${(this.#serial += 1)}`, ...fields };
    this.users.push(user);
    return { ...user };
  }

  updateUser(id, fields) {
    const user = this.users.find(({ _id }) => _id === id);
    if (user === undefined) return null;
    this.#checkUnique({ ...user, ...fields }, user);
    Object.assign(user, fields);
    return { ...user };
  }

  #checkUnique(fields, own) {
    for (const other of this.users) {
      if (other === own || other.tenantId !== fields.tenantId) continue;
      if (other.email === fields.email) throw duplicate('email');
      if (
        fields.openidId !== undefined &&
        other.openidId === fields.openidId &&
        other.openidIssuer === fields.openidIssuer
      )
        throw duplicate('openidId');
    }
  }
}

module.exports = { UserStore, duplicate };
