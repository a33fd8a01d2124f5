'use strict';

// The sources of keys, as `stats()` of the verifier has them.

const { html } = require('./console-markup');
const { isKnown } = require('./known-sources');

/** Sources shown; a server of many tenants may have thousands. */
const MOST_SOURCES = 100;
/** Keys shown of one source. */
const MOST_KEYS = 50;

/** @param {any[]} all */
function sourcesSection(all) {
  const sources = all.filter(isKnown);
  const more = sources.length - MOST_SOURCES;
  return html`<section id="keys" aria-labelledby="keys-title"><h2 id="keys-title">Issuers and their keys</h2>
${sources.length === 0 ? html`<p>No provider was asked for keys yet.</p>` : undefined}
${sources.slice(0, MOST_SOURCES).map(sourcePart)}
${more > 0 ? html`<p class="note">and ${more} more</p>` : undefined}</section>
`;
}

/** @param {any} source */
function sourcePart(source) {
  const { kind, url, keys = [], skipped = [], lastFailure } = source;
  const [status, said] = stateOf(source);
  const name = url || (kind === 'inline' ? 'keys given in the configuration' : kind);
  return html`<h3>${name}</h3><p><span class="status ${status}">${status === 'ok' ? 'ready' : status === 'warning' ? 'degraded' : 'down'}</span>: ${said}</p>
${lastFailure ? failurePart(lastFailure) : undefined}
<div class="scroll" role="region" aria-label="Keys of ${name}" tabindex="0"><table class="cards"><thead><tr><th scope="col">Key</th><th scope="col">State</th></tr></thead>
<tbody>${keys.slice(0, MOST_KEYS).map(keyRow)}${skipped.slice(0, MOST_KEYS).map(skippedRow)}</tbody></table></div>`;
}

/** @param {any} source @returns {['ok' | 'warning' | 'failed', string]} */
function stateOf({ kind, age, lifeLeft, keys = [], refreshes }) {
  if (keys.length === 0) return ['failed', 'there is no usable key'];
  if (kind === 'inline') return ['ok', 'given in the configuration, and never asked for'];
  const asked = refreshes ? `; asked for ${refreshes.begun} times, ${refreshes.failed} of them in vain` : '';
  const known = `${keys.length} usable ${keys.length === 1 ? 'key' : 'keys'}, ${duration(age)} old`;
  if (typeof lifeLeft === 'number' && lifeLeft > 0)
    return ['ok', `${known}; they are asked for again within ${duration(lifeLeft)}, when a request comes${asked}`];
  return ['warning', `${known}, past their life: they are asked for again with the next request${asked}`];
}

/** @param {any} failure */
function failurePart({ age, message, reason, host }) {
  const where = [reason, host].filter((text) => typeof text === 'string').join(' at ');
  return html`<p class="warning">The last failure, ${duration(age)} ago: ${message}${where && ` (${where})`}</p>`;
}

/** @param {any} key */
function keyRow({ kid, thumbprint, normalised }) {
  return html`<tr><td><code>${kid ?? 'without kid'}</code></td><td><span class="status ok">usable</span>${normalised === true ? '; corrected when read' : undefined} <span class="note">thumbprint <code>${String(thumbprint)}</code></span></td></tr>`;
}

/** @param {any} entry */
function skippedRow({ index, kid, reason }) {
  return html`<tr><td><code>${kid ?? `entry ${index}`}</code></td><td><span class="status warning">skipped</span>: ${String(reason)}</td></tr>`;
}

/** @param {unknown} seconds */
function duration(seconds) {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return 'some time';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

module.exports = { sourcesSection };
