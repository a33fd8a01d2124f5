'use strict';

// A user of Keycloak may register as `ada@victim.example`: the name is no proof of the address, and must bind nobody's account.

const { SUBJECT, World, expectPassed, expectRefused, isolateEnvironment, knownUser } = require('../parity/world');
const { configOf } = require('../support/fakes');
const { issuerWhileTesting } = require('../support/surroundings');

const VICTIM = 'ada@victim.example';
const BINDING = (issuer) => ({ provider: 'openid', openidId: SUBJECT, openidIssuer: issuer });

isolateEnvironment();
const issuer = issuerWhileTesting();

/** A host with one account that has an address and is bound to nobody. */
function hostWith({ options, account = {}, deps = {} } = {}) {
  const findUser = jest.fn(async ({ email }) =>
    email === VICTIM ? { _id: 'ada', email: VICTIM, role: 'USER', ...account } : null,
  );
  return new World(issuer, { deps: { findUser, ...deps }, options });
}

/** The lines of a refusal: they name the setting and the claim, and never the address. */
function expectNamed(world, claim) {
  const lines = world.logged('warn', 'allowUsernameAsEmail');
  expect(lines.length).toBeGreaterThan(0);
  expect(lines[0][1]).toContain(claim);
  expect(lines[0][1]).toContain('OPENID_EMAIL_CLAIM');
  expect(JSON.stringify(world.logger.lines)).not.toContain('victim');
}

describe('B3 an address from a user name links no unbound account', () => {
  test.each([
    ['preferred_username alone', { preferred_username: VICTIM }, 'preferred_username'],
    ['upn alone', { upn: VICTIM }, 'upn'],
    ['an empty email', { email: '', preferred_username: VICTIM }, 'preferred_username'],
    ['an email of another type', { email: [VICTIM], upn: VICTIM }, 'upn'],
    [
      'email_verified, which speaks of no such claim',
      { email_verified: true, preferred_username: VICTIM },
      'preferred_username',
    ],
    ['email_verified: false beside it', { email_verified: false, preferred_username: VICTIM }, 'preferred_username'],
  ])('B3 %s: 401, nothing written, no API key tried', async (_name, claims, claim) => {
    for (const apiKey of [true, false]) {
      const world = hostWith().configure({ apiKey });
      expectRefused(world, await world.send(world.token(claims)));
      expectNamed(world, claim);
    }
  });

  test.each(['email', 'mail', ' '])('B3 OPENID_EMAIL_CLAIM=%j vouches for no other claim', async (name) => {
    process.env.OPENID_EMAIL_CLAIM = name;
    const world = hostWith();
    expectRefused(world, await world.send(world.token({ preferred_username: VICTIM })));
  });

  test('B3 allowUnverifiedEmail is not that permission', async () => {
    const world = hostWith({ options: { allowUnverifiedEmail: true } });
    expectRefused(world, await world.send(world.token({ preferred_username: VICTIM, email_verified: false })));
    expectNamed(world, 'preferred_username');
  });
});

describe('B3 what links as before', () => {
  const linked = async (world, claims) => {
    expectPassed(await world.send(world.token(claims)));
    expect(world.deps.updateUser.mock.calls).toEqual([['ada', BINDING(issuer.url)]]);
  };

  test('B3 the claim email, whatever other names there are', async () => {
    await linked(hostWith(), { email: VICTIM, preferred_username: 'somebody', upn: 'else@example.com' });
    process.env.OPENID_EMAIL_CLAIM = 'mail';
    await linked(hostWith(), { email: VICTIM, preferred_username: 'somebody' });
  });

  test.each(['preferred_username', 'upn', 'work_mail'])(
    'B3 the claim %s, where OPENID_EMAIL_CLAIM names it',
    async (name) => {
      process.env.OPENID_EMAIL_CLAIM = ` ${name} `;
      await linked(hostWith(), { [name]: VICTIM });
    },
  );

  test.each(['preferred_username', 'upn'])('B3 the claim %s, with allowUsernameAsEmail', async (name) => {
    await linked(hostWith({ options: { allowUsernameAsEmail: true } }), { [name]: VICTIM });
  });

  test('B3 allowUsernameAsEmail does not lift email_verified: false', async () => {
    const world = hostWith({ options: { allowUsernameAsEmail: true } });
    expectRefused(world, await world.send(world.token({ preferred_username: VICTIM, email_verified: false })));
    expect(world.logged('warn', 'email_verified').length).toBeGreaterThan(0);
  });

  test('B3 an address nobody has is no user: API keys follow as ever, or 401', async () => {
    const world = hostWith();
    const result = await world.send(world.token({ preferred_username: 'new@victim.example' }));
    expectPassed(result);
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
    expect(world.logged('warn', 'no matching LibreChat user')).toHaveLength(1);
  });

  test('B3 an account that is bound already is found by its subject, and by oid', async () => {
    const bound = new World(issuer, { deps: { findUser: jest.fn(async () => knownUser(issuer)) } });
    expectPassed(await bound.send(bound.token({ preferred_username: VICTIM })));
    const findUser = jest.fn(async ({ idOnTheSource }) => (idOnTheSource === 'oid-1' ? knownUser(issuer) : null));
    const byOid = new World(issuer, { deps: { findUser } });
    expectPassed(await byOid.send(byOid.token({ preferred_username: VICTIM, oid: 'oid-1' })));
  });

  test('B3 an account of another sign-in or subject is refused as ever', async () => {
    for (const account of [{ provider: 'google' }, { openidId: 'another', openidIssuer: issuer.url }]) {
      const world = hostWith({ account });
      expectRefused(world, await world.send(world.token({ preferred_username: VICTIM })));
      expect(world.logged('warn', 'allowUsernameAsEmail')).toHaveLength(0);
    }
  });
});

describe('B3 one tenant of Entra ID vouches for its user names', () => {
  const TENANT = '11111111-1111-4111-8111-111111111111';
  /** What becomes of an unbound account under an issuer whose keys are on this machine. */
  const under = async (url, claim = 'preferred_username') => {
    const world = hostWith();
    const oidc = { enabled: true, issuer: url, audience: 'agents', jwksUri: issuer.jwksUri };
    world.configs.base = configOf({ apiKey: { enabled: false }, oidc });
    const { next, req } = await world.send(world.token({ iss: url, [claim]: VICTIM }));
    expect(world.logged('error')).toEqual([]);
    return next.mock.calls.length === 1 && req.user !== undefined;
  };

  test.each([
    [`https://login.microsoftonline.com/${TENANT}/v2.0`],
    [`https://login.microsoftonline.us/${TENANT}/v2.0`],
    [`https://login.partner.microsoftonline.cn/${TENANT}/v2.0`],
    [`https://sts.windows.net/${TENANT}/`],
    [`https://sts.chinacloudapi.cn/${TENANT}/`],
  ])('B3 %s links', async (url) => {
    expect(await under(url)).toBe(true);
    expect(await under(url, 'upn')).toBe(true);
  });

  test.each([
    ['https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0'],
    // All private Microsoft accounts.
    ['https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0'],
    ['https://login.microsoftonline.com/common/v2.0'],
    ['https://login.microsoftonline.com/organizations/v2.0'],
    ['https://login.microsoftonline.com/consumers/v2.0'],
    [`https://login.microsoftonline.com/${TENANT}`],
    [`https://login.microsoftonline.com/${TENANT}/v2.0/x`],
    [`https://login.microsoftonline.com/${TENANT}/v2.0?x=1`],
    [`https://login.microsoftonline.com:8443/${TENANT}/v2.0`],
    [`https://login.microsoftonline.com.evil.example/${TENANT}/v2.0`],
    [`https://login.microsoftonline.com@evil.example/${TENANT}/v2.0`],
    [`https://evil.example/login.microsoftonline.com/${TENANT}/v2.0`],
    [`https://loginxmicrosoftonline.com/${TENANT}/v2.0`],
    [`https://xlogin.microsoftonline.com/${TENANT}/v2.0`],
    [`https://sts.windows.net/${TENANT}/v2.0`],
    [`https://contoso.ciamlogin.com/${TENANT}/v2.0`],
    [`https://contoso.b2clogin.com/${TENANT}/v2.0`],
  ])('B3 %s does not', async (url) => {
    expect(await under(url)).toBe(false);
  });
});
