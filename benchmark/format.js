'use strict';

// Figures and tables as Markdown.

/** Of three digits, a negative one as well. */
const digits = (value) => (value < 0 ? `-${positive(-value)}` : positive(value));
const positive = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const perSecond = (value) => Math.round(value).toLocaleString('en-US');
const range = ({ median, min, max }, format = digits) => `${format(median)} (${format(min)}-${format(max)})`;

/** Four digits: more than any figure is good for. */
const rounded = (figures) =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toPrecision(4))]));

function table(head, rows) {
  return [
    `| ${head.join(' | ')} |`,
    `|${' --- |'.repeat(head.length)}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

module.exports = { digits, perSecond, range, rounded, table };
