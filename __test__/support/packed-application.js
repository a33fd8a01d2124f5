'use strict';

// An application that has installed what would be published: the packed files of the main package and those of this platform's, which
// holds the native file of this checkout.

const fs = require('node:fs');
const path = require('node:path');
const { stageMain } = require('../../scripts/release/pack');
const { fileName, ownPlatform, packageName } = require('../../scripts/platforms/table');

const ROOT = path.join(__dirname, '..', '..');

/** One token verified, without a network. It prints the subject. */
const APPLICATION = `
const { generateKeyPairSync, sign } = require('node:crypto');
const { verifyRemoteToken } = require('remote-agent-auth');
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = { iss: 'https://op.example', aud: 'agents', sub: 'someone', exp: Math.floor(Date.now() / 1000) + 60 };
const signed = part({ alg: 'ES256', kid: '1' }) + '.' + part(claims);
const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1' }] };
verifyRemoteToken(signed + '.' + signature, { issuer: 'https://op.example', audience: 'agents', jwks }).then((verified) =>
  console.log(verified.claims.sub),
);
`;

/**
 * @param {string} folder an empty one
 * @param {{ platform?: boolean }} [what] `platform: false`: without the package of this platform
 * @returns {string} the application's file
 */
function installApplication(folder, { platform = true } = {}) {
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(modules, { recursive: true });
  stageMain(modules);
  const name = String(ownPlatform());
  if (platform) {
    const target = path.join(modules, packageName(name));
    fs.mkdirSync(target);
    fs.copyFileSync(path.join(ROOT, 'npm', name, 'package.json'), path.join(target, 'package.json'));
    fs.copyFileSync(path.join(ROOT, fileName(name)), path.join(target, fileName(name)));
  }
  fs.writeFileSync(
    path.join(folder, 'package.json'),
    '{ "private": true, "dependencies": { "remote-agent-auth": "*" } }\n',
  );
  const file = path.join(folder, 'application.js');
  fs.writeFileSync(file, APPLICATION);
  return file;
}

module.exports = { APPLICATION, installApplication };
