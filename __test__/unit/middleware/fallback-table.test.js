'use strict';

// Who answers, and how, for every cause: response mode x fallback option x API keys x cause. Row S36. The table is
// written from docs/options.md and docs/requests.md; the defaults' rows are LibreChat's.

const { Http, Issuer, SUBJECT, World, clearRemoteAgentAuthCache, knownUser } = require('../../parity/world');
const { score } = require('../../support/score');

let issuer;
let dead;

beforeAll(async () => {
  clearRemoteAgentAuthCache();
  issuer = await new Issuer().start();
  dead = await new Http().start();
  await dead.stop();
});
afterAll(() => issuer.stop());

const KEY = 'API key';
const throwing = async () => {
  throw new Error('down');
};

/**
 * Each cause, how to bring it about, and the status where no API key is tried: LibreChat's and the standard one.
 * `fallback`: whether API keys are tried where they are on: `always`, `jwt` (unless fallbackOnInvalidToken is off, a JWT being
 * what came), or never.
 */
const CAUSES = [
  { cause: 'OIDC off', oidc: null, librechat: 401, standard: 401, fallback: 'always' },
  { cause: 'OIDC without an issuer', oidc: { issuer: '' }, librechat: 500, standard: 500 },
  { cause: 'no token', token: () => undefined, librechat: 401, standard: 401, fallback: 'always' },
  { cause: 'an opaque token', token: () => 'sk-opaque', librechat: 401, standard: 401, fallback: 'always' },
  { cause: 'an expired token', claims: { exp: 1 }, librechat: 401, standard: 401, fallback: 'jwt' },
  { cause: 'two dots and no more', token: () => 'a.b.c', librechat: 401, standard: 401, fallback: 'jwt' },
  {
    cause: 'a forged token',
    token: () => `${issuer.token().slice(0, -8)}AAAAAAAA`,
    librechat: 401,
    standard: 401,
    fallback: 'jwt',
  },
  {
    cause: 'a scope claim of the wrong type',
    oidc: { scope: 'a' },
    claims: { scp: 7 },
    librechat: 401,
    standard: 401,
    fallback: 'jwt',
  },
  { cause: 'a provider that cannot be reached', unreachable: true, librechat: 401, standard: 503, fallback: 'jwt' },
  {
    cause: 'a policy that cannot be used',
    oidc: { jwksUri: 'ftp://x' },
    librechat: 401,
    standard: 401,
    fallback: 'jwt',
  },
  { cause: 'a missing scope', oidc: { scope: 'a' }, librechat: 401, standard: 403 },
  { cause: 'no subject', claims: { sub: ' ' }, librechat: 401, standard: 401 },
  { cause: 'a lookup that fails', deps: { findUser: throwing }, librechat: 500, standard: 500 },
  { cause: 'a user in conflict', user: { openidIssuer: 'https://other.example' }, librechat: 401, standard: 401 },
  { cause: 'no user', user: null, librechat: 401, standard: 401, fallback: 'jwt' },
  { cause: 'OIDC off for the user', tenant: null, librechat: 401, standard: 401 },
  { cause: 'no audience for the user', tenant: { audience: '' }, librechat: 500, standard: 500 },
  { cause: 'another audience for the user', tenant: { audience: 'other' }, librechat: 401, standard: 401 },
  { cause: 'a missing scope for the user', tenant: { scope: 'b' }, librechat: 401, standard: 403 },
  { cause: 'an account being deleted', deps: { isPrincipalActive: async () => false }, librechat: 409, standard: 409 },
  {
    cause: 'an update that fails',
    user: { role: null },
    deps: { updateUser: throwing },
    librechat: 500,
    standard: 500,
  },
  { cause: 'nothing', librechat: 200, standard: 200 },
];

const TABLE = CAUSES.flatMap((row) =>
  ['librechat', 'standard'].flatMap((responses) =>
    [undefined, true, false].flatMap((fallbackOnInvalidToken) =>
      [true, false].map((apiKeys) => ({ ...row, responses, fallbackOnInvalidToken, apiKeys })),
    ),
  ),
);

/** The rule of docs/options.md, in one place. */
function expectedOf({ responses, fallbackOnInvalidToken = responses === 'librechat', apiKeys, fallback, ...row }) {
  if (apiKeys && (fallback === 'always' || (fallback === 'jwt' && fallbackOnInvalidToken))) return KEY;
  return row[responses];
}

async function outcomeOf({
  oidc,
  token,
  claims,
  unreachable,
  user = {},
  tenant,
  deps,
  responses,
  fallbackOnInvalidToken,
  apiKeys,
}) {
  const options = {
    responses,
    tenantConflict: 'allow',
    ...(fallbackOnInvalidToken === undefined ? {} : { fallbackOnInvalidToken }),
  };
  const world = new World(issuer, { deps, options });
  world.configure({ apiKey: apiKeys, oidc: unreachable ? { jwksUri: `${dead.url}/keys` } : oidc });
  if (tenant !== undefined) world.configure({ tenant: 'acme', oidc: tenant });
  if (deps?.findUser === undefined) {
    const over = { ...user, ...(tenant === undefined ? {} : { tenantId: 'acme' }) };
    world.deps.findUser.mockImplementation(async () => (user === null ? null : knownUser(issuer, over)));
  }
  world.deps.apiKeyMiddleware.mockImplementation((_req, res) => res.status(299).json({}));
  const { sent, next, req } = await world.send(
    token === undefined ? issuer.token({ sub: SUBJECT, ...claims }) : token(),
  );
  const asked = world.deps.apiKeyMiddleware.mock.calls.length;
  if (next.mock.calls.length + sent.length !== 1 || asked > 1) return 'more than one answer';
  if (asked === 1) return sent[0].status === 299 ? KEY : 'an answer after the API key';
  if (next.mock.calls.length === 1) return req.user === undefined ? 'passed without a user' : 200;
  return sent[0].status;
}

test.each(TABLE)(
  '$cause, responses $responses, fallbackOnInvalidToken $fallbackOnInvalidToken, API keys $apiKeys',
  async (row) => {
    expect(await outcomeOf(row)).toBe(expectedOf(row));
  },
);

test('the whole table', async () => {
  const outcomes = await Promise.all(TABLE.map(outcomeOf));
  const wrong = TABLE.filter((row, index) => outcomes[index] !== expectedOf(row)).length;
  score('S36', `${TABLE.length} rows, ${wrong} wrong`, '0 wrong', wrong === 0 && TABLE.length >= 200);
});
