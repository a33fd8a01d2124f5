'use strict';

// `remote-agent-auth/nest`: a guard for all routes or some, and decorators for what differs.

const { wrongOption } = require('../verifier/errors');
const { peer } = require('./peer');
const { checkGuards, protect } = require('./protection');

// @ts-ignore An optional peer: its types need not be there.
const { HttpException, SetMetadata, createParamDecorator } = peer('@nestjs/common', () => require('@nestjs/common'));

const RULES = 'remote-agent-auth:rules';
const OPEN = 'remote-agent-auth:open';
/** With what `reflect-metadata` adds, which Nest loads. */
const reflect = /** @type {any} */ (Reflect);
/** Of a class, or of one of its methods. @param {string} key @param {any} target */
const metadataOf = (key, target) => reflect.getMetadata(key, target);

class BearerAuthGuard {
  #protection;

  /** @param {import('../../nest').NestBearerAuthOptions} options */
  constructor(options) {
    this.#protection = protect(options, 'BearerAuthGuard');
  }

  /** @param {any} context Nest's ExecutionContext @returns {Promise<true>} */
  async canActivate(context) {
    // Nobody here knows where a token would stand in a message.
    if (context.getType() !== 'http') throw wrongOption('BearerAuthGuard: only HTTP routes can be protected by it');
    const [handler, owner] = [context.getHandler(), context.getClass()];
    const req = context.switchToHttp().getRequest();
    const rules = [owner, handler].flatMap((target) => metadataOf(RULES, target) ?? []);
    // What is asked of a route counts more than that it is open.
    if (rules.length === 0 && (metadataOf(OPEN, handler) ?? metadataOf(OPEN, owner)) === true) return true;
    const { auth, answer } = await this.#protection.decide(requestOf(req), req, rules);
    if (answer !== undefined) throw exceptionOf(answer, context.switchToHttp().getResponse());
    req[this.#protection.property] = auth;
    return true;
  }
}

/** Of Express, or of Fastify, which has Node's request inside. @param {any} req */
function requestOf(req) {
  const { method, originalUrl, url, headers, rawHeaders, body } = req;
  return { method, url: originalUrl ?? url, headers, rawHeaders: rawHeaders ?? req.raw?.rawHeaders, body };
}

/** @param {import('./protection').Answer} answer @param {any} res */
function exceptionOf({ status, headers, body, error }, res) {
  for (const [name, value] of Object.entries(headers)) {
    // Nest writes the body of an exception as application/json, and warns of anything else.
    if (name === 'Content-Type') continue;
    if (typeof res.setHeader === 'function') res.setHeader(name, value);
    else res.header(name, value);
  }
  return new HttpException(body === '' ? {} : JSON.parse(body), status, { cause: error });
}

/** Of a class or a method: what its requests must have. @param {...import('../../index').Guard} guards */
const Require = (...guards) => {
  const added = checkGuards(guards, 'Require');
  return (
    /** @type {any} */ owner,
    /** @type {any} */ _name,
    /** @type {PropertyDescriptor | undefined} */ descriptor,
  ) => {
    const target = descriptor === undefined ? owner : descriptor.value;
    if (typeof target !== 'function')
      throw wrongOption('Require: it stands on a class or a method, and on nothing else');
    // What stands there already, and what a class inherits, is asked for as well: SetMetadata alone would replace it.
    reflect.defineMetadata(RULES, [...added, ...(metadataOf(RULES, target) ?? [])], target);
    return descriptor ?? owner;
  };
};
/** Of a class or a method: no token is needed, and none is looked at. */
const Public = () => SetMetadata(OPEN, true);
/** Of a parameter: whom the request comes from. */
const Auth = createParamDecorator((/** @type {string | undefined} */ property, /** @type {any} */ context) => {
  return context.switchToHttp().getRequest()[property ?? 'auth'];
});

module.exports = { Auth, BearerAuthGuard, Public, Require };
