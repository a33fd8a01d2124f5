'use strict';

// The adapter, with book kept of how each test calls it: by what LibreChat's callers pass alone, or by names that are only ours. For
// `npm run parity`, which counts a scenario only where LibreChat's way of calling passes.

const fs = require('node:fs');
const adapter = require('remote-agent-auth/librechat');

/** The members that LibreChat's callers give to each argument that is an object of options; an empty list: no such argument. */
const LIBRECHAT = {
  createRemoteAgentAuth: [
    [
      ...['apiKeyMiddleware', 'findUser', 'updateUser', 'getAppConfig', 'getRolesByNames', 'isPrincipalActive'],
      ...['createUser', 'bulkUpdateGroups', 'findGroupsByExternalIds', 'upsertGroupByExternalId'],
    ],
    [],
  ],
  createAgentManagementAuth: [['findUser', 'isPrincipalActive', 'getAppConfig', 'verifyAccessToken'], []],
  createConversationManagementAuth: [['getAppConfig', 'remoteAuth', 'remoteAccess', 'managementAuth'], []],
  verifyOidcAccessToken: [
    null,
    ['enabled', 'issuer', 'audience', 'jwksUri', 'tokenUse', 'requiredScopes'],
    ['useOpenIdJwksEnv'],
  ],
  findOpenIDUser: [['findUser', 'email', 'openidId', 'openidIssuer', 'idOnTheSource', 'strategyName']],
  getOpenIdRolesForOpenIdSync: [
    ['options', 'accessToken', 'accessClaims', 'idToken', 'claims', 'userinfo', 'decodeToken', 'resolveGroupOverage'],
  ],
  getLibreChatRolesForOpenIdSync: [['rolePriority', 'fallbackRole', 'getRolesByNames', 'logPrefix']],
  selectOpenIdRole: [['currentRole', 'openIdRoleValues', 'rolePriority', 'fallbackRole']],
};

/** What an argument has that LibreChat's callers do not give. */
function ownNames(name, args) {
  return (LIBRECHAT[name] ?? []).flatMap((members, index) => {
    const given = args[index];
    if (members === null || typeof given !== 'object' || given === null) return [];
    return Object.keys(given).filter((member) => given[member] !== undefined && !members.includes(member));
  });
}

const keepBook = (name, args) => {
  if (process.env.PARITY_CALLS === undefined) return;
  const call = { test: expect.getState().currentTestName, name, own: ownNames(name, args) };
  fs.appendFileSync(process.env.PARITY_CALLS, `${JSON.stringify(call)}\n`);
};

const recorded = Object.fromEntries(
  Object.entries(adapter).map(([name, called]) => [
    name,
    (...args) => {
      keepBook(name, args);
      return called(...args);
    },
  ]),
);

module.exports = { ...recorded, ownNames };
