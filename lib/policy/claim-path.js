'use strict';

/** A bracketed index or quoted name, a plain name, or a dot that begins or ends nothing: an empty name. */
const SEGMENT = /\[(?:(-?\d+)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]|[^.[\]]+|^\.|\.(?=\.|$)/g;

/** @param {string} path @returns {string[]} */
function namesOf(path) {
  return Array.from(path.matchAll(SEGMENT), ([text, index, double, single]) => {
    const quoted = double ?? single;
    return index ?? quoted?.replace(/\\(.)/g, '$1') ?? (text === '.' ? '' : text);
  });
}

/**
 * The value at a path as operators of LibreChat write it: dots, brackets, or a claim of literally that name, which
 * comes first. Only members of the value itself count, never what JavaScript objects inherit.
 * @param {Record<string, unknown>} claims
 * @param {string} path
 * @returns {unknown}
 */
function claimAt(claims, path) {
  if (Object.hasOwn(claims, path)) return claims[path];
  /** @type {any} */
  let value = claims;
  for (const name of namesOf(path)) {
    if (value === null || value === undefined || !Object.hasOwn(Object(value), name)) return undefined;
    value = value[name];
  }
  return value;
}

module.exports = { claimAt };
