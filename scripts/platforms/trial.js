#!/usr/bin/env node
'use strict';

// Runs inside a Node of some platform, with REMOTE_AGENT_AUTH_BINARY naming a native file: lets the package do with that file what it
// is for. Knows Node and the package alone, so that it runs where nothing is installed. Prints one line of JSON; throws where the
// package does not do what it should, and must end by itself.

const assert = require('node:assert');
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const https = require('node:https');
const { isMainThread, Worker } = require('node:worker_threads');

// Not exported afterwards: Node 20 can wait for itself for ever when garbage is collected in the midst of that.
const publicKeyEncoding = /** @type {const} */ ({ format: 'jwk' });
const KEYS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding }),
  PS384: () => generateKeyPairSync('rsa', { modulusLength: 3072, publicKeyEncoding }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384', publicKeyEncoding }),
  EdDSA: () => generateKeyPairSync('ed25519', { publicKeyEncoding }),
};

/** @param {object} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const milliseconds = (/** @type {bigint} */ since) => Number(process.hrtime.bigint() - since) / 1e6;

/** @param {string} algorithm */
function signer(algorithm) {
  const { publicKey, privateKey } = KEYS[/** @type {keyof KEYS} */ (algorithm)]();
  const digest = algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`;
  const how = algorithm.startsWith('PS')
    ? { padding: 6, saltLength: 48 }
    : /** @type {const} */ ({ dsaEncoding: 'ieee-p1363' });
  return {
    jwks: { keys: [{ ...publicKey, kid: algorithm, alg: algorithm, use: 'sig' }] },
    /** @param {object} claims */
    token(claims) {
      const text = `${encode({ alg: algorithm, kid: algorithm })}.${encode(claims)}`;
      return `${text}.${sign(digest, Buffer.from(text), { key: privateKey, ...how }).toString('base64url')}`;
    },
  };
}

const seconds = Math.floor(Date.now() / 1000);
/** @param {string} issuer */
const claims = (issuer) => ({ iss: issuer, aud: 'agents', sub: 'someone', iat: seconds, exp: seconds + 600 });

/** @typedef {typeof import('../../index')} Package */

/** Every algorithm, with the keys at hand: a good token is let in, the same with another payload is not. @param {Package} ours */
async function inlineKeys({ verifyRemoteToken }) {
  const issuer = 'https://provider.test';
  for (const algorithm of Object.keys(KEYS)) {
    const { jwks, token } = signer(algorithm);
    const policy = { issuer, audience: 'agents', jwks, algorithms: [algorithm] };
    const good = token(claims(issuer));
    const found = await verifyRemoteToken(good, policy);
    assert.strictEqual(found.claims.sub, 'someone');
    const [head, , signature] = good.split('.');
    const forged = `${head}.${encode({ ...claims(issuer), sub: 'other' })}.${signature}`;
    await assert.rejects(verifyRemoteToken(forged, policy), { code: 'ERR_SIGNATURE_INVALID' }, algorithm);
  }
  return Object.keys(KEYS);
}

/** One value of DER (X.690), with its tag and length. @param {number} tag @param {...Buffer} parts */
function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** A certificate for 127.0.0.1 that signs itself (RFC 5280), and its key, both PEM. Node can read certificates and make none. */
function certificate() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const object = (/** @type {string} */ hex) => der(0x06, Buffer.from(hex, 'hex'));
  const ecdsaWithSha256 = der(0x30, object('2a8648ce3d040302'));
  const name = der(0x30, der(0x31, der(0x30, object('550403'), der(0x0c, Buffer.from('platform trial')))));
  const day = (/** @type {number} */ days) =>
    new Date(Date.now() + days * 86_400_000)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .slice(2);
  const validity = der(0x30, der(0x17, Buffer.from(day(-1))), der(0x17, Buffer.from(day(1))));
  const address = der(0x30, der(0x87, Buffer.from([127, 0, 0, 1])));
  const names = der(0x30, object('551d11'), der(0x04, address));
  const [version, serial] = [der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, Buffer.from([1]))];
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const body = der(0x30, version, serial, ecdsaWithSha256, name, validity, name, spki, der(0xa3, der(0x30, names)));
  const signed = der(0x30, body, ecdsaWithSha256, der(0x03, Buffer.from([0]), sign('sha256', body, privateKey)));
  const cert = `-----BEGIN CERTIFICATE-----\n${signed.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

/**
 * Keys fetched by the file's own HTTP client, once for two tokens.
 * @param {Package} ours
 * @param {{ cert: string, key: string | Buffer }} [tls] of the provider; without, it is asked over plain HTTP
 * @returns {Promise<number>} milliseconds until the first token was let in
 */
async function fetchedKeys({ verifyRemoteToken }, tls) {
  const { jwks, token } = signer('ES256');
  let requests = 0;
  /** @type {import('node:http').RequestListener} */
  const answer = (_request, response) => {
    requests += 1;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(jwks));
  };
  const server = (tls ? https.createServer(tls, answer) : createServer(answer)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const policy = { issuer, audience: 'agents', jwksUri: `${issuer}/keys` };
  if (tls) {
    // Without the certificate among the trusted ones nothing is fetched.
    await assert.rejects(verifyRemoteToken(token(claims(issuer)), policy), { fault: 'upstream' });
    assert.strictEqual(requests, 0, 'no request without trust');
  }
  const trusting = { ...policy, ...(tls && { ca: tls.cert }) };
  const started = process.hrtime.bigint();
  await verifyRemoteToken(token(claims(issuer)), trusting);
  const fetched = milliseconds(started);
  await verifyRemoteToken(token(claims(issuer)), trusting);
  assert.strictEqual(requests, 1, 'the second token is verified with the keys of the first');
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  return fetched;
}

/** Microseconds of one signature check, without the verdict cache. @param {Package} ours */
async function checkTime({ RemoteTokenVerifier }) {
  const issuer = 'https://provider.test';
  const { jwks, token } = signer('ES256');
  const verifier = new RemoteTokenVerifier({ verdictCache: false });
  const policy = { issuer, audience: 'agents', jwks };
  const good = token(claims(issuer));
  const rounds = 200;
  await verifier.verify(good, policy);
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) await verifier.verify(good, policy);
  return (milliseconds(started) * 1000) / rounds;
}

async function main() {
  const started = process.hrtime.bigint();
  const ours = require('../..');
  const loaded = milliseconds(started);
  const algorithms = await inlineKeys(ours);
  const fetched = await fetchedKeys(ours);
  const fetchedOverTls = await fetchedKeys(ours, certificate());
  if (!isMainThread) return;

  const checked = await checkTime(ours);
  const [code] = await once(new Worker(__filename), 'exit');
  assert.strictEqual(code, 0, 'the same in a worker thread');
  const native = require(process.env.REMOTE_AGENT_AUTH_BINARY ?? '');
  console.log(
    JSON.stringify({
      node: process.versions.node,
      arch: process.arch,
      libc: /** @type {any} */ (process.report.getReport()).header.glibcVersionRuntime ?? null,
      version: native.version(),
      probes: Object.keys(native).filter((name) => /panic/i.test(name)),
      algorithms,
      loaded,
      fetched,
      fetchedOverTls,
      checked,
    }),
  );
}

main();
