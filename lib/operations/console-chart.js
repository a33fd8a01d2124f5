'use strict';

// The last hour as bars, drawn here: what the page needs no script for. The bars stretch with the page; every text beside them is HTML, so
// that it keeps its size. The table of counts says the same to those who do not see the bars.

const { html } = require('./console-markup');
const { ACCEPTED, OTHER } = require('./console-record');

/**
 * @typedef {import('./console-record').Bucket} Bucket
 * @typedef {{ name: string, total: number, colour: number }} Series `colour`: its number in the style sheet
 */

/** Codes with a colour of their own; the others share one. */
const MOST_SERIES = 6;
const OTHERS_COLOUR = MOST_SERIES;
/** Units of the drawing: a minute is 10 wide. */
const WIDTH = 10;
const HEIGHT = 100;

/** Codes by how often they came, the most frequent first. @param {Bucket[]} hour @returns {Series[]} */
function seriesOf(hour) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  for (const { counts } of hour) {
    for (const [name, count] of counts) if (name !== ACCEPTED) totals.set(name, (totals.get(name) ?? 0) + count);
  }
  return [...totals]
    .sort(([a, of], [b, than]) => than - of || (a < b ? -1 : 1))
    .map(([name, total], index) => ({
      name,
      total,
      colour: name === OTHER ? OTHERS_COLOUR : Math.min(index, OTHERS_COLOUR),
    }));
}

/** @param {Bucket[]} hour */
function acceptedIn(hour) {
  return hour.reduce((sum, { counts }) => sum + (counts.get(ACCEPTED) ?? 0), 0);
}

/** Refusals by guards of routes. @param {Bucket[]} hour */
function guardsIn(hour) {
  return hour.reduce((sum, { guards }) => sum + guards, 0);
}

/** @param {Bucket} bucket */
function notAccepted({ counts }) {
  return [...counts].reduce((sum, [name, count]) => (name === ACCEPTED ? sum : sum + count), 0);
}

/** @param {number} minute since 1970 */
function clockTime(minute) {
  return new Date(minute * 60_000).toISOString().slice(11, 16);
}

/**
 * @param {Bucket[]} hour
 * @param {Series[]} series
 */
function chart(hour, series) {
  const accepted = hour.map(({ counts }) => counts.get(ACCEPTED) ?? 0);
  const others = hour.map(notAccepted);
  const [first, last] = /** @type {[Bucket, Bucket]} */ ([hour[0], hour.at(-1)]);
  return html`<figure>
<figcaption>Each bar is a minute, from ${clockTime(first.minute)} to ${clockTime(last.minute)} UTC.</figcaption>
${panel('Accepted', accepted, (index, scale) => bar(index, 0, accepted[index] ?? 0, scale, 'accepted', at(hour, index)))}
${panel('Not accepted, by code', others, (index, scale) => stack(hour, index, series, scale))}
<p class="axis" aria-hidden="true"><span>60 min ago</span><span>45</span><span>30</span><span>15</span><span>now</span></p>
</figure>`;
}

/**
 * @param {string} title
 * @param {number[]} totals
 * @param {(index: number, scale: number) => import('./console-markup').Value} draw
 */
function panel(title, totals, draw) {
  const most = Math.max(...totals);
  const sum = totals.reduce((a, b) => a + b, 0);
  const scale = HEIGHT / Math.max(most, 1);
  const label = `${title}: ${sum} in the last hour, at most ${most} in a minute`;
  return html`<h3>${title}</h3><p class="note">${sum} in the last hour, at most ${most} in a minute</p>
<svg role="img" aria-label="${label}" viewBox="0 0 ${WIDTH * totals.length} ${HEIGHT}" preserveAspectRatio="none">
${totals.map((total, index) => (total === 0 ? html`` : html`${draw(index, scale)}`))}</svg>`;
}

/** The codes of one minute, the most frequent of the hour at the bottom. @param {Bucket[]} hour @param {number} index @param {Series[]} series @param {number} scale */
function stack(hour, index, series, scale) {
  let below = 0;
  return series.map(({ name, colour }) => {
    const count = hour[index]?.counts.get(name) ?? 0;
    if (count === 0) return html``;
    const drawn = bar(index, below, count, scale, `c${colour}`, `${at(hour, index)} ${name}`);
    below += count;
    return drawn;
  });
}

/** @param {Bucket[]} hour @param {number} index */
function at(hour, index) {
  return `${clockTime(hour[index]?.minute ?? 0)} UTC`;
}

/** @param {number} index @param {number} below @param {number} count @param {number} scale @param {string} style @param {string} what */
function bar(index, below, count, scale, style, what) {
  const top = HEIGHT - (below + count) * scale;
  return html`<rect class="${style}" x="${index * WIDTH + 1}" y="${round(top)}" width="${WIDTH - 2}" height="${round(count * scale)}"><title>${what}: ${count}</title></rect>`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}

module.exports = { acceptedIn, chart, guardsIn, seriesOf };
