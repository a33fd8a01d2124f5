'use strict';

// What the console knows of the decisions of this process: counts by minute and code for an hour, and the newest refusals. All of it is in
// memory, and bounded whatever callers send.

const { decisions, listen } = require('../events/channels');

/**
 * @typedef {{ reference: string, time: number, outcome: 'accepted' | 'refused' | 'api-key' | 'error', code?: string, cause?: string,
 *   fault?: string, status?: number, issuer?: string, policy?: string, tenant?: string, algorithm?: string, kid?: string, check?: string,
 *   expected?: string, got?: string, host?: string, guard?: true, action?: string, clockDifference?: number, providerKids?: readonly string[], keys?: string,
 *   shadow?: { outcome: string, code?: string, expected?: string, got?: string } }} DecisionEvent
 *
 * Refusals that are alike. `references`: of the newest of them.
 * @typedef {{ event: DecisionEvent, count: number, first: number, references: string[] }} Row
 * @typedef {{ minute: number, counts: Map<string, number>, guards: number }} Bucket `minute`: since 1970; `guards`: of `counts`, refusals by guards of
 *   routes. Nearly all of these are of requests that are among those accepted as well.
 */

const MINUTES = 60;
const MINUTE_MS = 60_000;
/** Kinds of refusals kept, the newest; a row is about 1 KB. */
const MOST_ROWS = 200;
/** Kinds of one code: callers who send other values each time do not remove the rows of other codes. */
const MOST_ROWS_OF_CODE = 40;
/** Checks before any claim: what came is any text of a stranger's, and is no reason for a row of its own. */
const BEFORE_CLAIMS = new Set(['form', 'algorithm', 'key']);
/** The same, of requests about which the shadow policy says something else. */
const MOST_SHADOW_ROWS = 50;
/** References kept of one kind. */
const MOST_REFERENCES = 3;
/** Codes counted in one minute; there are about 60. What comes beyond is counted under `OTHER`. */
const MOST_CODES = 80;
const ACCEPTED = 'accepted';
const OTHER = 'other';

class DecisionRecord {
  /** The oldest first, at most MINUTES. @type {Bucket[]} */
  #buckets = [];
  #rows = new Rows(MOST_ROWS);
  #shadowRows = new Rows(MOST_SHADOW_ROWS);

  /** @param {DecisionEvent} event */
  add(event) {
    const bucket = this.#bucketOf(Math.floor(event.time / MINUTE_MS));
    const { counts } = bucket;
    if (event.guard === true) bucket.guards += 1;
    const name = nameOf(event);
    const counted = counts.has(name) || counts.size < MOST_CODES ? name : OTHER;
    counts.set(counted, (counts.get(counted) ?? 0) + 1);
    if (event.outcome !== ACCEPTED) this.#rows.add(event);
    if (event.shadow !== undefined) this.#shadowRows.add(event);
  }

  /** @param {number} minute @returns {Bucket} */
  #bucketOf(minute) {
    const newest = this.#buckets.at(-1);
    // A clock that is set back counts into the newest minute there is.
    if (newest !== undefined && newest.minute >= minute) return newest;
    const bucket = { minute, counts: new Map(), guards: 0 };
    this.#buckets.push(bucket);
    if (this.#buckets.length > MINUTES) this.#buckets.shift();
    return bucket;
  }

  /** The hour that ends now, minute by minute: MINUTES of them. @param {number} now milliseconds since 1970 @returns {Bucket[]} */
  hour(now) {
    const known = new Map(this.#buckets.map((bucket) => [bucket.minute, bucket]));
    const last = Math.floor(now / MINUTE_MS);
    return Array.from({ length: MINUTES }, (_, index) => {
      const minute = last - MINUTES + 1 + index;
      return known.get(minute) ?? { minute, counts: new Map(), guards: 0 };
    });
  }

  /** The newest kind first. */
  refusals() {
    return this.#rows.newest();
  }

  /** Where the shadow policy differs, the newest kind first. */
  shadowDifferences() {
    return this.#shadowRows.newest();
  }
}

/** Events by what they have in common, the kind that came last at the end. */
class Rows {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #most;

  /** @param {number} most */
  constructor(most) {
    this.#most = most;
  }

  /** @param {DecisionEvent} event */
  add(event) {
    const kind = kindOf(event);
    const row = this.#rows.get(kind) ?? this.#begun(event);
    this.#rows.delete(kind);
    this.#rows.set(kind, row);
    row.event = event;
    row.count += 1;
    row.references.unshift(event.reference);
    row.references.length = Math.min(row.references.length, MOST_REFERENCES);
    if (this.#rows.size > this.#most) this.#rows.delete(/** @type {string} */ (this.#rows.keys().next().value));
  }

  /** Takes the oldest row of that code out where there are too many. @param {DecisionEvent} event @returns {Row} */
  #begun(event) {
    const name = nameOf(event);
    const alike = [...this.#rows].filter(([, row]) => nameOf(row.event) === name);
    if (alike.length >= MOST_ROWS_OF_CODE) this.#rows.delete(/** @type {[string, Row]} */ (alike[0])[0]);
    return { event, count: 0, first: event.time, references: [] };
  }

  newest() {
    return [...this.#rows.values()].reverse();
  }
}

/** Under which name an event is counted. @param {DecisionEvent} event */
function nameOf({ outcome, code, cause }) {
  return outcome === ACCEPTED ? ACCEPTED : (code ?? cause ?? outcome);
}

/** Without what is another in each token of a stranger: its `kid`, and what it has for checks before any claim. @param {DecisionEvent} event */
function kindOf({ outcome, issuer, policy, tenant, code, cause, check, expected, got, guard, shadow }) {
  const came = BEFORE_CLAIMS.has(check ?? '') ? undefined : got;
  const differs = shadow && [shadow.outcome, shadow.code, shadow.expected];
  return JSON.stringify([outcome, issuer, policy, tenant, code, cause, expected, came, guard, differs]);
}

/** @type {DecisionRecord | undefined} */
let ofProcess;

/** The one of this process, which begins to record when it is first asked for. */
function processRecord() {
  if (ofProcess !== undefined) return ofProcess;
  const record = (ofProcess = new DecisionRecord());
  listen(decisions, (event) => record.add(event));
  return record;
}

module.exports = { ACCEPTED, DecisionRecord, OTHER, processRecord };
