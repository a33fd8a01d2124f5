'use strict';

// One of several processes on one database: on a message, sends calls of one new user at once, and prints who they were let in as.

const { connect, depsOf, sender } = require('../librechat-database');

process.once('message', async (/** @type {any} */ { uri, oidc, token, tenantId, calls }) => {
  const { methods, disconnect } = await connect(uri);
  const send = sender(depsOf(methods), { oidc });
  process.once('message', async () => {
    const outcomes = await Promise.all(Array.from({ length: calls }, () => send(token, tenantId)));
    process.send?.({
      answers: outcomes.map(({ status, user }) => ({
        status,
        id: user?.id,
        email: user?.email,
        tenantId: user?.tenantId,
      })),
    });
    await disconnect();
    process.disconnect();
  });
  process.send?.({ ready: true });
});
