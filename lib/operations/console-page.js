'use strict';

// The page of the console, from what is known to HTML. It holds no script: it reads, and explains tokens, without one.

const { acceptedIn, chart, guardsIn, seriesOf } = require('./console-chart');
const { html, styleElement } = require('./console-markup');
const { STYLE } = require('./console-style');
const { sourcesSection } = require('./console-sources');
const { codes } = require('../verifier/codes');

/**
 * @typedef {import('./console-markup').Value} Value
 * @typedef {import('./console-record').Row} Row
 * @typedef {import('./doctor').Line} Line
 *
 * A policy of the server's: what the doctor says of its configuration, and the options, where it can be used.
 * @typedef {{ name: string, lines: Line[], options?: import('../../native').PolicyOptions }} NamedPolicy
 * @typedef {{ policy: string, lines: Line[] }} Explanation of one token under one policy
 *
 * @typedef {{ now: number, hour: import('./console-record').Bucket[], refusals: Row[], shadowDifferences: Row[],
 *   policies: NamedPolicy[], sources: unknown[], provider?: Line[], formToken: string,
 *   explanations?: Explanation[], notice?: string }} View `now`: milliseconds since 1970
 */

const STYLE_ELEMENT = styleElement(STYLE);

/** @param {View} view @returns {string} */
function page(view) {
  const { now, explanations, notice } = view;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>remote-agent-auth: why was I refused</title><link rel="icon" href="data:,">${STYLE_ELEMENT}</head>
<body><header><h1>remote-agent-auth</h1>
<p class="note">As of ${time(now)}. Reload the page for newer figures.</p>
<nav aria-label="Sections"><a href="#hour">Last hour</a><a href="#refusals">Refusals</a><a href="#explain">Explain a token</a><a href="#policies">Configuration</a><a href="#keys">Keys</a></nav></header>
<main>${notice === undefined ? undefined : html`<section role="alert"><p>${notice}</p></section>`}
${explanations && explained(explanations)}
${hourSection(view)}${refusalsSection(view)}${shadowSection(view)}${explainSection(view)}${policiesSection(view)}${sourcesSection(view.sources)}</main></body></html>
`.toString();
}

/** @param {number} milliseconds */
function time(milliseconds) {
  const text = new Date(milliseconds).toISOString();
  return html`<time datetime="${text}">${text.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

/** @param {View} view */
function hourSection({ hour }) {
  const series = seriesOf(hour);
  const guards = guardsIn(hour);
  // One request is two events then.
  const twice =
    guards > 0 ? html`, ${guards} of it by guards of routes, whose requests are counted as accepted, too` : undefined;
  const rows = series.map(
    ({
      name,
      total,
      colour,
    }) => html`<tr><th scope="row"><svg class="swatch c${colour}" viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1"/></svg><code>${name}</code></th>
<td data-label="requests" class="number">${total}</td><td data-label="what to do">${actionOf(name)}</td></tr>`,
  );
  return html`<section id="hour" aria-labelledby="hour-title"><h2 id="hour-title">The last hour</h2>
${chart(hour, series)}
<table class="cards"><caption>${acceptedIn(hour)} accepted; what was not, by code${twice}</caption>
<thead><tr><th scope="col">Code</th><th scope="col" class="number">Requests</th><th scope="col">What to do</th></tr></thead>
<tbody>${rows.length > 0 ? rows : html`<tr><td colspan="3">Nothing was refused.</td></tr>`}</tbody></table></section>
`;
}

/** @param {string} name */
function actionOf(name) {
  return /** @type {Record<string, { action?: string } | undefined>} */ (codes)[name]?.action;
}

/** @param {View} view */
function refusalsSection({ refusals }) {
  return html`<section id="refusals" aria-labelledby="refusals-title"><h2 id="refusals-title">Newest refusals</h2>
<p class="note">Alike ones are one row. A caller who names a reference (header <code>Auth-Reference</code>): look for it here, or in the log.</p>
${refusals.length === 0 ? html`<p>None since this process began to record.</p>` : rowsTable('The newest kind first', refusals)}</section>
`;
}

/** @param {View} view */
function shadowSection({ shadowDifferences }) {
  if (shadowDifferences.length === 0) return html``;
  const rows = shadowDifferences.map(({ event, count, references }) => {
    const { outcome, code, issuer, tenant, shadow } = event;
    return html`<tr><td data-label="decided">${outcome} ${code}</td><td data-label="shadow">${shadow?.outcome} <code>${shadow?.code}</code></td>
<td>${facts([
      ['issuer', issuer],
      ['tenant', tenant],
      ['expected', shadow?.expected],
      ['got', shadow?.got],
    ])}</td>
<td data-label="requests" class="number">${count}</td><td data-label="references">${codesOf(references)}</td></tr>`;
  });
  return html`<section id="shadow" aria-labelledby="shadow-title"><h2 id="shadow-title">Where the shadow policy differs</h2>
<p class="note">The shadow policy decides nothing: this is what it would do.</p><div class="scroll" role="region" aria-label="Differences" tabindex="0"><table class="cards">
<thead><tr><th scope="col">Decided</th><th scope="col">Shadow policy</th><th scope="col">Details</th><th scope="col" class="number">Requests</th><th scope="col">References</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>
`;
}

/** @param {string} caption @param {Row[]} rows */
function rowsTable(caption, rows) {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="cards"><caption>${caption}</caption>
<thead><tr><th scope="col">Last</th><th scope="col">Outcome</th><th scope="col">Details</th><th scope="col">What to do</th><th scope="col" class="number">Requests</th><th scope="col">References</th></tr></thead>
<tbody>${rows.map(refusalRow)}</tbody></table></div>`;
}

/** @param {Row} row */
function refusalRow({ event, count, references }) {
  const { time: at, outcome, code, cause, status, action } = event;
  const what = html`<code>${code ?? cause ?? outcome}</code>`;
  return html`<tr><td data-label="last">${time(at)}</td><td data-label="outcome">${what}<br>${OUTCOMES[outcome] ?? outcome}${status && html`, ${status}`}</td>
<td class="wide">${facts(findings(event))}${surroundings(event)}</td><td class="less" data-label="what to do">${action ?? actionOf(code ?? '')}</td><td data-label="requests" class="number">${count}</td><td data-label="references">${codesOf(references)}</td></tr>`;
}

/** @type {Readonly<Record<string, string>>} */
const OUTCOMES = { refused: 'refused', 'api-key': 'API key tried', error: 'error' };

/** What failed, and by how much. @param {Row['event']} event @returns {Array<[string, Value]>} */
function findings({ check, expected, got, host, clockDifference, providerKids }) {
  return [
    ['check', check],
    ['expected', expected],
    ['got', got],
    ['host', host],
    ['clock', clockDifference === undefined ? undefined : `${clockDifference} s apart`],
    ['the provider has', providerKids?.join(', ')],
  ];
}

/** Where it failed. @param {Row['event']} event */
function surroundings({ issuer, tenant, policy, algorithm, kid, keys, cause, code, guard }) {
  const by = guard && 'a guard of the route';
  const known = Object.entries({ by, issuer, tenant, policy, alg: algorithm, kid, keys, cause: code && cause });
  const texts = known.filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`);
  return texts.length === 0 ? undefined : html`<p class="note">${texts.join(' · ')}</p>`;
}

/** @param {Array<[string, Value]>} entries those without a value are left out */
function facts(entries) {
  const known = entries.filter(([, value]) => value !== undefined && value !== '');
  return known.length === 0
    ? html``
    : html`<dl>${known.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** @param {string[]} texts */
function codesOf(texts) {
  return texts.map((text) => html`<code>${text}</code> `);
}

/** @param {View} view */
function explainSection({ policies, formToken }) {
  const usable = policies.filter(({ options }) => options !== undefined);
  if (usable.length === 0)
    return html`<section id="explain" aria-labelledby="explain-title"><h2 id="explain-title">Explain a token</h2><p>No policy is known that a token could be checked by.</p></section>`;
  return html`<section id="explain" aria-labelledby="explain-title"><h2 id="explain-title">Explain a token</h2>
<p class="note" id="explain-note">The token is checked here, by this server's own policies. It is not stored, not logged, not sent on, and not shown again.</p>
<form method="post" autocomplete="off"><input type="hidden" name="form" value="${formToken}">
<label for="token">Token</label><textarea id="token" name="token" required spellcheck="false" autocapitalize="off" autocomplete="off" aria-describedby="explain-note"></textarea>
${usable.length === 1 ? undefined : policyChoice(usable)}
<button type="submit">Explain</button></form></section>
`;
}

/** @param {NamedPolicy[]} policies */
function policyChoice(policies) {
  return html`<label for="policy">By which policy</label><select id="policy" name="policy"><option value="">all of them</option>${policies.map(({ name }) => html`<option value="${name}">${name}</option>`)}</select>`;
}

/** @param {Explanation[]} explanations */
function explained(explanations) {
  return html`<section id="explanation" aria-labelledby="explanation-title"><h2 id="explanation-title" tabindex="-1" autofocus>What becomes of the token</h2>
${explanations.map(({ policy, lines }) => html`<h3>${policy}</h3>${linesTable(`Checks by ${policy}`, lines)}`)}</section>
`;
}

/** @param {View} view */
function policiesSection({ policies, provider }) {
  const parts = policies.map(
    ({ name, lines }) =>
      html`<h3>${name}</h3>${lines.length > 0 ? linesTable(`Configuration of ${name}`, lines) : html`<p class="ok">usable</p>`}`,
  );
  const way =
    provider && html`<h3>The way to the provider, its documents and its clock</h3>${linesTable('Provider', provider)}`;
  return html`<section id="policies" aria-labelledby="policies-title"><h2 id="policies-title">Configuration</h2>
${parts.length > 0 ? parts : html`<p>The console was given no configuration to look at.</p>`}${way}</section>
`;
}

/** @param {string} caption @param {Line[]} lines */
function linesTable(caption, lines) {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="cards"><thead><tr><th scope="col">Status</th><th scope="col">Check</th><th scope="col">Finding</th></tr></thead>
<tbody>${lines.map(
    ({
      status,
      check,
      text,
      code,
      action,
      expected,
      got,
    }) => html`<tr><td class="status ${status}">${status}</td><td>${check}</td>
<td>${text}${code && html` (<code>${code}</code>)`}${facts([
      ['expected', expected],
      ['got', got],
      ['what to do', action],
    ])}</td></tr>`,
  )}</tbody></table></div>`;
}

module.exports = { page };
