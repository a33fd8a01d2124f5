'use strict';

// What replaces Node's `http` or `fetch` in a test does not see what native code fetches. docs/testing.md says so, and what to do instead.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { configOf, fullResponse, recordingLogger } = require('../support/fakes');
const { Issuer } = require('../support/issuer');
const { ROOT, blocksOf, read } = require('../support/markdown');

const ISSUER = 'https://op.example';
const AUDIENCE = 'agents';
const ada = { _id: '1', email: 'ada@example.com' };

const depsFor = (oidc) => ({
  getAppConfig: async () => configOf({ apiKey: { enabled: false }, oidc: { enabled: true, ...oidc } }),
  findUser: async () => ({ ...ada }),
  updateUser: async () => null,
  apiKeyMiddleware: (_req, res) => res.status(401).json({}),
  logger: recordingLogger(),
});

/** One request to a middleware: the user it lets in, or the status. */
async function ask(auth, token) {
  const res = fullResponse();
  const req = { headers: { authorization: `Bearer ${token}` } };
  await auth(req, res, () => {});
  return req.user?.email ?? res.sent[0]?.status;
}

test('C9 docs/testing.md says that such tools see nothing of this package, and names `jwks` and the test kit', () => {
  const page = read('docs/testing.md');
  for (const word of ['nock', 'msw', '`jwks`', 'real network', 'test kit']) expect(page).toContain(word);
});

test('C9 its block lets tokens of the test’s own key in, without any request', async () => {
  const block = blocksOf(read('docs/testing.md'), 'docs/testing.md').find(({ marker }) => marker === 'testing');
  // Inside the repository, where `remote-agent-auth` is this very package.
  fs.mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
  const folder = fs.mkdtempSync(path.join(ROOT, '.cache', 'testing-'));
  const file = path.join(folder, 'keys.js');
  fs.writeFileSync(file, block?.text ?? '');
  globalThis.deps = depsFor({ issuer: ISSUER, audience: AUDIENCE });
  try {
    const { auth, token } = require(file);
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ada-1', email: ada.email };
    expect(await ask(auth, token(claims))).toBe(ada.email);
    expect(await ask(auth, token({ ...claims, aud: 'others' }))).toBe(401);
    expect(await ask(auth, `${token(claims).slice(0, -8)}AAAAAAAA`)).toBe(401);
  } finally {
    delete globalThis.deps;
    fs.rmSync(folder, { recursive: true, force: true });
  }
});

test('C9 what it says is so: with every request of Node’s refused, keys are fetched all the same', async () => {
  const { verifyRemoteToken } = require('../..');
  const issuer = await new Issuer().start();
  const refuse = () => {
    throw new Error('no network in this test');
  };
  const spies = [
    jest.spyOn(http, 'request').mockImplementation(refuse),
    jest.spyOn(globalThis, 'fetch').mockImplementation(refuse),
  ];
  try {
    await expect(
      verifyRemoteToken(issuer.token({ aud: AUDIENCE }), { issuer: issuer.url, audience: AUDIENCE }),
    ).resolves.toMatchObject({ claims: { aud: AUDIENCE } });
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  } finally {
    for (const spy of spies) spy.mockRestore();
    await issuer.stop();
  }
});
