'use strict';

// What tools and placeholders make of our req.user (scenarios 360 to 379). The consumer below does with it what LibreChat's token
// utilities do; the user is the one the middleware has really set.

const { toolIdentity } = require('../..');
const { knownUser, suiteIssuer, World } = require('./world');

const issuer = suiteIssuer();
let world;

beforeEach(() => {
  world = new World(issuer, { options: { policy: { requireExp: false } } });
});

const now = () => Math.floor(Date.now() / 1000);

/** The user on the request after a good token with these claims. */
async function authenticated(claims = {}, over = {}) {
  world.deps.findUser.mockImplementation(async () => knownUser(issuer, { name: 'Ada', ...over }));
  const token = world.token(claims);
  const { req } = await world.send(token);
  return { user: req.user, token };
}

// ---- the consumer

const configurable = (user) => ({ user_id: 'api-user', ...toolIdentity(user), userMCPAuthMap: {} });

function tokenInfo(user) {
  if (!user || (user.provider !== 'openid' && !user.openidId)) return null;
  const tokens = user.federatedTokens ?? {};
  return {
    accessToken: tokens.access_token,
    idToken: tokens.id_token,
    expiresAt: tokens.expires_at,
    userId: user.openidId || user.id,
    userEmail: user.email,
    userName: user.name,
  };
}

function isValid(info) {
  if (!info?.accessToken) return false;
  return !info.expiresAt || now() < info.expiresAt;
}

const FIELDS = {
  TOKEN: 'accessToken',
  ACCESS_TOKEN: 'accessToken',
  ID_TOKEN: 'idToken',
  USER_ID: 'userId',
  USER_EMAIL: 'userEmail',
  USER_NAME: 'userName',
};
function fill(text, info) {
  if (typeof text !== 'string' || !info) return text;
  return text.replace(/\{\{LIBRECHAT_OPENID_(\w+)\}\}/g, (whole, name) =>
    name in FIELDS ? (info[FIELDS[name]] ?? '') : whole,
  );
}

// ---- tools

describe('the configuration of a tool run', () => {
  test('[360] has user and id, and of the user only what is safe', async () => {
    const { user, token } = await authenticated();
    const { user: safe, user_id: id } = configurable(user);
    expect(id).toBe('user-1');
    expect(safe).toMatchObject({ id: 'user-1', role: 'USER', federatedTokens: { access_token: token } });
    expect(safe).not.toHaveProperty('_id');
    expect(safe).not.toHaveProperty('openidIssuer');
  });

  test.each([
    ['[361] no user', undefined],
    ['[362] null', null],
    ['[363] a user without an id', { email: 'ada@example.com' }],
  ])('%s: has neither, and the default further out stays', (_title, user) => {
    expect(toolIdentity(user)).toEqual({});
    expect(configurable(user)).toEqual({ user_id: 'api-user', userMCPAuthMap: {} });
  });
});

describe('token information', () => {
  test('[364] comes from federatedTokens', async () => {
    const exp = now() + 60;
    const { user, token } = await authenticated({ exp });
    expect(tokenInfo(user)).toEqual({
      accessToken: token,
      idToken: undefined,
      expiresAt: exp,
      userId: 'sub-1',
      userEmail: 'ada@example.com',
      userName: 'Ada',
    });
  });

  test('[365] of nobody is none', () => {
    expect(tokenInfo(undefined)).toBeNull();
  });

  test('[366] of a user of an API key is none', async () => {
    world.configure({ oidc: null });
    world.deps.apiKeyMiddleware.mockImplementation((req, res, next) => {
      req.user = { id: 'key-user', provider: 'local' };
      next();
    });
    const { req } = await world.send('sk-1');
    expect(tokenInfo(req.user)).toBeNull();
  });

  test('[367] of an OpenID user without tokens has no access token', async () => {
    const { user } = await authenticated();
    delete user.federatedTokens;
    expect(tokenInfo(user)).toMatchObject({ accessToken: undefined, userId: 'sub-1' });
  });

  test('[368] without an end keeps what there is', async () => {
    const { user, token } = await authenticated({ exp: undefined });
    expect(tokenInfo(user)).toMatchObject({ accessToken: token, expiresAt: undefined });
  });

  test('[369] names the subject rather than our own id', async () => {
    const { user } = await authenticated();
    expect([user.id, tokenInfo(user).userId]).toEqual(['user-1', 'sub-1']);
  });

  test('[370] names our own id where there is no subject', async () => {
    const { user } = await authenticated({ oid: 'oid-1' }, { openidId: undefined, idOnTheSource: 'oid-1' });
    expect(tokenInfo(user).userId).toBe('user-1');
  });
});

describe('the token’s validity', () => {
  test('[371] nothing is not valid', () => {
    expect(isValid(null)).toBe(false);
  });

  test('[372] nor is a user without a token', async () => {
    const { user } = await authenticated();
    user.federatedTokens = {};
    expect(isValid(tokenInfo(user))).toBe(false);
  });

  test('[373] a token without an end is', async () => {
    const { user } = await authenticated({ exp: undefined });
    expect(isValid(tokenInfo(user))).toBe(true);
  });

  test('[374] [375] [376] [377] before its end it is, at its end and after it no more', async () => {
    const exp = now() + 60;
    const { user } = await authenticated({ exp });
    const clock = jest.spyOn(Date, 'now');
    const at = (seconds) => {
      clock.mockReturnValue(seconds * 1000);
      return isValid(tokenInfo(user));
    };
    expect([at(exp - 60), at(exp - 1), at(exp), at(exp + 1)]).toEqual([true, true, false, false]);
    clock.mockRestore();
  });
});

describe('placeholders', () => {
  test('[378] are filled from the user, and nothing else is touched', async () => {
    const { user, token } = await authenticated();
    const info = tokenInfo(user);
    const P = (name) => `{{LIBRECHAT_OPENID_${name}}}`;
    const cases = [
      [`Bearer ${P('TOKEN')}`, `Bearer ${token}`],
      [P('ACCESS_TOKEN'), token],
      [P('ID_TOKEN'), ''],
      [P('USER_ID'), 'sub-1'],
      [P('USER_EMAIL'), 'ada@example.com'],
      [P('USER_NAME'), 'Ada'],
      [`${P('USER_ID')} ${P('USER_NAME')} ${P('USER_ID')}`, 'sub-1 Ada sub-1'],
      ['none', 'none'],
      ['{{librechat_openid_token}}', '{{librechat_openid_token}}'],
    ];
    expect(cases.map(([text]) => fill(text, info))).toEqual(cases.map(([, filled]) => filled));
    expect(fill(P('TOKEN'), null)).toBe(P('TOKEN'));
    expect(fill(7, info)).toBe(7);
  });

  test('[379] from the request to the header a tool sends', async () => {
    const header = (user) => {
      const info = tokenInfo(user);
      return isValid(info) ? fill('Bearer {{LIBRECHAT_OPENID_TOKEN}}', info) : undefined;
    };
    const { user, token } = await authenticated();
    expect(header(user)).toBe(`Bearer ${token}`);
    user.federatedTokens.expires_at = now() - 1;
    expect(header(user)).toBeUndefined();
    delete user.federatedTokens;
    expect(header(user)).toBeUndefined();
    expect(header(undefined)).toBeUndefined();
    expect(header({ id: 'key-user', provider: 'local' })).toBeUndefined();
  });
});
