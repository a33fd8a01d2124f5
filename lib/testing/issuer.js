'use strict';

const { createClock } = require('./clock');
const { KeyRing } = require('./key-ring');
const { ALGORITHMS, signatureOf } = require('./keys');
const { POISONS } = require('./poisons');
const { PRESETS } = require('./presets');
const { expectRefusal } = require('./refusal');
const { IssuerServer, MAX_DELAY } = require('./server');

/**
 * @typedef {import('../../testing').TestIssuerOptions} Options
 * @typedef {import('../../testing').TestTokenOptions} TokenOptions
 */

const AUDIENCE = 'https://api.example.com';
/** Seconds a token lives. */
const LIFETIME = 300;

class TestIssuer {
  clock = createClock();
  expectRefusal = expectRefusal;
  #keys;
  #preset;
  #server;
  #origin = '';
  #path;

  /** @param {Options} options */
  constructor({ alg = 'RS256', audience, path, profile }) {
    this.#keys = new KeyRing(alg);
    this.#preset = profile === undefined ? undefined : presetOf(profile);
    this.audience = audience ?? this.#preset?.audience ?? AUDIENCE;
    this.#path = path ?? this.#preset?.path ?? '';
    if (!/^(\/[^?#]*)?$/.test(this.#path)) throw new TypeError('path must be empty or begin with "/"');
    this.#server = new IssuerServer(this.#path, {
      metadata: () => this.metadata(),
      keys: () => this.jwks(),
    });
  }

  /** @param {number} port */
  async start(port) {
    this.#origin = await this.#server.listen(port);
    return this;
  }

  stop() {
    return this.#server.close();
  }

  [Symbol.asyncDispose]() {
    return this.stop();
  }

  get issuer() {
    return `${this.#origin}${this.#path}`;
  }

  get jwksUri() {
    return `${this.#origin}/jwks`;
  }

  get kid() {
    return this.#keys.current().kid;
  }

  get requests() {
    return { ...this.#server.requests };
  }

  metadata() {
    return {
      issuer: this.issuer,
      jwks_uri: this.jwksUri,
      token_endpoint: `${this.#origin}/token`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: Object.keys(ALGORITHMS),
    };
  }

  /** What is published now. */
  jwks() {
    return { keys: this.#keys.published() };
  }

  /** Options of a policy that accepts its tokens. @param {Record<string, unknown>} [more] */
  policy(more) {
    return /** @type {any} */ ({ issuer: this.issuer, audience: this.audience, ...more });
  }

  /**
   * @param {Record<string, unknown>} [claims] `undefined` removes one
   * @param {TokenOptions} [options]
   */
  token(claims = {}, { alg, kid, expiresIn = LIFETIME, typ, kind, header, forged = false } = {}) {
    const key = this.#keys.signer(alg, kid);
    const algorithm = alg ?? key.alg;
    const preset = kind === undefined && this.#preset === undefined ? undefined : this.#kind(kind);
    const now = Math.floor(this.clock());
    const issuer = preset?.path === undefined ? this.issuer : `${this.#origin}${preset.path}`;
    const standard = { iss: issuer, aud: this.audience, sub: 'user-1', iat: now, exp: now + expiresIn };
    const head = {
      alg: algorithm,
      typ: 'JWT',
      kid: kid ?? key.kid,
      ...preset?.header,
      ...(typ !== undefined && { typ: typ ?? undefined }),
      ...header,
    };
    const input = `${encoded(head)}.${encoded({ ...standard, ...preset?.claims, ...claims })}`;
    return `${input}.${signatureOf(input, algorithm, forged ? this.#keys.forger(key.alg) : key)}`;
  }

  /** New keys sign from now on; those before stay published until they are withdrawn. @param {{ withdraw?: boolean }} [options] */
  rotate({ withdraw = false } = {}) {
    const before = this.#keys.rotate();
    if (withdraw) for (const kid of before) this.withdraw(kid);
    return this.kid;
  }

  /** @param {string} [kid] */
  withdraw(kid = this.kid) {
    this.#keys.withdraw(kid);
  }

  /** @param {{ status?: number }} [options] */
  outage({ status } = {}) {
    this.#server.trouble.outage = status ?? true;
  }

  /** @param {number} milliseconds */
  slow(milliseconds) {
    if (!(milliseconds >= 0 && milliseconds <= MAX_DELAY)) {
      throw new TypeError(`slow takes milliseconds from 0 to ${MAX_DELAY}`);
    }
    this.#server.trouble.delay = milliseconds;
  }

  /** @param {string} kind @param {{ of?: 'keys' | 'metadata' }} [options] */
  poison(kind, { of = kind === 'wrong-issuer' ? 'metadata' : 'keys' } = {}) {
    if (!Object.hasOwn(POISONS, kind)) throw new TypeError(`poison is one of ${Object.keys(POISONS).join(', ')}`);
    this.#server.trouble.poison = { kind, of };
  }

  /** Ends outage, slowness and poison. */
  restore() {
    this.#server.trouble = { outage: false, delay: 0, poison: undefined };
  }

  /** For the command: what else is answered, by a server that the process stays for. @param {IssuerServer['other']} answer */
  serve(answer) {
    this.#server.other = answer;
    this.#server.ref();
  }

  /** @param {string | undefined} kind */
  #kind(kind) {
    const kinds = this.#preset?.kinds ?? {};
    const name = kind ?? Object.keys(kinds)[0];
    if (name !== undefined && Object.hasOwn(kinds, name)) return kinds[name];
    const there = Object.keys(kinds);
    throw new TypeError(there.length === 0 ? 'kind needs a profile' : `kind is one of ${there.join(', ')}`);
  }
}

/** @param {object} value */
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** @param {string} profile */
function presetOf(profile) {
  if (Object.hasOwn(PRESETS, profile)) return PRESETS[profile];
  throw new TypeError(`profile is one of ${Object.keys(PRESETS).join(', ')}`);
}

const OPTIONS = ['alg', 'audience', 'path', 'port', 'profile'];

/** @param {Options} [options] @returns {Promise<any>} */
async function createTestIssuer(options = {}) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new TypeError(`${unknown} is no option; there are ${OPTIONS.join(', ')}`);
  return new TestIssuer(options).start(options.port ?? 0);
}

module.exports = { createTestIssuer };
