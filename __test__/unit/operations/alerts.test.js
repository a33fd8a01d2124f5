'use strict';

// docs/operations/alerts.yml in Prometheus' own promtool, over series as they are scraped: each alert fires for what it is there for, and none
// without a reason.

const { channel } = require('node:diagnostics_channel');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const yaml = require('js-yaml');
const { Registry } = require('prom-client');
const { collectPrometheus } = require('../../../lib/operations/metrics');
const { describeWith } = require('../../support/needs');
const { installPromtool, promtool } = require('../../support/promtool');

const RULES = path.join(__dirname, '..', '..', '..', 'docs', 'operations', 'alerts.yml');
const { rules } = yaml.load(fs.readFileSync(RULES, 'utf8')).groups[0];
const DECISIONS = channel('remote-agent-auth:decision');
const ISSUER = 'https://id.example/realms/a';
/** Scrapes, one a minute: longer than the longest `for` and the longest range. */
const MINUTES = 40;

const source = (over = {}) => ({
  kind: 'discovery',
  url: ISSUER,
  age: 10,
  staleLeft: 14_000,
  keys: [{ kid: 'a' }],
  refreshes: { begun: 1, succeeded: 1, failed: 0, notModified: 0 },
  ...over,
});
const event = (more) => ({
  reference: 'R',
  time: 1,
  outcome: 'accepted',
  issuer: ISSUER,
  durationMicros: 900,
  callbackMicros: 500,
  ...more,
});
const refusal = event({ outcome: 'refused', code: 'ERR_TOKEN_AUDIENCE' });

/**
 * What happens each minute (`events`), what is known of keys then (`sources`) and how many checks wait (`queued`); `fires`: the alerts, with
 * their labels.
 */
const SCENARIOS = {
  'everything as it should be': { fires: {} },
  'a few refusals': { events: () => Array(30).fill(refusal), fires: {} },
  'no key that may be used': {
    sources: () => [source({ keys: [], age: null, staleLeft: null })],
    fires: { RemoteAgentAuthNoUsableKey: { source: ISSUER } },
  },
  'keys past their life': {
    events: () => [event({ keys: 'stale' })],
    fires: { RemoteAgentAuthKeysStale: { issuer: ISSUER } },
  },
  'keys that end in a quarter of an hour': {
    sources: () => [source({ staleLeft: 900 })],
    fires: { RemoteAgentAuthKeysRunOut: { source: ISSUER } },
  },
  'fetches that fail': {
    sources: (minute) => [source({ refreshes: { begun: minute, succeeded: 1, failed: minute, notModified: 0 } })],
    fires: { RemoteAgentAuthRefreshesFail: { source: ISSUER, result: 'failed' } },
  },
  'two refusals a second': {
    events: () => Array(120).fill(refusal),
    fires: { RemoteAgentAuthRefusals: { issuer: ISSUER, code: 'ERR_TOKEN_AUDIENCE' } },
  },
  'a callback that throws': {
    events: () => [event({ outcome: 'error', cause: 'unexpected', status: 500 })],
    fires: { RemoteAgentAuthErrors: { code: 'unexpected' } },
  },
  'checks that wait for a processor': { queued: 2000, fires: { RemoteAgentAuthOverloaded: {} } },
  'callbacks of three seconds': {
    events: () => Array(20).fill(event({ durationMicros: 3_000_500, callbackMicros: 3_000_000 })),
    fires: { RemoteAgentAuthCallbacksSlow: {} },
  },
};

/** The samples of a scrape, by name and labels. @param {string} text */
function samplesOf(text) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => /** @type {[string, string]} */ (/^(.+) (\S+)$/.exec(line)?.slice(1))));
}

/** The series of all scrapes, as promtool reads them: `_` where there was none. */
async function scraped({ events = () => [event({})], sources = () => [source()], queued = 0 }) {
  let minute = 0;
  // Statistics are read at most once a second of this clock.
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => minute * 60_000);
  const stats = () => ({ sources: sources(minute), queued, signatureChecks: 1, verdictsReused: 1, verdicts: 1 });
  const register = new Registry();
  const stop = collectPrometheus(register, { verifier: { stats } });
  const scrapes = [];
  try {
    for (; minute < MINUTES; minute++) {
      scrapes.push(samplesOf(await register.metrics()));
      for (const message of events()) DECISIONS.publish(message);
    }
  } finally {
    stop();
    clock.mockRestore();
  }
  const names = new Set(scrapes.flatMap((scrape) => [...scrape.keys()]));
  return [...names].map((series) => ({ series, values: scrapes.map((scrape) => scrape.get(series) ?? '_').join(' ') }));
}

/** What Prometheus makes of an annotation. @param {string} text @param {Record<string, string>} labels */
const filled = (text, labels) => text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_all, name) => labels[name]);

/** What each alert must be at the end. */
function expected(fires) {
  return rules.map(({ alert, labels: own, annotations }) => {
    const labels = fires[alert];
    const shown = () =>
      Object.fromEntries(Object.entries(annotations).map(([name, text]) => [name, filled(text, labels)]));
    return {
      eval_time: `${MINUTES - 1}m`,
      alertname: alert,
      exp_alerts: labels === undefined ? [] : [{ exp_labels: { ...own, ...labels }, exp_annotations: shown() }],
    };
  });
}

describeWith('promtool', installPromtool(), { required: true })('alert rules', () => {
  test('are rules that Prometheus reads', () => {
    const { status, said } = promtool('check', 'rules', RULES);
    expect({ status, said }).toEqual({
      status: 0,
      said: expect.stringContaining(`SUCCESS: ${rules.length} rules found`),
    });
  });

  test('each fires in one scenario', () => {
    const firing = Object.values(SCENARIOS).flatMap(({ fires }) => Object.keys(fires));
    expect(firing.sort()).toEqual(rules.map(({ alert }) => alert).sort());
  });

  test.each(Object.entries(SCENARIOS))('%s', async (_name, scenario) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alerts-'));
    try {
      const file = path.join(folder, 'test.yml');
      const test = { interval: '1m', input_series: await scraped(scenario), alert_rule_test: expected(scenario.fires) };
      expect(test.input_series.length).toBeGreaterThan(30);
      fs.writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '1m', tests: [test] }));
      expect(promtool('test', 'rules', file)).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') });
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
