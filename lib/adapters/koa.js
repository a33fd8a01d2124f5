'use strict';

// `remote-agent-auth/koa`.

const { handedOn } = require('../bearer-auth');
const { checkGuards, protect } = require('./protection');

/**
 * @param {import('../../koa').KoaBearerAuthOptions} options
 * @param {...import('../../index').Guard} guards
 * @returns {(ctx: any, next: () => Promise<unknown>) => Promise<unknown>}
 */
function bearerAuth(options, ...guards) {
  const protection = protect(options, 'bearerAuth');
  const rules = checkGuards(guards, 'bearerAuth');
  const { property } = protection;
  return async (ctx, next) => {
    const { method, headers, rawHeaders } = ctx.req;
    // A body parser before it has put what it read there.
    const { body } = ctx.request;
    const request = { method, url: ctx.originalUrl, headers, rawHeaders, body };
    const { auth, answer } = await protection.decide(request, ctx, rules);
    if (answer === undefined) {
      ctx.state[property] = auth;
      return next();
    }
    if (protection.throws && answer.error !== undefined) throw handedOn(answer.error);
    ctx.status = answer.status;
    ctx.set(answer.headers);
    ctx.body = answer.body;
    return undefined;
  };
}

module.exports = { bearerAuth };
