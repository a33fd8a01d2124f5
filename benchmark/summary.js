'use strict';

// From rounds to figures.

const { spread } = require('./measure');

/**
 * Round by round: what disturbs one half of a round disturbs the other, and cancels out.
 * @param {any[]} above
 * @param {any[]} below
 * @param {string} figure
 */
function quotient(above, below, figure) {
  if (above[0]?.[figure] === undefined || below[0]?.[figure] === undefined) return undefined;
  return spread(above.map((window, round) => window[figure] / below[round][figure]));
}

/** The same for differences. @param {any[]} more @param {any[]} less @param {string} figure */
function above(more, less, figure) {
  return more.map((window, round) => window[figure] - less[round][figure]);
}

/**
 * @param {Record<string, any[]>} measured rounds by row
 * @param {Record<string, string>} ours rows of ours by the suffix their ratios go under
 * @param {{ bare: number, core: number, ratio: number }[]} [limits] round by round
 * @param {string} [floor] the row without a check: each other one gets what it takes above it
 */
function summarize(measured, ours, limits = [], floor = undefined) {
  const present = Object.fromEntries(Object.entries(ours).filter(([, name]) => name in measured));
  const rows = Object.fromEntries(
    Object.entries(measured).map(([name, windows]) => [
      name,
      Object.fromEntries(
        Object.keys(windows[0]).map((figure) => [figure, spread(windows.map((window) => window[figure]))]),
      ),
    ]),
  );
  for (const [name, windows] of Object.entries(measured)) {
    if (floor === undefined || name === floor || !(floor in measured)) continue;
    rows[name].aboveMicros = spread(above(windows, measured[floor], 'mainMicros'));
    rows[name].spanAboveMicros = spread(above(windows, measured[floor], 'spanP50Micros'));
  }
  const ratios = {};
  for (const [suffix, own] of Object.entries(present)) {
    ratios[suffix] = {};
    for (const [name, windows] of Object.entries(measured)) {
      if (name.startsWith('ours')) continue;
      ratios[suffix][name] = {
        // Ours over theirs where more is better, theirs over ours where less is.
        throughput: quotient(measured[own], windows, 'throughput'),
        mainMicros: quotient(windows, measured[own], 'mainMicros'),
        loopDelayP99Millis: quotient(windows, measured[own], 'loopDelayP99Millis'),
      };
    }
  }
  const summary = { ours: present, rows, ratios };
  if (limits.length > 0) {
    const own = measured[present['']];
    summary.limit = {
      bareMicros: spread(limits.map(({ bare }) => bare)),
      coreMicros: spread(limits.map(({ core }) => core)),
      coreOverBare: spread(limits.map(({ ratio }) => ratio)),
      mainOverBare: spread(limits.map(({ bare }, round) => own[round].mainMicros / bare)),
    };
  }
  return summary;
}

/** One line of a case, for whoever waits. */
function brief({ ours, rows, ratios, limit }) {
  const own = rows[ours[''] ?? 'ours'];
  const p99 = own.p99Micros ? `, p99 ${own.p99Micros.median.toFixed(0)} us` : '';
  const parts = [`ours ${Math.round(own.throughput.median)}/s, ${own.mainMicros.median.toFixed(1)} us${p99}`];
  for (const [name, { aboveMicros }] of Object.entries(rows))
    if (aboveMicros) parts.push(`${name} +${aboveMicros.median.toFixed(1)} us`);
  for (const [name, { throughput }] of Object.entries(ratios[''] ?? {}))
    parts.push(`${name} x${throughput.median.toFixed(2)}`);
  if (limit)
    parts.push(`main/bare ${limit.mainOverBare.median.toFixed(2)}, core/bare ${limit.coreOverBare.median.toFixed(2)}`);
  return parts.join('  ');
}

module.exports = { brief, summarize };
