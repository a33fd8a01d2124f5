'use strict';

const { isKnown } = require('./known-sources');
const { BOUNDS, MOST_ISSUERS, OTHER } = require('./tally');

/**
 * @typedef {import('../../index').VerifierStats} VerifierStats
 * @typedef {import('./tally').Tally} Tally
 * @typedef {import('./tally').Counts} Counts
 * @typedef {{ labels: Record<string, string>, value: number, suffix?: string }} Sample
 * @typedef {{ name: string, help: string, type: 'counter' | 'gauge' | 'histogram', samples: (now: Reading) => Sample[] }} Family
 *
 * What is read at one time. `stats`: undefined where it could not be had.
 * @typedef {{ tally: Tally, accounts: Counts, stats: VerifierStats | undefined }} Reading
 */

/** @type {readonly Family[]} */
const FAMILIES = [
  {
    name: 'remote_agent_auth_decisions_total',
    help: 'Requests by what became of them, and why',
    type: 'counter',
    samples: ({ tally }) => [...tally.issuers].flatMap(([issuer, { decisions }]) => counted(issuer, decisions)),
  },
  {
    name: 'remote_agent_auth_guard_refusals_total',
    help: 'Requests that were let in, and then refused by a guard of their route',
    type: 'counter',
    samples: ({ tally }) => [...tally.issuers].flatMap(([issuer, { guards }]) => counted(issuer, guards)),
  },
  {
    name: 'remote_agent_auth_shadow_differences_total',
    help: 'Requests that the shadow policy would have decided otherwise, by what it would have done',
    type: 'counter',
    samples: ({ tally }) => [...tally.issuers].flatMap(([issuer, { shadows }]) => counted(issuer, shadows)),
  },
  {
    name: 'remote_agent_auth_stale_decisions_total',
    help: 'Decisions by keys past their life, because the provider does not answer',
    type: 'counter',
    samples: ({ tally }) => [...tally.issuers].map(([issuer, { stale }]) => ({ labels: { issuer }, value: stale })),
  },
  {
    name: 'remote_agent_auth_check_duration_seconds',
    help: 'Time in the check of a token, waits for keys included',
    type: 'histogram',
    samples: ({ tally }) => [...tally.issuers].flatMap(([issuer, { check }]) => histogram({ issuer }, check)),
  },
  {
    name: 'remote_agent_auth_callback_duration_seconds',
    help: "Time in the host's callbacks",
    type: 'histogram',
    samples: ({ tally }) => [...tally.issuers].flatMap(([issuer, { callbacks }]) => histogram({ issuer }, callbacks)),
  },
  {
    name: 'remote_agent_auth_key_age_seconds',
    help: 'Age of the keys at hand',
    type: 'gauge',
    samples: (now) => ofSources(now, ({ age }) => age ?? undefined, Math.max),
  },
  {
    name: 'remote_agent_auth_key_stale_left_seconds',
    help: 'Time until the keys at hand are not used at all; 0 without keys',
    type: 'gauge',
    samples: (now) => least(now),
  },
  {
    name: 'remote_agent_auth_usable_keys',
    help: 'Keys that may be used',
    type: 'gauge',
    samples: (now) => ofSources(now, usableKeys, Math.max),
  },
  {
    name: 'remote_agent_auth_key_refreshes_total',
    help: 'Fetches of keys by result',
    type: 'counter',
    samples: (now) =>
      /** @type {const} */ (['succeeded', 'failed']).flatMap((result) =>
        ofSources(now, ({ refreshes }) => refreshes[result], sum, { result }),
      ),
  },
  {
    name: 'remote_agent_auth_queue_length',
    help: 'Checks that wait for a thread or run on one',
    type: 'gauge',
    samples: ({ stats }) => (stats === undefined ? [] : [{ labels: {}, value: stats.queued }]),
  },
  {
    name: 'remote_agent_auth_signature_checks_total',
    help: 'Signatures that were verified',
    type: 'counter',
    samples: ({ stats }) => (stats === undefined ? [] : [{ labels: {}, value: stats.signatureChecks }]),
  },
  {
    name: 'remote_agent_auth_cache_hits_total',
    help: 'Checks spared by what was found before',
    type: 'counter',
    samples: ({ stats }) =>
      stats === undefined ? [] : [{ labels: { cache: 'signatures' }, value: stats.verdictsReused }],
  },
  {
    name: 'remote_agent_auth_accounts_total',
    help: 'What became of accounts',
    type: 'counter',
    samples: ({ accounts }) => [...accounts.entries.values()].map(({ labels, count }) => ({ labels, value: count })),
  },
];

/** @param {string} issuer @param {import('./tally').Decisions} decisions @returns {Sample[]} */
function counted(issuer, decisions) {
  return [...decisions.values()].map(({ outcome, code, count }) => ({
    labels: { issuer, outcome, code },
    value: count,
  }));
}

/**
 * One value for each name of sources of keys; those beyond MOST_ISSUERS are one more. Policies with different settings have sources of
 * one name. Sources are the operator's, never a token's.
 * @param {Reading} now
 * @param {(source: VerifierStats['sources'][number]) => number | undefined} read
 * @param {(one: number, other: number) => number} combine values of one name
 * @param {Record<string, string>} [more]
 * @returns {Sample[]}
 */
function ofSources({ stats }, read, combine, more = {}) {
  /** @type {Map<string, number>} */
  const values = new Map();
  for (const source of (stats?.sources ?? []).filter(isKnown)) {
    const value = read(source);
    if (value === undefined) continue;
    const name = source.url || source.kind;
    const place = values.has(name) || values.size < MOST_ISSUERS ? name : OTHER;
    const known = values.get(place);
    values.set(place, known === undefined ? value : combine(known, value));
  }
  return [...values].map(([source, value]) => ({ labels: { source, ...more }, value }));
}

/** @param {number} one @param {number} other */
const sum = (one, other) => one + other;

/** @param {VerifierStats['sources'][number]} source */
const usableKeys = ({ keys, staleLeft }) => ((staleLeft ?? 0) > 0 ? keys.length : 0);

/** The least time that is left to sources with keys, 0 where a name has none with keys. @param {Reading} now */
function least(now) {
  const ofKeys = (/** @type {VerifierStats['sources'][number]} */ { keys, staleLeft }) =>
    keys.length > 0 ? (staleLeft ?? 0) : Number.POSITIVE_INFINITY;
  const samples = ofSources(now, ofKeys, Math.min);
  return samples.map((sample) => (sample.value === Number.POSITIVE_INFINITY ? { ...sample, value: 0 } : sample));
}

/** @param {Record<string, string>} labels @param {import('./tally').Durations} durations @returns {Sample[]} */
function histogram(labels, { counts, sum, count }) {
  let cumulated = 0;
  const buckets = counts.map((below, place) => {
    cumulated += below;
    const le = place < BOUNDS.length ? String(BOUNDS[place]) : '+Inf';
    return { labels: { le, ...labels }, value: cumulated, suffix: '_bucket' };
  });
  return [...buckets, { labels, value: sum, suffix: '_sum' }, { labels, value: count, suffix: '_count' }];
}

module.exports = { FAMILIES };
