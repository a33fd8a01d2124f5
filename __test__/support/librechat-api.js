'use strict';

// Stands in for @librechat/api, which is not published: the four things the agents routes take from it, in small.

const { getTenantId, tenantStorage } = require('@librechat/data-schemas');

const refuse = (res, status, code) =>
  res.status(status).json({ error: { message: code, type: 'invalid_request_error', code } });

/** Puts the tenant a trusted proxy names into the async context. */
function preAuthTenantMiddleware(req, res, next) {
  const tenantId = req.headers['x-tenant-id'];
  if (!tenantId) return next();
  tenantStorage.run({ tenantId }, () => next());
}

function createRequireApiKeyAuth({ validateAgentApiKey, findUser }) {
  return async (req, res, next) => {
    const header = req.headers.authorization ?? '';
    const key = header.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : '';
    if (key === '') return refuse(res, 401, 'missing_api_key');
    const valid = await validateAgentApiKey(key);
    const user = valid && (await findUser({ _id: valid.userId }));
    if (!user) return refuse(res, 401, 'invalid_api_key');
    req.user = { ...user, id: user._id.toString() };
    req.apiKeyId = valid.keyId;
    next();
  };
}

function generateCheckAccess({ permissionType, permissions, getRoleByName }) {
  return async (req, res, next) => {
    const role = await getRoleByName(req.user.role);
    const granted = permissions.every((permission) => role?.permissions?.[permissionType]?.[permission] === true);
    if (!granted) return res.status(403).json({ message: 'Forbidden: Insufficient permissions' });
    next();
  };
}

function createCheckRemoteAgentAccess({ getAgent }) {
  return async (req, res, next) => {
    const id = req.body?.model;
    if (!id) return refuse(res, 400, 'missing_model');
    const agent = await getAgent({ id });
    if (!agent) return refuse(res, 404, 'model_not_found');
    req.agent = agent;
    next();
  };
}

module.exports = {
  createCheckRemoteAgentAccess,
  createRequireApiKeyAuth,
  generateCheckAccess,
  getTenantId,
  preAuthTenantMiddleware,
};
