'use strict';

// docs/providers/keycloak.md, followed to the letter, leads to a token that is accepted. `npm run providers` runs its commands against a
// real Keycloak; here: that it says each thing that was found missing, and that log, codes and tokens are as it says.

const { execFileSync } = require('node:child_process');
const { RemoteTokenVerifier, createRemoteAgentAuth } = require('../..');
const { commandsOf, policyOf } = require('../../scripts/providers/keycloak/page');
const { bareResponse, configOf, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');
const { read } = require('../support/markdown');

const page = read('docs/providers/keycloak.md');
const [password, credentials, setUp] = commandsOf(page);

describe('E the page says', () => {
  test.each([
    ['what a user needs', /Account is not fully set up.*\| the user lacks e-mail address, first name or last name/],
    ['that an administrator’s user is not verified', /administrator's users are not verified[^]*email_verified: false/],
    ['that echo sends a newline', /written by `echo` has a newline[^\n]*`printf`/],
    [
      'that a lightweight token lacks aud first, then sub',
      /lightweight token[^\n]*`ERR_TOKEN_AUDIENCE`[^\n]*brings `aud` back, and then `sub`/,
    ],
    ['what the log says of a missing scope', /`ERR_SCOPE_MISSING` \| `OIDC token lacks a required scope/],
    ['what the log says of a missing subject', /`ERR_TOKEN_SUBJECT` \| `OIDC token refused, reason: missing_sub_claim/],
    ['what a service account needs', /Give that account an address and `emailVerified`/],
    ['that the password example needs a public client', /a \*\*public\*\* client[^]*unauthorized_client/],
    ['what to do where the public issuer cannot be reached', /name the keys'\s+inner address:\s+`jwksUri/],
    ['which mappers write a member twice', /named `sid`, `allowed-origins`, `resource_access` or `realm_access`/],
    ['that ID tokens are refused by typ: preferred', /`typ: 'preferred'` refuses ID tokens/],
  ])('%s', (_what, words) => expect(page).toMatch(words));

  test('and the index, that Better Auth needs its algorithm named', () => {
    expect(read('docs/providers/README.md')).toMatch(
      /\*\*Better Auth\*\* signs with EdDSA[^\n]*`policy: \{ algorithms: \['EdDSA'\] \}`/,
    );
  });
});

describe('E its commands', () => {
  test('are there: a token by password, one by credentials, and all that is set up before', () => {
    expect(commandsOf(page)).toHaveLength(3);
    expect(password).toContain('grant_type=password');
    expect(credentials).toContain('grant_type=client_credentials');
    for (const text of commandsOf(page)) execFileSync('bash', ['-n'], { input: text, stdio: 'pipe' });
  });

  test('set up what the configuration asks for, and write no newline into a password', () => {
    const { audience, scope } = policyOf(page);
    expect(setUp).toContain(`included.custom.audience"=${audience}'`);
    expect(setUp).toContain(`-s name=${scope} `);
    expect(setUp).not.toMatch(/\becho\b/);
    for (const file of ['password.txt', 'secret.txt'])
      expect(setUp).toMatch(new RegExp(`^printf %s "[^\n]*" > ${file}$`, 'm'));
    for (const needed of ['email=ada@', 'emailVerified=true', 'firstName=', 'lastName='])
      expect(setUp).toContain(`-s ${needed}`);
    expect(setUp).toMatch(/clientId=agents-cli -s publicClient=true[^]*directAccessGrantsEnabled=true/);
    expect(setUp).toMatch(/update users\/\$ACCOUNT [^\n]*-s email=\S+ -s emailVerified=true/);
  });
});

describe('E the log', () => {
  let issuer;
  beforeAll(async () => {
    issuer = await new Issuer().start();
  });
  afterAll(() => issuer.stop());

  /** The code of verifyRemoteToken, then the line of the middleware's log and the code beside it. @param {object} claims @param {object} [more] */
  async function seen(claims, { scope = 'agents:use', ...added } = {}) {
    const policy = { issuer: issuer.url, audience: 'librechat', scope };
    const token = issuer.token({ aud: 'librechat', scope: 'agents:use', ...claims });
    const logger = recordingLogger();
    const callback = async () => null;
    const auth = createRemoteAgentAuth(
      {
        getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc: { enabled: true, ...policy } }),
        findUser: callback,
        updateUser: callback,
        apiKeyMiddleware: () => {},
        logger,
      },
      { policy: added },
    );
    await auth({ headers: { authorization: `Bearer ${token}` } }, bareResponse(), () => {});
    const code = await new RemoteTokenVerifier().verify(token, { ...policy, ...added }).then(
      () => 'accepted',
      (error) => error.code,
    );
    const [level, text, error] = logger.lines.at(-1);
    return [code, `${level} ${text}`, error?.code];
  }

  test.each([
    ['ERR_SCOPE_MISSING', {}, { scope: 'agents:administer' }],
    ['ERR_ROLE_MISSING', { realm_access: { roles: ['offline_access'] } }, { requiredRoles: ['agents'] }],
    ['ERR_TOKEN_SUBJECT', { sub: undefined }, {}],
  ])('says of %s what the page says, the code included', async (code, claims, more) => {
    const [, line] = new RegExp(`^\\| \`${code}\` \\| \`(.*)\` \\|$`, 'm').exec(page) ?? [];
    expect(line).toContain(code);
    const [of, text, beside] = await seen(claims, more);
    expect(of).toBe(code);
    expect([undefined, code]).toContain(beside);
    expect(text).toContain(`warn [remoteAgentAuth] ${line}`);
  });

  test.each([
    ['ERR_TOKEN_AUDIENCE', { aud: 'account' }, {}],
    ['ERR_TOKEN_ISSUER', { iss: 'http://keycloak:8080/realms/chat' }, {}],
    ['ERR_ID_TOKEN', { aud: 'agents-cli', azp: 'agents-cli', typ: 'ID' }, {}],
    ['ERR_TOKEN_AUDIENCE', { aud: undefined, sub: undefined }, {}],
  ])('has the page’s code %s beside its line', async (code, claims, more) => {
    expect(page).toContain(`| \`${code}\` |`);
    expect(await seen(claims, more)).toEqual([code, expect.stringContaining('OIDC verification failed'), code]);
  });
});

/** As Keycloak 26.7 wrote them, ids and keys replaced. */
const CLAIMS = {
  typ: 'Bearer',
  azp: 'mapped',
  sid: 'b0LDM_R5K5P2SOIqJ_c8E8De',
  acr: '1',
  scope: 'openid agents:use profile email',
};
const OWN = {
  sid: '"sid":"b0LDM_R5K5P2SOIqJ_c8E8De"',
  'allowed-origins': '"allowed-origins":["https://app.example.com"]',
  resource_access: '"resource_access":{"account":{"roles":["view-profile"]}}',
  realm_access: '"realm_access":{"roles":["offline_access"]}',
};

describe('E a member that a mapper wrote a second time', () => {
  test.each(Object.entries(OWN))('%s: refused, as the page says', async (name, own) => {
    const issuer = await new Issuer().start();
    try {
      const { sid: _sid, ...claims } = CLAIMS;
      const text = JSON.stringify(issuer.claims({ aud: ['librechat', 'account'], ...claims }));
      const twice = `${text.slice(0, -1)},${own},"${name}":"x"}`;
      const token = issuer.signed(twice, { header: { typ: 'JWT' } });
      const verified = new RemoteTokenVerifier().verify(token, { issuer: issuer.url, audience: 'librechat' });
      await expect(verified).rejects.toMatchObject({ code: 'ERR_TOKEN_MALFORMED' });
    } finally {
      await issuer.stop();
    }
  });
});
