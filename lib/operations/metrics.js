'use strict';

// `remote-agent-auth/metrics`. Nothing of prom-client or OpenTelemetry is required: a registry, a meter and a tracer are the host's own.

const { createHealthHandler, health } = require('./health');
const { accounts: accountChannel, decisions, listen, shadows } = require('../events/channels');
const { FAMILIES } = require('./metric-families');
const { Counts, Tally } = require('./tally');
const { recordSpan } = require('./decision-span');
const { wrongOption } = require('../verifier/errors');

/**
 * @typedef {import('../../index').DecisionEvent} DecisionEvent
 * @typedef {import('../../metrics').MetricsOptions} MetricsOptions
 * @typedef {import('./metric-families').Reading} Reading
 */

/**
 * Adds the metrics of this process to a registry of prom-client. They are read when it is scraped.
 * @param {import('../../metrics').PrometheusRegistry} register
 * @param {MetricsOptions} [options]
 * @returns {() => void} takes them out again
 */
function collectPrometheus(register, options = {}) {
  if (typeof register?.registerMetric !== 'function') {
    throw wrongOption(
      'collectPrometheus: a registry of prom-client is needed (npm install prom-client; its `register`)',
    );
  }
  const { read, stop } = begin(options);
  /** @type {string[]} */
  const registered = [];
  const end = () => {
    stop();
    for (const name of registered) register.removeSingleMetric?.(name);
  };
  try {
    for (const family of FAMILIES) {
      register.registerMetric(/** @type {any} */ (metricOf(family, read)));
      registered.push(family.name);
    }
  } catch (error) {
    // Such a name is registered already: what was begun here is undone.
    end();
    throw error;
  }
  return end;
}

/** What prom-client asks of a metric. @param {import('./metric-families').Family} family @param {() => Reading} read */
function metricOf({ name, help, type, samples }, read) {
  const get = async () => ({
    name,
    help,
    type,
    aggregator: 'sum',
    values: samples(read()).map(({ labels, value, suffix }) => ({ labels, value, metricName: name + (suffix ?? '') })),
  });
  return { name, help, type, aggregator: 'sum', get, reset() {}, remove() {} };
}

/**
 * The same metrics through the OpenTelemetry API, and with a tracer a span for each request.
 * @param {import('../../metrics').Meter} meter
 * @param {MetricsOptions & { tracer?: import('../../metrics').Tracer }} [options]
 * @returns {() => void} ends it
 */
function instrument(meter, options = {}) {
  if (typeof meter?.createObservableCounter !== 'function') {
    throw wrongOption(
      'instrument: a meter of the OpenTelemetry API is needed (npm install @opentelemetry/api; `metrics.getMeter(name)`)',
    );
  }
  const { tracer, ...rest } = options;
  const check = meter.createHistogram('remote_agent_auth.check.duration', { unit: 's' });
  const callbacks = meter.createHistogram('remote_agent_auth.callback.duration', { unit: 's' });
  const spans = (/** @type {DecisionEvent} */ event) => tracer !== undefined && recordSpan(tracer, event);
  const durations = (/** @type {DecisionEvent} */ event) => {
    const { guard, durationMicros, callbackMicros = 0 } = event;
    if (guard === true || durationMicros === 0) return;
    const attributes = { 'remote_agent_auth.issuer': nameOf(event) };
    check.record(Math.max(0, durationMicros - callbackMicros) / 1e6, attributes);
    callbacks.record(callbackMicros / 1e6, attributes);
  };
  // Before anything listens: a meter that refuses an instrument leaves nothing behind.
  const made = FAMILIES.filter(({ type }) => type !== 'histogram').map(({ name, help, type, samples }) => {
    const options = { description: help };
    const dotted = name.replace(/^remote_agent_auth_/, 'remote_agent_auth.').replace(/_total$/, '');
    const instrument =
      type === 'counter'
        ? meter.createObservableCounter(dotted, options)
        : meter.createObservableGauge(dotted, options);
    return { instrument, samples };
  });
  const { read, stop, nameOf } = begin(rest, [spans, durations]);
  const observed = made.map(({ instrument, samples }) => {
    const observe = (/** @type {import('../../metrics').Observation} */ result) => {
      for (const { labels, value } of samples(read())) result.observe(value, attributesOf(labels));
    };
    instrument.addCallback(observe);
    return () => instrument.removeCallback(observe);
  });
  return () => {
    stop();
    for (const end of observed) end();
  };
}

/** @param {Record<string, string>} labels @returns {Record<string, string>} `error.type` is OpenTelemetry's name for a code */
function attributesOf({ code, ...labels }) {
  const named = Object.entries(labels).map(([name, value]) => [`remote_agent_auth.${name}`, value]);
  return { ...Object.fromEntries(named), ...(code && { 'error.type': code }) };
}

/**
 * Begins to count.
 * @param {MetricsOptions} options
 * @param {((event: DecisionEvent) => void)[]} [also] each fails for itself
 */
function begin({ verifier }, also = []) {
  const tally = new Tally();
  const accounts = new Counts();
  const stats = statsOf(verifier);
  const ends = [
    listen(decisions, (event) => tally.add(event)),
    listen(shadows, (event) => tally.addShadow(event)),
    ...also.map((listener) => listen(decisions, listener)),
    listen(accountChannel, ({ event, reason }) => accounts.add({ event, reason: reason ?? '' })),
  ];
  return {
    /** @returns {Reading} */
    read: () => ({ tally, accounts, stats: stats() }),
    /** As it is counted, at most a hundred. @param {DecisionEvent} event */
    nameOf: ({ issuer = 'none' }) => (tally.issuers.has(issuer) ? issuer : 'other'),
    stop() {
      for (const end of ends) end();
    },
  };
}

/**
 * The keys are the process's: any verifier knows of all of them. At most once a second, since the families of one scrape ask one by one.
 * @param {MetricsOptions['verifier']} verifier
 */
function statsOf(verifier) {
  /** @type {import('../../index').VerifierStats | undefined} */
  let known;
  let at = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - at < 1000) return known;
    at = now;
    try {
      known = (verifier ?? require('../verifier/shared-verifier').sharedVerifier()).stats();
    } catch {
      // A host's own verifier: what was counted is read all the same.
      known = undefined;
    }
    return known;
  };
}

module.exports = { collectPrometheus, createHealthHandler, health, instrument };
