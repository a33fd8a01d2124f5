'use strict';

// The scenarios LibreChat tests on a database (143, 144 and 222), with data-schemas' own models and methods on a
// MongoDB-compatible server.

process.env.LOG_TO_FILE = 'false';

const { createMethods, createModels, tenantStorage } = require('@librechat/data-schemas');
const mongoose = require('mongoose');
const { createAgentManagementAuth, findOpenIDUser } = require('./librechat');
const { bareResponse } = require('../support/fakes');
const mongo = require('../support/mongo');
const { describeWith } = require('../support/needs');
const { isolateEnvironment } = require('./world');

const ISSUER = 'https://login.example.com';

describeWith('a MongoDB-compatible server (SecantusDB)', mongo.missing, { required: true })('on a database', () => {
  let database;
  let User;
  let methods;
  /** The filters that reached the driver. */
  const asked = [];

  isolateEnvironment();
  beforeAll(async () => {
    database = await mongo.startMongo();
    await mongoose.connect(database.uri);
    createModels(mongoose);
    methods = createMethods(mongoose);
    ({ User } = mongoose.models);
    await User.init();
    mongoose.set('debug', (collection, method, filter) => {
      if (collection === 'users' && method === 'findOne') asked.push(filter);
    });
  }, 60_000);
  afterAll(async () => {
    mongoose.set('debug', false);
    await mongoose.disconnect();
    await database?.stop();
  });
  beforeEach(async () => {
    await User.deleteMany({});
    asked.length = 0;
  });

  const add = (fields) =>
    methods.createUser({ name: 'Ada', provider: 'openid', role: 'USER', ...fields }, undefined, true, true);

  test('[143] an exact lookup is one plain filter that an index begins with, and reads one document', async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        add({ email: `u${index}@example.com`, openidId: `sub-${index}`, openidIssuer: ISSUER }),
      ),
    );
    const { user } = await findOpenIDUser({ findUser: methods.findUser, openidId: 'sub-7', openidIssuer: ISSUER });
    expect(user).toMatchObject({ email: 'u7@example.com' });
    expect(asked).toEqual([{ openidId: 'sub-7', openidIssuer: ISSUER }]);
    const indexes = Object.values(await User.collection.indexInformation()).map((keys) => keys.map(([key]) => key));
    expect(indexes).toContainEqual(['openidId', 'openidIssuer', 'tenantId']);
  });

  test('[144] a legacy user with another oid is found by three plain filters, and is to be bound', async () => {
    process.env.OPENID_ISSUER = ISSUER;
    await add({ email: 'ada@example.com', openidId: 'sub-1' });
    const found = await findOpenIDUser({
      findUser: methods.findUser,
      openidId: 'sub-1',
      openidIssuer: ISSUER,
      idOnTheSource: 'oid-1',
    });
    expect(found).toMatchObject({
      user: { email: 'ada@example.com', openidIssuer: ISSUER },
      error: null,
      migration: true,
    });
    expect(asked).toEqual([
      { openidId: 'sub-1', openidIssuer: ISSUER },
      { idOnTheSource: 'oid-1', openidIssuer: ISSUER },
      { openidId: 'sub-1', openidIssuer: { $exists: false } },
    ]);
  });

  test('[222] a machine’s user is found in its own tenant, and in no other', async () => {
    const user = await tenantStorage.run({ tenantId: 'acme' }, () =>
      add({ email: 'machine@example.com', openidId: 'machine' }),
    );
    const send = async (tenantId) => {
      const clients = [{ clientId: 'machine', userId: String(user._id), tenantId }];
      const oidc = { enabled: true, issuer: ISSUER, audience: 'management' };
      const handler = createAgentManagementAuth({
        getAppConfig: async () => ({ endpoints: { agents: { managementApi: { auth: { oidc, clients } } } } }),
        findUser: methods.findUser,
        isPrincipalActive: methods.isAgentTriggerPrincipalActive,
        verifyAccessToken: async () => ({ azp: 'machine', sub: 'machine', exp: Date.now() / 1000 + 60 }),
      });
      const req = { headers: { authorization: 'Bearer a.b.c' } };
      const res = bareResponse();
      await handler(req, res, () => {});
      return res.sent[0]?.status ?? req.user.email;
    };
    process.env.TENANT_ISOLATION_STRICT = 'true';
    expect(await send('acme')).toBe('machine@example.com');
    expect(await send('bolt')).toBe(401);
  });
});
