'use strict';

// The user name of a service account is no address: nobody is looked up by it.

const { SUBJECT, World, expectAnswered, expectPassed, U, isolateEnvironment } = require('../parity/world');
const { issuerWhileTesting } = require('../support/surroundings');
const { findOpenIDUser } = require('remote-agent-auth/librechat');

isolateEnvironment();
const issuer = issuerWhileTesting();

const NO_ADDRESS = [
  'service-account-x',
  'ada',
  '@',
  'ada@',
  '@example.com',
  'ada@b@example.com',
  'ada b@example.com',
  'ada@exa mple.com',
  'ada\u0000@example.com',
  'ada\n@example.com',
  'https://example.com/ada',
  'system:serviceaccount:ns:agent',
  'CN=ada,O=x',
  'DOMAIN\\ada',
  '+49 89 123456',
];
const ADDRESS = [
  'ada@example.com',
  'Ada@Example.COM',
  ' ada@example.com ',
  'ada@localhost',
  "o'hara+x@sub.example.co.uk",
  'ä@münchen.example',
];

/** The addresses users are looked up by. */
async function asked(claims) {
  const world = new World(issuer, { deps: { findUser: jest.fn(async () => null) } }).configure({ apiKey: false });
  expectAnswered(await world.send(world.token(claims)), 401, U);
  expect(world.logged('warn', 'no matching LibreChat user')).toHaveLength(1);
  return world.deps.findUser.mock.calls.flatMap(([filter]) => ('email' in filter ? [filter.email] : []));
}

describe('B4 what is not of the form local@domain is no address', () => {
  test.each(NO_ADDRESS)('B4 %j: no look-up by e-mail, whichever claim says it', async (name) => {
    for (const claim of ['preferred_username', 'upn', 'email']) expect(await asked({ [claim]: name })).toEqual([]);
    process.env.OPENID_EMAIL_CLAIM = 'mail';
    expect(await asked({ mail: name, email: 'ada@example.com' })).toEqual([]);
  });

  test.each(ADDRESS)('B4 %j is one, and is asked for as it stands', async (address) => {
    expect(await asked({ email: address })).toEqual([address]);
    expect(await asked({ preferred_username: address })).toEqual([address]);
  });

  test('B4 a service account is passed to the API keys as an unknown user', async () => {
    const world = new World(issuer, { deps: { findUser: jest.fn(async () => null) } });
    expectPassed(await world.send(world.token({ preferred_username: 'service-account-x' })));
    expect(world.deps.apiKeyMiddleware).toHaveBeenCalledTimes(1);
    expect(world.deps.findUser.mock.calls).toEqual([[{ openidId: SUBJECT, openidIssuer: issuer.url }]]);
  });

  test('B4 findOpenIDUser asks for none either', async () => {
    const findUser = jest.fn(async () => null);
    const lookup = { findUser, email: 'service-account-x', openidId: 'sub', openidIssuer: 'https://issuer.example' };
    expect(await findOpenIDUser(lookup)).toEqual({ user: null, error: null, migration: false });
    expect(findUser.mock.calls).toEqual([[{ openidId: 'sub', openidIssuer: 'https://issuer.example' }]]);
  });
});
