'use strict';

// What this Node and this package make of one https server: `{ node, ours }`, each `ok` or a cause.

const https = require('node:https');
const tls = require('node:tls');

const [, , url, trusted] = process.argv;
if (trusted !== undefined) tls.setDefaultCACertificates(JSON.parse(trusted));
const { RemoteTokenVerifier } = require('../../..');

const node = new Promise((resolve) => {
  const request = https.get(url, { agent: false }, (response) => response.resume().on('end', () => resolve('ok')));
  request.on('error', (error) => resolve(error.code ?? error.message));
});
const ours = new RemoteTokenVerifier().prefetch({ issuer: 'https://localhost', audience: 'api', jwksUri: url }).then(
  () => 'ok',
  (error) => error.reason ?? error.message,
);
Promise.all([node, ours]).then(([said, say]) => console.log(JSON.stringify({ node: said, ours: say })));
