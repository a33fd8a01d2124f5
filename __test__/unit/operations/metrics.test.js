'use strict';

// What a scrape of prom-client's own registry and OpenTelemetry's own SDK show of decisions.

const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const otel = require('@opentelemetry/api');
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const yaml = require('js-yaml');
const { Registry } = require('prom-client');
const { channel } = require('node:diagnostics_channel');
const { collectPrometheus, instrument } = require('../../../lib/operations/metrics');

const DECISIONS = channel('remote-agent-auth:decision');
const ACCOUNTS = channel('remote-agent-auth:account');
const SHADOWS = channel('remote-agent-auth:shadow');
const ISSUER = 'https://id.example/realms/a';
const REFUSED = {
  outcome: 'refused',
  code: 'ERR_TOKEN_AUDIENCE',
  cause: 'token-refused',
  status: 401,
  check: 'audience',
};
const publish = (more) =>
  DECISIONS.publish({
    reference: 'R',
    time: Date.now(),
    issuer: ISSUER,
    durationMicros: 1500,
    callbackMicros: 1000,
    ...more,
  });

const source = (over = {}) => ({
  kind: 'discovery',
  url: ISSUER,
  age: 10,
  lifeLeft: 50,
  staleLeft: 14_000,
  keys: [{ kid: 'a' }, { kid: 'b' }],
  refreshes: { begun: 3, succeeded: 2, failed: 1, notModified: 0 },
  ...over,
});
const verifierOf = (sources) => ({
  stats: () => ({ sources, queued: 2, signatureChecks: 5, verdictsReused: 7, verdicts: 1, keyChanges: 1 }),
});

/** The samples of a scrape, by name and labels. */
function parse(text) {
  const samples = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    samples.set(`${name}{${labels}}`, Number(value));
  }
  return samples;
}

/** @type {(() => void)[]} */
const ends = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

function prometheus(sources = [source()]) {
  const register = new Registry();
  ends.push(collectPrometheus(register, { verifier: verifierOf(sources) }));
  return register;
}

test('a scrape has decisions, durations, keys and accounts', async () => {
  const register = prometheus();
  publish({ outcome: 'accepted', keys: 'stale' });
  publish(REFUSED);
  publish(REFUSED);
  publish({ outcome: 'api-key', cause: 'no-bearer', issuer: undefined });
  ACCOUNTS.publish({ event: 'refused', reason: 'domain' });
  const text = await register.metrics();
  expect(text).toContain('# TYPE remote_agent_auth_check_duration_seconds histogram');
  const samples = parse(text);
  const at = (key) => samples.get(key);
  expect(at(`remote_agent_auth_decisions_total{issuer="${ISSUER}",outcome="refused",code="ERR_TOKEN_AUDIENCE"}`)).toBe(
    2,
  );
  expect(at(`remote_agent_auth_decisions_total{issuer="${ISSUER}",outcome="accepted",code=""}`)).toBe(1);
  expect(at('remote_agent_auth_decisions_total{issuer="none",outcome="api-key",code="no-bearer"}')).toBe(1);
  expect(at(`remote_agent_auth_stale_decisions_total{issuer="${ISSUER}"}`)).toBe(1);
  expect(at(`remote_agent_auth_check_duration_seconds_bucket{le="0.0001",issuer="${ISSUER}"}`)).toBe(0);
  expect(at(`remote_agent_auth_check_duration_seconds_bucket{le="0.001",issuer="${ISSUER}"}`)).toBe(3);
  expect(at(`remote_agent_auth_check_duration_seconds_bucket{le="+Inf",issuer="${ISSUER}"}`)).toBe(3);
  expect(at(`remote_agent_auth_check_duration_seconds_sum{issuer="${ISSUER}"}`)).toBeCloseTo(0.0015);
  expect(at(`remote_agent_auth_callback_duration_seconds_count{issuer="${ISSUER}"}`)).toBe(3);
  expect(at(`remote_agent_auth_key_age_seconds{source="${ISSUER}"}`)).toBe(10);
  expect(at(`remote_agent_auth_usable_keys{source="${ISSUER}"}`)).toBe(2);
  expect(at(`remote_agent_auth_key_refreshes_total{source="${ISSUER}",result="failed"}`)).toBe(1);
  expect(at('remote_agent_auth_queue_length{}')).toBe(2);
  expect(at('remote_agent_auth_cache_hits_total{cache="signatures"}')).toBe(7);
  expect(at('remote_agent_auth_accounts_total{event="refused",reason="domain"}')).toBe(1);
});

test('100,000 junk issuers, codes and kids make no more labels than a hundred issuers', async () => {
  const register = prometheus(Array.from({ length: 5000 }, (_, place) => source({ url: `https://${place}.example` })));
  for (let place = 0; place < 100_000; place++) {
    publish({ ...REFUSED, issuer: `https://${place}.example`, kid: `kid-${place}`, got: `got-${place}` });
    publish({ ...REFUSED, code: `ERR_${place}`, got: `got-${place}` });
  }
  const samples = [...parse(await register.metrics()).keys()];
  const issuers = new Set(samples.map((key) => /issuer="([^"]*)"/.exec(key)?.[1]).filter(Boolean));
  const codes = new Set(samples.map((key) => /code="([^"]*)"/.exec(key)?.[1]).filter(Boolean));
  const sources = new Set(samples.map((key) => /source="([^"]*)"/.exec(key)?.[1]).filter(Boolean));
  expect([issuers.size, codes.size <= 202, sources.size]).toEqual([101, true, 101]);
  expect(samples.filter((key) => /kid-|got-/.test(key))).toEqual([]);
});

test('a guard’s refusal is counted apart: its request is among the decisions already', async () => {
  const register = prometheus();
  publish({ outcome: 'accepted' });
  publish({ ...REFUSED, code: 'ERR_SCOPE_MISSING', guard: true, durationMicros: 0 });
  const samples = parse(await register.metrics());
  const of = (name) => [...samples].filter(([key]) => key.startsWith(`${name}{`)).map(([, value]) => value);
  expect(of('remote_agent_auth_decisions_total')).toEqual([1]);
  expect(of('remote_agent_auth_check_duration_seconds_count')).toEqual([1]);
  const labels = `issuer="${ISSUER}",outcome="refused",code="ERR_SCOPE_MISSING"`;
  expect(samples.get(`remote_agent_auth_guard_refusals_total{${labels}}`)).toBe(1);
});

test('100,000 codes of guards and shadows make no more than two hundred labels', async () => {
  const register = prometheus();
  for (let place = 0; place < 100_000; place++) {
    publish({ ...REFUSED, code: `ERR_${place}`, guard: true, durationMicros: 0 });
    SHADOWS.publish({ issuer: ISSUER, outcome: 'refused', code: `ERR_${place}` });
  }
  const samples = [...parse(await register.metrics()).keys()];
  for (const name of ['guard_refusals', 'shadow_differences']) {
    expect(samples.filter((key) => key.startsWith(`remote_agent_auth_${name}_total{`))).toHaveLength(201);
  }
});

test('ended, it counts nothing and is out of the registry', async () => {
  // Other suites of this worker may listen as well: the channels are the process's.
  const others = DECISIONS._subscribers?.length ?? 0;
  const register = prometheus();
  expect(DECISIONS._subscribers).toHaveLength(others + 1);
  ends.splice(0).forEach((end) => end());
  expect(DECISIONS._subscribers ?? []).toHaveLength(others);
  expect(await register.metrics()).toBe('\n');
});

test('what is no registry and no meter is an error that says what to install', () => {
  expect(() => collectPrometheus({})).toThrow(
    expect.objectContaining({ message: expect.stringContaining('npm install prom-client') }),
  );
  expect(() => instrument({})).toThrow(
    expect.objectContaining({ message: expect.stringContaining('@opentelemetry/api') }),
  );
});

test('the OpenTelemetry SDK exports the same, and a span below the active one', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const spans = new InMemorySpanExporter();
  const tracing = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const tracer = tracing.getTracer('test');
  ends.push(instrument(provider.getMeter('test'), { verifier: verifierOf([source()]), tracer }));
  const parent = tracer.startSpan('request');
  otel.context.with(otel.trace.setSpan(otel.context.active(), parent), () => {
    publish({ outcome: 'accepted' });
    publish({ ...REFUSED, time: 1_800_000_000_000 });
    publish({ outcome: 'error', cause: 'unexpected', status: 500 });
  });
  parent.end();
  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0].scopeMetrics[0].metrics;
  const of = (name) => metrics.find(({ descriptor }) => descriptor.name === name);
  expect(of('remote_agent_auth.decisions').dataPoints.map(({ value, attributes }) => [value, attributes])).toEqual([
    [1, { 'remote_agent_auth.issuer': ISSUER, 'remote_agent_auth.outcome': 'accepted' }],
    [
      1,
      {
        'remote_agent_auth.issuer': ISSUER,
        'remote_agent_auth.outcome': 'refused',
        'error.type': 'ERR_TOKEN_AUDIENCE',
      },
    ],
    [1, { 'remote_agent_auth.issuer': ISSUER, 'remote_agent_auth.outcome': 'error', 'error.type': 'unexpected' }],
  ]);
  expect(of('remote_agent_auth.check.duration').dataPoints[0].value.count).toBe(3);
  expect(of('remote_agent_auth.queue_length').dataPoints[0].value).toBe(2);
  const written = spans.getFinishedSpans();
  expect(written.map(({ name }) => name)).toEqual([...Array(3).fill('remote_agent_auth.authenticate'), 'request']);
  expect(written.slice(0, 3).every((span) => span.parentSpanContext.spanId === parent.spanContext().spanId)).toBe(true);
  expect(written[1].attributes).toMatchObject({
    'error.type': 'ERR_TOKEN_AUDIENCE',
    'http.response.status_code': 401,
    'remote_agent_auth.check': 'audience',
    'remote_agent_auth.reference': 'R',
  });
  expect([written[1].startTime, written[1].endTime]).toEqual([
    [1_799_999_999, 998_500_000],
    [1_800_000_000, 0],
  ]);
  expect(written.map(({ status }) => status.code)).toEqual([0, 0, 2, 0]);
  await provider.shutdown();
  await tracing.shutdown();
  otel.context.disable();
});

describe('dashboard and alerts', () => {
  const folder = path.join(__dirname, '..', '..', '..', 'docs', 'operations');
  const { groups } = yaml.load(readFileSync(path.join(folder, 'alerts.yml'), 'utf8'));
  const { panels } = JSON.parse(readFileSync(path.join(folder, 'dashboard.json'), 'utf8'));
  const expressions = [
    ...groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr])),
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr])),
  ];

  test.each(expressions)('%s asks for metrics and labels of a real scrape', async (_, expression) => {
    const register = prometheus();
    publish({ outcome: 'accepted' });
    publish(REFUSED);
    publish({ outcome: 'error', cause: 'unexpected' });
    publish({ ...REFUSED, guard: true });
    SHADOWS.publish({ issuer: ISSUER, outcome: 'refused', code: 'ERR_TOKEN_TYPE' });
    ACCOUNTS.publish({ event: 'provisioned' });
    const samples = [...parse(await register.metrics()).keys()];
    const selectors = [...expression.matchAll(/(remote_agent_auth_\w+)(?:\{([^}]*)\})?/g)];
    expect(selectors.length).toBeGreaterThan(0);
    const grouped = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, names]) => names.split(/,\s*/));
    for (const [, name, conditions = ''] of selectors) {
      const matching = samples
        .filter((key) => key.startsWith(`${name}{`))
        .filter((key) => holds(conditions, labelsOf(key)));
      expect([name, conditions, matching.length > 0]).toEqual([name, conditions, true]);
      expect(grouped.filter((label) => !(label in labelsOf(matching[0])))).toEqual([]);
    }
  });

  test('each alert says what to do', () => {
    for (const { annotations, labels } of groups[0].rules) {
      expect([annotations.summary, annotations.action, labels.severity].every(Boolean)).toBe(true);
    }
  });
});

const labelsOf = (key) =>
  Object.fromEntries([...key.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));

/** Whether label matchers of PromQL hold. */
function holds(conditions, labels) {
  return [...conditions.matchAll(/(\w+)(!=|=~|=)"([^"]*)"/g)].every(([, name, operator, value]) => {
    if (!(name in labels)) return false;
    if (operator === '=~') return new RegExp(`^(?:${value})$`).test(labels[name]);
    return (labels[name] === value) === (operator === '=');
  });
}

test('a tracer or a meter that fails keeps the other from nothing, and is said once without its words', () => {
  const said = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const recorded = [];
  const spans = [];
  const meterOf = (record) => ({
    createHistogram: () => ({ record }),
    createObservableCounter: () => ({ addCallback() {}, removeCallback() {} }),
    createObservableGauge: () => ({ addCallback() {}, removeCallback() {} }),
  });
  const failing = () => {
    throw new Error('secret of an exporter');
  };
  const startSpan = (name) => spans.push(name) && { setStatus() {}, end() {} };
  const verifier = verifierOf([]);
  const stops = [
    instrument(
      meterOf((value) => recorded.push(value)),
      { verifier, tracer: { startSpan: failing } },
    ),
    instrument(meterOf(failing), { verifier, tracer: { startSpan } }),
  ];
  publish({ outcome: 'accepted' });
  publish({ outcome: 'accepted' });
  for (const stop of stops) stop();
  expect([recorded.length, spans.length]).toEqual([4, 2]);
  // Once for each listener that fails.
  expect(said).toHaveBeenCalledTimes(2);
  expect(JSON.stringify(said.mock.calls)).not.toContain('secret');
  said.mockRestore();
});

test('a tracer that fails does not end the process', () => {
  const program = `
    const { instrument } = require(${JSON.stringify(path.join(__dirname, '..', '..', '..', 'lib', 'operations', 'metrics'))});
    const none = { addCallback() {}, removeCallback() {}, record() {} };
    const meter = { createHistogram: () => none, createObservableCounter: () => none, createObservableGauge: () => none };
    instrument(meter, { verifier: { stats() {} }, tracer: { startSpan() { throw new Error('exporter'); } } });
    require('node:diagnostics_channel').channel('remote-agent-auth:decision').publish({ outcome: 'accepted', durationMicros: 1 });
    setImmediate(() => console.log('still running'));`;
  const { status, stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, 'still running\n']);
});

test('statistics that cannot be had leave the counts readable', async () => {
  const register = new Registry();
  const stop = collectPrometheus(register, {
    verifier: {
      stats() {
        throw new Error('none');
      },
    },
  });
  publish({ outcome: 'accepted' });
  const text = await register.metrics();
  stop();
  expect(text).toContain('remote_agent_auth_decisions_total{');
  expect(text).not.toContain('remote_agent_auth_key_age_seconds{');
});

test('a registry that has the metrics already is left as it is, and nothing keeps counting', async () => {
  const register = new Registry();
  const stop = collectPrometheus(register, { verifier: verifierOf([]) });
  const before = DECISIONS._subscribers.length;
  expect(() => collectPrometheus(register, { verifier: verifierOf([]) })).toThrow(/already been registered/);
  expect(DECISIONS._subscribers).toHaveLength(before);
  publish({ outcome: 'accepted' });
  expect(await register.metrics()).toContain('remote_agent_auth_decisions_total{');
  stop();
  const names = [];
  const limited = {
    registerMetric({ name }) {
      if (names.length === 3) throw new Error('full');
      names.push(name);
    },
    removeSingleMetric: (name) => names.splice(names.indexOf(name), 1),
  };
  expect(() => collectPrometheus(limited, { verifier: verifierOf([]) })).toThrow('full');
  expect(names).toEqual([]);
});

test('a meter that refuses an instrument leaves nothing that keeps counting', () => {
  const before = DECISIONS._subscribers?.length ?? 0;
  const meter = {
    createHistogram: () => ({ record() {} }),
    createObservableCounter: () => ({ addCallback() {}, removeCallback() {} }),
    createObservableGauge() {
      throw new Error('full');
    },
  };
  expect(() => instrument(meter, { verifier: verifierOf([]) })).toThrow('full');
  expect(DECISIONS._subscribers ?? []).toHaveLength(before);
});

test('sources of one name are one: the oldest keys, the least time left, the sum of the fetches', async () => {
  const register = new Registry();
  const none = { age: null, staleLeft: null, keys: [] };
  const sources = [
    source({ age: 10, staleLeft: 14_000 }),
    source({ age: 400, staleLeft: 60, keys: [{ kid: 'a' }] }),
    source({ ...none, refreshes: { begun: 1, succeeded: 0, failed: 1, notModified: 0 } }),
    source({ ...none, refreshes: { begun: 0, succeeded: 0, failed: 0, notModified: 0 }, url: 'https://not-asked' }),
    source({ ...none, url: 'https://down' }),
  ];
  const stop = collectPrometheus(register, { verifier: verifierOf(sources) });
  const text = await register.metrics();
  stop();
  for (const line of [
    `remote_agent_auth_key_age_seconds{source="${ISSUER}"} 400`,
    `remote_agent_auth_key_stale_left_seconds{source="${ISSUER}"} 60`,
    'remote_agent_auth_key_stale_left_seconds{source="https://down"} 0',
    `remote_agent_auth_usable_keys{source="${ISSUER}"} 2`,
    `remote_agent_auth_key_refreshes_total{source="${ISSUER}",result="succeeded"} 4`,
    `remote_agent_auth_key_refreshes_total{source="${ISSUER}",result="failed"} 3`,
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).not.toContain('not-asked');
});
