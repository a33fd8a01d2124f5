'use strict';

// `resource_metadata` in the challenges of LibreChat's middleware (RFC 9728 5.1), by the option `resourceMetadata`.

const { protectedResourceMetadata } = require('../../..');
const { createAgentManagementAuth } = require('../../..');
const { failure, fullResponse, recordingLogger } = require('../../support/fakes');
const { CREDENTIALS, INVALID, auth, isolateEnvironment, setUp } = require('../../support/flow');

isolateEnvironment();

const URL_OF_IT = 'https://api.example.com/.well-known/oauth-protected-resource/agents';
const NAMED = `, resource_metadata="${URL_OF_IT}"`;
const refusing = (options) =>
  setUp({ config: auth({ apiKey: false }), answers: { agents: failure('ERR_TOKEN_EXPIRED', 'token') }, options });

test('without the option the challenge is LibreChat’s, to the letter', async () => {
  for (const options of [{}, { resourceMetadata: undefined }]) {
    const app = refusing(options);
    expect((await app.call()).challenge).toBe(INVALID);
    expect((await app.call({ authorization: null })).challenge).toBe(CREDENTIALS);
  }
});

test.each([
  ['a URL', URL_OF_IT],
  ['a function', () => URL_OF_IT],
  ['urlFor of the metadata', protectedResourceMetadata({ resource: 'https://api.example.com/agents' }).urlFor],
])('%s stands in every challenge', async (_, resourceMetadata) => {
  const app = refusing({ resourceMetadata });
  const req = { url: '/agents/v1/chat' };
  expect((await app.call({ req })).challenge).toBe(INVALID + NAMED);
  expect((await app.call({ req, authorization: null })).challenge).toBe(CREDENTIALS + NAMED);
});

test('it stands in the 403 of a missing scope, after the scope, and in no 500', async () => {
  const options = { resourceMetadata: URL_OF_IT, responses: 'standard' };
  const config = auth({
    apiKey: false,
    oidc: { enabled: true, issuer: 'https://issuer.example/realms/a', audience: 'agents', scope: 'a:use' },
  });
  const app = setUp({ config, answers: { agents: failure('ERR_SCOPE_MISSING', 'scope') }, options });
  expect((await app.call()).challenge).toBe(
    `Bearer realm="remote-agent-api", error="insufficient_scope", scope="a:use"${NAMED}`,
  );
  const broken = setUp({ answers: { agents: new Error('a bug') }, options });
  expect(await broken.call()).toMatchObject({ answer: { status: 500 }, challenge: undefined });
});

test('the function is given the request', async () => {
  const resourceMetadata = jest.fn(({ headers }) => `https://${headers.host}/.well-known/oauth-protected-resource`);
  const app = refusing({ resourceMetadata });
  const { challenge, req } = await app.call({
    req: { headers: { host: 'one.example.com', authorization: 'Bearer a.b.c' } },
  });
  expect(challenge).toBe(
    `${INVALID}, resource_metadata="https://one.example.com/.well-known/oauth-protected-resource"`,
  );
  expect(resourceMetadata).toHaveBeenCalledWith(req);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('x');
    },
  ],
  ['gives a promise', async () => URL_OF_IT],
  ['gives a promise that rejects', () => Promise.reject(new Error('x'))],
  ['gives nothing', () => undefined],
  ['gives what would end the quotes', () => 'https://api.example.com/", scope="admin'],
  ['gives a line break', () => 'https://api.example.com/\r\nSet-Cookie: a=b'],
  ['gives no text', () => ({ toString: () => URL_OF_IT })],
])('a function that %s costs the challenge that parameter and nothing else', async (_, resourceMetadata) => {
  const { challenge, answer } = await refusing({ resourceMetadata }).call();
  expect(challenge).toBe(INVALID);
  expect(answer).toEqual({ status: 401, body: { error: 'Unauthorized' } });
});

test('the middleware of machine clients has it as well', async () => {
  const deps = {
    findUser: async () => null,
    getAppConfig: async () => ({}),
    runInTenant: (_, fn) => fn(),
    logger: recordingLogger(),
  };
  const config = {
    endpoints: {
      agents: { managementApi: { auth: { oidc: { enabled: true, issuer: 'https://i.example', audience: 'a' } } } },
    },
  };
  const handler = createAgentManagementAuth(
    { ...deps, getAppConfig: async () => config },
    { resourceMetadata: ({ url }) => `https://api.example.com${url}` },
  );
  const res = fullResponse();
  await handler({ headers: {}, url: '/m' }, res, () => {});
  expect(res.headers['WWW-Authenticate']).toMatch(/, resource_metadata="https:\/\/api\.example\.com\/m"$/);
});
