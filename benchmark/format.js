'use strict';

// Figures and tables as Markdown.

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const perSecond = (value) => Math.round(value).toLocaleString('en-US');
const range = ({ median, min, max }, format = digits) => `${format(median)} (${format(min)}-${format(max)})`;

function table(head, rows) {
  return [
    `| ${head.join(' | ')} |`,
    `|${' --- |'.repeat(head.length)}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

module.exports = { digits, perSecond, range, table };
