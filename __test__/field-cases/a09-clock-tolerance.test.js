'use strict';

// Providers that write `nbf` = `iat`, and a clock that is a little behind theirs: the tolerance can be set where nothing but the environment
// can be changed, and a refusal says by how much.

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');
const { RemoteTokenVerifier } = require('../..');
const { Issuer } = require('../support/issuer');
const { auth, isolateEnvironment, oidcOf, setUp } = require('../support/flow');

isolateEnvironment();

const toleranceOf = async (app) => {
  await app.call();
  return app.verifier.calls.compile
    .filter(({ audience }) => audience === 'agents')
    .map(({ clockTolerance }) => clockTolerance);
};

test('A9 OPENID_REMOTE_CLOCK_TOLERANCE is the tolerance of every policy that says none itself', async () => {
  expect(await toleranceOf(setUp())).toEqual([undefined]);
  for (const [text, seconds] of [
    ['5', 5],
    [' 0.5 ', 0.5],
    ['300', 300],
    ['0', 0],
    ['', undefined],
    ['  ', undefined],
  ]) {
    process.env.OPENID_REMOTE_CLOCK_TOLERANCE = text;
    const app = setUp();
    expect([text, await toleranceOf(app)]).toEqual([text, [seconds]]);
    expect(app.lines.filter(([, line]) => /TOLERANCE/.test(line))).toEqual([]);
  }
});

test('A9 the option counts before the variable, a change of the variable counts with the next request', async () => {
  process.env.OPENID_REMOTE_CLOCK_TOLERANCE = '5';
  expect(await toleranceOf(setUp({ options: { policy: { clockTolerance: 2 } } }))).toEqual([2]);
  const app = setUp();
  await app.call();
  process.env.OPENID_REMOTE_CLOCK_TOLERANCE = '7';
  expect(await toleranceOf(app)).toEqual([5, 7]);
});

test.each(['-1', '301', '5s', 'yes', '1e2', 'NaN', '0x10', 'x'.repeat(500)])(
  'A9 %p is no tolerance: none is used, and one warning says what is expected',
  async (text) => {
    process.env.OPENID_REMOTE_CLOCK_TOLERANCE = text;
    let audience = 'agents';
    const app = setUp({ config: () => auth({ oidc: oidcOf({ audience }) }) });
    expect(await toleranceOf(app)).toEqual([undefined]);
    audience = 'others';
    await app.call();
    const warnings = app.lines.filter(([level, line]) => level === 'warn' && /CLOCK_TOLERANCE/.test(line));
    expect(warnings).toEqual([
      [
        'warn',
        expect.stringMatching(
          /OPENID_REMOTE_CLOCK_TOLERANCE is ignored: it must be a number of seconds from 0 to 300, and is "/,
        ),
      ],
    ]);
    expect(warnings[0][1].length).toBeLessThan(220);
    expect(warnings[0][1]).toContain(text.slice(0, 40));
  },
);

test('A9 a refusal names the difference in seconds and the setting, and the tolerance lets the token in', async () => {
  const provider = await new Issuer().start();
  const now = 1_800_000_000;
  const verifier = new RemoteTokenVerifier({ clock: () => now - 0.3 });
  const policy = { issuer: provider.url, audience: 'agents' };
  try {
    const fresh = provider.token({ aud: 'agents', iat: now, nbf: now, exp: now + 60 });
    const refused = await verifier.verify(fresh, policy).catch((error) => error);
    expect(refused).toMatchObject({
      code: 'ERR_TOKEN_NOT_YET_VALID',
      expected: expect.stringMatching(/`nbf` at most 0 s \(`clockTolerance`\)/),
      got: expect.stringContaining('1 s after'),
    });
    expect(refused.message).toMatch(/OPENID_REMOTE_CLOCK_TOLERANCE/);
    await expect(verifier.verify(fresh, { ...policy, clockTolerance: 1 })).resolves.toMatchObject({
      expiresAt: now + 60,
    });
    const old = provider.token({ aud: 'agents', iat: now - 100, exp: now - 40 });
    expect((await verifier.verify(old, policy).catch((error) => error)).message).toMatch(
      /39 s before.*OPENID_REMOTE_CLOCK_TOLERANCE/,
    );
  } finally {
    await provider.stop();
  }
});

test('A9 every provider page says what to do about clocks', () => {
  const folder = path.join(__dirname, '..', '..', 'docs', 'providers');
  for (const name of readdirSync(folder)) {
    const page = readFileSync(path.join(folder, name), 'utf8');
    expect([name, /OPENID_REMOTE_CLOCK_TOLERANCE/.test(page) && /ERR_TOKEN_NOT_YET_VALID/.test(page)]).toEqual([
      name,
      true,
    ]);
  }
});
