// A model of what LibreChat's JavaScript answers, built on jsonwebtoken and node:crypto. It keeps the
// `differs` column honest: a row differs exactly when the two answers differ.
import crypto from 'node:crypto';
import { createRequire } from 'node:module';

const jsonwebtoken = createRequire(import.meta.url)('jsonwebtoken');
const NINE = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];

export function normaliseIssuer(value) {
  const stripped = (value ?? '').trim().replace(/\/+$/, '');
  const suffix = '/.well-known/openid-configuration';
  return (stripped.endsWith(suffix) ? stripped.slice(0, -suffix.length) : stripped) || undefined;
}

function signingKeys(text) {
  const keys = JSON.parse(text).keys;
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('no keys');
  return keys
    .map((jwk) => ({ jwk, use: jwk.use, kty: jwk.kty }))
    .filter(({ use, kty }) => (use === 'sig' || use === undefined) && ['RSA', 'EC', 'OKP'].includes(kty))
    .flatMap(({ jwk }) => {
      try {
        if (jwk.d !== undefined) return [];
        return [{ kid: jwk.kid, key: crypto.createPublicKey({ key: jwk, format: 'jwk' }) }];
      } catch {
        return [];
      }
    });
}

export const split = (text) => text.split(/\s+/).filter(Boolean);

export function scopesOf(payload) {
  const value = payload.scp ?? payload.scope;
  if (value === undefined || value === null || value === false) return [];
  if (typeof value === 'string') return split(value);
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw new Error('malformed scope');
  return value.flatMap(split);
}

/** 'ok' or why not, in words of no importance. */
export function librechat({ policy, now, token }, jwks) {
  try {
    const decoded = jsonwebtoken.decode(token, { complete: true });
    if (!decoded) return 'undecodable';
    const { kid } = decoded.header;
    const keys = signingKeys(jwks);
    const candidates = typeof kid === 'string' ? keys.filter((key) => key.kid === kid && kid !== '').slice(0, 1) : keys;
    if (candidates.length === 0) return 'no key';
    const normal = normaliseIssuer(policy.issuer);
    let payload;
    let problem;
    for (const { key } of candidates) {
      try {
        payload = jsonwebtoken.verify(token, key, {
          algorithms: NINE,
          issuer: [...new Set([policy.issuer, normal])],
          audience: policy.audience,
          clockTimestamp: Math.floor(now),
        });
        break;
      } catch (error) {
        problem = error;
      }
    }
    if (payload === undefined) return String(problem);
    const required = split(policy.scope ?? '');
    if (required.length > 0) {
      const held = scopesOf(payload);
      if (!required.every((scope) => held.includes(scope))) return 'scope missing';
    }
    if (typeof payload.sub !== 'string' || payload.sub.trim() === '') return 'no sub';
    return 'ok';
  } catch (error) {
    return String(error);
  }
}

/** LibreChat has no word for these options, so there is nothing to compare with. */
export const comparable = ({ policy }) =>
  !Array.isArray(policy.audience) && Object.keys(policy).every((name) => ['issuer', 'audience', 'scope', 'requireExp'].includes(name)) && policy.requireExp !== false;
