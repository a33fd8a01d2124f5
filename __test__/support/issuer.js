'use strict';

// A small OpenID provider for tests: discovery and keys over real HTTP on loopback, tokens signed by
// node:crypto, which shares no code with the verifier under test.

const { createServer } = require('node:http');
const { createPublicKey, generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');

// A public key as JWK at once: Node 20 can wait for itself for ever when it is exported later and garbage is collected in the midst of
// that.
const publicKeyEncoding = { format: 'jwk' };

const KEY_TYPES = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521', publicKeyEncoding }),
};

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

class Issuer {
  #server;
  #serial = 0;
  #keys = [];
  /** How often each document was asked for. */
  requests = { discovery: 0, keys: 0 };
  /** Members that replace those of the discovery document. */
  metadata = {};
  /** Awaited before each answer, so that a test can hold a request where it is. */
  gate = async () => {};

  /** @param {{ algorithm?: 'RS256' | 'ES256' | 'ES512', path?: string }} [options] */
  constructor({ algorithm = 'ES256', path = '/realms/test' } = {}) {
    this.algorithm = algorithm;
    this.path = path;
    this.rotate();
  }

  get url() {
    return `http://127.0.0.1:${this.port}${this.path}`;
  }

  get jwksUri() {
    return `${this.url}/keys`;
  }

  async start(port = 0) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    return this;
  }

  async stop() {
    if (this.#server === undefined) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    this.#server = undefined;
  }

  async #answer(request, response) {
    await this.gate();
    const send = (status, body) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.url === `${this.path}/.well-known/openid-configuration`) {
      this.requests.discovery += 1;
      return send(200, { issuer: this.url, jwks_uri: this.jwksUri, ...this.metadata });
    }
    if (request.url === `${this.path}/keys`) {
      this.requests.keys += 1;
      return send(200, { keys: this.#keys.map(({ jwk }) => jwk) });
    }
    send(404, { error: 'not found' });
  }

  /** A new signing key; the old ones are withdrawn. */
  rotate() {
    this.#serial += 1;
    const { publicKey, privateKey } = KEY_TYPES[this.algorithm]();
    const kid = `key-${this.#serial}`;
    const jwk = { ...publicKey, kid, alg: this.algorithm, use: 'sig' };
    this.#keys = [{ kid, jwk, publicKey: createPublicKey({ key: publicKey, format: 'jwk' }), privateKey }];
  }

  /** The keys as they are published. */
  get jwks() {
    return this.#keys.map(({ jwk }) => jwk);
  }

  get publicKey() {
    return this.#keys[0].publicKey;
  }

  /**
   * @param {Record<string, unknown>} [claims] replace the usual ones; `undefined` leaves one out
   * @param {{ header?: object, key?: import('node:crypto').KeyObject }} [options]
   */
  token(claims = {}, { header = {}, key = this.#keys[0].privateKey } = {}) {
    return this.signed(JSON.stringify(this.claims(claims)), { header, key });
  }

  /** @param {Record<string, unknown>} [claims] replace the usual ones */
  claims(claims = {}) {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, aud: 'agents', sub: 'subject-1', iat: now, exp: now + 300, ...claims };
  }

  /**
   * @param {string} payload JSON to the letter, which need not be what an object can say
   * @param {{ header?: object, key?: import('node:crypto').KeyObject }} [options]
   */
  signed(payload, { header = {}, key = this.#keys[0].privateKey } = {}) {
    const jose = { alg: this.algorithm, typ: 'at+jwt', kid: this.#keys[0].kid, ...header };
    const signed = `${encode(jose)}.${encode(payload)}`;
    const signature = sign(`sha${this.algorithm.slice(2)}`, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }
}

module.exports = { Issuer, encode };
