'use strict';

// What a broken or hostile provider answers in the place of its keys or metadata.

/**
 * `good` is the document that would have been sent; `null` for a body that never ends.
 * @typedef {{ status?: number, headers?: Record<string, string>, body: string | Buffer | null }} Answer
 * @type {Record<string, (good: any) => Answer>}
 */
const POISONS = {
  /** A login page or a proxy's error page with status 200. */
  html: () => ({ headers: { 'Content-Type': 'text/html' }, body: '<!doctype html><title>Sign in</title>' }),
  empty: () => ({ body: '' }),
  /** 2 MiB: more than is read by default. */
  huge: (good) => ({ body: JSON.stringify({ ...good, padding: 'x'.repeat(2 * 1024 * 1024) }) }),
  /** Text that ends in the middle, with a length that fits it. */
  truncated: (good) => ({ body: JSON.stringify(good).slice(0, -10) }),
  /** The connection ends before the announced length is reached. */
  cut: (good) => ({ headers: { 'Content-Length': '100000' }, body: JSON.stringify(good).slice(0, 20) }),
  /** No answer at all: for the time limit of whoever asks. */
  never: () => ({ body: null }),
  'no-keys': (good) => ({
    body: JSON.stringify(good.keys === undefined ? { ...good, jwks_uri: undefined } : { keys: [] }),
  }),
  /** Metadata of somebody else (OpenID Connect Discovery 4.3). */
  'wrong-issuer': (good) => ({ body: JSON.stringify({ ...good, issuer: 'https://attacker.example' }) }),
  /** To another host, which must not be followed. */
  redirect: () => ({ status: 302, headers: { Location: 'https://attacker.example/' }, body: '' }),
  'server-error': () => ({ status: 500, body: '{"error":"server_error"}' }),
};

module.exports = { POISONS };
