'use strict';

/**
 * @typedef {import('../../index').TenantContext} TenantContext
 * @typedef {import('../../index').TenantRequest} Request
 */

/** The tenant of the host's own maintenance, outside all isolation: no request may ever be it. */
const SYSTEM_TENANT = '__SYSTEM__';
/** Where an id of a request is looked for, the first that is not blank. */
const REQUEST_ID_HEADERS = ['x-request-id', 'x-correlation-id'];

/**
 * @param {Request} req
 * @returns {string | undefined} the request's own tenant, else the user's; trimmed, undefined when blank
 */
function resolveRequestTenantId(req) {
  return trimmed(req.tenantId) ?? trimmed(req.user?.tenantId);
}

/**
 * @param {Request} req
 * @param {string} [tenantId] default: the request's own, else the user's
 * @returns {TenantContext}
 */
function buildTenantContext(req, tenantId = resolveRequestTenantId(req)) {
  const { user } = req;
  return { tenantId: trimmed(tenantId), userId: idOf(user?.id) ?? idOf(user?._id), requestId: requestIdOf(req) };
}

/**
 * Before anybody is known: nothing that names a tenant or a user counts yet.
 * @param {Request} req
 * @returns {TenantContext}
 */
function requestContext(req) {
  return { tenantId: undefined, userId: undefined, requestId: requestIdOf(req) };
}

/** @param {TenantContext} context */
function hasContext({ tenantId, userId, requestId }) {
  return Boolean(tenantId || userId || requestId);
}

/** @param {Request} req @returns {string | undefined} what the host has given it, else what its sender has */
function requestIdOf(req) {
  const own = trimmed(req.requestId) ?? trimmed(req.id);
  if (own !== undefined) return own;
  const values = REQUEST_ID_HEADERS.map((name) => req.headers?.[name]);
  return values.map((value) => trimmed(Array.isArray(value) ? value[0] : value)).find((value) => value !== undefined);
}

/** @param {any} id a text, or an ObjectId @returns {string | undefined} */
function idOf(id) {
  return id === undefined || id === null ? undefined : trimmed(String(id));
}

/** @param {unknown} text @returns {string | undefined} */
function trimmed(text) {
  return typeof text === 'string' ? text.trim() || undefined : undefined;
}

module.exports = { SYSTEM_TENANT, buildTenantContext, hasContext, requestContext, resolveRequestTenantId };
