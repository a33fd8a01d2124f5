'use strict';

// `profile`: what is the same for everybody who uses a provider, written out as the policy's other options before it is compiled.
// What a policy says itself comes first. Nothing here looks at a token.

const { wrongOption } = require('./errors');

/**
 * @typedef {Record<string, any>} Options
 * `roles`: the claim of `requiredRoles` where the policy names none. `form`: the policy's options as the provider needs them.
 * @typedef {{ name: string, typ?: 'preferred', clientClaim?: string, roles?: string | string[], form?: (options: Options) => Options }} Profile
 */

const GUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const ENTRA_LOGIN = 'https://login.microsoftonline.com';

/** @param {Options} options @param {(issuer: string) => string} change of one, or each of a list */
function withIssuer(options, change) {
  const { issuer } = options;
  if (typeof issuer === 'string') return { ...options, issuer: change(issuer) };
  if (!Array.isArray(issuer)) return options;
  return { ...options, issuer: issuer.map((one) => (typeof one === 'string' ? change(one) : one)) };
}

/** @param {string} text the path, or nothing for what is no URL */
const pathOf = (text) => (URL.canParse(text) ? new URL(text).pathname : undefined);
/** @param {string} text */
const withSlash = (text) => (text.endsWith('/') ? text : `${text}/`);
/** A bare host name as an https URL. @param {string} text */
const asUrl = (text) => (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(text) ? `https://${text}` : text);
/** @param {Options} options whether another place for keys than the issuer's metadata is named */
const hasKeys = ({ jwks, jwksFile, jwksUri }) => Boolean(jwks ?? jwksFile ?? jwksUri);

/**
 * Microsoft: a tenant id stands for its issuer of version 2. Keys of version 1 are the tenant's at `login.microsoftonline.com`. A scope is in
 * `scp` without the URI of its API, which `aud` names.
 * @param {Options} options
 */
function entra(options) {
  const found = withIssuer(options, (issuer) => {
    if (new RegExp(`^${GUID}$`).test(issuer)) return `${ENTRA_LOGIN}/${issuer.toLowerCase()}/v2.0`;
    return new RegExp(`^${ENTRA_LOGIN}/${GUID}/?$`).test(issuer) ? `${issuer.replace(/\/$/, '')}/v2.0` : issuer;
  });
  if (options.allowedTenants === undefined && /\/(common|organizations|consumers)(\/|$)/.test(found.issuer)) {
    throw wrongOption(
      '`profile: "entra"` with an issuer of several tenants needs `allowedTenants`: no token names that issuer',
    );
  }
  const [, v1] = new RegExp(`^https://sts\\.windows\\.net/(${GUID})/$`).exec(found.issuer) ?? [];
  const keys = v1 !== undefined && !hasKeys(found) ? { jwksUri: `${ENTRA_LOGIN}/${v1}/discovery/keys` } : {};
  // Version 1 names the client in `appid` (access token claims reference).
  const client = v1 !== undefined && found.clientClaim === undefined ? { clientClaim: 'appid' } : {};
  const { scope } = found;
  const scopes =
    typeof scope === 'string' ? { scope: scope.replace(/(^|\s)api:\/\/\S+\/(?=[^\s/]+(?:\s|$))/g, '$1') } : {};
  return { ...found, ...keys, ...client, ...scopes };
}

/** @param {Options} options */
function keycloak(options) {
  return withIssuer(options, (issuer) => {
    // What is no URL is refused natively.
    if (pathOf(issuer)?.includes('/realms/') !== false) return issuer;
    throw wrongOption('`profile: "keycloak"` needs the issuer of a realm: a URL with `/realms/` and its name');
  });
}

/** @param {Options} options */
function okta(options) {
  return withIssuer(options, (issuer) => {
    const isOrg = /^https:\/\/[^/]+\.(?:okta|oktapreview|okta-emea)\.com\/?$/.test(issuer);
    if (!isOrg) return issuer;
    throw wrongOption(
      '`profile: "okta"` needs a custom authorization server, such as `https://example.okta.com/oauth2/default`: tokens of the org server are for Okta alone',
    );
  });
}

/**
 * Amazon: access tokens have no `aud`; `audience` is the app client, which they name in `client_id`.
 * @param {Options} options
 */
function cognito({ audience, ...options }) {
  const found = withIssuer(options, (issuer) => {
    const [, region] = /^([a-z]{2}(?:-[a-z]+)+-\d)_[A-Za-z0-9]+$/.exec(issuer) ?? [];
    return region === undefined ? issuer : `https://cognito-idp.${region}.amazonaws.com/${issuer}`;
  });
  if (audience === undefined) {
    if (found.allowedClients !== undefined) return { tokenUse: 'access', ...found };
    throw wrongOption(
      '`profile: "cognito"` needs the app client as `audience` or in `allowedClients`: every client of the pool can ask for the same scope',
    );
  }
  if (found.allowedClients !== undefined) {
    throw wrongOption('`profile: "cognito"` takes the app client as `audience` or in `allowedClients`, not both');
  }
  return { tokenUse: 'access', ...found, allowedClients: Array.isArray(audience) ? audience : [audience] };
}

/**
 * Google: the audience of a service account's ID token is its own choice, so that any of the world can name this one.
 * @param {Options} options
 */
function google(options) {
  const audiences = [options.audience].flat();
  const ownClients = audiences.every((one) => typeof one === 'string' && one.endsWith('.apps.googleusercontent.com'));
  if (!ownClients && options.allowedClients === undefined) {
    throw wrongOption(
      '`profile: "google"` needs `allowedClients` with this audience: every service account can ask for it, and only `azp` says which one did',
    );
  }
  // A client of one's own can be named as audience by any service account as well: `azp` says for whom Google made the token.
  const clients = options.allowedClients === undefined && audiences.length > 0 ? { allowedClients: audiences } : {};
  return { issuer: 'https://accounts.google.com', ...options, ...clients };
}

/**
 * GitHub: every workflow of every repository can ask for a token with this audience.
 * @param {Options} options
 */
function githubActions(options) {
  const rules = [options.requiredRoles, options.requiredAppRoles, options.requiredPermissions];
  if (rules.every((rule) => rule === undefined)) {
    throw wrongOption(
      '`profile: "github-actions"` needs `requiredRoles: { any: ["owner/repository"] }`: every repository can ask for a token with this audience',
    );
  }
  return { issuer: 'https://token.actions.githubusercontent.com', ...options };
}

/** @type {Readonly<Record<string, Profile>>} */
const PROFILES = Object.freeze({
  entra: { name: 'Entra ID', typ: 'preferred', roles: 'roles', form: entra },
  keycloak: { name: 'Keycloak', typ: 'preferred', roles: 'realm_access.roles', form: keycloak },
  // Auth0's issuers end with a slash.
  auth0: {
    name: 'Auth0',
    typ: 'preferred',
    roles: 'permissions',
    form: (options) => withIssuer(options, (issuer) => withSlash(asUrl(issuer))),
  },
  okta: { name: 'Okta', typ: 'preferred', clientClaim: 'cid', roles: 'groups', form: okta },
  cognito: { name: 'Cognito', typ: 'preferred', roles: ['cognito:groups'], form: cognito },
  // ID tokens are all there is.
  google: { name: 'Google', roles: 'hd', form: google },
  zitadel: {
    name: 'ZITADEL',
    typ: 'preferred',
    roles: ['urn:zitadel:iam:org:project:roles'],
    form: (options) => withIssuer(options, asUrl),
  },
  // Its access tokens cannot be distinguished from its ID tokens by the rules of OpenID Connect: they keep the nonce.
  authentik: {
    name: 'authentik',
    roles: 'groups',
    form: (options) =>
      withIssuer(options, (issuer) => (/\/application\/o\/[^/]+$/.test(issuer) ? withSlash(issuer) : issuer)),
  },
  kubernetes: { name: 'Kubernetes', typ: 'preferred', roles: 'sub' },
  'github-actions': { name: 'GitHub Actions', typ: 'preferred', roles: 'repository', form: githubActions },
});

/**
 * @param {unknown} name
 * @returns {Profile}
 * @throws {import('./errors').RemoteAuthError} where there is none of that name
 */
function profileNamed(name) {
  const known = typeof name === 'string' && Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (known === undefined) throw wrongOption(`\`profile\` must be one of ${Object.keys(PROFILES).join(', ')}`);
  return known;
}

/**
 * @param {Options} given with a `profile`
 * @returns {Options} the same policy without one
 * @throws {import('./errors').RemoteAuthError}
 */
function expandProfile(given) {
  const { profile, ...options } = written(given);
  const known = profileNamed(profile);
  const formed = known.form?.(options) ?? options;
  const { requiredRoles } = formed;
  return {
    ...(known.typ !== undefined && { typ: known.typ }),
    ...(known.clientClaim !== undefined && { clientClaim: known.clientClaim }),
    ...formed,
    ...(requiredRoles !== undefined &&
      known.roles !== undefined && { requiredRoles: withClaim(requiredRoles, known.roles) }),
  };
}

/**
 * Where the provider writes roles and the client, as far as that is not where others do.
 * @param {Options} policy with a `profile` that is one
 * @returns {{ roles?: string, clientId?: string }}
 */
function claimPathsOf(policy) {
  const roles = [PROFILES[policy.profile]?.roles].flat()[0];
  const { clientClaim } = expandProfile(policy);
  return { ...(roles !== undefined && { roles }), ...(clientClaim !== undefined && { clientId: clientClaim }) };
}

/**
 * What the options say, as native code reads them: what is undefined or null is not there. A member that a copy would lose is refused.
 * @param {Options} given
 */
function written(given) {
  const prototype = Object.getPrototypeOf(given);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain || Reflect.ownKeys(given).length !== Object.keys(given).length) {
    throw wrongOption('a policy with a `profile` must be a plain object');
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null));
}

/** @param {unknown} rule @param {string | string[]} claim */
function withClaim(rule, claim) {
  if (Array.isArray(rule)) return { all: rule, claim };
  const { claim: own = null } = /** @type {Options} */ (Object(rule));
  const names = typeof rule === 'object' && rule !== null && own === null;
  return names ? { ...rule, claim } : rule;
}

module.exports = { PROFILES, claimPathsOf, expandProfile, profileNamed };
