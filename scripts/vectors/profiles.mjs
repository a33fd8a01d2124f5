import { createRequire } from 'node:module';
import { NOW } from './base.mjs';

const require = createRequire(import.meta.url);
const { PRESETS } = require('../../lib/testing/presets');
const { expandProfile } = require('../../lib/verifier/profiles');

// Golden tokens: what each provider issues, by kind, and what becomes of it under a policy of at most four lines. `profile` is that policy as
// written, `policy` the same written out, which Rust runs.

const TENANT = '11111111-1111-4111-8111-111111111111';
const API = '22222222-2222-4222-8222-222222222222';
const V1 = { issuer: `https://sts.windows.net/${TENANT}/`, audience: `api://${API}`, scope: 'agents.use' };
const GITHUB = { audience: 'https://chat.example.com/api', requiredRoles: { any: ['octo-org/octo-repo'] } };
const COGNITO = { issuer: 'eu-central-1_AbCdEfGhI', audience: '1example23456789abcdefghij', scope: 'agents/use' };

const rows = [];
/** The preset's own issuer and audience, and what the row adds to them. */
function row(profile, kind, expect, more = {}) {
  const preset = PRESETS[profile];
  const usual = { issuer: `${preset.host}${preset.path}`, audience: preset.audience, scope: preset.scope };
  const written = { profile, ...(more.options ?? { ...usual, ...more.changes }) };
  const { header: given, claims, host = preset.host, path = preset.path } = preset.kinds[kind];
  rows.push({
    name: `${profile}, ${kind}${more.note ? `, ${more.note}` : ''}: ${expect}`,
    profile: written,
    policy: expandProfile(written),
    keys: 'main',
    now: NOW,
    recipe: {
      header: { alg: 'RS256', typ: 'JWT', kid: 'rsa-a', ...given },
      claims: { iss: `${host}${path}`, aud: preset.audience, sub: 'user-1', iat: NOW - 10, exp: NOW + 300, ...claims },
      sign: { key: 'rsa-a', alg: 'RS256' },
      ...(more.mutate ? { mutate: more.mutate } : {}),
    },
    expect,
  });
}

row('entra', 'user', 'ok');
row('entra', 'user', 'ok', { note: 'tenant id for an issuer, scope with the URI of the API', options: { issuer: TENANT, audience: API, scope: `api://${API}/agents.use` } });
row('entra', 'user', 'ok', { note: 'client named', changes: { allowedClients: ['33333333-3333-4333-8333-333333333333'] } });
row('entra', 'user', 'ERR_TOKEN_ISSUER', { note: 'another tenant', changes: { issuer: '99999999-9999-4999-8999-999999999999' } });
row('entra', 'app', 'ERR_SCOPE_MISSING');
row('entra', 'app', 'ok', { note: 'app role', changes: { scope: undefined, requiredRoles: ['Agents.Use'] } });
row('entra', 'v1', 'ERR_TOKEN_AUDIENCE');
row('entra', 'v1', 'ERR_TOKEN_ISSUER', { note: 'by its URI', changes: { audience: `api://${API}` } });
row('entra', 'v1', 'ok', { note: 'version 1', options: V1 });
row('entra', 'v1', 'ok', { note: 'version 1, client named', options: { ...V1, allowedClients: ['33333333-3333-4333-8333-333333333333'] } });
row('entra', 'v1', 'ERR_TOKEN_CLIENT', { note: 'version 1, another client', options: { ...V1, allowedClients: ['other'] } });
row('entra', 'user', 'ERR_TOKEN_AUDIENCE', { note: 'version 1', options: V1 });
row('entra', 'id', 'ERR_ID_TOKEN');
row('entra', 'id', 'ERR_ID_TOKEN', { note: 'no scope asked for', changes: { scope: undefined } });
// Nobody but Microsoft Graph can check the signature: the header that was signed has another nonce.
row('entra', 'graph', 'ERR_GRAPH_TOKEN', { mutate: [{ op: 'flip-bit', part: 2, byte: 40, bit: 2 }] });
row('entra', 'graph', 'ERR_TOKEN_AUDIENCE', { note: 'with a signature that can be checked' });

row('keycloak', 'user', 'ok');
row('keycloak', 'user', 'ok', { note: 'realm role', changes: { requiredRoles: ['agents'] } });
row('keycloak', 'app', 'ok');
row('keycloak', 'id', 'ERR_ID_TOKEN', { note: 'audience is the client', changes: { audience: 'agents-cli', scope: undefined } });
row('keycloak', 'id', 'ERR_ID_TOKEN');
row('keycloak', 'refresh', 'ERR_REFRESH_TOKEN');
row('keycloak', 'no-mapper', 'ERR_TOKEN_AUDIENCE');

row('auth0', 'user', 'ok');
row('auth0', 'user', 'ok', { note: 'domain for an issuer', changes: { issuer: 'example.eu.auth0.com', requiredPermissions: ['agents:use'] } });
row('auth0', 'user', 'ok', { note: 'issuer without the slash', changes: { issuer: 'https://example.eu.auth0.com' } });
row('auth0', 'rfc9068', 'ok', { note: 'client named', changes: { allowedClients: ['ClientIdOfTheDeviceApp0123456789'] } });
row('auth0', 'app', 'ok');
row('auth0', 'id', 'ERR_ID_TOKEN');

row('okta', 'user', 'ok');
row('okta', 'user', 'ok', { note: 'client and group named', changes: { allowedClients: ['0oaexample3Bvq8XJ0h7'], requiredRoles: ['agents'] } });
row('okta', 'user', 'ERR_TOKEN_CLIENT', { note: 'another client', changes: { allowedClients: ['0oaservice3Bvq8XJ0h7'] } });
row('okta', 'app', 'ok');
row('okta', 'id', 'ERR_ID_TOKEN');
row('okta', 'org-server', 'ERR_TOKEN_AUDIENCE');

row('cognito', 'user', 'ok', { options: COGNITO });
row('cognito', 'user', 'ok', { note: 'group', options: { ...COGNITO, requiredRoles: ['agents'] } });
row('cognito', 'app', 'ok');
row('cognito', 'id', 'ERR_ID_TOKEN');
row('cognito', 'other-client', 'ERR_TOKEN_CLIENT');

row('google', 'app', 'ok', { options: { audience: 'https://chat.example.com/api', allowedClients: ['100200300400500600700'] } });
row('google', 'app', 'ERR_TOKEN_CLIENT', { note: 'another service account', options: { audience: 'https://chat.example.com/api', allowedClients: ['1'] } });
row('google', 'user', 'ok', { note: 'Workspace', options: { audience: 'https://chat.example.com/api', allowedClients: ['1234567890-example.apps.googleusercontent.com'], requiredRoles: ['example.com'] } });

row('zitadel', 'user', 'ok');
row('zitadel', 'user', 'ok', { note: 'role', changes: { issuer: 'example.zitadel.cloud', requiredRoles: ['agents'] } });
row('zitadel', 'app', 'ok');
row('zitadel', 'id', 'ERR_ID_TOKEN');

row('authentik', 'user', 'ok');
row('authentik', 'user', 'ok', { note: 'group, issuer without the slash', changes: { issuer: 'https://authentik.example.com/application/o/agents', requiredRoles: ['agents'] } });
row('authentik', 'app', 'ERR_ROLE_MISSING', { note: 'group', changes: { requiredRoles: ['agents'] } });

row('kubernetes', 'app', 'ok');
row('kubernetes', 'app', 'ok', { note: 'service account', changes: { requiredRoles: { any: ['system:serviceaccount:default:agent'] } } });
row('kubernetes', 'app', 'ERR_ROLE_MISSING', { note: 'another service account', changes: { requiredRoles: { any: ['system:serviceaccount:default:other'] } } });
row('kubernetes', 'api-server', 'ERR_TOKEN_AUDIENCE');
row('kubernetes', 'legacy', 'ERR_TOKEN_CLAIMS');

row('github-actions', 'app', 'ok', { options: GITHUB });
row('github-actions', 'app', 'ERR_ROLE_MISSING', { note: 'another repository', options: { ...GITHUB, requiredRoles: { any: ['octo-org/other'] } } });
row('github-actions', 'default-audience', 'ERR_TOKEN_AUDIENCE', { options: GITHUB });

export default { theme: 'profiles', rows };
