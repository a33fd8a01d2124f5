'use strict';

// What all adapters do: one request in, whom it comes from or its answer out. How it is sent is each framework's.

const { createAuthenticator } = require('../bearer-auth');
const { wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').BearerRequest} BearerRequest
 * @typedef {import('../../index').BearerResult} BearerResult
 * @typedef {import('../../index').Guard} Guard
 * @typedef {{ status: number, headers: Record<string, string>, body: string, error?: import('../../index').BearerError }} Answer
 * @typedef {{ auth?: import('../../index').BearerAuth, answer?: undefined } | { answer: Answer, auth?: undefined }} Decision
 */

class Protection {
  #options;
  #factory;
  #metadata;
  #authenticator;
  /** What was seen of a request, for the metadata: its function is given the same for the document and for the challenge. */
  #seen = new WeakMap();
  /** The same with the other `authRequired`, for routes that differ. @type {ReturnType<typeof createAuthenticator> | undefined} */
  #other;

  /** @param {any} options `metadata`: the handler of protectedResourceMetadata, whose document is then served @param {string} factory */
  constructor(options, factory) {
    const { metadata, ...own } = Object(options);
    if (metadata !== undefined && typeof metadata?.documentFor !== 'function') {
      throw wrongOption(`${factory}: metadata must be what protectedResourceMetadata returns`);
    }
    this.#factory = factory;
    this.#metadata = metadata;
    const urlFor = (/** @type {any} */ req) => metadata.urlFor(this.#seen.get(req) ?? req);
    this.#options = metadata === undefined ? own : { ...own, resourceMetadata: own.resourceMetadata ?? urlFor };
    this.#authenticator = createAuthenticator(this.#options, factory);
  }

  get property() {
    return this.#authenticator.settings.property;
  }

  /** Whether the host answers a refusal itself, by its error. */
  get throws() {
    return this.#authenticator.settings.onError === 'next';
  }

  /**
   * @param {BearerRequest} request
   * @param {any} req the host's own, for functions of the operator
   * @param {readonly Guard[]} [guards]
   * @param {boolean} [authRequired] of this route, where it differs
   * @returns {Promise<Decision>}
   */
  async decide(request, req, guards = [], authRequired) {
    if (this.#metadata !== undefined) this.#seen.set(req, request);
    const authenticator = this.#authenticatorFor(authRequired);
    const document = this.#document(request, req);
    if (document !== undefined) return { answer: document };
    const result = await authenticator.authenticate(request, req);
    if (!result.ok) return { answer: result };
    for (const guard of guards) {
      const cause = await guard.evaluate(result.auth, req);
      if (cause !== undefined) return { answer: authenticator.refuseByGuard(cause, req, result.auth) };
    }
    return { auth: result.auth };
  }

  /** @param {boolean | undefined} authRequired */
  #authenticatorFor(authRequired) {
    if (authRequired === undefined || authRequired === this.#authenticator.settings.authRequired) {
      return this.#authenticator;
    }
    this.#other ??= createAuthenticator({ ...this.#options, authRequired }, this.#factory);
    return this.#other;
  }

  /**
   * Public (RFC 9728 3.1): clients read it before they have a token.
   * @param {BearerRequest} request
   * @param {any} req
   * @returns {Answer | undefined}
   */
  #document(request, req) {
    if (this.#metadata === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return undefined;
    let document;
    try {
      document = this.#metadata.documentFor(request);
    } catch (cause) {
      return this.#authenticator.refuse(
        { code: 'ERR_INTERNAL', message: 'the metadata could not be given', cause },
        req,
      );
    }
    if (document === undefined) return undefined;
    const headers = { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*' };
    return { status: 200, headers, body: document.text };
  }
}

/** @param {unknown} guards @param {string} factory @returns {readonly Guard[]} */
function checkGuards(guards, factory) {
  const list = /** @type {any[]} */ ([guards ?? []].flat());
  if (list.every((guard) => typeof guard?.evaluate === 'function')) return list;
  throw wrongOption(`${factory}: guards must be made by requireScopes, requireRoles, check and the like`);
}

/** @param {any} options @param {string} factory */
const protect = (options, factory) => new Protection(options, factory);

module.exports = { checkGuards, protect };
