'use strict';

/** More edits than that are no slip of the keyboard. */
const MOST_EDITS = 2;

/**
 * @param {string} name
 * @param {readonly string[]} known
 * @returns {string | undefined} the known name fewest edits away, where that is near enough to be meant
 */
function nearest(name, known) {
  const ranked = known.map((candidate) => ({ candidate, edits: editDistance(name, candidate) }));
  const [best] = ranked.sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= MOST_EDITS ? best.candidate : undefined;
}

/**
 * What an error about an unknown name ends with.
 * @param {string} name
 * @param {readonly string[]} known
 * @returns {string} empty where nothing is near
 */
function didYouMean(name, known) {
  const near = nearest(name, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** Levenshtein's distance, letter case ignored. @param {string} a @param {string} b */
function editDistance(a, b) {
  const [from, to] = [a.toLowerCase(), b.toLowerCase()];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = Number(previous[column - 1]) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, Number(previous[column]) + 1, Number(current[column - 1]) + 1));
    }
    previous = current;
  }
  return Number(previous[to.length]);
}

module.exports = { didYouMean };
