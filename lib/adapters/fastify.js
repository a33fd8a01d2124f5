'use strict';

// `remote-agent-auth/fastify`: a plugin that protects all routes of the instance it is registered on, and of its children.

const { handedOn } = require('../bearer-auth');
const { wrongOption } = require('../verifier/errors');
const { checkGuards, protect } = require('./protection');

const FACTORY = 'bearerAuth';

/**
 * @param {any} fastify
 * @param {import('../../index').BearerAuthOptions} options
 * @param {(error?: Error) => void} done
 */
function bearerAuth(fastify, options, done) {
  /** Routes as they were registered: what a request finds later is what was checked. @type {WeakMap<object, RouteRule>} */
  const rules = new WeakMap();
  const protection = protect(options, FACTORY);
  const { property } = protection;
  fastify.decorateRequest(property, null);
  fastify.addHook('onRoute', (/** @type {any} */ route) => {
    const written = route.config?.auth;
    if (written !== undefined) rules.set(route.config, ruleOf(written, `${FACTORY}, route ${route.url}`));
  });
  // Before the body is read: a stranger's is not worth parsing.
  fastify.addHook('onRequest', async (/** @type {any} */ request, /** @type {any} */ reply) => {
    const rule = ruleFor(rules, request.routeOptions?.config);
    if (rule?.open) return undefined;
    const { guards, authRequired } = rule ?? {};
    const { method, headers, rawHeaders } = request.raw;
    const seen = { method, url: request.originalUrl, headers, rawHeaders };
    const { auth, answer } = await protection.decide(seen, request, guards, authRequired);
    if (answer === undefined) {
      request[property] = auth ?? null;
      return undefined;
    }
    reply.code(answer.status).headers(answer.headers);
    if (protection.throws && answer.error !== undefined) throw thrown(answer.error);
    return reply.send(answer.body);
  });
  done();
}

/**
 * Fastify's own error handler sends `message` and `code` to the client: the code, which names the cause, is in `cause` alone.
 * @param {import('../../index').BearerError} error
 */
function thrown(error) {
  const { message, status, reference, headers, cause } = handedOn(error);
  const answer = { statusCode: status, status, reference, headers, expose: false };
  return Object.assign(new Error(message, { cause }), answer);
}

/** @typedef {{ open: boolean, guards?: readonly import('../../index').Guard[], authRequired?: boolean }} RouteRule */

/**
 * Fastify hands a request its route's configuration in an object of its own.
 * @param {WeakMap<object, RouteRule>} rules
 * @param {any} config
 */
function ruleFor(rules, config) {
  if (config?.auth === undefined) return undefined;
  const known = rules.get(config) ?? ruleOf(config.auth, FACTORY);
  rules.set(config, known);
  return known;
}

/** @param {any} written of a route's `config.auth` @param {string} where @returns {RouteRule} */
function ruleOf(written, where) {
  if (written === false) return { open: true };
  if (typeof written !== 'object' || written === null) throw wrongOption(`${where}: auth must be false or an object`);
  const { guards, authRequired, ...unknown } = written;
  const [other] = Object.keys(unknown);
  if (other !== undefined) throw wrongOption(`${where}: auth has no option "${other}", but guards and authRequired`);
  if (authRequired !== undefined && typeof authRequired !== 'boolean') {
    throw wrongOption(`${where}: auth.authRequired must be a boolean`);
  }
  return { open: false, guards: checkGuards(guards, where), authRequired };
}

// What fastify-plugin would set: the hooks are the parent's, not those of a scope of their own.
module.exports = {
  bearerAuth: Object.assign(bearerAuth, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'remote-agent-auth',
    [Symbol.for('plugin-meta')]: { name: 'remote-agent-auth', fastify: '5.x' },
  }),
};
