'use strict';

/**
 * What an operator does about a refusal that has no error code, and which check it is of: a cause of decision.js. Where there is a code,
 * its own action counts.
 * @type {Readonly<{ [cause in import('./decision').Cause]?: readonly [check: string, action: string] }>}
 */
const NEXT_STEPS = Object.freeze({
  'oidc-off': ['configuration', 'Set oidc.enabled to true if tokens shall be accepted.'],
  'oidc-misconfigured': ['configuration', 'Set the missing key in the oidc block.'],
  'no-bearer': [
    'credentials',
    'Send the access token as "Authorization: Bearer <token>"; look for a proxy that drops it.',
  ],
  'user-conflict': ['user', 'Compare openidId, openidIssuer and provider of the account with the token.'],
  'tenant-conflict': ['tenant', "Send the request in the account's own tenant, or move the account."],
  'no-user': ['user', 'Create the account, or switch on provisioning; an address that is not verified finds none.'],
  'account-refused': ['user', 'The reason names the rule; provisioning and domains are set in the oidc block.'],
  'userinfo-refused': [
    'userinfo',
    'Check that the token has the scope openid, and that userinfo names the same subject.',
  ],
  'userinfo-unreachable': ['userinfo', "Check the way to the provider's userinfo endpoint, or make userinfo optional."],
  'accounts-misconfigured': ['configuration', 'Correct the setting, or pass the dependency, that the line names.'],
  'user-oidc-off': ['configuration', "Set oidc.enabled to true in the user's own configuration (role or tenant)."],
  'user-oidc-misconfigured': ['configuration', "Set the missing key in the user's own oidc block (role or tenant)."],
  'account-deletion': ['user', 'Nothing: the account is being deleted.'],
  'api-key-off': ['configuration', "Enable API keys in the configuration of the API user's role or tenant."],
  'machine-off': [
    'configuration',
    'Enable managementApi.auth.oidc with an issuer and an audience, or tokenUse and requiredScopes.',
  ],
  'machine-no-bearer': ['credentials', 'Send the access token as "Authorization: Bearer <token>".'],
  'machine-refused': ['client', 'The reason names the rule; bindings are in managementApi.auth.clients.'],
  unexpected: ['internal', 'Look at the error beside this line: a callback or this package failed.'],
});

/**
 * The same of a `user-conflict`, by how its reason begins.
 * @type {readonly (readonly [reason: string, action: string])[]}
 */
const CONFLICT_STEPS = [
  [
    'the e-mail address is not verified',
    'Have the provider verify the address, or set allowUnverifiedEmail where it verifies all of them.',
  ],
  ['the e-mail address is from', 'Name the claim in OPENID_EMAIL_CLAIM, or set allowUsernameAsEmail.'],
  [
    'the account is bound to another issuer',
    "Compare openidIssuer of the account with the token's issuer; after a move of the provider, write the new one into the accounts.",
  ],
  [
    'the account has no issuer',
    'Set OPENID_ISSUER to this issuer if users log in by it, or write openidIssuer into the account.',
  ],
  [
    'the account found by e-mail is bound to another subject',
    "Compare openidId of the account with the token's subject: two people have one address, or the provider made the user anew.",
  ],
  [
    'the account found by e-mail belongs to another provider',
    'The account logs in another way (its field provider): it is not linked by address alone.',
  ],
];

/** @param {import('./decision').Cause} cause @param {string} [about] the reason @returns {readonly [check?: string, action?: string]} */
function nextStep(cause, about = '') {
  const [check, action] = NEXT_STEPS[cause] ?? [];
  const own = cause === 'user-conflict' && CONFLICT_STEPS.find(([reason]) => about.startsWith(reason));
  return [check, own ? own[1] : action];
}

module.exports = { CONFLICT_STEPS, NEXT_STEPS, nextStep };
