'use strict';

/** `SpanKind.INTERNAL` and `SpanStatusCode.ERROR` of the OpenTelemetry API, which are part of its stable interface. */
const INTERNAL = 0;
const ERROR = 2;

/**
 * One decision as a span below the one that is active. It is written when the decision is made, with the times of the request.
 * @param {import('../../metrics').Tracer} tracer
 * @param {import('../../index').DecisionEvent} event
 */
function recordSpan(tracer, event) {
  const { time, durationMicros, outcome, code, cause, status, check, issuer, policy, reference, keys, guard } = event;
  /** @type {Record<string, string | number>} */
  const attributes = { 'remote_agent_auth.outcome': outcome, 'remote_agent_auth.reference': reference };
  const failed = code ?? cause;
  if (failed !== undefined) attributes['error.type'] = failed;
  if (status !== undefined) attributes['http.response.status_code'] = status;
  for (const [name, value] of Object.entries({ check, issuer, policy, keys })) {
    if (value !== undefined) attributes[`remote_agent_auth.${name}`] = value;
  }
  const span = tracer.startSpan(guard === true ? 'remote_agent_auth.guard' : 'remote_agent_auth.authenticate', {
    kind: INTERNAL,
    startTime: time - durationMicros / 1000,
    attributes,
  });
  if (outcome === 'error') span.setStatus({ code: ERROR });
  span.end(time);
}

module.exports = { recordSpan };
