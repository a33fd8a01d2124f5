'use strict';

// The drop-in in place: examples/librechat as LibreChat would mount it, LibreChat's own published models, methods, tenant storage,
// logger and configuration schema, a MongoDB-compatible server, a real provider, and the official openai client as the caller.

process.env.LOG_TO_FILE = 'false';

const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { Writable } = require('node:stream');
const dataSchemas = require('@librechat/data-schemas');
const yaml = require('js-yaml');
const { PermissionTypes, Permissions, configSchema } = require('librechat-data-provider');
const mongoose = require('mongoose');
const { AuthenticationError, OpenAI, PermissionDeniedError } = require('openai');
const winston = require('winston');
const mongo = require('../../support/mongo');
const { describeWith } = require('../../support/needs');
const { Issuer } = require('../../support/issuer');

const AUDIENCE = 'https://chat.example.com/api';
const AGENT = 'agent_1';
const { logger, tenantStorage } = dataSchemas;

const mockConfigs = {};
let mockMethods;
jest.mock('@librechat/api', () => require('../../support/librechat-api'), { virtual: true });
jest.mock(
  '~/server/services/Config',
  () => ({ getAppConfig: jest.fn(async ({ tenantId }) => mockConfigs[tenantId ?? 'base']) }),
  { virtual: true },
);
jest.mock('~/models', () => ({ ...mockMethods, getAgent: async ({ id }) => (id === 'agent_1' ? { id } : null) }), {
  virtual: true,
});

/** examples/librechat.yaml as LibreChat reads it on start, with another issuer and some changes. */
function configOf(issuer, change = () => {}) {
  const document = yaml.load(
    readFileSync(path.join(__dirname, '..', '..', '..', 'examples', 'librechat.yaml'), 'utf8'),
  );
  const { auth } = document.endpoints.agents.remoteApi;
  auth.oidc.issuer = issuer;
  change(auth);
  return configSchema.parse(document);
}

const majors = [
  [4, require('express4')],
  [5, require('express')],
];

describeWith('a MongoDB-compatible server (SecantusDB)', mongo.missing, { required: true })('LibreChat', () => {
  let database;
  let issuer;
  let User;
  const servers = {};
  const lines = [];

  beforeAll(async () => {
    [database, issuer] = await Promise.all([mongo.startMongo(), new Issuer().start()]);
    await mongoose.connect(database.uri);
    dataSchemas.createModels(mongoose);
    mockMethods = dataSchemas.createMethods(mongoose);
    User = mongoose.models.User;
    await Promise.all([User.init(), mongoose.models.Role.init(), mongoose.models.AgentApiKey.init()]);
    const prepareRoles = async () => {
      await mockMethods.initializeRoles();
      await mockMethods.updateRoleByName('USER', {
        permissions: { [PermissionTypes.REMOTE_AGENTS]: { [Permissions.USE]: true } },
      });
    };
    await prepareRoles();
    await tenantStorage.run({ tenantId: 'acme' }, prepareRoles);
    const sink = new Writable({ write: (chunk, _encoding, done) => (lines.push(String(chunk)), done()) });
    logger.transports.forEach((transport) => (transport.silent = true));
    logger.add(new winston.transports.Stream({ stream: sink, level: 'debug', format: winston.format.json() }));
    const { createRoutes } = require('../../../examples/librechat/routes.js');
    for (const [major, express] of majors) {
      const app = express();
      const seen = [];
      app.use(
        '/api/agents/v1',
        createRoutes(express, {
          configMiddleware: (req, res, next) => next(),
          listModels: (req, res) => {
            seen.push({ user: req.user, tenantId: dataSchemas.getTenantId(), apiKeyId: req.apiKeyId });
            res.json({ object: 'list', data: [{ id: AGENT, object: 'model', created: 0, owned_by: 'librechat' }] });
          },
          complete: (req, res) =>
            res.json({
              id: 'chatcmpl-1',
              object: 'chat.completion',
              created: 0,
              model: req.agent.id,
              choices: [
                { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: `Hello ${req.user.name}` } },
              ],
            }),
        }),
      );
      const server = app.listen(0, '127.0.0.1');
      await once(server, 'listening');
      servers[major] = { server, seen, url: `http://127.0.0.1:${server.address().port}/api/agents/v1` };
    }
  }, 120_000);

  afterAll(async () => {
    for (const { server } of Object.values(servers)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await mongoose.disconnect();
    await Promise.all([database?.stop(), issuer?.stop()]);
  });

  beforeEach(async () => {
    for (const name of Object.keys(process.env)) if (/^OPENID_/.test(name)) delete process.env[name];
    await User.deleteMany({});
    Object.values(servers).forEach(({ seen }) => (seen.length = 0));
    lines.length = 0;
    for (const name of Object.keys(mockConfigs)) delete mockConfigs[name];
    mockConfigs.base = configOf(issuer.url);
  });

  const add = (fields) => mockMethods.createUser({ name: 'Ada', username: 'ada', ...fields }, undefined, true, true);
  const known = (fields = {}) =>
    add({
      email: 'ada@example.com',
      provider: 'openid',
      openidId: 'ada',
      openidIssuer: issuer.url,
      role: 'USER',
      ...fields,
    });
  const token = (claims = {}) => issuer.token({ sub: 'ada', aud: AUDIENCE, scope: 'agents:use', ...claims });
  const get = async (major, bearer, headers = {}) => {
    const response = await fetch(`${servers[major].url}/models`, {
      headers: { ...headers, ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
    });
    return { status: response.status, body: await response.json() };
  };
  const client = (major, apiKey) => new OpenAI({ apiKey, baseURL: servers[major].url, maxRetries: 0 });

  test('LibreChat’s own schema accepts examples/librechat.yaml and keeps the whole block', () => {
    expect(mockConfigs.base.endpoints.agents.remoteApi.auth).toEqual({
      apiKey: { enabled: true },
      oidc: { enabled: true, issuer: issuer.url, audience: AUDIENCE, scope: 'agents:use' },
    });
  });

  describe.each(majors.map(([major]) => major))('on Express %i', (major) => {
    test('the openai client lists models and completes with a Bearer token', async () => {
      const user = await known();
      const openai = client(major, token());
      const models = await openai.models.list();
      expect(models.data.map(({ id }) => id)).toEqual([AGENT]);
      const answer = await openai.chat.completions.create({
        model: AGENT,
        messages: [{ role: 'user', content: 'Hello' }],
      });
      expect(answer.choices[0].message.content).toBe('Hello Ada');
      expect(servers[major].seen[0].user).toMatchObject({
        id: String(user._id),
        role: 'USER',
        federatedTokens: { access_token: expect.any(String), expires_at: expect.any(Number) },
      });
    });

    test('the openai client raises its AuthenticationError for a bad token, API keys on and off', async () => {
      await known();
      const bad = client(major, token({ exp: 1 }));
      await expect(bad.models.list()).rejects.toBeInstanceOf(AuthenticationError);
      await expect(bad.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
      mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
      await expect(bad.models.list()).rejects.toBeInstanceOf(AuthenticationError);
      await expect(client(major, token({ scope: 'other' })).models.list()).rejects.toBeInstanceOf(AuthenticationError);
    });

    test('the openai client raises its PermissionDeniedError where the role may not use remote agents', async () => {
      await known({ role: 'GUEST' });
      await expect(client(major, token()).models.list()).rejects.toBeInstanceOf(PermissionDeniedError);
    });

    test('an agent API key of the database still works', async () => {
      const user = await known();
      const { key } = await mockMethods.createAgentApiKey({ userId: user._id, name: 'test' });
      expect(await get(major, key)).toMatchObject({ status: 200 });
      expect(servers[major].seen[0]).toMatchObject({ user: { id: String(user._id) }, apiKeyId: expect.anything() });
      mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
      expect(await get(major, key)).toMatchObject({ status: 401 });
    });

    test('a user known by e-mail is bound in the database, once, and found by subject from then on', async () => {
      const { _id } = await add({ email: 'Ada@Example.com', role: 'USER', provider: 'openid' });
      expect(await get(major, token({ email: 'ADA@example.com', email_verified: true }))).toMatchObject({
        status: 200,
      });
      const stored = await User.findById(_id).lean();
      expect(stored).toMatchObject({ provider: 'openid', openidId: 'ada', openidIssuer: issuer.url });
      expect(await get(major, token())).toMatchObject({ status: 200 });
      expect((await User.findById(_id).lean()).updatedAt).toEqual(stored.updatedAt);
    });

    test('a user stored before issuers were recorded is bound by the login issuer only', async () => {
      const { _id } = await add({ email: 'ada@example.com', provider: 'openid', openidId: 'ada', role: 'USER' });
      mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
      expect(await get(major, token())).toMatchObject({ status: 401 });
      process.env.OPENID_ISSUER = `${issuer.url}/`;
      expect(await get(major, token())).toMatchObject({ status: 200 });
      expect(await User.findById(_id).lean()).toMatchObject({ openidIssuer: issuer.url });
    });

    test('under a tenant only that tenant’s users are found, and the update happens there', async () => {
      mockConfigs.acme = configOf(issuer.url);
      mockConfigs.bolt = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
      await tenantStorage.run({ tenantId: 'acme' }, () => known({ role: 'USER' }));
      await tenantStorage.run({ tenantId: 'acme' }, () => User.updateOne({ openidId: 'ada' }, { $unset: { role: 1 } }));
      expect(await get(major, token(), { 'x-tenant-id': 'acme' })).toMatchObject({ status: 200 });
      expect(servers[major].seen).toMatchObject([{ user: { role: 'USER', tenantId: 'acme' }, tenantId: 'acme' }]);
      expect(await User.findOne({ openidId: 'ada' }).lean()).toMatchObject({ role: 'USER', tenantId: 'acme' });
      expect(await get(major, token(), { 'x-tenant-id': 'bolt' })).toMatchObject({ status: 401 });
    });

    test('a hundred first calls of one unbound user at once bind it to one subject', async () => {
      await add({ email: 'ada@example.com', provider: 'openid', role: 'USER' });
      const mail = { email: 'ada@example.com', email_verified: true };
      const answers = await Promise.all(Array.from({ length: 100 }, () => get(major, token(mail))));
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      expect(await User.find({}).lean()).toMatchObject([{ openidId: 'ada', openidIssuer: issuer.url }]);
      mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
      expect(await get(major, token({ ...mail, sub: 'eve' }))).toMatchObject({ status: 401 });
    });

    test('role sync writes a role of the database, spelt as it is stored', async () => {
      await mockMethods
        .createRoleByName({
          name: 'Standard-User',
          permissions: { [PermissionTypes.REMOTE_AGENTS]: { [Permissions.USE]: true } },
        })
        .catch(
          // The second Express finds it there already.
          (error) => error,
        );
      Object.assign(process.env, {
        OPENID_ROLE_SYNC_ENABLED: 'true',
        OPENID_ROLE_SYNC_API_ENABLED: 'true',
        OPENID_ROLE_SYNC_SOURCE: 'access',
        OPENID_ROLE_SYNC_CLAIM: 'realm_access.roles',
        OPENID_ROLE_SYNC_ROLE_PRIORITY: 'standard-user',
      });
      const { _id } = await known();
      expect(await get(major, token({ realm_access: { roles: ['STANDARD-USER'] } }))).toMatchObject({ status: 200 });
      expect(await User.findById(_id).lean()).toMatchObject({ role: 'Standard-User' });
    });
  });

  test('where OpenAI’s bodies are asked for, the openai client reads code and type of our own refusals', async () => {
    const { createRemoteAgentAuth } = require('remote-agent-auth/librechat');
    await known();
    mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
    const app = require('express')();
    const handler = createRemoteAgentAuth(
      { ...mockMethods, getAppConfig: async () => mockConfigs.base, apiKeyMiddleware: () => {} },
      { bodies: 'openai', responses: 'standard' },
    );
    app.get('/models', handler, (req, res) => res.json({ object: 'list', data: [] }));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseURL = `http://127.0.0.1:${server.address().port}`;
    const list = (apiKey) => new OpenAI({ apiKey, baseURL, maxRetries: 0 }).models.list();
    try {
      await expect(list(token())).resolves.toMatchObject({ data: [] });
      const refusal = await list(token({ exp: 1 })).catch((error) => error);
      expect(refusal).toBeInstanceOf(AuthenticationError);
      expect(refusal).toMatchObject({ status: 401, code: 'invalid_api_key', type: 'invalid_request_error' });
      const forbidden = await list(token({ scope: 'other' })).catch((error) => error);
      expect(forbidden).toBeInstanceOf(PermissionDeniedError);
      expect(forbidden).toMatchObject({ status: 403, code: 'insufficient_permissions' });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('log lines arrive at LibreChat’s logger, with the cause and without the token', async () => {
    mockConfigs.base = configOf(issuer.url, (auth) => (auth.apiKey.enabled = false));
    const bad = token({ exp: 1 });
    await get(5, bad);
    const ours = lines.filter((line) => line.includes('[remoteAgentAuth]'));
    expect(ours.join('\n')).toContain('OIDC verification failed');
    expect(ours.join('\n')).not.toContain(bad.slice(0, 40));
  });

  test('the same subject may live under two issuers, and under one only once', async () => {
    await known();
    await known({ email: 'other@example.com', openidIssuer: 'https://other.example' });
    await expect(known({ email: 'third@example.com' })).rejects.toMatchObject({ code: 11000 });
  });
});
