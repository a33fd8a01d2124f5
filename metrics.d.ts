/* Types of `remote-agent-auth/metrics`; written by hand. */

import type { RemoteAuthErrorCode, VerifierStats } from './index';

export interface MetricsOptions {
  /** Whose `stats()` are read; default that of the process. All verifiers of a process share one store of keys. */
  verifier?: { stats(): VerifierStats };
}

/** What is used of a `Registry` of prom-client 14 or newer. */
export interface PrometheusRegistry {
  registerMetric(metric: any): void;
  removeSingleMetric?(name: string): void;
}

/**
 * Adds the metrics of this process to a registry of prom-client; they are read when it is scraped. Counting begins now. At most 100
 * issuers and 100 sources of keys are named, as configured; the rest is `other`.
 * @returns takes them out again
 * @throws {RemoteAuthError} ERR_POLICY_OPTION for what is no registry
 */
export function collectPrometheus(register: PrometheusRegistry, options?: MetricsOptions): () => void;

/** What is used of the OpenTelemetry API. */
export interface Observation {
  observe(value: number, attributes?: Record<string, string>): void;
}
export interface Observable {
  addCallback(callback: (result: Observation) => void): void;
  removeCallback(callback: (result: Observation) => void): void;
}
export interface Meter {
  createHistogram(
    name: string,
    options?: { unit?: string; description?: string },
  ): { record(value: number, attributes?: Record<string, string>): void };
  createObservableCounter(name: string, options?: { unit?: string; description?: string }): Observable;
  createObservableGauge(name: string, options?: { unit?: string; description?: string }): Observable;
}
export interface Tracer {
  startSpan(
    name: string,
    options?: { kind?: number; startTime?: any; attributes?: Record<string, string | number> },
  ): { setStatus(status: { code: number }): unknown; end(time?: any): void };
}

/**
 * The same metrics through a `Meter` of the OpenTelemetry API; with a `Tracer` also a span `remote_agent_auth.authenticate` for each
 * request, below the one that is active.
 * @returns ends it
 * @throws {RemoteAuthError} ERR_POLICY_OPTION for what is no meter
 */
export function instrument(meter: Meter, options?: MetricsOptions & { tracer?: Tracer }): () => void;

export interface HealthOptions extends MetricsOptions {
  /**
   * The issuers that count, with a slash at the end or without; with `jwksUri` an issuer is named by that URL, as `stats()` has it in `url`.
   * One that nobody has asked for yet is down. Default: every source that was asked for.
   */
  issuers?: string[];
  /** Milliseconds since 1970; default the system clock. */
  now?: () => number;
}

export interface IssuerHealth {
  /** The issuer, or the URL of its keys. */
  issuer: string;
  /** `degraded`: keys past their life are used, because the provider does not answer. `down`: there is no usable key. */
  status: 'ready' | 'degraded' | 'down';
  /** Usable ones. */
  keys: number;
  /** Of the keys, seconds. */
  age?: number;
  /** Until when stale keys are used, in milliseconds since 1970. */
  until?: number;
  /** Of the last fetch, if it failed. */
  lastError?: RemoteAuthErrorCode;
  reason?: string;
  host?: string;
  /** When the next fetch may begin, in milliseconds since 1970. */
  nextAttempt?: number;
}

export interface Health {
  /** False only where an issuer has no usable key. */
  ready: boolean;
  /** The first 100. */
  issuers: IssuerHealth[];
}

/** Whether tokens of each issuer can be checked, from what is known: nobody is asked. */
export function health(options?: HealthOptions): Health;

/** A handler for Express or node:http: 200, or 503 where an issuer has no usable key; the body is `Health` as JSON. */
export function createHealthHandler(options?: HealthOptions): (req: unknown, res: any) => void;
