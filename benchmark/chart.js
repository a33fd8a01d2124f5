'use strict';

// docs/benchmark.svg: main-thread time per token, drawn from the same figures as the tables. Plain SVG, no library, legible on light and
// dark pages because it brings its own background.

const fs = require('node:fs');

const GROUPS = [
  ['fresh-one RS256', 'New token, RS256'],
  ['fresh-one ES256', 'New token, ES256'],
  ['fresh-64 ES256', '64 in flight, ES256'],
  ['repeat RS256', 'Same token again, RS256'],
  ['express-2500-fresh RS256', 'Express 5, 2,500 requests/s, new token, RS256: above no authentication', 'aboveMicros'],
  ['express-2500-repeat RS256', 'The same, known token: above no authentication', 'aboveMicros'],
];

const COLOURS = { ours: '#0b7a53', incumbent: '#b4462f', other: '#8a94a6', floor: '#c9ced8' };
const LABEL_WIDTH = 300;
const BAR_WIDTH = 340;
const ROW = 19;
const WIDTH = 760;

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));

function colourOf(name) {
  if (name.startsWith('ours')) return COLOURS.ours;
  if (name === 'incumbent') return COLOURS.incumbent;
  return name === 'node:crypto verify' ? COLOURS.floor : COLOURS.other;
}

/** Names as a reader of the chart knows them. */
function label(name) {
  if (name === 'incumbent') return 'jsonwebtoken + jwks-rsa';
  if (name.startsWith('ours')) return name.replace('ours', 'remote-agent-auth');
  if (name === 'node:crypto verify') return 'node:crypto, signature only';
  return name;
}

function group(title, rows, figure, top) {
  const entries = Object.entries(rows)
    .filter(([, row]) => row[figure])
    // What is within the noise of nothing is drawn as nothing.
    .map(([name, row]) => [name, Math.max(0, row[figure].median)])
    .sort(([, a], [, b]) => a - b);
  const most = Math.max(...entries.map(([, value]) => value));
  const parts = [`<text x="20" y="${top}" class="title">${escape(title)}</text>`];
  entries.forEach(([name, value], i) => {
    const y = top + 10 + i * ROW;
    const width = Math.max(1.5, (value / most) * BAR_WIDTH);
    const own = name.startsWith('ours') ? ' class="own"' : '';
    parts.push(
      `<text x="${LABEL_WIDTH + 12}" y="${y + 12}" text-anchor="end"${own}>${escape(label(name))}</text>`,
      `<rect x="${LABEL_WIDTH + 20}" y="${y + 2}" width="${width.toFixed(1)}" height="${ROW - 5}" rx="2" fill="${colourOf(name)}"/>`,
      `<text x="${(LABEL_WIDTH + 26 + width).toFixed(1)}" y="${y + 12}"${own}>${digits(value)}</text>`,
    );
  });
  return { text: parts.join('\n'), bottom: top + 10 + entries.length * ROW };
}

/**
 * @param {any} result of run.js
 * @param {string} file
 */
function draw(result, file) {
  let top = 84;
  const groups = [];
  for (const [title, heading, figure = 'mainMicros'] of GROUPS) {
    const it = result.cases[title];
    if (!it) continue;
    const drawn = group(heading, it.rows, figure, top);
    groups.push(drawn.text);
    top = drawn.bottom + 30;
  }
  const foot = `${result.date}, ${result.machine}, Node ${result.node}; medians of ${result.rounds} rounds; claims of about 900 bytes; ${result.command}`;
  const height = top + 6;
  fs.writeFileSync(
    file,
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t">
<title id="t">Main-thread time per token or request, in microseconds, less is better</title>
<style>text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#3b4252}.head{font-size:17px;font-weight:600;fill:#1f2430}.title{font-size:13px;font-weight:600;fill:#1f2430}.own{font-weight:600;fill:#0b7a53}.foot{font-size:10px;fill:#6b7280}</style>
<rect width="100%" height="100%" rx="6" fill="#ffffff"/>
<text x="20" y="32" class="head">Main-thread time per token, in microseconds (less is better)</text>
<text x="20" y="52">What authentication takes from everything else the event loop has to do. Each group has its own scale.</text>
${groups.join('\n')}
<text x="20" y="${top - 8}" class="foot">${escape(foot)}</text>
</svg>
`,
  );
}

module.exports = { draw };
