'use strict';

const { createLog } = require('../../../lib/middleware/log');
const { resolveUser } = require('../../../lib/middleware/user');
const { recordingLogger } = require('../../support/fakes');

const I = 'https://issuer.example';
const SUB = 'subject-1';
const BINDING = { provider: 'openid', openidId: SUB, openidIssuer: I };
const NOTHING = { assign: {}, update: {} };

/**
 * Resolves an identity against scripted lookups: `hits` gives a user for the first filter that JSON-equals
 * its key.
 */
async function resolve(identity, { hits = {}, loginIssuer, ...options } = {}) {
  const { allowUnverifiedEmail = false, allowUsernameAsEmail = false, allowEmailFallback = true } = options;
  const logger = recordingLogger();
  const filters = [];
  const findUser = jest.fn(async (filter) => {
    filters.push(filter);
    return hits[JSON.stringify(filter)] ?? null;
  });
  const resolution = await resolveUser(
    { subject: SUB, issuer: I, ...identity },
    {
      findUser,
      loginIssuer: () => loginIssuer,
      allowEmailFallback,
      allowUnverifiedEmail,
      allowUsernameAsEmail,
      log: createLog(logger),
    },
  );
  expect(findUser.mock.calls.every((args) => args.length === 1)).toBe(true);
  return { ...resolution, filters, lines: logger.lines };
}

const byEmail = JSON.stringify({ email: 'Ada@Example.com' });
const bySub = JSON.stringify({ openidId: SUB, openidIssuer: I });
const byOid = JSON.stringify({ idOnTheSource: 'oid-1', openidIssuer: I });
const email = 'Ada@Example.com';

describe('lookups', () => {
  test('by sub and issuer first, and nothing more after a hit', async () => {
    const user = { _id: 1, openidId: SUB, openidIssuer: I };
    const result = await resolve({ oid: 'oid-1', email }, { hits: { [bySub]: user } });
    expect(result.filters).toEqual([{ openidId: SUB, openidIssuer: I }]);
    expect(result.user).toBe(user);
  });

  test('then by oid and issuer', async () => {
    const user = { _id: 1, openidId: SUB, openidIssuer: I };
    const result = await resolve({ oid: 'oid-1' }, { hits: { [byOid]: user } });
    expect(result.filters).toEqual([
      { openidId: SUB, openidIssuer: I },
      { idOnTheSource: 'oid-1', openidIssuer: I },
    ]);
    expect(result.user).toBe(user);
  });

  test('then, for the login issuer only, users without a stored issuer: absent, null, empty; sub before oid', async () => {
    const result = await resolve({ oid: 'oid-1', email }, { loginIssuer: I });
    expect(result.filters).toEqual([
      { openidId: SUB, openidIssuer: I },
      { idOnTheSource: 'oid-1', openidIssuer: I },
      { openidId: SUB, openidIssuer: { $exists: false } },
      { openidId: SUB, openidIssuer: null },
      { openidId: SUB, openidIssuer: '' },
      { idOnTheSource: 'oid-1', openidIssuer: { $exists: false } },
      { idOnTheSource: 'oid-1', openidIssuer: null },
      { idOnTheSource: 'oid-1', openidIssuer: '' },
      { email },
    ]);
    expect(result).toMatchObject({ user: null });
    expect(result.conflict).toBeUndefined();
  });

  test('another issuer never reaches users without a stored issuer', async () => {
    const result = await resolve({}, { loginIssuer: 'https://login.example' });
    expect(result.filters).toEqual([{ openidId: SUB, openidIssuer: I }]);
  });

  test('the e-mail address is passed verbatim and last', async () => {
    const result = await resolve({ email });
    expect(result.filters.at(-1)).toEqual({ email: 'Ada@Example.com' });
  });

  test.each([
    ['absent', undefined],
    ['empty', ''],
  ])('an oid that is %s is left out', async (_name, oid) => {
    expect((await resolve({ oid })).filters).toEqual([{ openidId: SUB, openidIssuer: I }]);
  });

  test('by e-mail address only where allowEmailFallback is on', async () => {
    const user = { _id: 1, email };
    const result = await resolve({ email }, { hits: { [byEmail]: user }, allowEmailFallback: false });
    expect(result.filters).toEqual([{ openidId: SUB, openidIssuer: I }]);
    expect(result).toMatchObject({ user: null, lines: [] });
  });

  test('without an issuer only the e-mail address is tried', async () => {
    expect((await resolve({ issuer: undefined, email }, { loginIssuer: undefined })).filters).toEqual([{ email }]);
  });

  test('a lookup that rejects is the caller’s to see', async () => {
    const surroundings = {
      findUser: async () => {
        throw new Error('database down');
      },
      loginIssuer: () => undefined,
      allowEmailFallback: true,
      allowUnverifiedEmail: false,
      allowUsernameAsEmail: false,
      log: createLog(recordingLogger()),
    };
    await expect(resolveUser({ subject: SUB, issuer: I }, surroundings)).rejects.toThrow('database down');
  });
});

describe('a user found by identifier', () => {
  const found = (user, options = {}) => resolve({ oid: 'oid-1' }, { hits: { [bySub]: user }, ...options });

  test.each([
    ['equal', I],
    ['equal but for a slash', `${I}/`],
    ['equal as a discovery URL', `${I}/.well-known/openid-configuration`],
  ])('passes unchanged when the stored issuer is %s', async (_name, openidIssuer) => {
    const user = { openidId: SUB, openidIssuer };
    const result = await found(user);
    expect(result).toMatchObject({ user, changes: NOTHING, lines: [] });
  });

  test.each([undefined, null, '', '  '])(
    'without a stored issuer (%j) is bound when the issuer is the login issuer',
    async (openidIssuer) => {
      const user = { openidId: SUB, openidIssuer };
      const result = await found(user, { loginIssuer: I });
      expect(result.user).toBe(user);
      expect(result.changes).toEqual({ assign: { openidIssuer: I }, update: BINDING });
      expect(user.openidIssuer).toBe(openidIssuer);
      expect(result.lines).toEqual([]);
    },
  );

  test.each([
    ['without a stored issuer, when the issuer is not the login issuer', {}, 'https://login.example'],
    ['without a stored issuer, when there is no login issuer', {}, undefined],
    ['with another stored issuer', { openidIssuer: 'https://other.example' }, I],
    ['with an issuer that differs in letter case', { openidIssuer: 'https://ISSUER.example' }, I],
  ])('%s is refused with a warning', async (_name, over, loginIssuer) => {
    const result = await found({ openidId: SUB, ...over }, { loginIssuer });
    expect(result.user).toBeNull();
    expect(result.conflict).toEqual(expect.any(String));
    expect(result.lines).toEqual([['warn', expect.stringContaining('user refused')]]);
  });

  test('by oid without openidId passes and stays unbound', async () => {
    const user = { _id: 1 };
    const result = await resolve({ oid: 'oid-1' }, { hits: { [byOid]: user }, loginIssuer: I });
    expect(result).toMatchObject({ user, changes: NOTHING, lines: [] });
  });

  test('by oid with another openidId of the same issuer passes', async () => {
    const user = { openidId: 'another', openidIssuer: I };
    expect(await resolve({ oid: 'oid-1' }, { hits: { [byOid]: user } })).toMatchObject({ user, changes: NOTHING });
  });

  test('with another provider passes: the provider is looked at on the e-mail path only', async () => {
    const user = { openidId: SUB, openidIssuer: I, provider: 'google' };
    expect(await found(user)).toMatchObject({ user, changes: NOTHING });
  });
});

describe('a user found by e-mail', () => {
  const found = (user, identity = {}, options = {}) =>
    resolve({ email, ...identity }, { hits: { [byEmail]: user }, ...options });

  test.each([
    ['no provider', {}],
    ['the provider openid', { provider: 'openid' }],
    ['an empty provider', { provider: '' }],
  ])('without openidId and with %s will be bound, and is not touched yet', async (_name, over) => {
    const user = { _id: 1, email, ...over };
    const before = { ...user };
    const result = await found(user);
    expect(result.user).toBe(user);
    expect(user).toEqual(before);
    expect(result.changes).toEqual({ assign: BINDING, update: BINDING });
    expect(result.changes.assign).not.toBe(result.changes.update);
    expect(result.lines.map(([level]) => level)).toEqual(['warn', 'info']);
  });

  test.each([
    ['of another provider', { provider: 'google' }],
    ['of the local provider', { provider: 'local' }],
    ['of another provider, though the subject matches', { provider: 'google', openidId: SUB, openidIssuer: I }],
    ['bound to another subject', { openidId: 'another', openidIssuer: I }],
    ['bound to another subject, provider openid', { provider: 'openid', openidId: 'another' }],
    ['bound to the subject under another issuer', { openidId: SUB, openidIssuer: 'https://other.example' }],
    ['bound to the subject without an issuer, which is not the login issuer', { openidId: SUB }],
  ])('%s is refused with a warning', async (_name, user) => {
    const result = await found(user);
    expect(result.user).toBeNull();
    expect(result.conflict).toEqual(expect.any(String));
    expect(result.lines.map(([level]) => level)).toEqual(['warn', 'warn']);
  });

  test('bound to the same subject and issuer passes unchanged', async () => {
    const user = { openidId: SUB, openidIssuer: `${I}/` };
    expect(await found(user)).toMatchObject({ user, changes: NOTHING });
  });

  test('bound to the same subject without an issuer is bound to the login issuer', async () => {
    const result = await found({ openidId: SUB }, {}, { loginIssuer: I });
    expect(result.changes).toEqual({ assign: { openidIssuer: I }, update: BINDING });
  });
});

describe('design 7: an e-mail address that is not verified', () => {
  const user = { _id: 1, email };
  const found = (emailVerified, options = {}) =>
    resolve({ email, emailVerified }, { hits: { [byEmail]: user }, ...options });

  test('never links an account', async () => {
    const result = await found(false);
    expect(result.user).toBeNull();
    expect(result.conflict).toContain('not verified');
  });

  test('links one by option', async () => {
    expect((await found(false, { allowUnverifiedEmail: true })).user).toBe(user);
  });

  test.each([true, undefined])('links when email_verified is %s', async (emailVerified) => {
    expect((await found(emailVerified)).user).toBe(user);
  });

  test('does not lock out an account that is bound to the subject already', async () => {
    const bound = { openidId: SUB, openidIssuer: `${I}/` };
    const result = await resolve({ email, emailVerified: false }, { hits: { [byEmail]: bound } });
    expect(result.user).toBe(bound);
  });

  test('with no such account is simply no user, so that API keys may follow', async () => {
    const result = await resolve({ email, emailVerified: false });
    expect(result.user).toBeNull();
    expect(result.conflict).toBeUndefined();
  });
});

describe('log lines', () => {
  test.each([
    ['found', { [byEmail]: { _id: 1 } }],
    ['not found', {}],
  ])('an e-mail lookup is warned about (%s) without the address or the subject', async (word, hits) => {
    const { lines } = await resolve({ email }, { hits });
    expect(lines[0]).toEqual(['warn', expect.stringContaining(`user looked up by e-mail: ${word}`)]);
    const text = JSON.stringify(lines).toLowerCase();
    expect(text).not.toContain('example.com');
    expect(text).not.toContain(SUB);
    expect(text).toMatch(/email hmac [0-9a-f]{16}, sub hmac [0-9a-f]{16}/);
  });

  test('a configured e-mail claim that is absent is warned about', async () => {
    const { lines } = await resolve({ emailClaim: 'mail', emailClaimProblem: 'absent' });
    expect(lines).toEqual([['warn', expect.stringMatching(/"mail".*not present in userinfo/)]]);
  });

  test('a configured e-mail claim of another type is warned about, naming the type', async () => {
    const { lines } = await resolve({ emailClaim: 'mail', emailClaimProblem: 'object' });
    expect(lines).toEqual([['warn', expect.stringMatching(/"mail".*of type object/)]]);
  });
});
