'use strict';

/**
 * What a text of JSON says, parsed once and never handed out: each copy of it is somebody's own. `members`: those that are objects or lists
 * themselves; undefined where there are none.
 * @typedef {{ value: any, isList: boolean, members: { name: any, template: Template }[] | undefined }} Template
 *
 * Of one text: how often it was asked for, then what copies are made of; null for what is parsed each time.
 * @typedef {'asked once' | Template | null | undefined} Known
 */

/** Levels of objects within one another; claims have two or three. What is deeper is parsed each time. */
const DEEPEST = 8;
/**
 * Objects and lists in one text; claims have a dozen, and two for each of a user's clients in some providers. What has more is parsed each time:
 * an empty one is 3 characters of a token, whose characters are counted, and would be 160 bytes of memory.
 */
const MOST_OBJECTS = 100;

/**
 * A fresh object for a text of JSON. Copying takes a tenth of parsing; the second time is soon enough to begin with it, since most texts are
 * asked for once.
 * @param {string} text
 * @param {Known} known of this text
 * @returns {{ value: any, known: Known }} `known` is what to ask with the next time
 */
function freshCopy(text, known) {
  const value = JSON.parse(text);
  if (known !== 'asked once') return { value, known: known === undefined ? 'asked once' : known };
  const template = templateOf(value, 0, { left: MOST_OBJECTS });
  return template === undefined ? { value, known: null } : { value: copyOf(template), known: template };
}

/**
 * @param {any} value of JSON.parse
 * @param {number} depth
 * @param {{ left: number }} objects that it may have together with the rest of the text
 * @returns {Template | undefined} undefined for what cannot be copied by members
 */
function templateOf(value, depth, objects) {
  if (depth === DEEPEST || typeof value !== 'object' || value === null || objects.left === 0) return undefined;
  objects.left -= 1;
  const isList = Array.isArray(value);
  const members = [];
  for (const key of Object.keys(value)) {
    // Set on a copy it would be the copy's prototype, and no member.
    if (key === '__proto__') return undefined;
    const member = value[key];
    if (typeof member !== 'object' || member === null) continue;
    const template = templateOf(member, depth + 1, objects);
    if (template === undefined) return undefined;
    members.push({ name: isList ? Number(key) : key, template });
  }
  return { value, isList, members: members.length === 0 ? undefined : members };
}

/**
 * A copy of a whole: apart from that of its members, so that V8 meets few shapes of objects in either.
 * @param {Template} template
 */
function copyOf({ value, isList, members }) {
  const copy = isList ? value.slice() : { ...value };
  if (members !== undefined) for (const { name, template } of members) copy[name] = copyOfMember(template);
  return copy;
}

/** @param {Template} template @returns {any} */
function copyOfMember({ value, isList, members }) {
  const copy = isList ? value.slice() : { ...value };
  if (members !== undefined) for (const { name, template } of members) copy[name] = copyOfMember(template);
  return copy;
}

module.exports = { MOST_OBJECTS, copyOf, freshCopy };
