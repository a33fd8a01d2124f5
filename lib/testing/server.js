'use strict';

const http = require('node:http');
const { POISONS } = require('./poisons');

/**
 * @typedef {{ metadata: () => object, keys: () => object }} Documents
 * @typedef {{ outage: boolean | number, delay: number, poison: { kind: string, of: 'keys' | 'metadata' } | undefined }} Trouble
 */

/** The longest a test may have an answer wait, in milliseconds: longer is `poison('never')`. */
const MAX_DELAY = 120_000;

/** Where metadata are looked for: OpenID Connect Discovery 4, and RFC 8414 3.1 with the issuer's path behind. */
const wellKnown = (/** @type {string} */ path) => [
  `${path.replace(/\/$/, '')}/.well-known/openid-configuration`,
  `/.well-known/openid-configuration${path.replace(/\/$/, '')}`,
  `/.well-known/oauth-authorization-server${path.replace(/\/$/, '')}`,
];

/** A loopback server of metadata and keys, and the trouble it can be in. */
class IssuerServer {
  requests = { metadata: 0, keys: 0 };
  /** @type {Trouble} */
  trouble = { outage: false, delay: 0, poison: undefined };
  /** What else is answered. @type {((url: URL, res: http.ServerResponse, req: http.IncomingMessage) => boolean) | undefined} */
  other;
  #documents;
  #paths;
  #server;
  /** @type {Set<NodeJS.Timeout>} */
  #timers = new Set();

  /** @param {string} path of the issuer, `` or `/...` @param {Documents} documents */
  constructor(path, documents) {
    this.#documents = documents;
    this.#paths = { metadata: wellKnown(path), keys: '/jwks' };
    this.#server = http.createServer((req, res) => this.#arrived(req, res));
    // A test that forgets to stop it ends all the same.
    this.#server.unref();
  }

  /** @param {number} port @returns {Promise<string>} the origin */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        const address = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
        resolve(`http://127.0.0.1:${address.port}`);
      });
    });
  }

  /** The process stays for it: for the command. */
  ref() {
    this.#server.ref();
  }

  /** @returns {Promise<void>} */
  close() {
    for (const timer of this.#timers) clearTimeout(timer);
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** @param {http.IncomingMessage} req @param {http.ServerResponse} res */
  #arrived(req, res) {
    const url = new URL(/** @type {string} */ (req.url), 'http://127.0.0.1');
    const name = url.pathname === this.#paths.keys ? 'keys' : 'metadata';
    const isDocument = name === 'keys' || this.#paths.metadata.includes(url.pathname);
    if (isDocument) this.requests[name] += 1;
    const { outage, delay } = this.trouble;
    if (outage === true) return void req.socket.destroy();
    const answer = () => {
      if (res.destroyed) return;
      if (typeof outage === 'number') return void res.writeHead(outage).end();
      if (isDocument) return this.#send(name, res);
      if (!this.other?.(url, res, req)) res.writeHead(404).end();
    };
    if (delay === 0) return answer();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      answer();
    }, delay);
    this.#timers.add(timer.unref());
  }

  /** @param {'keys' | 'metadata'} name @param {http.ServerResponse} res */
  #send(name, res) {
    const good = this.#documents[name]();
    const { poison } = this.trouble;
    const answer =
      poison?.of === name ? /** @type {any} */ (POISONS[poison.kind])(good) : { body: JSON.stringify(good) };
    const { status = 200, headers = {}, body } = answer;
    if (body === null) return;
    res.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    if (headers['Content-Length'] === undefined) return void res.end(body);
    res.write(body, () => res.destroy());
  }
}

module.exports = { IssuerServer, MAX_DELAY };
