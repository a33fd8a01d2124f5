'use strict';

/**
 * Which check a code is of, in a word: what the operator looks at first. A code without one is its own word.
 * @type {Readonly<Partial<Record<import('../../index').RemoteAuthErrorCode, string>>>}
 */
const CHECK_OF_CODE = Object.freeze({
  ERR_POLICY_ISSUER: 'configuration',
  ERR_POLICY_AUDIENCE: 'configuration',
  ERR_POLICY_JWKS_URI: 'configuration',
  ERR_POLICY_SCOPE: 'configuration',
  ERR_POLICY_ALGORITHMS: 'configuration',
  ERR_POLICY_OPTION: 'configuration',
  ERR_TOKEN_ARGUMENT: 'form',
  ERR_CREDENTIALS_MISSING: 'credentials',
  ERR_REQUEST_MALFORMED: 'credentials',
  ERR_TOKEN_TOO_LARGE: 'form',
  ERR_TOKEN_MALFORMED: 'form',
  ERR_TOKEN_OPAQUE: 'form',
  ERR_TOKEN_ENCRYPTED: 'form',
  ERR_TOKEN_ALGORITHM: 'algorithm',
  ERR_TOKEN_CRITICAL: 'form',
  ERR_TOKEN_KID: 'key',
  ERR_KEY_NOT_FOUND: 'key',
  ERR_KEY_UNSUITABLE: 'key',
  ERR_SIGNATURE_INVALID: 'signature',
  ERR_TOKEN_CLAIMS: 'claims',
  ERR_TOKEN_EXPIRED: 'expiry',
  ERR_TOKEN_NOT_YET_VALID: 'not-before',
  ERR_TOKEN_TOO_OLD: 'age',
  ERR_TOKEN_LIFETIME: 'lifetime',
  ERR_ID_TOKEN: 'type',
  ERR_REFRESH_TOKEN: 'type',
  ERR_LOGOUT_TOKEN: 'type',
  ERR_USERINFO_TOKEN: 'type',
  ERR_AUTHORIZATION_RESPONSE: 'type',
  ERR_GRAPH_TOKEN: 'type',
  ERR_TOKEN_TYPE: 'type',
  ERR_TOKEN_CLIENT: 'client',
  ERR_TOKEN_ACTOR: 'actor',
  ERR_TOKEN_BOUND: 'binding',
  ERR_TOKEN_REVOKED: 'revocation',
  ERR_LOGOUT_INVALID: 'type',
  ERR_TOKEN_AUDIENCE: 'audience',
  ERR_TOKEN_ISSUER: 'issuer',
  ERR_TOKEN_SUBJECT: 'subject',
  ERR_SCOPE_MALFORMED: 'scope',
  ERR_SCOPE_MISSING: 'scope',
  ERR_ROLE_MISSING: 'role',
  ERR_PERMISSION_MISSING: 'permission',
  ERR_CLAIM_MISMATCH: 'claim',
  ERR_CHECK_REFUSED: 'guard',
  ERR_AUTHENTICATION_LEVEL: 'authentication-level',
  ERR_DISCOVERY_FETCH: 'discovery',
  ERR_DISCOVERY_DOCUMENT: 'discovery',
  ERR_DISCOVERY_ISSUER: 'discovery',
  ERR_JWKS_FETCH: 'key-set',
  ERR_JWKS_DOCUMENT: 'key-set',
  ERR_ADDRESS_REFUSED: 'address',
  ERR_KEY_NOT_ASKED: 'key',
  ERR_ENDPOINT_MISSING: 'endpoint',
  ERR_ENDPOINT_REFUSED: 'endpoint',
  ERR_ENDPOINT_FETCH: 'endpoint',
  ERR_ENDPOINT_STATUS: 'endpoint',
  ERR_ENDPOINT_UNAUTHORIZED: 'endpoint',
  ERR_ENDPOINT_ANSWER: 'endpoint',
  ERR_USERINFO_SUBJECT: 'userinfo',
  ERR_OVERLOADED: 'capacity',
  ERR_INTERNAL: 'internal',
});

/** @param {import('../../index').RemoteAuthErrorCode} code @returns {string} */
function checkOf(code) {
  // A verifier of a host's own may name any code.
  const check = Object.hasOwn(CHECK_OF_CODE, code) ? CHECK_OF_CODE[code] : undefined;
  return check ?? code.slice('ERR_'.length).toLowerCase().replaceAll('_', '-');
}

module.exports = { CHECK_OF_CODE, checkOf };
