'use strict';

// The one place where text becomes HTML. What is not made by `html` is text, and is escaped, wherever it stands: between tags and inside
// quoted attributes. No value of an input ever stands outside quotes, in a URL, in a style or in a script.

/** HTML made here, as opposed to text. Only this file makes it. */
class Markup {
  #text;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  toString() {
    return this.#text;
  }
}

/** @typedef {Markup | string | number | undefined | ReadonlyArray<Markup | string>} Value what can stand in a template */

/** @type {Readonly<Record<string, string>>} */
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };

/**
 * @param {TemplateStringsArray} strings
 * @param {...Value} values
 */
function html(strings, ...values) {
  return new Markup(strings.reduce((text, string, index) => text + markupOf(values[index - 1]) + string));
}

/** @param {Value} value @returns {string} */
function markupOf(value) {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.toString();
  if (Array.isArray(value)) return value.map(markupOf).join('');
  return printable(String(value)).replace(/[&<>"'`]/g, (character) => /** @type {string} */ (ENTITIES[character]));
}

/** Control characters, directions of writing and halves of characters deceive who reads them. @param {string} text */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?');
}

/** A style sheet of ours: escaped it would be another text than the one whose digest is allowed. @param {string} css */
function styleElement(css) {
  if (css.includes('<')) throw new TypeError('a style sheet with "<" could end its element');
  return new Markup(`<style>${css}</style>`);
}

module.exports = { html, styleElement };
