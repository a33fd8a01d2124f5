'use strict';

const { createLog } = require('../middleware/log');
const {
  SYSTEM_TENANT,
  buildTenantContext,
  hasContext,
  requestContext,
  resolveRequestTenantId,
} = require('./request-tenant');

/**
 * @typedef {import('../../index').TenantContext} TenantContext
 * @typedef {import('../../index').TenantMiddlewareDeps} Deps
 * @typedef {import('../../index').TenantMiddlewares} TenantMiddlewares
 * @typedef {import('../../index').TenantRequest} Request
 * @typedef {import('../../index').RemoteAgentAuthResponse} Response
 * @typedef {(value?: any) => void} Next
 */

/** What a tenant may be called before anybody is known; characters. */
const TENANT_NAME = /^[-a-zA-Z0-9_.]{1,128}$/;

const SYSTEM_REFUSED = Object.freeze({ error: 'System tenant is not allowed for request-scoped routes' });
const TENANT_REQUIRED = Object.freeze({ error: 'Tenant context required in strict isolation mode' });

/** Loaded when the first upload is deleted. @param {string} path */
const unlink = (path) => require('node:fs/promises').unlink(path);

/**
 * LibreChat's tenant middlewares over the host's own tenant storage. Log lines are LibreChat's, where its own tests ask for them.
 * @param {Deps} deps
 * @returns {TenantMiddlewares}
 */
function createTenantMiddlewares({ tenantStorage, logger, deleteFile = unlink, trustTenantHeader }) {
  const log = createLog(logger ?? {}, '');
  const isStrict = strictness();
  const isTrusted = () => isTenantHeaderTrusted(trustTenantHeader);

  /** @type {TenantMiddlewares['runWithTenantContext']} */
  const runWithTenantContext = (context, fn) => (hasContext(context) ? tenantStorage.run(context, fn) : fn());

  return {
    buildTenantContext,
    resolveRequestTenantId,
    runWithTenantContext,
    preAuthTenantMiddleware: createPreAuth({ runWithTenantContext, isTrusted, log }),

    tenantContextMiddleware(req, res, next) {
      const tenantId = resolveRequestTenantId(req);
      if (tenantId === SYSTEM_TENANT) {
        log.warn('[tenantContextMiddleware] Rejected system tenant for request route', { path: req.path });
        return void res.status(403).json(SYSTEM_REFUSED);
      }
      if (tenantId === undefined && req.user && isStrict()) return void res.status(403).json(TENANT_REQUIRED);
      // Not in a promise: what `next` throws at once reaches the application's error handlers.
      return void runWithTenantContext(buildTenantContext(req, tenantId), () => next());
    },

    async restoreTenantContextFromReq(req, res, next) {
      const tenantId = resolveRequestTenantId(req);
      if (tenantId === SYSTEM_TENANT) {
        log.warn('[restoreTenantContextFromReq] Rejected system tenant for request route', { path: req.path });
        // Not in the context of the system tenant, which is outside all isolation.
        await deleteUploads(req, deleteFile, log);
        return void res.status(403).json(SYSTEM_REFUSED);
      }
      const context = buildTenantContext(req, tenantId);
      if (tenantId !== undefined || !isStrict()) return void runWithTenantContext(context, () => next());
      await runWithTenantContext(context, () => deleteUploads(req, deleteFile, log));
      return void res.status(403).json(TENANT_REQUIRED);
    },

    _resetTenantMiddlewareStrictCache: isStrict.reset,
  };
}

/**
 * Enters the tenant a proxy in front names, before anybody is known; refuses nobody.
 * @param {{ runWithTenantContext: TenantMiddlewares['runWithTenantContext'], isTrusted: () => boolean,
 *   log: import('../middleware/log').Log }} surroundings
 * @returns {TenantMiddlewares['preAuthTenantMiddleware']}
 */
function createPreAuth({ runWithTenantContext, isTrusted, log }) {
  let saidUntrusted = false;
  /** @param {Request} req */
  const sayUntrusted = ({ ip, path }) => {
    if (saidUntrusted) return;
    saidUntrusted = true;
    log.warn(
      '[preAuthTenant] X-Tenant-Id is ignored; TRUST_TENANT_HEADER=true, or trustTenantHeader, is for a proxy that sets it',
      { ip, path },
    );
  };

  return (req, _res, next) => {
    const context = requestContext(req);
    const header = req.headers?.['x-tenant-id'];
    const tenantId = typeof header === 'string' ? header.trim() : '';
    const trusted = tenantId !== '' && isTrusted();
    if (trusted && tenantId !== SYSTEM_TENANT && TENANT_NAME.test(tenantId)) {
      return void runWithTenantContext({ ...context, tenantId }, () => next());
    }
    return void runWithTenantContext(context, () => {
      const { ip, path } = req;
      if (tenantId !== '' && !trusted) sayUntrusted(req);
      else if (tenantId === SYSTEM_TENANT)
        log.warn(`[preAuthTenant] Rejected ${SYSTEM_TENANT} sentinel in X-Tenant-Id header`, { ip, path });
      else if (tenantId !== '')
        log.warn('[preAuthTenant] Rejected malformed X-Tenant-Id header', { ip, length: tenantId.length, path });
      next();
    });
  };
}

/**
 * Whoever can send the header chooses the tenant whose configuration decides about an unknown caller.
 * @param {Deps['trustTenantHeader']} option
 */
function isTenantHeaderTrusted(option) {
  if (option === undefined) return trustInEnvironment() ?? true;
  return typeof option === 'function' ? option() : option;
}

/** @returns {boolean | undefined} undefined where nothing is said: LibreChat v0.8.7 has no such variable */
function trustInEnvironment() {
  const variable = process.env.TRUST_TENANT_HEADER?.trim();
  return variable ? variable.toLowerCase() === 'true' : undefined;
}

/** `TENANT_ISOLATION_STRICT`, read once: isolation must not change between two requests of one process. */
function strictness() {
  /** @type {boolean | undefined} */
  let strict;
  const isStrict = () => (strict ??= process.env.TENANT_ISOLATION_STRICT === 'true');
  return Object.assign(isStrict, {
    reset() {
      strict = undefined;
    },
  });
}

/**
 * What a refused request has left on the disk.
 * @param {Request} req
 * @param {NonNullable<Deps['deleteFile']>} deleteFile
 * @param {import('../middleware/log').Log} log
 */
async function deleteUploads(req, deleteFile, log) {
  const files = [req.file, ...Object.values(req.files ?? {}).flat()];
  const paths = [...new Set(files.map((file) => file?.path).filter((path) => typeof path === 'string'))];
  const outcomes = await Promise.allSettled(paths.map(async (path) => deleteFile(path)));
  outcomes.forEach((outcome, index) => {
    if (outcome.status === 'fulfilled') return;
    log.error('[restoreTenantContextFromReq] Failed to delete rejected upload:', {
      path: paths[index],
      error: outcome.reason,
    });
  });
}

module.exports = { createTenantMiddlewares, trustInEnvironment };
