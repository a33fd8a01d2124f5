'use strict';

const fs = require('node:fs');

/**
 * @typedef {import('../index').TenantContext} TenantContext
 * @typedef {import('../index').TenantMiddlewareDeps} Deps
 * @typedef {import('../index').TenantRequest} Request
 * @typedef {import('../index').RemoteAgentAuthResponse} Response
 */

/** The tenant of the host's own maintenance, outside all isolation: no request may ever be it. */
const SYSTEM_TENANT = '__SYSTEM__';
/** What a tenant may be called before anybody is known; characters. */
const TENANT_NAME = /^[-a-zA-Z0-9_.]{1,128}$/;

const SYSTEM_REFUSED = Object.freeze({ error: 'System tenant is not allowed for request-scoped routes' });
const TENANT_REQUIRED = Object.freeze({ error: 'Tenant context required in strict isolation mode' });

/** Node loads `fs.promises` when it is asked for, in milliseconds. @param {string} path */
const unlink = (path) => fs.promises.unlink(path);

/**
 * LibreChat's tenant middlewares over the host's own tenant storage.
 * @param {Deps} deps
 * @returns {import('../index').TenantMiddlewares}
 */
function createTenantMiddlewares({ tenantStorage, logger, deleteFile = unlink }) {
  /** @type {boolean | undefined} */
  let strict;

  /** Read once: isolation must not change between two requests of one process. */
  const isStrict = () => {
    strict ??= process.env.TENANT_ISOLATION_STRICT === 'true';
    return strict;
  };

  /** @param {string} message @param {unknown} [error] */
  const warn = (message, error) => void logger?.warn?.(`[tenantMiddleware] ${message}`, ...(error ? [error] : []));

  /** @type {import('../index').TenantMiddlewares['runWithTenantContext']} */
  const runWithTenantContext = (context, fn) =>
    Object.values(context).some(Boolean) ? tenantStorage.run(context, fn) : fn();

  /** @param {string | undefined} tenantId @param {boolean} mustHave @returns {{ error: string } | undefined} */
  const objection = (tenantId, mustHave) => {
    if (tenantId === SYSTEM_TENANT) {
      warn('a request was refused that claims to be the system tenant');
      return SYSTEM_REFUSED;
    }
    return tenantId === undefined && mustHave && isStrict() ? TENANT_REQUIRED : undefined;
  };

  return {
    buildTenantContext,
    resolveRequestTenantId,
    runWithTenantContext,

    preAuthTenantMiddleware(req, _res, next) {
      const header = req.headers?.['x-tenant-id'];
      const tenantId = typeof header === 'string' ? header.trim() : '';
      if (tenantId === '') return void next();
      if (tenantId === SYSTEM_TENANT || !TENANT_NAME.test(tenantId)) {
        warn('X-Tenant-Id is ignored: it is no name of a tenant');
        return void next();
      }
      const requestId = requestIdOf(req);
      return void runWithTenantContext({ tenantId, ...(requestId ? { requestId } : {}) }, () => next());
    },

    tenantContextMiddleware(req, res, next) {
      const refusal = objection(resolveRequestTenantId(req), Boolean(req.user));
      if (refusal !== undefined) return void res.status(403).json(refusal);
      // Not in a promise: what `next` throws at once reaches the application's error handlers.
      return void runWithTenantContext(buildTenantContext(req), () => next());
    },

    async restoreTenantContextFromReq(req, res, next) {
      const refusal = objection(resolveRequestTenantId(req), true);
      const context = buildTenantContext(req);
      if (refusal === undefined) return void runWithTenantContext(context, () => next());
      await runWithTenantContext(context, () => deleteUploads(req));
      return void res.status(403).json(refusal);
    },

    _resetTenantMiddlewareStrictCache() {
      strict = undefined;
    },
  };

  /** What a refused request has left on the disk. @param {Request} req */
  async function deleteUploads(req) {
    const files = [req.file, ...Object.values(req.files ?? {}).flat()];
    const paths = files.map((file) => file?.path).filter((path) => typeof path === 'string');
    const outcomes = await Promise.allSettled(paths.map(async (path) => deleteFile(path)));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') warn('the upload of a refused request could not be deleted', outcome.reason);
    }
  }
}

/**
 * @param {Request} req
 * @returns {string | undefined} the request's own tenant, else the user's; trimmed, undefined when blank
 */
function resolveRequestTenantId(req) {
  return [req.tenantId, req.user?.tenantId].map(trimmed).find((tenantId) => tenantId !== undefined);
}

/**
 * @param {Request} req
 * @returns {TenantContext} only what is known
 */
function buildTenantContext(req) {
  const tenantId = resolveRequestTenantId(req);
  const id = req.user?.id || req.user?._id;
  const requestId = requestIdOf(req);
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(id ? { userId: String(id) } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** @param {Request} req @returns {string | undefined} */
function requestIdOf(req) {
  const header = req.headers?.['x-request-id'] ?? req.headers?.['x-correlation-id'];
  return trimmed(Array.isArray(header) ? header[0] : header);
}

/** @param {unknown} text @returns {string | undefined} */
function trimmed(text) {
  return typeof text === 'string' ? text.trim() || undefined : undefined;
}

module.exports = { SYSTEM_TENANT, createTenantMiddlewares };
