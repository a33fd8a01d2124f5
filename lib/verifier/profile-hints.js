'use strict';

// What to do about a refusal, by provider: for the operator's log alone. Every text is fixed; what came is only compared.

/** `got` is undefined where the refusal has none. @typedef {[codes: string[], got: RegExp | undefined, hint: string]} Hint */

const ISSUER = ['ERR_TOKEN_ISSUER'];
const AUDIENCE = ['ERR_TOKEN_AUDIENCE'];
const NOT_A_JWT = ['ERR_TOKEN_OPAQUE', 'ERR_TOKEN_ENCRYPTED', 'ERR_TOKEN_MALFORMED'];
const ID_TOKEN = ['ERR_ID_TOKEN'];
const SEND_ACCESS = 'the ID token was sent: the client has to send access_token';

/** @type {Readonly<Record<string, Hint[]>>} */
const HINTS = Object.freeze({
  entra: [
    [
      ISSUER,
      /sts\.windows\.net/,
      'a token of version 1: set requestedAccessTokenVersion to 2 in the manifest of the API, or configure the issuer https://sts.windows.net/TENANT/',
    ],
    [
      ISSUER,
      /\/v2\.0/,
      'a token of version 2 of another tenant, or the issuer of version 1 is configured: compare the tenant ids',
    ],
    [
      AUDIENCE,
      /^"?api:\/\//,
      'a token of version 1, or an Application ID URI: set requestedAccessTokenVersion to 2 in the manifest of the API, or configure that URI as audience',
    ],
    [
      AUDIENCE,
      /00000003-0000-0000-c000-000000000000/,
      'a token for Microsoft Graph: ask with scope=api://APPLICATION-ID/SCOPE',
    ],
    [
      ['ERR_GRAPH_TOKEN'],
      undefined,
      'a token for Microsoft Graph, which nobody else can check: ask with scope=api://APPLICATION-ID/SCOPE',
    ],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'tokens of applications without a user have app roles in `roles` and no scope: use requiredAppRoles for them',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  keycloak: [
    [
      AUDIENCE,
      /^"?account"?$/,
      'no audience mapper: add a mapper of type Audience to a client scope that the client has',
    ],
    [ISSUER, undefined, 'set `hostname` in Keycloak, so that `iss` is the same by whichever name it is reached'],
    [['ERR_TOKEN_SUBJECT'], undefined, 'the client lacks the scope `basic`, or asks for lightweight access tokens'],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'the client scope is optional and was not asked for, or "Include in token scope" is off',
    ],
    [
      ['ERR_REFRESH_TOKEN', 'ERR_TOKEN_ALGORITHM'],
      undefined,
      'the refresh token was sent, or the realm signs with HS512: the client has to send access_token',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  auth0: [
    [NOT_A_JWT, undefined, 'no `audience` in the request for the token: Auth0 issues an opaque one then'],
    [AUDIENCE, /\/api\/v2\//, 'a token for the Management API: ask with the Identifier of this API as `audience`'],
    [['ERR_TOKEN_ALGORITHM'], undefined, 'the API signs with HS256: RS256 in its settings'],
    [
      ['ERR_PERMISSION_MISSING', 'ERR_ROLE_MISSING'],
      undefined,
      '"Add Permissions in the Access Token" must be on in the API, and a role must have the permission',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  okta: [
    [
      [...ISSUER, 'ERR_KEY_NOT_FOUND'],
      undefined,
      'a token of the org authorization server or of another one: ask at the token endpoint of the issuer configured here',
    ],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'the scope was not asked for, or no access policy of the authorization server allows it',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  cognito: [
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'signing in by InitiateAuth grants aws.cognito.signin.user.admin alone: use the token endpoint of the domain and ask for RESOURCE-SERVER/SCOPE',
    ],
    [
      ['ERR_TOKEN_CLIENT'],
      undefined,
      'a token of another app client of the pool: `audience` names the client, or a list of them',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  google: [
    [
      NOT_A_JWT,
      undefined,
      'access tokens of Google are opaque: the caller has to send an ID token made for this audience',
    ],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'ID tokens have no scope: leave `scope` out and name the callers in allowedClients',
    ],
    [['ERR_TOKEN_CLIENT'], undefined, 'a service account or client that is not in allowedClients, by its unique id'],
  ],
  zitadel: [
    [NOT_A_JWT, undefined, 'the application issues opaque tokens: set its access token type to JWT'],
    [AUDIENCE, undefined, 'ask with the scope urn:zitadel:iam:org:project:id:PROJECT-ID:aud'],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'access tokens of ZITADEL have no scopes: leave `scope` out and use requiredRoles',
    ],
    [
      ['ERR_ROLE_MISSING'],
      undefined,
      'ask with the scope urn:zitadel:iam:org:projects:roles, or assert roles on authentication in the project',
    ],
    [ID_TOKEN, undefined, SEND_ACCESS],
  ],
  authentik: [
    [AUDIENCE, undefined, '`aud` is the client id of the provider that issued the token'],
    [
      ['ERR_TOKEN_ALGORITHM'],
      undefined,
      'the provider has no signing key and signs with HS256: select one in its settings',
    ],
    [
      ['ERR_SCOPE_MISSING'],
      undefined,
      'many versions write no scope into access tokens: leave `scope` out and use requiredRoles',
    ],
  ],
  kubernetes: [
    [
      AUDIENCE,
      undefined,
      'a token for the API server: mount a projected one with this audience (serviceAccountToken.audience)',
    ],
    [
      ['ERR_TOKEN_CLAIMS', 'ERR_USERINFO_TOKEN'],
      undefined,
      'a token of a Secret, which never ends: mount a projected one',
    ],
    [ISSUER, undefined, 'compare with: kubectl get --raw /.well-known/openid-configuration'],
  ],
  'github-actions': [
    [AUDIENCE, /github\.com/, 'the workflow asked for no audience: core.getIDToken("THIS AUDIENCE")'],
    [AUDIENCE, undefined, 'ask with core.getIDToken("THIS AUDIENCE")'],
    [['ERR_ROLE_MISSING'], undefined, 'a workflow of a repository that is not named in requiredRoles'],
  ],
});

/**
 * @param {string} profile
 * @param {{ code: string, got?: string }} refusal
 * @returns {string | undefined}
 */
function hintFor(profile, { code, got = '' }) {
  const hints = Object.hasOwn(HINTS, profile) ? /** @type {Hint[]} */ (HINTS[profile]) : [];
  return hints.find(([codes, pattern]) => codes.includes(code) && (pattern?.test(got) ?? true))?.[2];
}

/**
 * The outcome; a refusal with what to do, also at the end of its message, where every log shows it.
 * @param {string} profile
 * @param {import('../../native').Outcome} outcome
 * @returns {import('../../native').Outcome}
 */
function withHint(profile, outcome) {
  if (outcome.ok) return outcome;
  const hint = hintFor(profile, outcome);
  return hint === undefined ? outcome : { ...outcome, message: `${outcome.message}; ${profile}: ${hint}`, hint };
}

module.exports = { HINTS, hintFor, withHint };
