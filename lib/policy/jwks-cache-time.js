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
  try {
    return new Arithmetic(text).whole();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A term: `isPercentage` for a number before a `%` that no other number follows. @typedef {{ value: number, isPercentage: boolean }} Term */

/** A recursive-descent reader: sums of products of signed operands. Throws a SyntaxError for what is no arithmetic. */
class Arithmetic {
  #tokens;
  #at = 0;

  /** @param {string} text */
  constructor(text) {
    this.#tokens = text.match(/\d+\.?\d*|\.\d+|[-+*/%()]|\S/g) ?? [];
  }

  /** @returns {number} */
  whole() {
    const value = this.#sum();
    return this.#at === this.#tokens.length ? value : refuse();
  }

  get #next() {
    return this.#tokens[this.#at] ?? '';
  }

  /** @returns {number} */
  #sum() {
    let { value } = this.#product();
    while (this.#next === '+' || this.#next === '-') {
      const sign = this.#sign();
      const right = this.#product();
      value += sign * (right.isPercentage ? value * right.value : right.value);
    }
    return value;
  }

  /** @returns {Term} */
  #product() {
    let { value, isPercentage } = this.#signed();
    while (['*', '/', '%'].includes(this.#next)) {
      const operator = this.#next;
      this.#at += 1;
      const right = this.#signed().value;
      if (operator === '*') value *= right;
      else if (operator === '/') value /= right;
      else value = right === 0 ? value : value - right * Math.floor(value / right);
      isPercentage = false;
    }
    return { value, isPercentage };
  }

  /** @returns {Term} */
  #signed() {
    if (this.#next === '+' || this.#next === '-') {
      const sign = this.#sign();
      const term = this.#signed();
      return { ...term, value: sign * term.value };
    }
    const value = this.#operand();
    const isPercentage = this.#next === '%' && !/^[\d(.]/.test(this.#tokens[this.#at + 1] ?? '');
    if (isPercentage) this.#at += 1;
    return { value: isPercentage ? value / 100 : value, isPercentage };
  }

  /** @returns {number} */
  #operand() {
    const token = this.#next;
    this.#at += 1;
    if (token === '(') {
      const value = this.#sum();
      if (this.#next !== ')') refuse();
      this.#at += 1;
      return value;
    }
    return /^[\d.]/.test(token) && token !== '.' ? Number(token) : refuse();
  }

  #sign() {
    const sign = this.#next === '+' ? 1 : -1;
    this.#at += 1;
    return sign;
  }
}

/** @returns {never} */
function refuse() {
  throw new SyntaxError('not arithmetic');
}

module.exports = { cacheMaxAge, cacheTime, isCacheEnabled };
