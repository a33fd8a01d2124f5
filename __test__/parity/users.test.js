'use strict';

// LibreChat's suite of the user lookup and its helpers (scenarios 114 to 142 and 145 to 150), through the adapter's functions
// of the same names.

process.env.LOG_TO_FILE = 'false';

const { logger } = require('@librechat/data-schemas');
const { findOpenIDUser, getOpenIdEmail, getOpenIdIssuer, normalizeOpenIdIssuer } = require('./librechat');
const { Issuer, World, isolateEnvironment, knownUser } = require('./world');

const ISSUER = 'https://issuer.example.com';
const LOGIN = 'https://login.example.com';

isolateEnvironment();
let findUser;
beforeEach(() => {
  findUser = jest.fn(async () => null);
  for (const level of ['debug', 'info', 'warn', 'error']) jest.spyOn(logger, level).mockImplementation(() => logger);
});
afterEach(() => jest.restoreAllMocks());

/** A lookup that finds the user for the filters a test accepts. */
const finds = (accept, user) =>
  findUser.mockImplementation(async (filter) => (accept(filter) ? { _id: 'user-1', ...user } : null));
const find = (over) =>
  findOpenIDUser({ findUser, email: 'ada@example.com', openidId: 'sub', openidIssuer: ISSUER, ...over });
const filters = () => findUser.mock.calls.map(([filter]) => filter);
const warnings = () => logger.warn.mock.calls.map(([line]) => String(line));
const byEmail = (filter) => 'email' in filter;

describe('issuers', () => {
  test.each([
    ['', undefined],
    ['   ', undefined],
    [`${ISSUER}/`, ISSUER],
    [`${ISSUER}/.well-known/openid-configuration`, ISSUER],
    [`${ISSUER}/.well-known/openid-configuration/`, ISSUER],
    [`${ISSUER}/realms/a`, `${ISSUER}/realms/a`],
  ])('[114] "%s" in normal form is %s', (issuer, normal) => {
    expect(normalizeOpenIdIssuer(issuer)).toBe(normal);
  });

  test('[115] the token’s iss, then the metadata’s issuer, then the environment’s, normalised', () => {
    process.env.OPENID_ISSUER = `${LOGIN}/`;
    const metadata = { serverMetadata: () => ({ issuer: 'https://metadata.example.com/' }) };
    expect(getOpenIdIssuer({ iss: `${ISSUER}/` }, metadata)).toBe(ISSUER);
    expect(getOpenIdIssuer({}, metadata)).toBe('https://metadata.example.com');
    expect(getOpenIdIssuer({}, undefined)).toBe(LOGIN);
  });
});

describe('found by identifier', () => {
  const bound = { openidId: 'sub', openidIssuer: ISSUER, provider: 'openid' };

  test('[116] by subject: one plain condition, and the lookup is counted as found', async () => {
    finds((filter) => filter.openidId === 'sub', bound);
    expect(await find()).toMatchObject({ user: bound, error: null, migration: false });
    expect(findUser.mock.calls).toEqual([[{ openidId: 'sub', openidIssuer: ISSUER }]]);
    expect(await measured(async (filter, issuer) => knownUser(issuer))).toEqual(['found']);
  });

  test('[117] by oid: the second condition', async () => {
    finds((filter) => filter.idOnTheSource === 'oid', { idOnTheSource: 'oid', openidIssuer: ISSUER });
    expect((await find({ idOnTheSource: 'oid' })).user).toMatchObject({ idOnTheSource: 'oid' });
    expect(filters()).toEqual([
      { openidId: 'sub', openidIssuer: ISSUER },
      { idOnTheSource: 'oid', openidIssuer: ISSUER },
    ]);
  });

  test('[118] both given, the subject is enough', async () => {
    finds((filter) => filter.openidId === 'sub', bound);
    await find({ idOnTheSource: 'oid' });
    expect(findUser).toHaveBeenCalledTimes(1);
  });

  test('[119] an issuer with a trailing slash is normalised in the filter', async () => {
    await find({ openidIssuer: `${ISSUER}/`, email: undefined });
    expect(filters()).toEqual([{ openidId: 'sub', openidIssuer: ISSUER }]);
  });

  test.each([
    ['[120] as it is', LOGIN],
    ['[121] as its discovery URL', `${LOGIN}/.well-known/openid-configuration`],
  ])('%s: a user without issuer belongs to the login issuer and is bound', async (_title, configured) => {
    process.env.OPENID_ISSUER = configured;
    finds((filter) => typeof filter.openidIssuer === 'object' && filter.openidIssuer !== null, { openidId: 'sub' });
    const { user, error, migration } = await find({ openidIssuer: LOGIN });
    expect({ error, migration }).toEqual({ error: null, migration: true });
    expect(user.openidIssuer).toBe(LOGIN);
    expect(filters()[1]).toEqual({ openidId: 'sub', openidIssuer: { $exists: false } });
  });

  test('[122] without an issuer only the e-mail is looked up', async () => {
    await find({ openidIssuer: undefined });
    expect(filters()).toEqual([{ email: 'ada@example.com' }]);
  });

  test('[125] without an e-mail only the identifier is', async () => {
    expect(await find({ email: undefined })).toMatchObject({ user: null, error: null });
    expect(findUser).toHaveBeenCalledTimes(1);
  });
});

describe('found by e-mail', () => {
  test('[123] with the same binding: the user, nothing to migrate', async () => {
    finds(byEmail, { openidId: 'sub', openidIssuer: ISSUER, provider: 'openid' });
    expect(await find()).toMatchObject({ user: { openidId: 'sub' }, error: null, migration: false });
    expect(findUser).toHaveBeenCalledTimes(2);
  });

  test('[124] nobody: null after two lookups', async () => {
    expect(await find()).toMatchObject({ user: null, error: null, migration: false });
    expect(findUser).toHaveBeenCalledTimes(2);
  });

  test.each([
    ['[126] a Google account', { provider: 'google' }],
    ['[127] bound to another subject', { openidId: 'other', openidIssuer: ISSUER }],
    [
      '[129] bound to another issuer',
      { openidId: 'sub', openidIssuer: 'https://other.example.com', provider: 'openid' },
    ],
    ['[130] without an issuer, and this is not the login issuer', { openidId: 'sub', provider: 'openid' }],
    ['[133] an OpenID account of another subject', { openidId: 'other', provider: 'openid' }],
    ['[134] no provider, another subject', { openidId: 'other' }],
  ])('%s: an error', async (_title, stored) => {
    process.env.OPENID_ISSUER = LOGIN;
    finds(byEmail, { email: 'ada@example.com', ...stored });
    expect(await find()).toMatchObject({ user: null, error: 'auth_failed', migration: false });
  });

  test('[128] bound to the same subject: the user', async () => {
    finds(byEmail, { openidId: 'sub', openidIssuer: `${ISSUER}/`, provider: 'openid' });
    expect(await find()).toMatchObject({ user: { openidId: 'sub' }, error: null });
  });

  test.each(['[131] subject and provider are set', '[132] the issuer with them'])(
    'without a binding: %s on the user',
    async () => {
      finds(byEmail, { email: 'ada@example.com', provider: 'openid' });
      const { user, error, migration } = await find();
      expect({ error, migration }).toEqual({ error: null, migration: true });
      expect(user).toMatchObject({ provider: 'openid', openidId: 'sub', openidIssuer: ISSUER });
    },
  );

  test('[135] a strategy’s name stands in the warning’s prefix', async () => {
    await find({ strategyName: 'myStrategy' });
    expect(warnings()).toEqual([expect.stringContaining('[myStrategy]')]);
  });

  test('[136] without one it is openid', async () => {
    await find();
    expect(warnings()).toEqual([expect.stringContaining('[openid]')]);
  });
});

describe('edges', () => {
  test('[137] neither subject nor issuer: nobody is asked for', async () => {
    expect(await find({ openidId: '', openidIssuer: undefined, email: undefined })).toMatchObject({
      user: null,
      error: null,
    });
    expect(findUser).not.toHaveBeenCalled();
  });

  test('[138] an empty oid is left out', async () => {
    await find({ idOnTheSource: '', email: undefined });
    expect(filters()).toEqual([{ openidId: 'sub', openidIssuer: ISSUER }]);
  });

  test('[139] both identifiers empty: one lookup, by e-mail', async () => {
    await find({ openidId: '', idOnTheSource: '' });
    expect(filters()).toEqual([{ email: 'ada@example.com' }]);
  });

  test('[140] an e-mail in mixed case is passed on as it is', async () => {
    await find({ email: 'Ada@Example.COM' });
    expect(filters().at(-1)).toEqual({ email: 'Ada@Example.COM' });
  });

  test('[141] a lookup that rejects, rejects, and is counted as an error', async () => {
    findUser.mockRejectedValue(new Error('database down'));
    await expect(find()).rejects.toThrow('database down');
    const failing = async () => {
      throw new Error('database down');
    };
    expect(await measured(failing)).toEqual(['error']);
  });

  test('[142] an empty subject does not match an account that has one', async () => {
    finds(byEmail, { email: 'ada@example.com', openidId: 'sub', openidIssuer: ISSUER });
    expect(await find({ openidId: '' })).toMatchObject({ user: null, error: 'auth_failed' });
  });
});

/** What the middleware reports of its lookups, for a findUser. */
async function measured(find) {
  const issuer = await new Issuer().start();
  const results = [];
  const deps = {
    findUser: (filter) => find(filter, issuer),
    onUserLookup: (result, seconds) => {
      expect(seconds).toBeGreaterThanOrEqual(0);
      results.push(result);
    },
  };
  const world = new World(issuer, { deps });
  await world.send(world.token());
  await issuer.stop();
  return results;
}

describe('the e-mail of a token', () => {
  const claims = { email: 'a@email.example', preferred_username: 'a@preferred.example', upn: 'a@upn.example' };

  test('[145] is its email', () => {
    expect(getOpenIdEmail(claims)).toBe('a@email.example');
  });

  test('[146] is undefined without any', () => {
    expect(getOpenIdEmail({})).toBeUndefined();
  });

  test('[147] is the next one where email is empty', () => {
    expect(getOpenIdEmail({ ...claims, email: '' })).toBe('a@preferred.example');
  });

  test('[148] is what OPENID_EMAIL_CLAIM names', () => {
    process.env.OPENID_EMAIL_CLAIM = 'upn';
    expect(getOpenIdEmail(claims)).toBe('a@upn.example');
  });

  test('[149] is its email where the named claim is missing, with a warning', () => {
    process.env.OPENID_EMAIL_CLAIM = 'work_mail';
    expect(getOpenIdEmail(claims)).toBe('a@email.example');
    expect(warnings()).toEqual([expect.stringContaining('not present in userinfo')]);
  });

  test('[150] is its email where the named claim is a list, with a warning that says so', () => {
    process.env.OPENID_EMAIL_CLAIM = 'work_mail';
    expect(getOpenIdEmail({ ...claims, work_mail: ['a@work.example'] })).toBe('a@email.example');
    expect(warnings()).toEqual([expect.stringContaining('object')]);
  });
});
