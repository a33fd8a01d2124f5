'use strict';

// LibreChat's suites of the conversation API's authentication (scenarios 223 to 240), through the adapter, on Express; the last seven
// with data-schemas' own models and methods on a MongoDB-compatible server.

process.env.LOG_TO_FILE = 'false';

const { once } = require('node:events');
const express = require('express');
const { createMethods, createModels, logger, tenantStorage } = require('@librechat/data-schemas');
const mongoose = require('mongoose');
const { createAgentManagementAuth, createConversationManagementAuth, createRemoteAgentAuth } = require('./librechat');
const { createRequireApiKeyAuth, generateCheckAccess } = require('../support/librechat-api');
const mongo = require('../support/mongo');
const { describeWith } = require('../support/needs');
const { Issuer, S, U, isolateEnvironment } = require('./world');

isolateEnvironment();
let closing = [];
beforeEach(() => {
  for (const level of ['debug', 'info', 'warn', 'error']) jest.spyOn(logger, level).mockImplementation(() => logger);
});
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
  jest.restoreAllMocks();
});

/** A server with this authentication before a route; gives a function that asks it and returns status and body. */
async function serve(auth, route = (req, res) => res.sendStatus(204)) {
  const app = express();
  app.use(auth);
  app.get('/:id', route);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return async (token = 'token', path = '/any') => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await response.text();
    return { status: response.status, ...(text.startsWith('{') ? { body: JSON.parse(text) } : {}) };
  };
}

const configOf = (auth) => ({ endpoints: { agents: auth === undefined ? {} : { conversationApi: { auth } } } });
const passing = async (req, res, next) => next();

/** Who is asked, in a server whose configuration chooses this. */
async function chosen(auth, over = {}) {
  const deps = {
    getAppConfig: jest.fn(async () => configOf(auth)),
    remoteAuth: jest.fn(() => passing),
    managementAuth: jest.fn(() => passing),
    remoteAccess: jest.fn((req, res, next) => next()),
    ...over,
  };
  const ask = await serve(createConversationManagementAuth(deps));
  return { ...deps, ...(await ask()) };
}

describe('the choice', () => {
  test.each(['remote', 'management'])(
    '[223] %s: the base configuration of a request is read once, others are not kept',
    async (mode) => {
      const [base, tenant] = [configOf(mode), configOf()];
      const getAppConfig = jest.fn(async (options) => (options.baseOnly ? base : tenant));
      const other = { tenantId: 'acme', userId: 'owner', role: 'USER' };
      const authenticate = (getConfig) => async (req, res, next) => {
        expect([await getConfig({ baseOnly: true }), await getConfig({ baseOnly: true })]).toEqual([base, base]);
        expect(await getConfig(other)).toBe(tenant);
        await getConfig({ baseOnly: true, refresh: true });
        next();
      };
      const { status } = await chosen(mode, { getAppConfig, remoteAuth: authenticate, managementAuth: authenticate });
      expect(status).toBe(204);
      expect(getAppConfig.mock.calls).toEqual([[{ baseOnly: true }], [other], [{ baseOnly: true, refresh: true }]]);
    },
  );

  test('[224] two requests each have their own', async () => {
    const configs = [configOf('management'), configOf('remote')];
    const seen = [];
    const authenticate = (getConfig) => async (req, res, next) => {
      seen.push(await getConfig({ baseOnly: true }));
      next();
    };
    const getAppConfig = jest.fn(async () => configs[getAppConfig.mock.calls.length - 1]);
    const ask = await serve(
      createConversationManagementAuth({
        getAppConfig,
        remoteAuth: authenticate,
        managementAuth: authenticate,
        remoteAccess: passing,
      }),
    );
    expect([(await ask()).status, (await ask()).status]).toEqual([204, 204]);
    expect(seen).toEqual(configs);
  });

  test.each([
    ['[225] nothing chosen', undefined],
    ['[225] undefined chosen', null],
    ['[232] something unknown chosen', 'unexpected'],
  ])('%s: 401, nobody is asked', async (_title, auth) => {
    const { status, body, remoteAuth, managementAuth } = await chosen(auth ?? undefined);
    expect({ status, body }).toEqual({ status: 401, body: U });
    expect([remoteAuth, managementAuth].map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  });

  test.each([
    ['[226]', 'management', [0, 1]],
    ['[227]', 'remote', [1, 0]],
  ])('%s %s is asked alone', async (_number, mode, calls) => {
    const { status, remoteAuth, managementAuth } = await chosen(mode);
    expect(status).toBe(204);
    expect([remoteAuth, managementAuth].map(({ mock }) => mock.calls.length)).toEqual(calls);
  });

  test('[228] the grant is for people: 403 there, 204 for a machine', async () => {
    const remoteAccess = jest.fn((req, res) => res.sendStatus(403));
    expect((await chosen('remote', { remoteAccess })).status).toBe(403);
    expect((await chosen('management', { remoteAccess })).status).toBe(204);
    expect(remoteAccess).toHaveBeenCalledTimes(1);
  });

  test('[229] who is refused is not asked for a grant', async () => {
    const { status, remoteAccess } = await chosen('remote', {
      remoteAuth: () => (req, res) => void res.sendStatus(401),
    });
    expect(status).toBe(401);
    expect(remoteAccess).not.toHaveBeenCalled();
  });

  test.each([
    ['[230]', 'management', 'managementAuth', 'remoteAuth'],
    ['[231]', 'remote', 'remoteAuth', 'managementAuth'],
  ])('%s %s fails: 500, the other is not tried', async (_number, mode, failing, other) => {
    for (const fail of [
      async () => Promise.reject(new Error('down')),
      () => {
        throw new Error('down');
      },
    ]) {
      const outcome = await chosen(mode, { [failing]: () => fail });
      expect([outcome.status, outcome.body]).toEqual([500, S]);
      expect(outcome[other]).not.toHaveBeenCalled();
    }
  });

  test('[233] the configuration fails: 500', async () => {
    const { status, body, getAppConfig } = await chosen('remote', {
      getAppConfig: jest.fn(async () => Promise.reject(new Error('down'))),
    });
    expect({ status, body }).toEqual({ status: 500, body: S });
    expect(getAppConfig.mock.calls).toEqual([[{ baseOnly: true }]]);
  });
});

describeWith('a MongoDB-compatible server (SecantusDB)', mongo.missing, { required: true })('on a database', () => {
  const [A, B, CLIENT] = ['tenant-aaaa', 'tenant-bbbb', 'conversation-machine'];
  let database;
  let issuer;
  let methods;
  let models;
  let user;

  const within = (tenantId, work) => tenantStorage.run({ tenantId }, work);

  beforeAll(async () => {
    issuer = await new Issuer().start();
    database = await mongo.startMongo();
    await mongoose.connect(database.uri);
    createModels(mongoose);
    methods = createMethods(mongoose);
    ({ models } = mongoose);
    await models.User.init();
  }, 60_000);
  afterAll(async () => {
    await issuer.stop();
    await mongoose.disconnect();
    await database?.stop();
  });
  beforeEach(async () => {
    for (const tenant of [A, B]) {
      await within(tenant, async () => {
        await Promise.all(['User', 'Role', 'Conversation', 'AgentApiKey'].map((name) => models[name].deleteMany({})));
        await models.Role.create({ name: 'USER', permissions: { REMOTE_AGENTS: { USE: true } } });
      });
    }
    user = await within(A, () =>
      models.User.create({ email: 'a@example.com', name: 'A', username: 'a', provider: 'openid', role: 'USER' }),
    );
    const other = await within(B, () =>
      models.User.create({ email: 'b@example.com', name: 'B', username: 'b', provider: 'local', role: 'USER' }),
    );
    await within(A, () =>
      models.Conversation.create({
        conversationId: 'a-history',
        user: String(user._id),
        title: 'A history',
        endpoint: 'openAI',
      }),
    );
    await within(B, () =>
      models.Conversation.create({
        conversationId: 'b-history',
        user: String(other._id),
        title: 'B history',
        endpoint: 'openAI',
      }),
    );
  });

  /** LibreChat's own composition of it. `machine`: what verifies a machine's token, where it is not the real verifier. */
  function start(mode, { apiKey = true, oidc = false, machine } = {}) {
    const block = { enabled: true, issuer: issuer.url, audience: 'agents' };
    const clients = [{ clientId: CLIENT, userId: String(user._id), tenantId: A, enabled: true }];
    const remoteApi = { auth: { apiKey: { enabled: apiKey }, ...(oidc ? { oidc: block } : {}) } };
    const agents = { conversationApi: { auth: mode }, remoteApi, managementApi: { auth: { oidc: block, clients } } };
    const {
      findUser,
      validateAgentApiKey,
      findRolesByNames: getRolesByNames,
      updateUser,
      isAgentTriggerPrincipalActive: isPrincipalActive,
      getRoleByName,
    } = methods;
    const apiKeyMiddleware = createRequireApiKeyAuth({ validateAgentApiKey, findUser });
    const auth = createConversationManagementAuth({
      getAppConfig: async () => ({ endpoints: { agents } }),
      remoteAuth: (getAppConfig) =>
        createRemoteAgentAuth({
          apiKeyMiddleware,
          findUser,
          getRolesByNames,
          updateUser,
          isPrincipalActive,
          getAppConfig,
        }),
      remoteAccess: generateCheckAccess({ permissionType: 'REMOTE_AGENTS', permissions: ['USE'], getRoleByName }),
      managementAuth: (getAppConfig) =>
        createAgentManagementAuth({ findUser, getAppConfig, ...(machine && { verifyAccessToken: machine }) }),
    });
    return serve(auth, async (req, res) => {
      const found = await models.Conversation.findOne({ conversationId: req.params.id, user: req.user.id }).lean();
      if (found === null) return res.sendStatus(404);
      res.json({ title: found.title });
    });
  }

  const own = { status: 200, body: { title: 'A history' } };
  const newKey = () => within(A, () => methods.createAgentApiKey({ userId: user._id, name: 'key' }));
  const revokeGrant = () =>
    within(A, () => models.Role.updateOne({ name: 'USER' }, { $set: { 'permissions.REMOTE_AGENTS.USE': false } }));
  const machineToken = (claims = {}) => issuer.token({ sub: `${CLIENT}@clients`, azp: CLIENT, ...claims });

  test('[234] an API key reads its own tenant’s history; revoked it is 401', async () => {
    const key = await newKey();
    const ask = await start('remote');
    expect(await ask(key.key, '/a-history')).toEqual(own);
    expect((await ask(key.key, '/b-history')).status).toBe(404);
    await within(A, () => methods.deleteAgentApiKey(key.id, user._id));
    expect((await ask(key.key, '/a-history')).status).toBe(401);
  });

  test('[235] the grant of its role revoked: 403 from the next request on', async () => {
    const key = await newKey();
    const ask = await start('remote');
    expect((await ask(key.key, '/a-history')).status).toBe(200);
    await revokeGrant();
    expect((await ask(key.key, '/a-history')).status).toBe(403);
  });

  test('[236] a machine reads as the user it is bound to; an API key does not count', async () => {
    const ask = await start('management');
    expect(await ask(machineToken(), '/a-history')).toEqual(own);
    expect((await ask(machineToken(), '/b-history')).status).toBe(404);
    expect((await ask((await newKey()).key, '/a-history')).status).toBe(401);
  });

  test('[237] an unknown machine is 401, a user being deleted 409', async () => {
    const ask = await start('management');
    expect((await ask(machineToken({ azp: 'unknown', sub: 'unknown' }), '/a-history')).status).toBe(401);
    await methods.beginAgentTriggerUserDeletion(String(user._id), new Date());
    expect((await ask(machineToken(), '/a-history')).status).toBe(409);
  });

  test('[238] a machine’s token that is refused: 401', async () => {
    const verify = async () => Promise.reject(new Error('issuer or audience rejected'));
    expect((await (await start('management', { machine: verify }))('bad', '/a-history')).status).toBe(401);
    expect((await (await start('management'))(machineToken({ aud: 'others' }), '/a-history')).status).toBe(401);
  });

  test('[239] a person is found by e-mail, bound, and reads the own tenant; without the grant 403', async () => {
    process.env.OPENID_JWKS_URL = issuer.jwksUri;
    const ask = await start('remote', { apiKey: false, oidc: true });
    const token = issuer.token({ sub: 'person-a', email: 'a@example.com' });
    issuer.requests = { discovery: 0, keys: 0 };
    expect(await ask(token, '/a-history')).toEqual(own);
    expect(issuer.requests.discovery).toBe(0);
    expect((await ask(token, '/b-history')).status).toBe(404);
    expect(await models.User.findById(user._id).lean()).toMatchObject({
      openidId: 'person-a',
      openidIssuer: issuer.url,
    });
    await revokeGrant();
    expect((await ask(token, '/a-history')).status).toBe(403);
  });

  test('[240] API keys off: a token of another audience, or without a subject, is 401', async () => {
    const ask = await start('remote', { apiKey: false, oidc: true });
    expect((await ask((await newKey()).key, '/a-history')).status).toBe(401);
    expect((await ask(issuer.token({ aud: 'others' }), '/a-history')).status).toBe(401);
    expect((await ask(issuer.token({ sub: undefined, email: 'a@example.com' }), '/a-history')).status).toBe(401);
  });
});
