'use strict';

// Ends while a fetch hangs: by process.exit, by an uncaught error, or because nothing is left to do.

const net = require('node:net');
const path = require('node:path');
const { createRemoteAgentAuth } = require(path.join(__dirname, '../../../native.js'));

const [, , way, token] = process.argv;

const silent = net.createServer((socket) => {
  // The fetch has arrived and will never be answered.
  socket.unref();
  silent.unref();
  if (way === 'exit') process.exit(0);
  if (way === 'throw') throw new Error('on purpose');
  if (way === 'kill') process.kill(process.pid, 'SIGTERM');
});
silent.listen(0, '127.0.0.1', async () => {
  const { port } = /** @type {net.AddressInfo} */ (silent.address());
  if (way === 'nothing left') {
    // The provider refuses, the answer has come: the store and its threads are there, and nobody waits for them.
    silent.close();
    const outcome = await createRemoteAgentAuth().check(token, {
      issuer: 'http://localhost',
      audience: 'a',
      jwksUri: `http://127.0.0.1:${port}/`,
    });
    process.stdout.write(outcome.code);
    return;
  }
  createRemoteAgentAuth().check(token, {
    issuer: 'http://localhost',
    audience: 'a',
    jwksUri: `http://127.0.0.1:${port}/`,
  });
});
