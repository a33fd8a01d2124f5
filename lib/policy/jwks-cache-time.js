'use strict';

// OPENID_JWKS_URL_CACHE_ENABLED and OPENID_JWKS_URL_CACHE_TIME as LibreChat reads them, and what
// they mean here. Arithmetic is evaluated by the few lines below, never by the language.

const DEFAULT_TIME = 60_000;
/** Milliseconds; the policy accepts no more. */
const LONGEST = 86_400_000;
/** Characters. No sum anybody means is longer. */
const LONGEST_TEXT = 200;

/** Asked for every request, and always the same. @type {{ text?: string, result?: number }} */
let last = {};

/**
 * How long keys live, in milliseconds. A cache that is switched off, shorter than a minute or of no length at all counts as
 * a minute: a fetch for every token would let anybody send our requests to the provider. Endless counts as a day.
 * @param {Record<string, string | undefined>} env
 * @returns {number}
 */
function cacheMaxAge(env) {
  if (!isCacheEnabled(env.OPENID_JWKS_URL_CACHE_ENABLED)) return DEFAULT_TIME;
  const time = cacheTime(env.OPENID_JWKS_URL_CACHE_TIME);
  return time >= DEFAULT_TIME ? Math.min(time, LONGEST) : DEFAULT_TIME;
}

/** @param {string | undefined} value */
function isCacheEnabled(value) {
  return value === undefined || value === '' || value.toLowerCase().trim() === 'true';
}

/**
 * @param {string | undefined} value
 * @returns {number} milliseconds as LibreChat would have them: 0 and more, Infinity or NaN
 */
function cacheTime(value) {
  if (value !== undefined && value !== last.text) last = { text: value, result: evaluate(value) };
  const result = value === undefined ? undefined : last.result;
  if (result === undefined) return DEFAULT_TIME;
  return Math.max(0, result);
}

/**
 * `+ - * / %` and brackets over decimal numbers. `%` after a number that no other follows is a percentage (`50%` is 0.5,
 * `100 + 50%` is 150), else the remainder.
 * @param {string} text
 * @returns {number | undefined} undefined for anything else
 */
function evaluate(text) {
  if (text.length > LONGEST_TEXT || !/^[-+\d.\s*/%()]+$/.test(text)) return undefined;
  const tokens = text.match(/\d+\.?\d*|\.\d+|[-+*/%()]|\S/g) ?? [];
  let at = 0;
  const startsOperand = () => /^[\d(.]/.test(tokens[at] ?? '');
  const refuse = () => {
    throw new SyntaxError('not arithmetic');
  };

  /** @returns {number} */
  function sum() {
    let { value } = product();
    while (tokens[at] === '+' || tokens[at] === '-') {
      const sign = tokens[at++] === '+' ? 1 : -1;
      const right = product();
      value += sign * (right.isPercentage ? value * right.value : right.value);
    }
    return value;
  }

  /** @returns {{ value: number, isPercentage: boolean }} */
  function product() {
    let { value, isPercentage } = signed();
    for (;;) {
      const operator = tokens[at] ?? '';
      if (!['*', '/', '%'].includes(operator)) return { value, isPercentage };
      at += 1;
      const right = signed().value;
      if (operator === '*') value *= right;
      else if (operator === '/') value /= right;
      else value = right === 0 ? value : value - right * Math.floor(value / right);
      isPercentage = false;
    }
  }

  /** @returns {{ value: number, isPercentage: boolean }} */
  function signed() {
    if (tokens[at] === '+' || tokens[at] === '-') {
      const sign = tokens[at++] === '+' ? 1 : -1;
      const operand = signed();
      return { ...operand, value: sign * operand.value };
    }
    const value = operand();
    if (tokens[at] !== '%') return { value, isPercentage: false };
    at += 1;
    if (startsOperand()) {
      at -= 1;
      return { value, isPercentage: false };
    }
    return { value: value / 100, isPercentage: true };
  }

  /** @returns {number} */
  function operand() {
    const token = tokens[at++] ?? refuse();
    if (token === '(') {
      const value = sum();
      return tokens[at++] === ')' ? value : refuse();
    }
    return /^[\d.]/.test(token) && token !== '.' ? Number(token) : refuse();
  }

  try {
    const value = sum();
    return at === tokens.length ? value : undefined;
  } catch {
    return undefined;
  }
}

module.exports = { cacheMaxAge, cacheTime, isCacheEnabled };
