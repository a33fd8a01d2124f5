'use strict';

/**
 * @param {string} name
 * @param {readonly string[]} known at least one
 * @returns {string} the known name fewest edits away
 */
function nearest(name, known) {
  const ranked = known.map((candidate) => ({ candidate, edits: editDistance(name, candidate) }));
  return ranked.reduce((best, next) => (next.edits < best.edits ? next : best)).candidate;
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

module.exports = { nearest };
