'use strict';

// Why a token is refused, check by check: each verdict is the native verifier's. After each refusal the check that refused is taken out of
// the policy, and the token is tried again, until nothing refuses it or what refuses cannot be taken out.

const { codes } = require('../verifier/codes');

/**
 * @typedef {import('./doctor').Line} Line
 * @typedef {import('../../native').PolicyOptions} PolicyOptions
 * @typedef {import('../../native').Outcome} Outcome
 * @typedef {import('../verifier/errors').RemoteAuthError} RemoteAuthError
 * @typedef {{ options: any, now: number }} Trial the policy's options and the time, in seconds
 * @typedef {{ header: any, claims: any }} Parts what the token says of itself, for taking checks out: nothing is decided by it
 */

/** There are fewer checks than that. */
const MOST_TRIALS = 20;

/**
 * By the code of the refusal: the same trial without the check, or undefined where the token does not allow that.
 * @type {{ [code: string]: (trial: Trial, parts: Parts) => Trial | undefined }}
 */
const WITHOUT = {
  ERR_TOKEN_ALGORITHM: ({ options, now }, { header }) =>
    // A list of one name has its text.
    typeof header.alg === 'string' && /^(RS|PS|ES)(256|384|512)$|^(EdDSA|Ed25519)$|^ML-DSA-(44|65|87)$/.test(header.alg)
      ? { now, options: { ...options, algorithms: [header.alg] } }
      : undefined,
  ERR_TOKEN_KID: drop('requireKid'),
  ERR_TOKEN_EXPIRED: atItsTime,
  ERR_TOKEN_NOT_YET_VALID: atItsTime,
  ERR_TOKEN_TOO_OLD: drop('maxTokenAge'),
  ERR_TOKEN_LIFETIME: drop('maxTokenLifetime'),
  ERR_TOKEN_TYPE: drop('typ', 'tokenUse'),
  ERR_TOKEN_CLIENT: drop('allowedClients'),
  ERR_TOKEN_ACTOR: drop('allowedActors'),
  ERR_TOKEN_AUDIENCE: ({ options, now }, { claims }) =>
    typeof claims.aud === 'string' || isList(claims.aud)
      ? { now, options: { ...options, audience: claims.aud } }
      : undefined,
  ERR_TOKEN_ISSUER: ({ options, now }, { claims }) =>
    typeof claims.iss === 'string'
      ? { now, options: { ...options, issuer: [...[options.issuer].flat(), claims.iss] } }
      : undefined,
  ERR_TOKEN_SUBJECT: ({ options, now }) => ({ now, options: { ...options, requireSubject: false } }),
  ERR_SCOPE_MALFORMED: drop('scope'),
  ERR_SCOPE_MISSING: drop('scope'),
  ERR_ROLE_MISSING: drop('requiredRoles', 'requiredAppRoles'),
  ERR_PERMISSION_MISSING: drop('requiredPermissions'),
};

/** @param {unknown} value @returns {value is string[]} */
function isList(value) {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
}

/** @param {...string} names @returns {(trial: Trial) => Trial | undefined} */
function drop(...names) {
  return ({ options, now }) => {
    const left = Object.fromEntries(
      Object.entries(options).filter(([name, value]) => !names.includes(name) || value === undefined),
    );
    return Object.keys(left).length === Object.keys(options).length ? undefined : { now, options: left };
  };
}

/** A moment at which the token holds. @param {Trial} trial @param {Parts} parts @returns {Trial | undefined} */
function atItsTime({ options, now }, { claims: { exp, nbf, iat } }) {
  const from = Math.max(...[nbf, iat, 0].filter(Number.isFinite));
  const moment = Number.isFinite(exp) ? Math.max(from, exp - 1) : from;
  return moment === now ? undefined : { options, now: moment };
}

/**
 * @param {(options: PolicyOptions, now: number) => Promise<Outcome>} check
 * @param {string} token
 * @param {PolicyOptions} options
 * @param {number} now seconds
 * @returns {Promise<Line[]>}
 */
async function explainToken(check, token, options, now) {
  const parts = partsOf(token);
  /** @type {Line[]} */
  const lines = [];
  /** @type {Trial} */
  let trial = { options, now };
  for (let count = 0; count < MOST_TRIALS; count += 1) {
    const outcome = await outcomeOf(check, trial);
    if (outcome === undefined) break;
    if (outcome.ok) return [...lines, ...remarks(outcome, lines.length > 0)];
    lines.push(lineOf(outcome));
    const next = parts === undefined ? undefined : WITHOUT[outcome.code]?.(trial, parts);
    if (next === undefined) break;
    trial = next;
  }
  return [...lines, { check: 'token', status: 'skipped', text: 'what comes after that check was not looked at' }];
}

/**
 * @param {(options: PolicyOptions, now: number) => Promise<Outcome>} check
 * @param {Trial} trial
 * @returns {Promise<Outcome | undefined>} undefined where no policy can be made of what the token says
 */
async function outcomeOf(check, { options, now }) {
  try {
    return await check(options, now);
  } catch (error) {
    if (/** @type {Partial<RemoteAuthError>} */ (error)?.fault !== 'config') throw error;
    return undefined;
  }
}

/** @param {import('../../native').Failure} failure @returns {Line} */
function lineOf({ code, message, expected, got }) {
  return {
    check: 'token',
    status: 'failed',
    code,
    text: message,
    action: codes[code].action,
    ...(expected && { expected }),
    ...(got && { got }),
  };
}

/** @param {import('../../native').Success} success @param {boolean} isRefused @returns {Line[]} */
function remarks(success, isRefused) {
  const text = isRefused ? 'signature and every other check hold' : 'the token is accepted';
  /** @type {Line[]} */
  const lines = [{ check: 'token', status: 'ok', text }];
  if (success.looksLikeIdToken) {
    const action = "Send the access token; the option policy: { typ: 'preferred' } refuses ID tokens.";
    lines.push({ check: 'token', status: 'warning', text: 'it looks like an ID token', action });
  }
  if (success.email === undefined) {
    const action =
      'Have the provider put `email` into access tokens (scope or mapper), or let the user log in by browser once.';
    lines.push({
      check: 'account',
      status: 'warning',
      text: 'it has no e-mail address: only an account that is bound to its subject is found',
      action,
    });
  } else if (success.emailVerified === false) {
    const action = 'Verify the address at the provider, or set the option allowUnverifiedEmail.';
    lines.push({
      check: 'account',
      status: 'warning',
      text: 'its e-mail address is not verified (email_verified): it links no account',
      action,
    });
  }
  lines.push({
    check: 'account',
    status: 'skipped',
    text: 'whether there is an account is not looked at: one is found by openidIssuer and openidId (iss and sub of the token), or by a verified e-mail address',
    action:
      'If the log says that there is no user: create the account, or switch on provisioning. If it says that the account is bound to another issuer: correct openidIssuer of the account.',
  });
  return lines;
}

/** A token as it is copied: with `Bearer`, or with a newline. @param {string} text */
function tokenOf(text) {
  return text.trim().replace(/^(authorization: *)?bearer +/i, '');
}

/** @param {string} token @returns {Parts | undefined} */
function partsOf(token) {
  try {
    const [header, claims] = token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')));
    return typeof header === 'object' && typeof claims === 'object' && header && claims
      ? { header, claims }
      : undefined;
  } catch {
    return undefined;
  }
}

module.exports = { explainToken, tokenOf };
