'use strict';

// First calls of new users, with LibreChat's own models and methods on a MongoDB-compatible server: one account each, in its own tenant,
// whoever comes first. Row S46; and what is of a token is nowhere in the database (S47).

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { supportsTransactions } = require('@librechat/data-schemas');
const mongoose = require('mongoose');
const { connect, depsOf, sender, tenantStorage } = require('../support/librechat-database');
const { Issuer } = require('../support/issuer');
const mongo = require('../support/mongo');
const { describeWith } = require('../support/needs');
const { score } = require('../support/score');

const CALLS = 200;
const PROCESSES = 4;
const USERS = 500;
const TENANTS = ['acme', 'bolt', 'cove', 'dune', 'echo', 'fern', 'gale'];
const ROUNDS = 4;
/** As many as the server in the test answers well within the time a callback has. */
const AT_ONCE = 200;

const ON = { provisioning: { enabled: true }, profileSync: { onCreate: true, forExisting: true } };
const VARIABLES = [
  'OPENID_ISSUER',
  'OPENID_JWKS_URL',
  'OPENID_EMAIL_CLAIM',
  'TENANT_ISOLATION_STRICT',
  'OPENID_ROLE_SYNC_ENABLED',
  'OPENID_ROLE_SYNC_API_ENABLED',
];

describeWith('a MongoDB-compatible server (SecantusDB)', mongo.missing, { required: true })(
  'first calls, on a database',
  () => {
    let server;
    let database;
    let issuer;
    let oidc;
    /** @type {string[]} every token that was sent */
    const tokens = [];
    let searched = 0;
    const saved = VARIABLES.map((name) => process.env[name]);

    beforeAll(async () => {
      VARIABLES.forEach((name) => delete process.env[name]);
      server = await mongo.startMongo();
      database = await connect(server.uri);
      issuer = await new Issuer().start();
      oidc = { issuer: issuer.url, audience: 'agents', jwksUri: issuer.jwksUri };
    }, 60_000);
    afterAll(async () => {
      await database?.disconnect();
      await server?.stop();
      await issuer?.stop();
      VARIABLES.forEach((name, index) => saved[index] !== undefined && (process.env[name] = saved[index]));
    });
    beforeEach(async () => {
      await Promise.all([database.models.User.deleteMany({}), database.models.Group.deleteMany({})]);
      tokens.length = 0;
    });

    const tokenOf = (sub, claims) => {
      const token = issuer.token({
        sub,
        email: `${sub}@example.com`,
        email_verified: true,
        preferred_username: sub,
        given_name: 'Ada',
        family_name: sub,
        ...claims,
      });
      tokens.push(token);
      return token;
    };
    const stored = () => database.models.User.collection.find({}).toArray();

    test(`${CALLS} at once in one process: one user, and the same answer for all`, async () => {
      const send = sender(depsOf(database.methods), { oidc: { ...oidc, ...ON } });
      const token = tokenOf('ada');
      const outcomes = await Promise.all(Array.from({ length: CALLS }, () => send(token, 'acme')));
      const users = await stored();
      const answers = new Set(
        outcomes.map(({ status, user, tenant }) =>
          JSON.stringify([status, user?.id, user?.email, user?.tenantId, tenant]),
        ),
      );
      expect([...answers]).toEqual([JSON.stringify([200, String(users[0]._id), 'ada@example.com', 'acme', 'acme'])]);
      score(
        'S46',
        `1 process: ${users.length} user, ${CALLS} answers of ${answers.size} kind`,
        '1 user, equal answers',
        users.length === 1 && answers.size === 1,
      );
    }, 60_000);

    test(`${CALLS} at once in ${PROCESSES} processes on one database: one user, and the same answer for all`, async () => {
      const children = Array.from({ length: PROCESSES }, () =>
        fork(path.join(__dirname, '../support/children/first-calls.js'), {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        }),
      );
      try {
        const task = {
          uri: server.uri,
          oidc: { ...oidc, ...ON },
          token: tokenOf('bea'),
          tenantId: 'acme',
          calls: CALLS / PROCESSES,
        };
        await Promise.all(children.map((child) => (child.send(task), once(child, 'message'))));
        const answered = children.map((child) => once(child, 'message'));
        children.forEach((child) => child.send({ go: true }));
        const answers = (await Promise.all(answered)).flatMap(([{ answers: own }]) =>
          own.map((answer) => JSON.stringify(answer)),
        );
        const users = await stored();
        expect(answers).toHaveLength(CALLS);
        expect([...new Set(answers)]).toEqual([
          JSON.stringify({ status: 200, id: String(users[0]._id), email: 'bea@example.com', tenantId: 'acme' }),
        ]);
        score(
          'S46',
          `${PROCESSES} processes: ${users.length} user, ${CALLS} answers of ${new Set(answers).size} kind`,
          '1 user, equal answers',
          users.length === 1,
        );
      } finally {
        children.forEach((child) => child.kill('SIGKILL'));
      }
    }, 120_000);

    test('accounts made in a transaction, by hosts that know nothing of each other: one user, whoever commits first', async () => {
      expect(await supportsTransactions(mongoose)).toBe(true);
      const HOSTS = 4;
      const { User } = database.models;
      let begun = 0;
      /** @type {() => void} */
      let begin;
      // Nobody commits before all have looked in vain and begun.
      const allBegun = new Promise((resolve) => (begin = resolve));
      const createUser = async (fields) => {
        begun += 1;
        if (begun === HOSTS) begin();
        await allBegun;
        const session = await mongoose.startSession();
        try {
          return await session.withTransaction(async () => {
            const [user] = await User.create([fields], { session });
            return user.toObject();
          });
        } finally {
          await session.endSession();
        }
      };
      const token = tokenOf('tia');
      const hosts = Array.from({ length: HOSTS }, () => {
        // Another function is another host: nothing is shared in the process.
        const findUser = (...args) => database.methods.findUser(...args);
        return sender({ ...depsOf(database.methods), findUser, createUser }, { oidc: { ...oidc, ...ON } });
      });
      const outcomes = await Promise.all(hosts.flatMap((send) => [send(token, 'acme'), send(token, 'acme')]));
      const users = await stored();
      expect(users).toHaveLength(1);
      expect(begun).toBe(HOSTS);
      expect(outcomes.map(({ status, user }) => [status, String(user?._id)])).toEqual(
        outcomes.map(() => [200, String(users[0]._id)]),
      );
    }, 60_000);

    test(`${USERS * ROUNDS} first calls of ${USERS} users over ${TENANTS.length} tenants: each in its own, and so is every callback`, async () => {
      // The id carries the tenant's name, so that a call in the wrong context shows.
      const tenantOf = (sub) => sub.split('-')[0];
      let callbacks = 0;
      const astray = [];
      const spied =
        (name, call, subjectOf) =>
        async (...args) => {
          const before = tenantStorage.getStore()?.tenantId;
          const result = await call(...args);
          callbacks += 1;
          const sub = subjectOf(...args);
          const wrong =
            before !== tenantStorage.getStore()?.tenantId || (sub !== undefined && before !== tenantOf(sub));
          if (wrong) astray.push([name, sub, before]);
          return result;
        };
      const deps = depsOf(database.methods);
      const send = sender(
        {
          ...deps,
          findUser: spied('findUser', deps.findUser, ({ openidId, email }) => openidId ?? email),
          createUser: spied('createUser', deps.createUser, ({ openidId }) => openidId),
          isPrincipalActive: spied('isPrincipalActive', deps.isPrincipalActive, () => undefined),
        },
        { oidc: { ...oidc, ...ON } },
      );
      const subjects = Array.from({ length: USERS }, (_, index) => `${TENANTS[index % TENANTS.length]}-${index}`);
      const calls = subjects.map((sub) => ({ sub, token: tokenOf(sub) }));
      const all = calls.flatMap((call) => Array.from({ length: ROUNDS }, () => call));
      const outcomes = [];
      for (let at = 0; at < all.length; at += AT_ONCE) {
        const together = all
          .slice(at, at + AT_ONCE)
          .map(async ({ sub, token }) => ({ sub, ...(await send(token, tenantOf(sub))) }));
        outcomes.push(...(await Promise.all(together)));
      }

      const wrong = outcomes.filter(
        ({ sub, status, user, tenant }) =>
          status !== 200 || user.openidId !== sub || user.tenantId !== tenantOf(sub) || tenant !== tenantOf(sub),
      );
      expect(wrong.slice(0, 3)).toEqual([]);
      expect(astray.slice(0, 3)).toEqual([]);
      const users = await stored();
      const strangers = users.filter(
        ({ openidId, tenantId, role }) => tenantId !== tenantOf(openidId) || role !== 'USER',
      );
      expect(new Set(users.map(({ openidId }) => openidId)).size).toBe(USERS);
      const figure = `${outcomes.length} calls: ${users.length} users over ${TENANTS.length} tenants, ${strangers.length} in another, ${astray.length} of ${callbacks} callbacks astray`;
      score('S46', figure, `${USERS} users, each in its tenant`, users.length === USERS && strangers.length === 0);
    }, 180_000);

    test('the second call finds the user the first has made, and writes nothing', async () => {
      const updates = [];
      const deps = depsOf(database.methods);
      const updateUser = async (...args) => (updates.push(args), deps.updateUser(...args));
      const send = sender({ ...deps, updateUser }, { oidc: { ...oidc, ...ON } });
      const first = await send(tokenOf('cyd'));
      const second = await send(tokenOf('cyd'));
      expect([first.status, second.status]).toEqual([200, 200]);
      expect(second.user.id).toBe(first.user.id);
      expect(updates).toEqual([]);
      const [user] = await stored();
      expect(user).toMatchObject({
        provider: 'openid',
        openidId: 'cyd',
        openidIssuer: issuer.url,
        email: 'cyd@example.com',
        username: 'cyd',
        name: 'Ada cyd',
        emailVerified: true,
        role: 'USER',
      });
      expect(user).not.toHaveProperty('tenantId');
      expect(user.expiresAt).toBeUndefined();
    });

    test('a user being deleted is not brought back, from the database or the cache', async () => {
      const send = sender(depsOf(database.methods), {
        oidc: { ...oidc, ...ON, federatedAuthCache: { enabled: true } },
      });
      const token = tokenOf('dee');
      const { user } = await send(token);
      await database.methods.beginAgentTriggerUserDeletion(user.id, new Date());
      const before = JSON.stringify(await stored());
      expect((await send(token)).status).toBe(409);
      expect((await send(tokenOf('dee', { given_name: 'Other' }))).status).toBe(409);
      expect(JSON.stringify(await stored())).toBe(before);
    });

    test('groups of a token: made once, under their issuer, joined and left', async () => {
      const groupSync = { onCreate: true, forExisting: true, source: 'token', claim: 'realm_access.roles' };
      const deps = depsOf(database.methods);
      /** A middleware of its own for each call: a user's groups are read once a minute. */
      const call = (roles) =>
        sender({ ...deps, findUser: (filter) => deps.findUser(filter) }, { oidc: { ...oidc, ...ON, groupSync } })(
          tokenOf('eve', { realm_access: { roles } }),
          'acme',
        );
      const { user } = await call(['staff', 'admins']);
      const groups = () => database.models.Group.collection.find({}).sort({ name: 1 }).toArray();
      const id = (name) => `${issuer.url} ${name}`;
      expect(await groups()).toMatchObject([
        { name: 'admins', source: 'entra', idOnTheSource: id('admins'), memberIds: [user.id], tenantId: 'acme' },
        { name: 'staff', source: 'entra', idOnTheSource: id('staff'), memberIds: [user.id], tenantId: 'acme' },
      ]);
      await call(['staff', 'board']);
      expect((await groups()).map(({ name, memberIds }) => [name, memberIds])).toEqual([
        ['admins', []],
        ['board', [user.id]],
        ['staff', [user.id]],
      ]);
      await call([]);
      expect((await groups()).map(({ memberIds }) => memberIds.length)).toEqual([0, 1, 1]);
    });

    test.each([
      [true, 401, 0],
      [false, 200, 1],
    ])('a userinfo that cannot be reached, required %s: %s, %s account', async (require, status, count) => {
      issuer.metadata = {
        userinfo_endpoint: 'http://127.0.0.1:9/userinfo',
        token_endpoint: 'http://127.0.0.1:9/token',
      };
      const send = sender(depsOf(database.methods), { oidc: { ...oidc, ...ON, userInfo: { fetch: true, require } } });
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) => send(tokenOf(`fay-${require}`), index % 2 ? 'acme' : 'bolt')),
      );
      const wrong = outcomes.filter((outcome) => outcome.status !== status).length;
      const users = await stored();
      expect(users).toHaveLength(2 * count);
      score(
        'S46',
        `userinfo down, require ${require}: ${wrong} of ${outcomes.length} outcomes wrong`,
        '0 wrong',
        wrong === 0,
      );
    });

    afterEach(async () => {
      const everything = JSON.stringify(
        await Promise.all(Object.values(database.models).map((model) => model.collection.find({}).toArray())),
      );
      const parts = tokens.flatMap((token) => token.split('.').slice(1));
      const found = parts.filter((part) => everything.includes(part));
      expect(found).toEqual([]);
      searched += tokens.length;
    });

    test('no part of a token was in the database after any of these', () => {
      score('S47', `0 parts of ${searched} tokens in the database`, '0', searched > USERS);
    });
  },
);
